//! What AWS's errors mean.
//!
//! The same table serves the SDK's clients and the calls that muster signs itself. The error's
//! code comes before the status: EC2 throttles with a 503, RDS with a 400.

use std::{error::Error, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::{
    client::{
        orchestrator::HttpResponse,
        result::{ConnectorError, SdkError},
    },
    http::Headers,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::xml::Broken;
use crate::error::{CallError, Classified, Classify, Reason, Retry, chain};

/// An answer that says no.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refusal<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `AccessDenied`, if the answer could be read that far.
    pub code: Option<&'a str>,
    /// What it says.
    pub message: Option<&'a str>,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

impl<E> Classify for SdkError<E, HttpResponse>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn classify(&self, call: &str) -> Classified {
        // Credentials that could not be had: muster's own provider already said why.
        if let Some(error) = find::<CallError>(self) {
            return error.clone().fatal();
        }
        if find::<CredentialsError>(self).is_some() {
            return CallError::new(Reason::NoCredentials, call, chain(self)).fatal();
        }
        match self {
            Self::ServiceError(context) if context.raw().status().is_success() => {
                broken(call, &Broken::Nonsense(chain(context.err())))
            }
            Self::ServiceError(context) => {
                let (raw, error) = (context.raw(), context.err());
                let refusal = Refusal {
                    status: raw.status().as_u16(),
                    code: error.code(),
                    message: error.message(),
                    retry_after: retry_after(raw.headers()),
                };
                refused(call, refusal)
            }
            Self::ResponseError(_) => broken(call, &Broken::Cut(chain(self))),
            Self::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => undelivered(call, error),
                None => CallError::new(Reason::Unreachable, call, chain(self)).retry(Retry::Yes),
            },
            Self::TimeoutError(_) => {
                CallError::new(Reason::Unreachable, call, "no answer in time").retry(Retry::Yes)
            }
            _ => CallError::new(Reason::Rejected, call, chain(self)).fatal(),
        }
    }
}

/// What a refusal means.
pub(super) fn refused(call: &str, refusal: Refusal<'_>) -> Classified {
    let Refusal {
        status,
        code,
        message,
        retry_after,
    } = refusal;
    let code = code
        .map(|code| code.strip_prefix("Client.").unwrap_or(code))
        .unwrap_or_default();
    let lower = message.unwrap_or_default().to_ascii_lowercase();
    let meaning = meaning(status, code, &lower);

    let mut text = match (code, message.unwrap_or_default()) {
        ("", "") => format!("HTTP status {status}"),
        ("", message) => message.to_owned(),
        (code, "") => format!("{code} (HTTP status {status})"),
        // It goes on with all that was signed, the session token included.
        (code @ ("SignatureDoesNotMatch" | "InvalidSignatureException"), message) => {
            let first = message.split(['.', '\n']).next().unwrap_or_default();
            format!("{code}: {first}")
        }
        (code, message) => format!("{code}: {message}"),
    };
    if let Some(hint) = meaning.hint {
        text = format!("{text} ({hint})");
    }
    let mut error = CallError::new(meaning.reason, call, text);
    if meaning.reason == Reason::Denied {
        let named = message.and_then(named_permission);
        error.permission = Some(named.unwrap_or(call).to_owned());
    }
    match (meaning.retry, retry_after) {
        (false, _) => error.fatal(),
        (true, Some(after)) => error.retry(Retry::After(after)),
        (true, None) => error.retry(Retry::Yes),
    }
}

struct Meaning {
    reason: Reason,
    retry: bool,
    hint: Option<&'static str>,
}

