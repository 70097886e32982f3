//! The ambient credentials: the SDK's default chain, source by source, with what each one said.
//!
//! The SDK's own chain keeps to itself why it found nothing. This one is made of the SDK's own
//! providers in the SDK's order, and remembers. It differs in two more points: the metadata service
//! of an instance is given two seconds, not twenty, and no source may take as long as it likes.

use std::{env, path::Path, time::Duration};

use async_trait::async_trait;
use aws_config::{
    BehaviorVersion, Region,
    ecs::EcsCredentialsProvider,
    environment::EnvironmentVariableCredentialsProvider,
    imds::{self, credentials::ImdsCredentialsProvider},
    profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
    web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use tokio::time::timeout;

use super::{
    cache::Source,
    classify::find,
    endpoints,
    files::{self, Profiles},
    http::Http,
};
use crate::error::{CallError, Reason, chain};

/// The call that failures of the chain are reported under.
pub(super) const CALL: &str = "aws:credentials";

/// The sources, in the order in which they are asked.
#[derive(Debug)]
pub(super) struct Chain {
    sources: Vec<(Kind, SharedCredentialsProvider)>,
    /// Longest wait for one of them.
    limit: Duration,
    /// Whether a profile file has already taken longer.
    late: bool,
}

/// Given credentials, for whoever brings his own.
#[derive(Debug)]
pub(super) struct Given(pub Credentials);

/// A place where credentials may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Environment,
    Profile,
    WebIdentity,
    Container,
    Metadata,
}

// === impl Chain ===

impl Chain {
    /// The chain of this process's environment; reads nothing yet.
    pub fn new(
        services: &Http,
        metadata: &Http,
        region: &Region,
        profiles: &Profiles,
        limit: Duration,
    ) -> Self {
        // With FIPS, the SDK's own clients refuse an empty endpoint; without, they panic.
        let fips = endpoints::is_emptied().then_some(true);
        let config = |http: &Http| {
            ProviderConfig::empty()
                .with_behavior_version(Some(BehaviorVersion::latest()))
                .with_http_client(http.client())
                .with_sleep_impl(TokioSleep::new())
                .with_region(Some(region.clone()))
                .with_use_fips(fips)
                .with_retry_config(RetryConfig::standard())
                .with_timeout_config(
                    TimeoutConfig::builder()
                        .operation_attempt_timeout(Duration::from_secs(10))
                        .build(),
                )
        };
        let (services, near) = (config(services), config(metadata));
        let shared = SharedCredentialsProvider::new;
        let sources = vec![
            (
                Kind::Environment,
                shared(EnvironmentVariableCredentialsProvider::new()),
            ),
            (
                Kind::Profile,
                SharedCredentialsProvider::new(
                    ProfileFileCredentialsProvider::builder()
                        .configure(&services)
                        .profile_files(profiles.files.clone())
                        .build(),
                ),
            ),
            (
                Kind::WebIdentity,
                SharedCredentialsProvider::new(
                    WebIdentityTokenCredentialsProvider::builder()
                        .configure(&services)
                        .build(),
                ),
            ),
            (
                Kind::Container,
                SharedCredentialsProvider::new(
                    EcsCredentialsProvider::builder().configure(&near).build(),
                ),
            ),
            (
                Kind::Metadata,
                SharedCredentialsProvider::new(
                    ImdsCredentialsProvider::builder()
                        .configure(&near)
                        .imds_client(metadata_client(metadata))
                        .build(),
                ),
            ),
        ];
        Self {
            sources,
            limit,
            late: profiles.late,
        }
    }

    /// One source's answer, or why there is none: whether the source is absent, and a text.
    async fn ask(
        &self,
        kind: Kind,
        provider: &SharedCredentialsProvider,
    ) -> Result<Credentials, (bool, String)> {
        if kind == Kind::Profile && self.late {
            return Err((false, files::no_answer(self.limit)));
        }
        if let Some(variable) = kind.file() {
            let read = files::may_read(variable, self.limit).await;
            read.map_err(|why| (false, why))?;
        }
        match timeout(self.limit, provider.provide_credentials()).await {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(error)) => {
                let absent = matches!(error, CredentialsError::CredentialsNotLoaded(_));
                let why = kind.why(&error, &|name| env::var(name).ok());
                let why = if endpoints::is_emptied() && why.contains("FIPS and custom endpoint") {
                    "it needs a call to AWS, for which an AWS_ENDPOINT_URL variable that is empty \
                     has to be unset"
                        .to_owned()
                } else {
                    why
                };
                Err((absent, why))
            }
            Err(_elapsed) => Err((false, files::no_answer(self.limit))),
        }
    }
}

#[async_trait]
impl Source for Chain {
    async fn fetch(&self) -> Result<Credentials, CallError> {
        let mut tried = Vec::with_capacity(self.sources.len());
        for (kind, provider) in &self.sources {
            match self.ask(*kind, provider).await {
                Ok(credentials) => return Ok(credentials),
                Err((absent, why)) => {
                    tried.push(format!("{}: {why}", kind.as_str()));
                    // A source that is set up but broken ends the search, as in the SDK: going on
                    // would find someone else's credentials.
                    if !absent {
                        break;
                    }
                }
            }
        }
        let message = format!("no AWS credentials; {}", tried.join("; "));
        Err(CallError::new(Reason::NoCredentials, CALL, message))
    }
}

#[async_trait]
impl Source for Given {
    async fn fetch(&self) -> Result<Credentials, CallError> {
        Ok(self.0.clone())
    }
}

