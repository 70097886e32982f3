//! From the configuration's sources to scanners.
//!
//! Which scopes there are has to be asked: the account behind the ambient credentials, the regions that an
//! account has enabled, the subscriptions that a token sees. Where that fails, the scopes that are known are
//! still listed, as unread, with the reason, and nobody may conclude that what is not listed is not there.
//!
//! [`Clouds`] holds what lives longer than one such question: credentials, connections and the request budgets.
//! A one-shot command makes one for itself ([`expand`]), the service keeps one.

mod azure;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use aws_credential_types::Credentials;
use muster_cloud::{
    Observed,
    aws::{AssumeRole, AwsAccess, AwsAccount, AwsOptions},
    azure::AzureAccess,
    budget::BudgetConfig,
    error::CallError,
};
use muster_discovery::{Scanner, aws_scanner, azure::azure_scanner, failure};
use muster_matchers::SourceFilter;
use muster_model::{AccountId, Coverage, Failure, Provider, Scan, Scope, Service};
use muster_plan::OpenScopes;
use tokio::sync::OnceCell;

use self::azure::{azure_access, expand_azure};
use crate::config::{AwsAccountRef, AwsSource, AzureEndpoints, AzureSource, Config, Requests};

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

/// The ways into the clouds of a configuration: credentials, connections and request budgets. Made when they are
/// first needed, and kept, so that whoever asks again goes on within the same rate and with the same credentials.
pub struct Clouds {
    elsewhere: Elsewhere,
    requests: Requests,
    endpoints: AzureEndpoints,
    observed: Observed,
    aws: OnceCell<AwsAccess>,
    azure: OnceCell<Result<Arc<AzureAccess>, CallError>>,
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
    /// Which sources ask for each scope, by their names.
    pub asked: BTreeMap<Scope, BTreeSet<String>>,
    /// False when a list of accounts, regions or subscriptions could not be read.
    pub complete: bool,
}

/// Finds out which scopes the configuration asks for, once. Two sources that ask for one scope share it.
pub async fn expand(config: &Config, elsewhere: &Elsewhere) -> Expansion {
    let clouds = Clouds::new(config, elsewhere.clone());
    clouds.expand(config, None).await
}

/// The scopes of a configuration as far as it names them, while nobody has been asked yet: all of them unread.
pub fn unasked(config: &Config) -> Expansion {
    put_together(config, &Accounts::new(), &Err(not_asked()))
}

/// Whether a scope only stands for those that could not be found out: of an unknown account, or of every region.
pub fn is_placeholder(scope: &Scope) -> bool {
    scope.account.as_str() == UNKNOWN
        || (scope.provider == Provider::Aws && scope.region.as_str() == "*")
}

fn not_asked() -> CallError {
    let reason = muster_cloud::error::Reason::Unreachable;
    CallError::new(reason, "resolve", "it has not been asked yet")
}

// === impl Clouds ===

impl Clouds {
    /// The ways into the clouds that this configuration describes. Asks nobody yet.
    pub fn new(config: &Config, elsewhere: Elsewhere) -> Self {
        Self {
            elsewhere,
            requests: config.requests,
            endpoints: config.azure_endpoints.clone(),
            observed: Observed::default(),
            aws: OnceCell::new(),
            azure: OnceCell::new(),
        }
    }

    /// The same with somebody who is told of every request.
    #[must_use]
    pub fn observed(self, observed: Observed) -> Self {
        Self { observed, ..self }
    }

    /// The same for this configuration, with credentials that are looked for again and budgets that start anew.
    #[must_use]
    pub fn anew(&self, config: &Config) -> Self {
        Self::new(config, self.elsewhere.clone()).observed(self.observed.clone())
    }

    /// Whether they are those of this configuration: where the clouds are, and how hard they may be asked.
    pub fn fit(&self, config: &Config) -> bool {
        self.requests == config.requests && self.endpoints == config.azure_endpoints
    }

