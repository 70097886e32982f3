//! Tokens from the Entra authority: a client secret, or the federated token of a workload identity.

use std::path::Path;

use tokio::io::AsyncReadExt as _;
use url::Url;

use super::{CALL, Chain, Miss, Token, TokenAnswer, refusal};
use crate::{
    azure::http::{exchange, is_safe, retry_after},
    error::{CallError, Classified, Reason, Retry},
};

/// The longest federated token that is read, in bytes.
const MAX_ASSERTION: u64 = 64 << 10;

impl Chain {
    /// A client secret from the environment.
    pub(super) async fn client_secret(&self, scope: &str) -> Result<Token, Miss> {
        let [tenant, client, secret] =
            self.vars(["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"])?;
        self.login(
            &tenant,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &client),
                ("client_secret", &secret),
                ("scope", scope),
            ],
        )
        .await
    }

    /// The token that a Kubernetes cluster projects into a file. The file is rotated, so it is read each time.
    pub(super) async fn workload_identity(&self, scope: &str) -> Result<Token, Miss> {
        let [tenant, client, file] = self.vars([
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_ID",
            "AZURE_FEDERATED_TOKEN_FILE",
        ])?;
        let assertion = read_assertion(Path::new(&file)).await.map_err(|error| {
            Miss::Failed(format!(
                "cannot read AZURE_FEDERATED_TOKEN_FILE {file}: {error}"
            ))
        })?;
        self.login(
            &tenant,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &client),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                ("client_assertion", assertion.trim()),
                ("scope", scope),
            ],
        )
        .await
    }

    async fn login(&self, tenant: &str, form: &[(&str, &str)]) -> Result<Token, Miss> {
        let url = token_url(&self.authority, tenant).map_err(Miss::Failed)?;
        let budget = self.budgets.of(tenant, "*", "login");
        let answer = budget.call(CALL, || async {
            let request = self.http.to(&url).post(url.clone()).form(form);
            let answer = exchange(request)
                .await
                .map_err(|broken| broken.classify(CALL))?;
            answer.tell_date(&self.budgets.config().observer);
            let status = answer.status.as_u16();
            if status == 200 {
                return TokenAnswer::read(&answer.body)
                    .map_err(|text| CallError::new(Reason::Malformed, CALL, text).fatal());
            }
            let error = CallError::new(Reason::NoCredentials, CALL, refusal(status, &answer.body));
            Err::<_, Classified>(match status {
                429 | 500..=599 => {
                    error.retry(retry_after(&answer.headers).map_or(Retry::Yes, Retry::After))
                }
                _ => error.fatal(),
            })
        });
        answer.await.map_err(|error| Miss::Failed(error.message))
    }
}

/// `AUTHORITY/TENANT/oauth2/v2.0/token`.
fn token_url(authority: &Url, tenant: &str) -> Result<Url, String> {
    if !is_safe(authority) {
        return Err(format!(
            "the authority {authority} is not reached over https"
        ));
    }
    if !tenant
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        || tenant.starts_with('.')
    {
        return Err("AZURE_TENANT_ID is neither an id nor a domain name".to_owned());
    }
    let mut url = authority.clone();
    url.path_segments_mut()
        .map_err(|()| format!("the authority {authority} is no base for a path"))?
        .pop_if_empty()
        .extend([tenant, "oauth2", "v2.0", "token"]);
    Ok(url)
}

async fn read_assertion(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    tokio::fs::File::open(path)
        .await?
        .take(MAX_ASSERTION)
        .read_to_string(&mut text)
        .await?;
    Ok(text)
}