/// Asks the metadata service of an instance, if there is one, and not for long.
pub(super) fn metadata_client(http: &Http) -> imds::Client {
    let config = ProviderConfig::empty()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(http.client())
        .with_sleep_impl(TokioSleep::new());
    imds::Client::builder()
        .configure(&config)
        .max_attempts(2)
        .operation_attempt_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(2))
        .build()
}

// === impl Kind ===

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Profile => "profile",
            Self::WebIdentity => "web identity",
            Self::Container => "container",
            Self::Metadata => "instance metadata",
        }
    }

    /// The variable that names a file which the source reads.
    const fn file(self) -> Option<&'static str> {
        match self {
            Self::WebIdentity => Some("AWS_WEB_IDENTITY_TOKEN_FILE"),
            Self::Container => Some("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            Self::Environment | Self::Profile | Self::Metadata => None,
        }
    }

    /// Why this source has none, as one who sets it up would say it.
    fn why(self, error: &CredentialsError, env: &dyn Fn(&str) -> Option<String>) -> String {
        let absent = matches!(error, CredentialsError::CredentialsNotLoaded(_));
        let set = |name: &str| env(name).is_some_and(|value| !value.trim().is_empty());
        match self {
            Self::Environment if absent => {
                let missing = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
                let missing = missing.into_iter().find(|name| !set(name));
                format!("{} is not set", missing.unwrap_or("AWS_ACCESS_KEY_ID"))
            }
            // A profile that names something missing says so; without a profile it says nothing.
            Self::Profile if absent => match std::error::Error::source(error) {
                Some(source) => chain(source),
                None => no_profile(env),
            },
            Self::WebIdentity if absent => {
                let missing = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"];
                let missing = missing.into_iter().find(|name| !set(name));
                format!(
                    "{} is not set",
                    missing.unwrap_or("AWS_WEB_IDENTITY_TOKEN_FILE")
                )
            }
            Self::Container if absent => "AWS_CONTAINER_CREDENTIALS_*_URI is not set".to_owned(),
            Self::Metadata => no_metadata(error, env),
            _ => chain(error),
        }
    }
}

fn no_profile(env: &dyn Fn(&str) -> Option<String>) -> String {
    let profile = env("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    let home = env("HOME")
        .or_else(|| env("USERPROFILE"))
        .unwrap_or_default();
    let files = [
        ("AWS_CONFIG_FILE", "config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ]
    .map(|(variable, name)| env(variable).unwrap_or_else(|| format!("{home}/.aws/{name}")));
    let shown = files
        .each_ref()
        .map(|file| match file.strip_prefix(home.as_str()) {
            Some(rest) if !home.is_empty() => format!("~{rest}"),
            _ => file.clone(),
        });
    let there = files.each_ref().map(|file| Path::new(file).exists());
    let [config, credentials] = shown;
    match there {
        [false, false] => format!("neither {config} nor {credentials} exists"),
        [true, false] => format!("`{profile}` has no credentials in {config}"),
        [false, true] => format!("`{profile}` has no credentials in {credentials}"),
        [true, true] => format!("`{profile}` has no credentials in {config} or {credentials}"),
    }
}

fn no_metadata(error: &CredentialsError, env: &dyn Fn(&str) -> Option<String>) -> String {
    if env("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return "off by AWS_EC2_METADATA_DISABLED".to_owned();
    }
    if let Some(imds::client::error::ImdsError::ErrorResponse(answer)) = find(error) {
        return format!(
            "answered with HTTP status {}",
            answer.response().status().as_u16()
        );
    }
    let text = chain(error);
    if text.contains("404 from IMDS") {
        return "the instance has no role".to_owned();
    }
    if text.contains("timeout") || text.contains("timed out") {
        return "no answer (in a container, its hop limit must be 2)".to_owned();
    }
    if text.contains("dispatch failure") || text.contains("could not communicate") {
        return "not reachable".to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    type Env = [(&'static str, &'static str)];

    fn why(kind: Kind, error: &CredentialsError, env: &Env) -> String {
        kind.why(error, &|name| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn says_what_to_set() {
        let absent = CredentialsError::not_loaded_no_source();
        let table: &[(Kind, &Env, &str)] = &[
            (Kind::Environment, &[], "AWS_ACCESS_KEY_ID is not set"),
            (
                Kind::Environment,
                &[("AWS_ACCESS_KEY_ID", "a")],
                "AWS_SECRET_ACCESS_KEY is not set",
            ),
            (
                Kind::WebIdentity,
                &[],
                "AWS_WEB_IDENTITY_TOKEN_FILE is not set",
            ),
            (
                Kind::WebIdentity,
                &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")],
                "AWS_ROLE_ARN is not set",
            ),
            (
                Kind::Container,
                &[],
                "AWS_CONTAINER_CREDENTIALS_*_URI is not set",
            ),
            (
                Kind::Profile,
                &[("HOME", "/nowhere")],
                "neither ~/.aws/config nor ~/.aws/credentials exists",
            ),
            (
                Kind::Profile,
                &[
                    ("HOME", "/nowhere"),
                    ("AWS_PROFILE", "prod"),
                    ("AWS_CONFIG_FILE", "/"),
                ],
                "`prod` has no credentials in /",
            ),
            (
                Kind::Metadata,
                &[("AWS_EC2_METADATA_DISABLED", "TRUE")],
                "off by AWS_EC2_METADATA_DISABLED",
            ),
        ];
        for (kind, env, want) in table {
            assert_eq!(why(*kind, &absent, env), *want);
        }
    }

    #[test]
    fn a_broken_source_speaks_for_itself() {
        let broken = CredentialsError::invalid_configuration("profile `a` refers to itself");
        assert_eq!(
            why(Kind::Profile, &broken, &[]),
            "the credentials provider was not properly configured: profile `a` refers to itself"
        );
    }
}
