//! Why something was not done: `application/problem+json` of RFC 9457. Never a secret; of a request at most a name, a `ttl` or a
//! filter, encoded as JSON, to whoever has sent it.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    authority::people::Denied,
    service::handle::{Refused, RefusedKind},
};

#[derive(Debug, Serialize)]
pub(super) struct Problem {
    /// `urn:muster:denied:KIND`.
    #[serde(rename = "type")]
    urn: Box<str>,
    title: String,
    status: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Full names that could have been meant.
    #[serde(skip_serializing_if = "none")]
    candidates: Box<[String]>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

impl Problem {
    pub fn new(status: u16, kind: &str, title: impl Into<String>) -> Self {
        Self {
            urn: format!("urn:muster:denied:{kind}").into(),
            title: title.into(),
            status,
            why: Vec::new(),
            hint: None,
            candidates: Box::default(),
            retry_after: None,
        }
    }

    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The status, and all that a person is told, in one text.
    pub fn in_words(&self) -> (StatusCode, String) {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let parts = std::iter::once(&self.title)
            .chain(&self.why)
            .chain(&self.hint);
        (
            status,
            parts.map(String::as_str).collect::<Vec<_>>().join(": "),
        )
    }

    pub fn candidates(mut self, names: Vec<String>) -> Self {
        self.candidates = names.into();
        self
    }

    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }
}

const fn none(names: &[String]) -> bool {
    names.is_empty()
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Wrong => Self::new(401, "login", "user name, password or code is wrong"),
            Denied::Factor => Self::new(401, "second-factor", "a code is needed")
                .because("the password is right, and this user has a second factor")
                .hint("send the code of the authenticator app as well"),
            Denied::Invitation => Self::new(
                401,
                "invitation",
                "the invitation is wrong, over or used already",
            )
            .hint("ask for a new one"),
            Denied::Often(seconds) => Self::new(429, "often", "too many tries")
                .hint("wait, and try again")
                .after(seconds),
            Denied::Refused(refused) => refused.into(),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, kind) = match refused.kind {
            RefusedKind::NotFound => (404, "not-found"),
            RefusedKind::Conflict => (403, "refused"),
            RefusedKind::Invalid => (422, "invalid"),
            RefusedKind::Unavailable => (503, "unavailable"),
            RefusedKind::Failed => {
                // Paths and errors of this machine are nobody's business out there.
                tracing::error!(why = %refused, "the authority could not answer");
                return Self::new(500, "failed", "the authority could not do this")
                    .hint("whoever runs it finds the reason in its log");
            }
        };
        let mut problem = Self::new(status, kind, refused.what);
        problem.why = refused.why;
        problem.hint = refused.hint;
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A problem holds nothing that JSON cannot.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
