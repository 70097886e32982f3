//! Where keys and tokens come from: clouds, behind two small traits, so that tests need none.

use async_trait::async_trait;
use aws_credential_types::Credentials;
use muster_cloud::{
    CallError, Secret,
    aws::{AssumeRole, AwsAccess},
    azure::AzureAccess,
};

/// Keys of AWS to sign with. Whoever implements it caches them and fetches them once for all who ask.
#[async_trait]
pub trait AwsKeys: Send + Sync {
    /// The ambient keys, or those of the last of `roles`, each assumed as the one before it.
    ///
    /// # Errors
    /// [`muster_cloud::Reason::NoCredentials`] with every source that was tried; `Denied` when a role may not be
    /// assumed.
    async fn keys(&self, roles: &[AssumeRole]) -> Result<Credentials, CallError>;

    /// The ARN behind the ambient keys, when it can be told.
    async fn caller(&self) -> Option<String>;
}

/// Tokens of Entra ID. Whoever implements it caches them and fetches them once for all who ask.
#[async_trait]
pub trait EntraTokens: Send + Sync {
    /// A token for a scope.
    ///
    /// # Errors
    /// [`muster_cloud::Reason::NoCredentials`] with every source that was tried.
    async fn entra_token(&self, scope: &str) -> Result<Secret, CallError>;
}

#[async_trait]
impl AwsKeys for AwsAccess {
    async fn keys(&self, roles: &[AssumeRole]) -> Result<Credentials, CallError> {
        self.credentials(roles).await
    }

    async fn caller(&self) -> Option<String> {
        AwsAccess::caller(self)
            .await
            .ok()
            .map(|caller| caller.arn.clone())
    }
}

#[async_trait]
impl EntraTokens for AzureAccess {
    async fn entra_token(&self, scope: &str) -> Result<Secret, CallError> {
        self.token(scope).await
    }
}
