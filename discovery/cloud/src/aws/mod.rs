//! AWS: who we are, which role we take, where we ask, and the two lists every scan starts from.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use aws_credential_types::Credentials;
use aws_types::SdkConfig;

use crate::{
    budget::{Budget, BudgetConfig},
    error::CallError,
};

mod classify;

/// How to reach AWS. [`Default`] leaves everything to the SDK's standard sources.
#[derive(Clone, Debug, Default)]
pub struct AwsOptions {
    /// One endpoint for all services; `None`: `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_RDS`, ... and
    /// the profile, else the provider's own.
    pub endpoint_url: Option<String>,
    /// Credentials instead of the SDK's default chain.
    pub credentials: Option<Credentials>,
    /// The request budgets.
    pub budgets: BudgetConfig,
}

/// A role to take on the ambient credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssumeRole {
    /// `arn:aws:iam::111111111111:role/muster`.
    pub arn: String,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
}

/// The way into AWS, one per process: one HTTP client, one set of budgets.
#[derive(Clone, Debug)]
pub struct AwsAccess;

/// One account, with the credentials that read it.
#[derive(Clone, Debug)]
pub struct AwsAccount {
    id: String,
}

/// One region of one account.
#[derive(Clone, Debug)]
pub struct AwsRegion {
    sdk: SdkConfig,
    budget: Arc<Budget>,
}

impl AwsAccess {
    /// Reads environment and profile as the SDK does. Sends nothing yet.
    pub async fn load(options: AwsOptions) -> Self {
        let _ = options;
        Self
    }

    /// The account behind the ambient credentials (`None`), or behind a role taken with them.
    ///
    /// # Errors
    /// [`crate::Reason::NoCredentials`] listing every source tried; [`crate::Reason::Denied`]
    /// with what is missing when the role may not be taken.
    pub async fn account(&self, role: Option<&AssumeRole>) -> Result<AwsAccount, CallError> {
        let _ = role;
        Ok(AwsAccount { id: String::new() })
    }
}

impl AwsAccount {
    /// The twelve digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Every region that the account has enabled, sorted (`ec2:DescribeRegions`).
    ///
    /// # Errors
    /// As [`Budget::call`].
    pub async fn regions(&self) -> Result<Vec<String>, CallError> {
        Ok(Vec::new())
    }

    /// This account in `region`. Cheap; sends nothing.
    pub fn region(&self, region: &str) -> AwsRegion {
        let _ = region;
        AwsRegion {
            sdk: SdkConfig::builder().build(),
            budget: Arc::new(Budget::new(BudgetConfig::default(), 0)),
        }
    }
}

impl AwsRegion {
    /// What an SDK client is built from: `aws_sdk_rds::Client::new(region.sdk_config())`.
    /// Its own retries are off; call it through [`AwsRegion::budget`].
    pub const fn sdk_config(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The budget of `service` (`rds`, `elasticache`) here.
    pub fn budget(&self, service: &str) -> Arc<Budget> {
        let _ = service;
        Arc::clone(&self.budget)
    }

    /// The tags of every resource of these types (`elasticache:replicationgroup`) in the region,
    /// by ARN. Resources that never had a tag are not in the answer.
    ///
    /// # Errors
    /// As [`Budget::call`]; the permission is `tag:GetResources`.
    pub async fn tags(
        &self,
        resource_types: &[&str],
    ) -> Result<HashMap<String, BTreeMap<String, String>>, CallError> {
        let _ = resource_types;
        Ok(HashMap::new())
    }
}
