//! One bounded HTTP exchange: who may be asked, how much of the answer is read, and what a failure means.
//!
//! Redirects are never followed, because a redirect would carry a token to a host that nobody configured. Does
//! not retry and does not wait: that is the budget's work.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, RequestBuilder, StatusCode,
    header::{HeaderMap, HeaderName, RETRY_AFTER},
    redirect,
};
use serde::Deserialize;
use time::OffsetDateTime;
use url::{Host, Url};

use crate::{
    error::{CallError, Classified, Reason, Retry},
    observe::{Cloud, Observed},
    text,
};

/// The longest answer that is read, in bytes: 32 MiB.
pub(super) const MAX_BODY: usize = 32 << 20;

/// The clients of a process. They share nothing but their settings.
pub(super) struct Http {
    /// For hosts on the internet; follows the proxy variables of the environment.
    outside: Client,
    /// For this machine and the metadata service, which no proxy can reach.
    direct: Client,
}

/// A whole answer, whatever its status.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// No whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// No connection, a time-out, or a connection that broke before the answer began.
    Unreachable(String),
    /// The body ended in the middle.
    Truncated(String),
    /// The body is longer than [`MAX_BODY`].
    TooLong,
}

/// The error object of Azure Resource Manager.
#[derive(Deserialize)]
struct ArmError {
    error: ArmErrorBody,
}

#[derive(Deserialize)]
struct ArmErrorBody {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

// === impl Http ===

impl Http {
    pub fn new() -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .redirect(redirect::Policy::none())
                .referer(false)
                .connect_timeout(Duration::from_secs(10))
                .read_timeout(Duration::from_secs(60))
                .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            outside: builder().build()?,
            direct: builder()
                .no_proxy()
                .connect_timeout(Duration::from_secs(1))
                .build()?,
        })
    }

    /// The client for a URL.
    pub fn to(&self, url: &Url) -> &Client {
        if is_near(url) {
            &self.direct
        } else {
            &self.outside
        }
    }
}

/// Sends a request and reads its answer to the end.
pub(super) async fn exchange(request: RequestBuilder) -> Result<Answer, Broken> {
    let mut response = request
        .send()
        .await
        .map_err(|error| Broken::Unreachable(words(error)))?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    if response
        .content_length()
        .is_some_and(|length| length > MAX_BODY as u64)
    {
        return Err(Broken::TooLong);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Broken::Truncated(words(error)))?
    {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Broken::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        headers,
        body: body.freeze(),
    })
}

// === impl Broken ===

impl Broken {
    /// What it means for `call`.
    pub fn classify(self, call: &str) -> Classified {
        match self {
            Self::Unreachable(text) => {
                CallError::new(Reason::Unreachable, call, text).retry(Retry::Yes)
            }
            Self::Truncated(text) => {
                CallError::new(Reason::Truncated, call, text).retry(Retry::Yes)
            }
            Self::TooLong => {
                let text = format!("the answer is longer than {} MiB", MAX_BODY >> 20);
                CallError::new(Reason::Capped, call, text).fatal()
            }
        }
    }
}

// === impl Answer ===

impl Answer {
    /// Tells of its date. To be called when it has just come.
    pub fn tell_date(&self, observed: &Observed) {
        let date = self.headers.get(http::header::DATE);
        observed.date(Cloud::Azure, date.and_then(|date| date.to_str().ok()));
    }

    /// The provider's error code (`AuthorizationFailed`); empty when the body has none.
    pub fn arm_code(&self) -> String {
        serde_json::from_slice::<ArmError>(&self.body)
            .map(|answer| answer.error.code)
            .unwrap_or_default()
    }

    /// What an answer other than 200 means for `call`, which needs `permission`.
    pub fn refusal(&self, call: &str, permission: &str) -> Classified {
        let text = self.text();
        let again = || retry_after(&self.headers).map_or(Retry::Yes, Retry::After);
        match self.status.as_u16() {
            429 => CallError::new(Reason::Throttled, call, text).retry(again()),
            403 => CallError::denied(call, permission, text).fatal(),
            // The token is not accepted: no permission would help.
            401 => CallError::new(Reason::Denied, call, text).fatal(),
            408 => CallError::new(Reason::Unreachable, call, text).retry(again()),
            500..=599 => CallError::new(Reason::Server, call, text).retry(again()),
            _ => CallError::new(Reason::Rejected, call, text).fatal(),
        }
    }

    fn text(&self) -> String {
        let status = self.status.as_u16();
        match serde_json::from_slice::<ArmError>(&self.body) {
            Ok(ArmError { error }) => format!("HTTP {status} {}: {}", error.code, error.message),
            Err(_) => match self.status.canonical_reason() {
                Some(reason) => format!("HTTP {status} {reason}"),
                None => format!("HTTP {status}"),
            },
        }
    }
}

/// What a body that is no JSON of the expected shape means.
pub(super) fn unreadable(call: &str, error: &serde_json::Error) -> Classified {
    if error.is_eof() {
        CallError::new(
            Reason::Truncated,
            call,
            format!("the answer ends in the middle: {error}"),
        )
        .retry(Retry::Yes)
    } else {
        CallError::new(
            Reason::Malformed,
            call,
            format!("cannot read the answer: {error}"),
        )
        .fatal()
    }
}

/// How long the provider asks to wait: `retry-after-ms`, `x-ms-retry-after-ms`, or `Retry-After` as seconds or date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let millis = |name: &'static str| {
        text(HeaderName::from_static(name))?
            .parse()
            .ok()
            .map(Duration::from_millis)
    };
    millis("retry-after-ms")
        .or_else(|| millis("x-ms-retry-after-ms"))
        .or_else(|| {
            let text = text(RETRY_AFTER)?;
            if let Ok(seconds) = text.parse() {
                return Some(Duration::from_secs(seconds));
            }
            let then = azure_core::date::parse_rfc1123(text).ok()?;
            Some(
                (then - OffsetDateTime::now_utc())
                    .try_into()
                    .unwrap_or(Duration::ZERO),
            )
        })
}

/// Whether secrets may go there: over TLS anywhere, in plain text only within this machine.
pub(super) fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether the host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Whether the host is this machine or on its own link, as the metadata services are.
pub(super) fn is_near(url: &Url) -> bool {
    let link_local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_unicast_link_local(),
        _ => false,
    };
    link_local || is_loopback(url)
}

/// An error with its causes, without the URL.
fn words(error: reqwest::Error) -> String {
    text::chain(&error.without_url())
}
