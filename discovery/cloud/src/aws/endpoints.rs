//! The endpoints that somebody configured: those that are none are taken out, those that are
//! wrong are refused before anything is asked.
//!
//! The SDK panics on an empty endpoint, and asks AWS itself where the one for all services cannot
//! be parsed. An empty variable counts as unset here, as an empty variable does elsewhere.

use std::{env, fmt};

use aws_types::{
    SdkConfig,
    service_config::{LoadServiceConfig, ServiceConfigKey},
};
use http::Uri;
use url::Url;

use crate::error::{CallError, Reason};

/// What a wrong endpoint is reported under: no call was made.
const CALL: &str = "aws:endpoint";
const VARIABLE: &str = "AWS_ENDPOINT_URL";

/// The services that muster asks, by the ids that the SDK knows them by.
const SERVICES: [&str; 6] = [
    "STS",
    "EC2",
    "RDS",
    "DocDB",
    "ElastiCache",
    "Resource Groups Tagging API",
];

/// The settings of the services, without those that are empty.
struct Filled(SdkConfig);

/// `sdk`, in which an empty endpoint counts as none.
pub(super) fn filled(sdk: SdkConfig) -> SdkConfig {
    let general = sdk.endpoint_url().filter(|url| !is_empty(url));
    let mut filled = sdk.to_builder();
    filled.set_endpoint_url(general.map(str::to_owned));
    filled.set_service_config(Some(Filled(sdk)));
    filled.build()
}

/// Whether every endpoint that was configured, for all services or for one that muster asks, can
/// be asked at all.
///
/// # Errors
/// [`Reason::Rejected`], naming the first that is no URL, and where it stands.
pub(super) fn check(sdk: &SdkConfig) -> Result<(), CallError> {
    let wrong = |place: &str, url: &str| {
        let message = format!("{place} `{url}` is not an http or https URL");
        Err(CallError::new(Reason::Rejected, CALL, message))
    };
    let general = sdk.endpoint_url();
    if let Some(url) = general
        && sdk.get_origin("endpoint_url").is_client_config()
    {
        // The only one that counts then.
        return if is_url(url) {
            Ok(())
        } else {
            wrong("the endpoint", url)
        };
    }
    for service in SERVICES {
        if let Some(url) = own(sdk, service).filter(|url| !is_url(url)) {
            return wrong(&place(service, &url), &url);
        }
    }
    match general.filter(|url| !is_url(url)) {
        Some(url) => wrong(&place("", url), url),
        None => Ok(()),
    }
}

/// What the environment or the profile says of `service`, else of all services.
pub(super) fn own(sdk: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env(VARIABLE)
        .profile("endpoint_url")
        .build()
        .ok()?;
    sdk.service_config()?.load_config(key)
}

/// Whether a variable is empty that the SDK's sources of credentials read on their own.
pub(super) fn is_emptied() -> bool {
    ["STS", "SSO", "SSO_OIDC", "SIGNIN"].iter().any(|id| {
        env::var(format!("{VARIABLE}_{id}"))
            .or_else(|_| env::var(VARIABLE))
            .is_ok_and(|url| is_empty(&url))
    })
}

/// Where `url` was configured, for one who wants to correct it.
fn place(service: &str, url: &str) -> String {
    let id = service.to_ascii_uppercase().replace(' ', "_");
    [format!("{VARIABLE}_{id}"), VARIABLE.to_owned()]
        .into_iter()
        .find(|name| env::var(name).is_ok_and(|value| value == url))
        .unwrap_or_else(|| "the profile's endpoint_url".to_owned())
}

fn is_empty(url: &str) -> bool {
    url.trim().is_empty()
}

/// Whether both those who read it, muster and the SDK, find a host and a scheme that can be asked.
fn is_url(text: &str) -> bool {
    let sdk = text.parse::<Uri>();
    let own = Url::parse(text);
    sdk.is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
    }) && own.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

// === impl Filled ===

impl LoadServiceConfig for Filled {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let value = self.0.service_config()?.load_config(key)?;
        Some(value).filter(|value| !is_empty(value))
    }
}

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filled")
    }
}

#[cfg(test)]
mod tests {
    use super::is_url;

    #[test]
    fn knows_what_can_be_asked() {
        for sound in [
            "http://127.0.0.1:5000",
            "https://rds.eu-west-1.amazonaws.com/",
            "http://[::1]:5000/path",
            "https://localhost",
        ] {
            assert!(is_url(sound), "{sound}");
        }
        for wrong in [
            "notaurl",
            "file:///etc/passwd",
            "ftp://host",
            "http://",
            "http:host",
            "http:/host",
            "//host",
            "localhost:5000",
            "http://a b",
            "http://host:99999",
        ] {
            assert!(!is_url(wrong), "{wrong}");
        }
    }
}
