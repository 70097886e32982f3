//! Tokens of a managed identity: from App Service (and Container Apps), or from a virtual machine's metadata service.
//!
//! Azure Arc and Service Fabric are not supported.

use std::time::Duration;

use url::Url;

use super::{CALL, Chain, Miss, Token, TokenAnswer, refusal};
use crate::{
    azure::http::{Answer, Broken, exchange, is_near, retry_after},
    error::{CallError, Classified, Reason, Retry},
};

/// The metadata service is on the machine's own link and answers at once, or there is none.
const PATIENCE: Duration = Duration::from_secs(3);

impl Chain {
    /// The managed identity of what muster runs on; `AZURE_CLIENT_ID` selects a user-assigned one.
    pub(super) async fn managed_identity(&self, scope: &str) -> Result<Token, Miss> {
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        match (self.var("IDENTITY_ENDPOINT"), self.var("IDENTITY_HEADER")) {
            (Some(endpoint), Some(header)) => self.app_service(&endpoint, &header, resource).await,
            (Some(_), None) => Err(Miss::Absent(
                "IDENTITY_ENDPOINT is set without IDENTITY_HEADER".to_owned(),
            )),
            _ => self.metadata_service(resource).await,
        }
    }

    async fn app_service(
        &self,
        endpoint: &str,
        header: &str,
        resource: &str,
    ) -> Result<Token, Miss> {
        let failed = |text: &str| Miss::Failed(format!("App Service: {text}"));
        let mut url =
            Url::parse(endpoint).map_err(|error| failed(&format!("IDENTITY_ENDPOINT: {error}")))?;
        if !is_near(&url) && url.scheme() != "https" {
            return Err(failed(
                "IDENTITY_ENDPOINT is neither on this machine nor reached over https",
            ));
        }
        self.query(&mut url, "2019-08-01", resource);
        let answer = self
            .ask(&url, ("x-identity-header", header))
            .await
            .map_err(|error| failed(&error.message))?;
        match answer.status.as_u16() {
            200 => TokenAnswer::read(&answer.body).map_err(|text| failed(&text)),
            status => Err(failed(&refusal(status, &answer.body))),
        }
    }

    async fn metadata_service(&self, resource: &str) -> Result<Token, Miss> {
        let absent = |text: &str| Miss::Absent(format!("IMDS: {text}"));
        let mut url = self.imds.clone();
        url.set_path("/metadata/identity/oauth2/token");
        self.query(&mut url, "2018-02-01", resource);
        let answer = self
            .ask(&url, ("metadata", "true"))
            .await
            .map_err(|error| absent(&error.message))?;
        match answer.status.as_u16() {
            200 => TokenAnswer::read(&answer.body).map_err(|text| absent(&text)),
            // Also what a machine without an identity answers.
            status => Err(absent(&refusal(status, &answer.body))),
        }
    }

    fn query(&self, url: &mut Url, version: &str, resource: &str) {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("api-version", version)
            .append_pair("resource", resource);
        if let Some(client) = self.var("AZURE_CLIENT_ID") {
            query.append_pair("client_id", &client);
        }
    }

    async fn ask(&self, url: &Url, (name, value): (&str, &str)) -> Result<Answer, CallError> {
        let budget = self.budgets.of("", "*", "managed-identity");
        let answer = budget.call(CALL, || async {
            let request = self
                .http
                .to(url)
                .get(url.clone())
                .header(name, value)
                .timeout(PATIENCE);
            match exchange(request).await {
                Ok(answer) if matches!(answer.status.as_u16(), 429 | 500..=599) => {
                    let text = refusal(answer.status.as_u16(), &answer.body);
                    let retry = retry_after(&answer.headers).map_or(Retry::Yes, Retry::After);
                    Err::<_, Classified>(CallError::new(Reason::Server, CALL, text).retry(retry))
                }
                Ok(answer) => Ok(answer),
                // Asking again would only make a machine without the service wait longer.
                Err(Broken::Unreachable(text)) => {
                    Err(CallError::new(Reason::Unreachable, CALL, text).fatal())
                }
                Err(broken) => Err(broken.classify(CALL)),
            }
        });
        answer.await
    }
}