    /// Finds out which scopes the configuration asks for. Two sources that ask for one scope share it.
    ///
    /// Accounts are asked side by side. One that does not answer within `patience` counts as unread; without it, the
    /// budget's own patience counts.
    pub async fn expand(&self, config: &Config, patience: Option<Duration>) -> Expansion {
        let aws = async {
            if config.aws.is_empty() {
                return Accounts::new();
            }
            accounts(config, self.aws().await, patience).await
        };
        let azure = async {
            if config.azure.is_empty() {
                return Err(not_asked());
            }
            let access = self.azure().await.clone()?;
            let subscriptions = if config.azure.iter().any(|s| s.subscriptions.is_none()) {
                // A disabled subscription still answers reads, and what is in it is still there.
                let listing = async { access.subscriptions().await };
                let listed = within(patience, "azure subscriptions list", listing).await;
                listed.map(|all| all.into_iter().map(|s| s.id).collect())
            } else {
                Ok(Vec::new())
            };
            Ok(Subscriptions {
                access,
                subscriptions,
            })
        };
        let (accounts, subscriptions) = tokio::join!(aws, azure);
        put_together(config, &accounts, &subscriptions)
    }

    /// The budget that the configuration asks for.
    fn budget(&self) -> BudgetConfig {
        let requests = self.requests;
        BudgetConfig {
            per_second: f64::from(requests.per_second),
            burst: requests.per_second,
            concurrency: usize::try_from(requests.concurrency).unwrap_or(usize::MAX),
            attempts: requests.attempts,
            attempt_timeout: Duration::from_secs(requests.timeout_seconds),
            max_pages: requests.max_pages,
            observer: self.observed.clone(),
            ..BudgetConfig::default()
        }
    }

    /// AWS. Made when it is first needed.
    pub(crate) async fn aws(&self) -> &AwsAccess {
        let load = || {
            AwsAccess::load(AwsOptions {
                endpoint_url: self.elsewhere.endpoint.clone(),
                credentials: self.elsewhere.aws_credentials.clone(),
                budgets: self.budget(),
            })
        };
        self.aws.get_or_init(load).await
    }

    /// Azure, or why it cannot be reached. Made when it is first needed.
    pub(crate) async fn azure(&self) -> &Result<Arc<AzureAccess>, CallError> {
        let load = || async { azure_access(self.budget(), &self.endpoints, &self.elsewhere) };
        self.azure.get_or_init(load).await
    }
}

/// Scopes by themselves, so that each is read once, with what reads them.
#[derive(Default)]
struct Scopes {
    aws: BTreeMap<Scope, Arc<AwsAccount>>,
    azure: BTreeMap<Scope, Arc<AzureAccess>>,
    unread: BTreeMap<Scope, Failure>,
    asked: BTreeMap<Scope, BTreeSet<String>>,
}

impl Scopes {
    fn ask(&mut self, source: &str, scope: &Scope) {
        let sources = self.asked.entry(scope.clone()).or_default();
        sources.insert(source.to_owned());
    }

    fn into_scanners(self, expansion: &mut Expansion) {
        let Self {
            aws,
            azure,
            unread,
            mut asked,
        } = self;
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
            } else if let Some(sources) = asked.remove(scope) {
                asked.entry(whole).or_default().extend(sources);
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
        expansion.asked = asked;
    }
}

/// The word for an account, region or subscription that could not be found out.
pub const UNKNOWN: &str = "unknown";

/// An AWS account that answered.
struct Account {
    account: Arc<AwsAccount>,
    /// The regions that it has enabled; none when no source asks for them.
    regions: Option<Result<Vec<String>, CallError>>,
}

type Accounts = BTreeMap<AwsAccountRef, Result<Account, CallError>>;

/// Azure, and the subscriptions that it lists.
struct Subscriptions {
    access: Arc<AzureAccess>,
    subscriptions: Result<Vec<String>, CallError>,
}

