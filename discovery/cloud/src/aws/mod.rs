//! AWS: who we are, which role we take, where we ask, and the two lists that scans start from.
//!
//! Credentials, endpoints, profiles, FIPS and dual-stack come from where the SDK takes them, so
//! that what works with the AWS CLI works here. What differs: a role is taken once per account and
//! not once per client; the SDK's retries are off, for the budget retries; and when there are no
//! credentials, every source says why.

mod cache;
mod chain;
mod classify;
mod endpoints;
mod files;
mod http;
mod partition;
mod query;
mod regions;
mod role;
mod tags;
mod xml;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, environment::EnvironmentVariableRegionProvider,
    identity::IdentityCache, imds::region::ImdsRegionProvider, meta::region::ProvideRegion,
    profile::ProfileFileRegionProvider,
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{rt::sleep::TokioSleep, time::SharedTimeSource};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::SdkConfig;
use tokio::sync::OnceCell;

use self::{
    cache::Cached,
    chain::{Chain, Given, metadata_client},
    files::Profiles,
    http::Http,
    role::{RoleSource, is_account_id},
};
pub use self::{
    partition::Partition,
    role::{AssumeRole, missing_assume_role_policies},
};
use crate::{
    budget::{Budget, BudgetConfig, Budgets},
    error::{CallError, Reason},
};

/// How to reach AWS. [`Default`] leaves everything to the SDK's standard sources.
#[derive(Clone, Debug, Default)]
pub struct AwsOptions {
    /// One endpoint for all services; `None`: `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_RDS`, ... and
    /// the profile, else the provider's own. An empty one counts as none.
    pub endpoint_url: Option<String>,
    /// Credentials instead of the SDK's default chain.
    pub credentials: Option<Credentials>,
    /// The request budgets.
    pub budgets: BudgetConfig,
}

/// The way into AWS, one per process: one HTTP client, one set of credentials, one set of budgets.
#[derive(Clone)]
pub struct AwsAccess {
    ambient: Ambient,
    /// By the roles that lead to them, the first one first.
    roles: Arc<Mutex<HashMap<Vec<AssumeRole>, Cached>>>,
}

/// Who the ambient credentials belong to, as `sts:GetCallerIdentity` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The twelve digits.
    pub account: String,
    /// `arn:aws:sts::111111111111:assumed-role/ci/i-0abc`.
    pub arn: String,
}

/// One account, with the credentials that read it.
#[derive(Clone)]
pub struct AwsAccount {
    id: String,
    partition: &'static Partition,
    credentials: Cached,
    ambient: Ambient,
}

/// One region of one account.
#[derive(Clone)]
pub struct AwsRegion {
    account: AwsAccount,
    name: String,
    sdk: SdkConfig,
}

/// What everyone shares. `sdk` has the ambient credentials and the home region.
#[derive(Clone)]
struct Ambient(Arc<Shared>);

struct Shared {
    sdk: SdkConfig,
    /// Whether the configured endpoints can be asked.
    endpoints: Result<(), CallError>,
    home: String,
    http: Http,
    credentials: Cached,
    budgets: Budgets,
    caller: OnceCell<Caller>,
}

/// The longest chain of roles.
const MAX_CHAIN: usize = 4;
/// How many roles' keys are kept before those at the ends of chains are dropped.
const MAX_ROLES: usize = 1024;

// === impl AwsAccess ===

