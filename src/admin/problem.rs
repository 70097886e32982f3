//! [`Problem`]: what is wrong with a request or with us, as RFC 9457 has it.

use std::{error::Error, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use muster_store::StoreError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::service::handle::{Refused, RefusedKind};

/// What is wrong. Small, for it travels as an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem(Box<Body>);

/// What is wrong, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Body {
    /// Always `about:blank`: the status and `code` say what sort of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A stable word for programs: `not-found`, `bad-parameter`, `unavailable`.
    code: &'static str,
    /// What was not done, and on what.
    detail: String,
    /// Why, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

// === impl Problem ===

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Body {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            why: Vec::new(),
            hint: None,
        }))
    }

    pub(super) fn because(mut self, why: impl Into<String>) -> Self {
        self.0.why.push(why.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    fn cause(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if self.0.why.last() != Some(&text) {
                self.0.why.push(text);
            }
            next = error.source();
        }
        self
    }

    /// A parameter that cannot be understood.
    pub(super) fn parameter(name: &str, why: impl Into<String>) -> Self {
        let name: String = name.chars().take(80).collect();
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-parameter",
            format!("cannot use the parameter `{name}`"),
        )
        .because(why)
    }

    /// A request that is not what HTTP asks for.
    pub(super) fn bad_request(why: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "cannot answer this request",
        )
        .because(why)
    }

    /// There is no such thing.
    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", what)
    }

    /// There is no such path.
    pub(super) fn no_route() -> Self {
        Self::not_found("there is nothing at this path").hint(
            "/openapi.json lists all paths; an id is one part of a path, so its slashes are written %2F and its # %23",
        )
    }

    /// A name that means several things.
    pub(super) fn ambiguous(what: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "ambiguous", what)
    }

    /// Nothing is changed here.
    pub(super) fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "only GET and HEAD are answered: nothing is changed through this API",
        )
        .hint("changes are made by the muster commands, on this machine")
    }

    /// A name that is not this machine's.
    pub(super) fn misdirected() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong-host",
            "only requests to this machine are answered",
        )
        .because("the request's Host is neither a loopback name nor the address that the API listens on")
        .hint("ask for http://127.0.0.1:PORT or http://localhost:PORT; a proxy in between has to set the header Host")
    }

    /// It takes too long.
    pub(super) fn too_slow(within: Duration) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-slow",
            format!("there is no answer within {} s", within.as_secs()),
        )
        .hint("ask for fewer at once, or try again later")
    }

    /// Why the service did not do it.
    pub(super) fn refused(refused: &Refused) -> Self {
        let (status, code) = match refused.kind {
            RefusedKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            RefusedKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            RefusedKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            RefusedKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            RefusedKind::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        let mut problem = Self::new(status, code, refused.what.as_str());
        problem.0.why.clone_from(&refused.why);
        problem.0.hint.clone_from(&refused.hint);
        problem
    }

    /// A fault of ours.
    pub(super) fn internal(error: &(dyn Error + 'static)) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the answer could not be made",
        )
        .cause(error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (status, code, hint) = match &error {
            StoreError::Id { .. } => (StatusCode::BAD_REQUEST, "bad-parameter", None),
            StoreError::Damaged(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "damaged",
                Some("`muster store check` lists what cannot be read"),
            ),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", None),
        };
        let problem = Self::new(status, code, "cannot read the store").cause(&error);
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Strings and a number: there is nothing in it that JSON cannot hold.
        let mut body = serde_json::to_vec(&self.0).unwrap_or_default();
        body.push(b'\n');
        let content = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, content)], body).into_response()
    }
}
