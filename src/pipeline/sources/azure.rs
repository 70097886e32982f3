//! The scopes and scanners of a source of Azure.

use std::sync::Arc;

use muster_cloud::{
    azure::{AzureAccess, AzureOptions, Secret},
    budget::{BudgetConfig, Budgets},
    error::CallError,
};
use muster_discovery::failure;
use muster_matchers::SourceFilter;
use muster_model::{AccountId, Provider};
use muster_plan::OpenScopes;

use super::{Elsewhere, Expansion, Scopes, Subscriptions, UNKNOWN, cross};
use crate::config::{AzureEndpoints, AzureSource};

pub(super) fn expand_azure(
    source: &AzureSource,
    azure: &Result<Subscriptions, CallError>,
    scopes: &mut Scopes,
    expansion: &mut Expansion,
) {
    let groups = groups(source);
    if source.subscriptions.is_none() {
        expansion.open.push(OpenScopes {
            provider: Provider::Azure,
            account: None,
            services: source.services.iter().copied().collect(),
            resource_groups: source.resource_groups.clone(),
        });
    }
    // All are selected also while some are not listed: another source may be reading them.
    expansion.filters.push(azure_filter(source));
    let named = source
        .subscriptions
        .as_ref()
        .map(|ids| ids.iter().cloned().collect::<Vec<_>>());
    let readable = azure.as_ref().map_err(CallError::clone).and_then(|azure| {
        let ids = match &named {
            Some(ids) => ids.clone(),
            None => azure.subscriptions.clone()?,
        };
        Ok((&azure.access, ids))
    });
    match readable {
        Ok((access, ids)) => {
            for scope in cross(&ids, source, &groups) {
                scopes.ask(&source.name, &scope);
                scopes.azure.insert(scope, Arc::clone(access));
            }
        }
        Err(error) => {
            expansion.complete &= named.is_some();
            let ids = named.unwrap_or_else(|| vec![UNKNOWN.to_owned()]);
            for scope in cross(&ids, source, &groups) {
                scopes.ask(&source.name, &scope);
                scopes.unread.insert(scope, failure(error.clone()));
            }
        }
    }
}

pub(super) fn azure_access(
    budget: BudgetConfig,
    endpoints: &AzureEndpoints,
    elsewhere: &Elsewhere,
) -> Result<Arc<AzureAccess>, CallError> {
    let endpoint = |own: &Option<String>, what: &str| {
        elsewhere
            .endpoint
            .as_ref()
            .or(own.as_ref())
            .map(|text| {
                text.parse().map_err(|error| {
                    CallError::new(
                        muster_cloud::error::Reason::Rejected,
                        "azure",
                        format!("azure_endpoints.{what} `{text}`: {error}"),
                    )
                })
            })
            .transpose()
    };
    let options = AzureOptions {
        authority: endpoint(&endpoints.authority, "authority")?,
        management: endpoint(&endpoints.management, "management")?,
        token: elsewhere.azure_token.as_deref().map(Secret::new),
        budgets: Arc::new(Budgets::new(budget, u64::from(std::process::id()))),
        ..AzureOptions::default()
    };
    AzureAccess::load(options).map(Arc::new)
}

fn groups(source: &AzureSource) -> Vec<Option<&str>> {
    match &source.resource_groups {
        Some(groups) => groups.iter().map(|group| Some(group.as_str())).collect(),
        None => vec![None],
    }
}

fn azure_filter(source: &AzureSource) -> SourceFilter {
    let subscriptions = source.subscriptions.as_ref();
    SourceFilter {
        name: source.name.clone(),
        provider: Provider::Azure,
        services: source.services.iter().copied().collect(),
        accounts: subscriptions.map(|ids| ids.iter().cloned().map(AccountId::new).collect()),
        regions: source.regions.clone(),
        resource_groups: source.resource_groups.clone(),
        tags: source.tags.clone(),
    }
}