impl AwsAccess {
    /// Reads environment and profile as the SDK does. Sends nothing to AWS yet; where neither names
    /// a region, the metadata service of the machine is asked for one, for two seconds at most.
    pub async fn load(options: AwsOptions) -> Self {
        let AwsOptions {
            endpoint_url,
            credentials,
            budgets,
        } = options;
        let (http, metadata) = (Http::services(&budgets.observer), Http::metadata());
        let endpoint_url = endpoint_url.filter(|url| !url.trim().is_empty());
        let elsewhere = endpoint_url.is_some() || credentials.is_some();
        let limit = budgets.credentials_timeout;
        let profiles = files::profiles(limit).await;
        let region = home_region(&metadata, &profiles, elsewhere).await;
        let cached = match credentials {
            Some(given) => {
                Cached::new(Given(given), SharedTimeSource::default(), &budgets.observer)
            }
            None => Cached::new(
                Chain::new(&http, &metadata, &region, &profiles, limit),
                SharedTimeSource::default(),
                &budgets.observer,
            ),
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(budgets.attempt_timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.client())
            .sleep_impl(TokioSleep::new())
            .region(region.clone())
            .profile_files(profiles.files)
            .credentials_provider(SharedCredentialsProvider::new(cached.clone()))
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(url) = endpoint_url {
            // The SDK refuses an endpoint together with either of these.
            loader = loader
                .endpoint_url(url)
                .use_fips(false)
                .use_dual_stack(false);
        }
        let sdk = endpoints::filled(loader.load().await);
        let shared = Shared {
            endpoints: endpoints::check(&sdk),
            sdk,
            home: region.as_ref().to_owned(),
            http,
            credentials: cached,
            budgets: Budgets::new(budgets, u64::from(std::process::id())),
            caller: OnceCell::new(),
        };
        Self {
            ambient: Ambient(Arc::new(shared)),
            roles: Arc::default(),
        }
    }

    /// The account behind the ambient credentials (`None`), or behind a role taken with them. Asks
    /// STS, so that what is wrong is known before the first scan; asking again for the same role
    /// shares its credentials.
    ///
    /// # Errors
    /// [`Reason::NoCredentials`] listing every source tried; [`Reason::Denied`] naming who asked
    /// for which role when it may not be taken: [`missing_assume_role_policies`] has the policies;
    /// [`Reason::Rejected`] when a configured endpoint is no URL.
    pub async fn account(&self, role: Option<&AssumeRole>) -> Result<AwsAccount, CallError> {
        self.ambient.endpoints.clone()?;
        let Some(role) = role else {
            let caller = self.caller().await?;
            return Ok(AwsAccount {
                partition: Partition::of_arn(&caller.arn)
                    .unwrap_or_else(|| Partition::of_region(&self.ambient.home)),
                id: caller.account.clone(),
                credentials: self.ambient.credentials.clone(),
                ambient: self.ambient.clone(),
            });
        };
        let (id, partition) = role.checked()?;
        let credentials = self.role(std::slice::from_ref(role));
        credentials.get().await?;
        Ok(AwsAccount {
            id: id.to_owned(),
            partition,
            credentials,
            ambient: self.ambient.clone(),
        })
    }

    /// Who the ambient credentials belong to. Asked once.
    ///
    /// # Errors
    /// As [`AwsAccess::account`].
    pub async fn caller(&self) -> Result<&Caller, CallError> {
        self.ambient.caller().await
    }

    /// Keys to sign with: the ambient ones, or those of the last of `roles`, each of which is assumed as the one before
    /// it. They are fetched once, shared, and renewed before they expire.
    ///
    /// # Errors
    /// As [`AwsAccess::account`]; [`Reason::Rejected`] for more than four roles.
    pub async fn credentials(&self, roles: &[AssumeRole]) -> Result<Credentials, CallError> {
        self.ambient.endpoints.clone()?;
        if roles.is_empty() {
            return self.ambient.credentials.get().await;
        }
        if roles.len() > MAX_CHAIN {
            let message = format!("a chain of {} roles is too long", roles.len());
            return Err(CallError::new(Reason::Rejected, "sts:AssumeRole", message));
        }
        self.role(roles).get().await
    }

    /// Whoever holds what `roles` lead to; asks nobody. `roles` is not empty.
    fn role(&self, roles: &[AssumeRole]) -> Cached {
        let Some((role, before)) = roles.split_last() else {
            return self.ambient.credentials.clone();
        };
        let before = before.last().map(|last| (last.clone(), self.role(before)));
        let mut all = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_ROLES && !all.contains_key(roles) {
            // Chains end in roles that people name when they connect. Those that accounts are scanned with stay.
            all.retain(|roles, _| roles.len() == 1);
        }
        let source = || RoleSource {
            ambient: self.ambient.clone(),
            before,
            role: role.clone(),
        };
        let observer = &self.ambient.budgets.config().observer;
        let cached = || Cached::new(source(), SharedTimeSource::default(), observer);
        all.entry(roles.to_vec()).or_insert_with(cached).clone()
    }
}

impl fmt::Debug for AwsAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsAccess")
            .field("home", &self.ambient.home)
            .finish_non_exhaustive()
    }
}

// === impl AwsAccount ===

impl AwsAccount {
    /// The twelve digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Every region that the account has enabled, sorted (`ec2:DescribeRegions`).
    ///
    /// # Errors
    /// As [`Budget::call`]. An answer without regions is [`Reason::Malformed`]: never an empty list.
    pub async fn regions(&self) -> Result<Vec<String>, CallError> {
        regions::regions(&self.region(self.ambient.home_in(self.partition))).await
    }

