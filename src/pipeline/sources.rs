//! From the configuration's sources to scanners.
//!
//! Which scopes there are has to be asked: the account behind the ambient credentials, the regions that an
//! account has enabled, the subscriptions that a token sees. Where that fails, the scopes that are known are
//! still listed, as unread, with the reason, and nobody may conclude that what is not listed is not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use aws_credential_types::Credentials;
use muster_cloud::{
    aws::{AssumeRole, AwsAccess, AwsAccount, AwsOptions},
    azure::{AzureAccess, AzureOptions, Secret},
    budget::{BudgetConfig, Budgets},
    error::CallError,
};
use muster_discovery::{Scanner, aws_scanner, azure::azure_scanner, failure};
use muster_matchers::SourceFilter;
use muster_model::{AccountId, Coverage, Failure, Provider, Scan, Scope, Service};
use muster_plan::OpenScopes;

use crate::config::{AwsAccountRef, AwsSource, AzureSource, Config};

/// Where the clouds are, when it is not where the environment says: for the example fleet and for tests.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// One endpoint that answers for AWS and Azure alike.
    pub endpoint: Option<String>,
    /// AWS credentials in place of the SDK's chain.
    pub aws_credentials: Option<Credentials>,
    /// A token in place of Azure's chain.
    pub azure_token: Option<String>,
}

/// The scopes of a configuration, as far as they could be found out.
#[derive(Default)]
pub struct Expansion {
    /// One for each scope that can be read.
    pub scanners: Vec<Box<dyn Scanner>>,
    /// Scopes that cannot be read, and why.
    pub unread: Vec<Scan>,
    /// What each source selects of what is found.
    pub filters: Vec<SourceFilter>,
    /// What the sources ask for by `*`, beside what the providers list of it.
    pub open: Vec<OpenScopes>,
    /// False when a list of accounts, regions or subscriptions could not be read.
    pub complete: bool,
}

/// Finds out which scopes the configuration asks for. Two sources that ask for one scope share it.
pub async fn expand(config: &Config, elsewhere: &Elsewhere) -> Expansion {
    let mut expansion = Expansion {
        complete: true,
        ..Expansion::default()
    };
    let mut scopes = Scopes::default();
    if !config.aws.is_empty() {
        let options = AwsOptions {
            endpoint_url: elsewhere.endpoint.clone(),
            credentials: elsewhere.aws_credentials.clone(),
            budgets: budget(config),
        };
        let access = AwsAccess::load(options).await;
        let mut accounts = BTreeMap::new();
        for source in &config.aws {
            expand_aws(source, &access, &mut accounts, &mut scopes, &mut expansion).await;
        }
    }
    if !config.azure.is_empty() {
        expand_azure(config, elsewhere, &mut scopes, &mut expansion).await;
    }
    scopes.into_scanners(&mut expansion);
    expansion
}

/// The budget that the configuration asks for.
fn budget(config: &Config) -> BudgetConfig {
    let requests = config.requests;
    BudgetConfig {
        per_second: f64::from(requests.per_second),
        burst: requests.per_second,
        concurrency: usize::try_from(requests.concurrency).unwrap_or(usize::MAX),
        attempts: requests.attempts,
        attempt_timeout: Duration::from_secs(requests.timeout_seconds),
        max_pages: requests.max_pages,
        ..BudgetConfig::default()
    }
}

/// Scopes by themselves, so that each is read once, with what reads them.
#[derive(Default)]
struct Scopes {
    aws: BTreeMap<Scope, Arc<AwsAccount>>,
    azure: BTreeMap<Scope, Arc<AzureAccess>>,
    unread: BTreeMap<Scope, Failure>,
}

impl Scopes {
    fn into_scanners(self, expansion: &mut Expansion) {
        let Self { aws, azure, unread } = self;
        for (scope, account) in &aws {
            let region = account.region(scope.region.as_str());
            expansion
                .scanners
                .extend(aws_scanner(region, Arc::new(scope.clone())));
        }
        for (scope, access) in &azure {
            // The listing of a whole subscription includes that of its groups.
            let whole = Scope {
                resource_group: None,
                ..scope.clone()
            };
            if scope.resource_group.is_none() || !azure.contains_key(&whole) {
                expansion
                    .scanners
                    .extend(azure_scanner(Arc::clone(access), Arc::new(scope.clone())));
            }
        }
        for (scope, failure) in unread {
            if !aws.contains_key(&scope) && !azure.contains_key(&scope) {
                expansion.unread.push(Scan {
                    coverage: Coverage::Unread(vec![failure]),
                    ..Scan::empty(Arc::new(scope))
                });
            }
        }
    }
}

/// The word for an account, region or subscription that could not be found out.
pub const UNKNOWN: &str = "unknown";