/// Asks every account of the configuration who it is and which regions it has enabled, side by side.
async fn accounts(config: &Config, access: &AwsAccess, patience: Option<Duration>) -> Accounts {
    let mut wanted: BTreeMap<&AwsAccountRef, bool> = BTreeMap::new();
    for source in &config.aws {
        for account in &source.accounts {
            *wanted.entry(account).or_default() |= source.regions.is_none();
        }
    }
    let asked = wanted
        .into_iter()
        .map(|(wanted, lists_regions)| async move {
            let role = match wanted {
                AwsAccountRef::Ambient => None,
                AwsAccountRef::Role { arn, external_id } => Some(AssumeRole {
                    arn: arn.clone(),
                    external_id: external_id.clone(),
                }),
            };
            let asking = access.account(role.as_ref());
            let account = match within(patience, "sts", asking).await {
                Ok(account) => Arc::new(account),
                Err(error) => return (wanted.clone(), Err(error)),
            };
            let regions = match lists_regions {
                true => Some(within(patience, "ec2:DescribeRegions", account.regions()).await),
                false => None,
            };
            (wanted.clone(), Ok(Account { account, regions }))
        });
    futures::future::join_all(asked).await.into_iter().collect()
}

async fn within<T>(
    patience: Option<Duration>,
    call: &str,
    asking: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let Some(patience) = patience else {
        return asking.await;
    };
    let elapsed = || {
        let message = format!("no answer within {} s", patience.as_secs());
        CallError::new(muster_cloud::error::Reason::Unreachable, call, message)
    };
    let answered = tokio::time::timeout(patience, asking).await;
    answered.unwrap_or_else(|_| Err(elapsed()))
}

fn put_together(
    config: &Config,
    accounts: &Accounts,
    subscriptions: &Result<Subscriptions, CallError>,
) -> Expansion {
    let mut expansion = Expansion {
        complete: true,
        ..Expansion::default()
    };
    let mut scopes = Scopes::default();
    for source in &config.aws {
        expand_aws(source, accounts, &mut scopes, &mut expansion);
    }
    for source in &config.azure {
        expand_azure(source, subscriptions, &mut scopes, &mut expansion);
    }
    scopes.into_scanners(&mut expansion);
    expansion
}

fn expand_aws(
    source: &AwsSource,
    accounts: &Accounts,
    scopes: &mut Scopes,
    expansion: &mut Expansion,
) {
    let mut resolved = BTreeSet::new();
    let not_asked = Err(not_asked());
    for wanted in &source.accounts {
        let Account { account, regions } = match accounts.get(wanted).unwrap_or(&not_asked) {
            Ok(account) => account,
            Err(error) => {
                // A role's account is in its ARN; that of the ambient credentials is not known without them.
                let known = wanted.account();
                if known.is_none() || source.regions.is_none() {
                    expansion.complete = false;
                }
                resolved.extend(known.clone());
                let id = known.unwrap_or_else(|| AccountId::new(UNKNOWN));
                let any = BTreeSet::from(["*".to_owned()]);
                for region in source.regions.as_ref().unwrap_or(&any) {
                    for service in &source.services {
                        let scope = Scope::aws(id.as_str(), region, *service);
                        scopes.ask(&source.name, &scope);
                        scopes.unread.insert(scope, failure(error.clone()));
                    }
                }
                continue;
            }
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
        let regions: Vec<_> = match (&source.regions, regions) {
            (Some(regions), _) => regions.iter().cloned().collect(),
            (None, Some(Ok(regions))) => regions.clone(),
            (None, failed) => {
                let error = failed.as_ref().and_then(|listed| listed.as_ref().err());
                let error = error.cloned().unwrap_or_else(self::not_asked);
                expansion.complete = false;
                for service in &source.services {
                    let scope = Scope::aws(account.id(), "*", *service);
                    scopes.ask(&source.name, &scope);
                    scopes.unread.insert(scope, failure(error.clone()));
                }
                continue;
            }
        };
        for region in &regions {
            for service in &source.services {
                let scope = Scope::aws(account.id(), region, *service);
                scopes.ask(&source.name, &scope);
                scopes.aws.insert(scope, Arc::clone(account));
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
