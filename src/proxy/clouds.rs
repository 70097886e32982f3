//! Keys and tokens for databases, from the clouds as the scanners reach them.

use std::sync::Arc;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use muster_cloud::{CallError, Secret, aws::AssumeRole};
use muster_credentials::{AwsKeys, EntraTokens};

use crate::pipeline::sources::Clouds;

/// The ways into the clouds, for logging in to databases. Nothing is asked for before it is needed.
pub(super) struct Ways(pub(super) Arc<Clouds>);

#[async_trait]
impl AwsKeys for Ways {
    async fn keys(&self, roles: &[AssumeRole]) -> Result<Credentials, CallError> {
        self.0.aws().await.keys(roles).await
    }

    async fn caller(&self) -> Option<String> {
        AwsKeys::caller(self.0.aws().await).await
    }
}

#[async_trait]
impl EntraTokens for Ways {
    async fn entra_token(&self, scope: &str) -> Result<Secret, CallError> {
        let access = self.0.azure().await.clone()?;
        access.entra_token(scope).await
    }
}