fn meaning(status: u16, code: &str, lower: &str) -> Meaning {
    let is = |codes: &[&str]| {
        let exception = code.strip_suffix("Exception").unwrap_or(code);
        codes.contains(&exception)
    };
    let plain = |reason| Meaning {
        reason,
        retry: false,
        hint: None,
    };
    let again = |reason| Meaning {
        reason,
        retry: true,
        hint: None,
    };
    let hinted = |reason, hint| Meaning {
        reason,
        retry: false,
        hint: Some(hint),
    };

    if lower.contains("unrecognized engine name") {
        plain(Reason::UnsupportedEngine)
    } else if is(&[
        "Throttling",
        "Throttled",
        "ThrottledRequests",
        "RequestThrottled",
        "EC2Throttled",
        "RequestLimitExceeded",
        "TooManyRequests",
        "SlowDown",
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
    ]) || code.starts_with("Throttling")
        || status == 429
        || lower.contains("rate exceeded")
    {
        again(Reason::Throttled)
    } else if is(&["OptInRequired", "RegionDisabled", "SubscriptionRequired"]) {
        hinted(
            Reason::Rejected,
            "the account has not enabled this region or service",
        )
    } else if is(&["RequestTimeTooSkewed", "RequestExpired"])
        || lower.contains("signature expired")
        || lower.contains("signature not yet current")
    {
        hinted(Reason::Rejected, "is this machine's clock right?")
    } else if is(&["ExpiredToken", "TokenRefreshRequired"]) {
        hinted(Reason::NoCredentials, "the credentials have expired")
    } else if is(&[
        "AuthFailure",
        "InvalidClientTokenId",
        "UnrecognizedClient",
        "InvalidAccessKeyId",
        "InvalidToken",
        "InvalidSecurityToken",
    ]) {
        // What a region says that the account has not enabled: the token means nothing there.
        hinted(
            Reason::NoCredentials,
            "not valid here; is the region enabled for this account?",
        )
    } else if is(&[
        "SignatureDoesNotMatch",
        "InvalidSignature",
        "IncompleteSignature",
        "MissingAuthenticationToken",
    ]) {
        plain(Reason::NoCredentials)
    } else if is(&[
        "AccessDenied",
        "UnauthorizedOperation",
        "UnauthorizedAccess",
        "Unauthorized",
        "NotAuthorized",
        "Forbidden",
    ]) || code.starts_with("AccessDenied")
        || lower.contains("not authorized to perform")
    {
        plain(Reason::Denied)
    } else if is(&["RequestTimeout"]) || status == 408 {
        again(Reason::Unreachable)
    } else if status >= 500
        || is(&[
            "InternalFailure",
            "InternalError",
            "InternalServer",
            "InternalServerError",
        ])
        || is(&["InternalService", "ServiceUnavailable"])
    {
        again(Reason::Server)
    } else if code.is_empty() && matches!(status, 401 | 403) {
        plain(Reason::Denied)
    } else {
        plain(Reason::Rejected)
    }
}

/// A request that was not sent, or not answered.
pub(super) fn undelivered(call: &str, error: &ConnectorError) -> Classified {
    if let Some(unsound) = find::<Broken>(error) {
        return broken(call, unsound);
    }
    let text = chain(error);
    if error.is_user() {
        return CallError::new(Reason::Rejected, call, text).fatal();
    }
    // Another attempt meets the same certificate.
    if text.contains("invalid peer certificate") {
        let hint = "behind a proxy that opens TLS, name its CA bundle in SSL_CERT_FILE";
        return CallError::new(Reason::Unreachable, call, format!("{text} ({hint})")).fatal();
    }
    if error.is_timeout() {
        let text = format!("no connection or no answer in time: {text}");
        return CallError::new(Reason::Unreachable, call, text).retry(Retry::Yes);
    }
    CallError::new(Reason::Unreachable, call, text).retry(Retry::Yes)
}

/// An answer of success that is none: it ended early, or makes no sense.
pub(super) fn broken(call: &str, broken: &Broken) -> Classified {
    let text = broken.to_string();
    match broken {
        Broken::Cut(_) => CallError::new(Reason::Truncated, call, text).retry(Retry::Yes),
        Broken::Nonsense(_) => CallError::new(Reason::Malformed, call, text).fatal(),
    }
}

/// `Retry-After` in whole seconds, or the milliseconds that some AWS services send.
pub(super) fn retry_after(headers: &Headers) -> Option<Duration> {
    let number = |name| {
        headers
            .get(name)
            .and_then(|value: &str| value.trim().parse::<u64>().ok())
    };
    number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

/// The action in `... is not authorized to perform: rds:DescribeDBClusters on resource ...`.
fn named_permission(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action = rest
        .split_whitespace()
        .next()?
        .trim_end_matches(['.', ',', ';']);
    let (service, name) = action.split_once(':')?;
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    (word(service) && word(name)).then_some(action)
}

/// The first error of type `T` among `error` and its sources.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