    /// This account in `region`. Cheap; sends nothing.
    pub fn region(&self, region: &str) -> AwsRegion {
        let sdk = self.ambient.sdk.to_builder();
        let sdk = sdk
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .build();
        AwsRegion {
            account: self.clone(),
            name: region.to_owned(),
            sdk,
        }
    }
}

impl fmt::Debug for AwsAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsAccount")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

// === impl AwsRegion ===

impl AwsRegion {
    /// `eu-west-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account that this is a region of.
    pub const fn account(&self) -> &AwsAccount {
        &self.account
    }

    /// What an SDK client is built from: `aws_sdk_rds::Client::new(region.sdk_config())`.
    /// Its own retries are off; call it through [`AwsRegion::budget`].
    pub const fn sdk_config(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The budget of `service` (`rds`, `elasticache`) here.
    pub fn budget(&self, service: &str) -> Arc<Budget> {
        self.account
            .ambient
            .budgets
            .of(&self.account.id, &self.name, service)
    }

    /// The tags of every resource of these types (`elasticache:replicationgroup`) in the region,
    /// by ARN. Resources that never had a tag are not in the answer.
    ///
    /// # Errors
    /// As [`Budget::call`]; the permission is `tag:GetResources`. Nothing is given of a listing
    /// that was not read to its end.
    pub async fn tags(
        &self,
        resource_types: &[&str],
    ) -> Result<HashMap<String, BTreeMap<String, String>>, CallError> {
        tags::tags(self, resource_types).await
    }

    fn credentials(&self) -> &Cached {
        &self.account.credentials
    }

    fn http(&self) -> &Http {
        &self.account.ambient.http
    }
}

impl fmt::Debug for AwsRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsRegion")
            .field("account", &self.account.id)
            .field("name", &self.name)
            .finish()
    }
}

// === impl Ambient ===

impl std::ops::Deref for Ambient {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ambient")
    }
}

impl Ambient {
    /// The home region, or the partition's where the home region is in another partition.
    fn home_in(&self, partition: &'static Partition) -> &str {
        if Partition::of_region(&self.home) == partition {
            &self.home
        } else {
            partition.home
        }
    }

    /// The ambient credentials, asking within `partition`.
    fn sdk_in(&self, partition: &'static Partition) -> SdkConfig {
        let region = Region::new(self.home_in(partition).to_owned());
        self.sdk.to_builder().region(region).build()
    }

    /// The budget of a service that is asked on behalf of the ambient credentials.
    fn budget(&self, service: &str) -> Arc<Budget> {
        self.budgets.of("", &self.home, service)
    }

    async fn caller(&self) -> Result<&Caller, CallError> {
        const CALL: &str = "sts:GetCallerIdentity";
        let ask = || async {
            self.endpoints.clone()?;
            // Without this the SDK would wrap what the sources said.
            self.credentials.get().await?;
            let client = aws_sdk_sts::Client::new(&self.sdk);
            let answer = self
                .budget("sts")
                .call(CALL, || client.get_caller_identity().send())
                .await?;
            match (answer.account, answer.arn) {
                (Some(account), Some(arn)) if is_account_id(&account) => {
                    Ok(Caller { account, arn })
                }
                _ => {
                    let message = "the answer holds no account, or no ARN";
                    Err(CallError::new(Reason::Malformed, CALL, message))
                }
            }
        };
        self.caller.get_or_try_init(ask).await
    }
}

/// Where to ask what belongs to no region. `elsewhere` means that AWS itself is not asked, so that
/// this machine's metadata has no say.
async fn home_region(metadata: &Http, profiles: &Profiles, elsewhere: bool) -> Region {
    let environment = EnvironmentVariableRegionProvider::new();
    if let Some(region) = ProvideRegion::region(&environment).await {
        return region;
    }
    let profile = ProfileFileRegionProvider::builder()
        .profile_files(profiles.files.clone())
        .build();
    if let Some(region) = ProvideRegion::region(&profile).await {
        return region;
    }
    if !elsewhere {
        let instance = ImdsRegionProvider::builder()
            .imds_client(metadata_client(metadata))
            .build();
        if let Some(region) = ProvideRegion::region(&instance).await {
            return region;
        }
    }
    Region::from_static("us-east-1")
}
