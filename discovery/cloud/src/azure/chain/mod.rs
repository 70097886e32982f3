//! The credential chain: which sources there are, in which order, and why each did not answer.
//!
//! The order is that of Azure's own `DefaultAzureCredential`: environment, workload identity, managed identity,
//! Azure CLI. A source that is not set up is passed over; one that is set up and fails ends the chain, because
//! going on would silently act under another identity. Written by hand, because `azure_identity` 0.21 neither
//! says which sources it tried, nor selects a user-assigned identity, nor reads a rotated token file again.
//!
//! Does not cache: that is [`super::AzureAccess`]'s work.

mod cli;
mod login;
mod managed;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

use super::{Lookup, Secret, http::Http};
use crate::{
    budget::Budgets,
    error::{CallError, MAX_MESSAGE, Reason, one_line},
};

/// Where tokens come from.
pub(super) struct Chain {
    pub env: Lookup,
    pub authority: Url,
    pub imds: Url,
    pub cli: PathBuf,
    pub http: Arc<Http>,
    pub budgets: Arc<Budgets>,
}

/// A token, and for how long it will be accepted when that is known.
pub(super) struct Token {
    pub secret: Secret,
    pub life: Option<Duration>,
}

/// A source, with the name that Azure's SDKs give it.
#[derive(Clone, Copy)]
enum Source {
    Environment,
    Workload,
    Managed,
    Cli,
}

/// Why a source gave no token.
#[derive(Debug, PartialEq, Eq)]
enum Miss {
    /// It is not set up here: ask the next one.
    Absent(String),
    /// It is set up and failed: ask nobody else.
    Failed(String),
}

/// The call's name in failures.
pub(super) const CALL: &str = "azure:token";

const HEAD: &str = "DefaultAzureCredential: failed to acquire a token. Tried ";

/// What a reason of a source that was passed over may cost of the message.
const MAX_REASON: usize = 100;

/// A token endpoint's good answer. Numbers come as numbers or as text, depending on the endpoint.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    expires_on: Option<serde_json::Value>,
}

/// A token endpoint's error.
#[derive(Deserialize)]
struct TokenError {
    #[serde(default)]
    error: serde_json::Value,
    #[serde(default)]
    error_description: String,
}

// === impl Source ===

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "EnvironmentCredential",
            Self::Workload => "WorkloadIdentityCredential",
            Self::Managed => "ManagedIdentityCredential",
            Self::Cli => "AzureCLICredential",
        }
    }
}

// === impl Chain ===

impl Chain {
    /// A token from the first source that has one.
    ///
    /// # Errors
    /// [`Reason::NoCredentials`], with every source that was tried and why it gave none.
    pub async fn token(&self, scope: &str) -> Result<Token, CallError> {
        let mut tried = Vec::new();
        for source in [
            Source::Environment,
            Source::Workload,
            Source::Managed,
            Source::Cli,
        ] {
            let answer = match source {
                Source::Environment => self.client_secret(scope).await,
                Source::Workload => self.workload_identity(scope).await,
                Source::Managed => self.managed_identity(scope).await,
                Source::Cli => self.azure_cli(scope).await,
            };
            let source = source.as_str();
            match answer {
                Ok(token) => {
                    tracing::debug!(source, scope, "got a token");
                    return Ok(token);
                }
                Err(Miss::Absent(why)) => tried.push((source, why)),
                Err(Miss::Failed(why)) => {
                    tried.push((source, why));
                    break;
                }
            }
        }
        Err(CallError::new(Reason::NoCredentials, CALL, list(&tried)))
    }

    /// A variable's value; an empty one counts as missing.
    fn var(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.trim().is_empty())
    }

    /// The values of all these variables.
    fn vars<const N: usize>(&self, names: [&str; N]) -> Result<[String; N], Miss> {
        let values = names.map(|name| self.var(name));
        let missing: Vec<_> = names
            .iter()
            .zip(&values)
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| *name)
            .collect();
        if missing.is_empty() {
            Ok(values.map(Option::unwrap_or_default))
        } else {
            Err(Miss::Absent(format!(
                "missing environment variable {}",
                missing.join(", ")
            )))
        }
    }
}

/// `SOURCE: why; SOURCE: why`, short enough that no source falls off the end of the message.
fn list(tried: &[(&str, String)]) -> String {
    let last = tried.len().saturating_sub(1);
    let mut text = HEAD.to_owned();
    for (index, (source, why)) in tried.iter().enumerate() {
        let room = if index < last {
            MAX_REASON
        } else {
            MAX_MESSAGE.saturating_sub(text.len() + source.len() + 2)
        };
        if index > 0 {
            text.push_str("; ");
        }
        text.push_str(source);
        text.push_str(": ");
        text.push_str(shorten(&one_line(why), room));
    }
    text
}

fn shorten(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

// === impl TokenAnswer ===

impl TokenAnswer {
    /// The token in a body. The parser's own text is not passed on: it may quote the body.
    fn read(body: &[u8]) -> Result<Token, String> {
        let answer: Self = serde_json::from_slice(body)
            .map_err(|_| "the answer holds no access token".to_owned())?;
        if answer.access_token.is_empty() {
            return Err("the answer holds an empty access token".to_owned());
        }
        let life = match (
            number(answer.expires_in.as_ref()),
            number(answer.expires_on.as_ref()),
        ) {
            (Some(seconds), _) => Some(seconds),
            (None, Some(epoch)) => {
                Some(epoch.saturating_sub(OffsetDateTime::now_utc().unix_timestamp()))
            }
            (None, None) => None,
        };
        Ok(Token {
            secret: Secret::new(&answer.access_token),
            life: life.map(|seconds| Duration::from_secs(seconds.max(0).unsigned_abs())),
        })
    }
}

/// What a token endpoint says of its refusal.
fn refusal(status: u16, body: &[u8]) -> String {
    match serde_json::from_slice::<TokenError>(body) {
        Ok(answer) if !answer.error_description.is_empty() => {
            // The rest are trace ids and dates.
            answer
                .error_description
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        }
        Ok(TokenError {
            error: serde_json::Value::String(error),
            ..
        }) => format!("HTTP {status} {error}"),
        _ => format!("HTTP {status}"),
    }
}

fn number(value: Option<&serde_json::Value>) -> Option<i64> {
    match value? {
        serde_json::Value::Number(number) => number.as_i64(),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