async fn expand_aws(
    source: &AwsSource,
    access: &AwsAccess,
    accounts: &mut BTreeMap<AwsAccountRef, Result<Arc<AwsAccount>, CallError>>,
    scopes: &mut Scopes,
    expansion: &mut Expansion,
) {
    let mut resolved = BTreeSet::new();
    for wanted in &source.accounts {
        if !accounts.contains_key(wanted) {
            let role = match wanted {
                AwsAccountRef::Ambient => None,
                AwsAccountRef::Role { arn, external_id } => Some(AssumeRole {
                    arn: arn.clone(),
                    external_id: external_id.clone(),
                }),
            };
            accounts.insert(
                wanted.clone(),
                access.account(role.as_ref()).await.map(Arc::new),
            );
        }
        let account = match accounts.get(wanted) {
            Some(Ok(account)) => Arc::clone(account),
            Some(Err(error)) => {
                // A role's account is in its ARN; that of the ambient credentials is not known without them.
                let id = match wanted {
                    AwsAccountRef::Ambient => UNKNOWN,
                    AwsAccountRef::Role { arn, .. } => arn.split(':').nth(4).unwrap_or(UNKNOWN),
                };
                if id == UNKNOWN || source.regions.is_none() {
                    expansion.complete = false;
                }
                if id != UNKNOWN {
                    resolved.insert(AccountId::new(id));
                }
                let any = BTreeSet::from(["*".to_owned()]);
                for region in source.regions.as_ref().unwrap_or(&any) {
                    for service in &source.services {
                        scopes
                            .unread
                            .insert(Scope::aws(id, region, *service), failure(error.clone()));
                    }
                }
                continue;
            }
            None => continue,
        };
        resolved.insert(AccountId::new(account.id()));
        if source.regions.is_none() {
            expansion.open.push(OpenScopes {
                provider: Provider::Aws,
                account: Some(AccountId::new(account.id())),
                services: source.services.iter().copied().collect(),
                resource_groups: None,
            });
        }
        let regions = match &source.regions {
            Some(regions) => regions.iter().cloned().collect(),
            None => match account.regions().await {
                Ok(regions) => regions,
                Err(error) => {
                    expansion.complete = false;
                    for service in &source.services {
                        scopes.unread.insert(
                            Scope::aws(account.id(), "*", *service),
                            failure(error.clone()),
                        );
                    }
                    continue;
                }
            },
        };
        for region in &regions {
            for service in &source.services {
                scopes.aws.insert(
                    Scope::aws(account.id(), region, *service),
                    Arc::clone(&account),
                );
            }
        }
    }
    expansion.filters.push(SourceFilter {
        name: source.name.clone(),
        provider: Provider::Aws,
        services: source.services.iter().copied().collect(),
        accounts: Some(resolved),
        regions: source.regions.clone(),
        resource_groups: None,
        tags: source.tags.clone(),
    });
}

async fn expand_azure(
    config: &Config,
    elsewhere: &Elsewhere,
    scopes: &mut Scopes,
    expansion: &mut Expansion,
) {
    let access = azure_access(config, elsewhere);
    let mut all = None;
    for source in &config.azure {
        let subscriptions: Result<Vec<String>, CallError> = match (&access, &source.subscriptions) {
            (Err(error), _) => Err(error.clone()),
            (Ok(_), Some(ids)) => Ok(ids.iter().cloned().collect()),
            (Ok(access), None) => {
                if all.is_none() {
                    // A disabled subscription still answers reads, and what is in it is still there.
                    all = Some(
                        access
                            .subscriptions()
                            .await
                            .map(|all| all.into_iter().map(|s| s.id).collect()),
                    );
                }
                all.clone().unwrap_or_else(|| Ok(Vec::new()))
            }
        };
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
        match (&access, subscriptions) {
            (access, Ok(ids)) => {
                for (scope, access) in cross(&ids, source, &groups).zip(access.iter().cycle()) {
                    scopes.azure.insert(scope, Arc::clone(access));
                }
            }
            (_, Err(error)) => {
                let known = source
                    .subscriptions
                    .as_ref()
                    .map(|ids| ids.iter().cloned().collect::<Vec<_>>());
                expansion.complete &= known.is_some();
                let ids = known.unwrap_or_else(|| vec![UNKNOWN.to_owned()]);
                for scope in cross(&ids, source, &groups) {
                    scopes.unread.insert(scope, failure(error.clone()));
                }
            }
        }
    }
}

fn azure_access(config: &Config, elsewhere: &Elsewhere) -> Result<Arc<AzureAccess>, CallError> {
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
        authority: endpoint(&config.azure_endpoints.authority, "authority")?,
        management: endpoint(&config.azure_endpoints.management, "management")?,
        token: elsewhere.azure_token.as_deref().map(Secret::new),
        budgets: Arc::new(Budgets::new(budget(config), u64::from(std::process::id()))),
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

fn cross<'a>(
    subscriptions: &'a [String],
    source: &'a AzureSource,
    groups: &'a [Option<&'a str>],
) -> impl Iterator<Item = Scope> + 'a {
    subscriptions.iter().flat_map(move |subscription| {
        source.services.iter().flat_map(move |service: &Service| {
            groups
                .iter()
                .map(move |group| Scope::azure(subscription, *service, *group))
        })
    })
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
