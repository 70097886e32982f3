//! A custom role for Azure.

use std::collections::BTreeSet;

use muster_model::{Provider, Service};
use serde_json::json;

use super::{Document, Kind};
use crate::config::{AzureSource, Config};

/// What stands for a subscription where the configuration asks for all. Azure refuses it, so that it cannot be
/// forgotten.
pub const PLACEHOLDER: &str = "/subscriptions/PUT-A-SUBSCRIPTION-ID-HERE";

/// The documents for a configuration. None when it has no Azure sources.
pub fn azure(config: &Config) -> Vec<Document> {
    let services: BTreeSet<Service> = config
        .azure
        .iter()
        .flat_map(|source| source.services.iter().copied())
        .collect();
    let scopes: BTreeSet<String> = config.azure.iter().flat_map(scopes).collect();
    // Within a subscription that is assignable as a whole, its groups are too.
    let narrowest = scopes
        .iter()
        .filter(|scope| {
            !scope
                .split_once("/resourceGroups/")
                .is_some_and(|(whole, _)| scopes.contains(whole))
        })
        .cloned()
        .collect();
    let list = config
        .azure
        .iter()
        .any(|source| source.subscriptions.is_none());
    role(&services, narrowest, list)
}

/// The documents for some services in subscriptions that are still to be named. Services of other clouds are left
/// out.
pub fn azure_for(services: impl IntoIterator<Item = Service>) -> Vec<Document> {
    let services = services
        .into_iter()
        .filter(|service| service.provider() == Provider::Azure)
        .collect();
    role(&services, vec![PLACEHOLDER.to_owned()], true)
}

fn scopes(source: &AzureSource) -> Vec<String> {
    let Some(subscriptions) = &source.subscriptions else {
        return vec![PLACEHOLDER.to_owned()];
    };
    let whole = subscriptions
        .iter()
        .map(|id| format!("/subscriptions/{id}"));
    match &source.resource_groups {
        None => whole.collect(),
        Some(groups) => whole
            .flat_map(|id| {
                groups
                    .iter()
                    .map(move |group| format!("{id}/resourceGroups/{group}"))
            })
            .collect(),
    }
}

/// `list` is whether the subscriptions themselves have to be listed.
fn role(services: &BTreeSet<Service>, scopes: Vec<String>, list: bool) -> Vec<Document> {
    if services.is_empty() {
        return Vec::new();
    }
    let mut actions: BTreeSet<&str> = services
        .iter()
        .filter_map(|service| action(*service))
        .collect();
    if list {
        actions.insert("Microsoft.Resources/subscriptions/read");
    }
    let hint = if scopes.iter().any(|scope| scope == PLACEHOLDER) {
        "; put in each subscription, or a management group as /providers/Microsoft.Management/managementGroups/NAME"
    } else {
        ""
    };
    vec![Document {
        kind: Kind::Role,
        subject: "azure".to_owned(),
        title: format!(
            "custom role: `az role definition create --role-definition FILE`, then assign it{hint}"
        ),
        body: json!({
            "Name": "muster discovery",
            "IsCustom": true,
            "Description": "Lists the database servers that muster looks for. Reads only.",
            "Actions": actions,
            "NotActions": [],
            "DataActions": [],
            "NotDataActions": [],
            "AssignableScopes": scopes,
        }),
    }]
}

/// The permission that a scan of a service needs.
const fn action(service: Service) -> Option<&'static str> {
    match service {
        Service::Postgresql => Some("Microsoft.DBforPostgreSQL/servers/read"),
        Service::PostgresqlFlexible => Some("Microsoft.DBforPostgreSQL/flexibleServers/read"),
        Service::Mysql => Some("Microsoft.DBforMySQL/servers/read"),
        Service::MysqlFlexible => Some("Microsoft.DBforMySQL/flexibleServers/read"),
        Service::Rds
        | Service::Docdb
        | Service::Elasticache
        | Service::ElasticacheServerless
        | Service::SelfHosted => None,
    }
}
