//! [`Problem`]: why something was not done, as it goes over the socket.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use muster_store::{Damaged, StoreError, Why};
use serde::{Deserialize, Serialize};

use super::WhyDef;
use crate::service::handle::{Refused, RefusedKind};

/// Why something was not done: `application/problem+json` of RFC 9457, made of [`Refused`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::control) struct Problem {
    /// `urn:muster:refused:KIND`.
    #[serde(rename = "type")]
    pub urn: String,
    /// What was not done.
    pub title: String,
    pub status: u16,
    pub kind: RefusedKind,
    #[serde(default)]
    pub why: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the store said, where it was the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Box<StoreFault>>,
}

/// A [`StoreError`] that reading can end with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::control) enum StoreFault {
    Damaged {
        key: String,
        #[serde(with = "WhyDef")]
        why: Why,
    },
    Backend {
        why: String,
        source: Option<String>,
    },
}

// === impl Problem ===

impl Problem {
    pub fn new(kind: RefusedKind, what: impl Into<String>) -> Self {
        Refused {
            kind,
            what: what.into(),
            why: Vec::new(),
            hint: None,
        }
        .into()
    }

    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status.as_u16();
        self
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (word, status) = match refused.kind {
            RefusedKind::NotFound => ("not-found", StatusCode::NOT_FOUND),
            RefusedKind::Conflict => ("conflict", StatusCode::CONFLICT),
            RefusedKind::Invalid => ("invalid", StatusCode::UNPROCESSABLE_ENTITY),
            RefusedKind::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            RefusedKind::Failed => ("failed", StatusCode::INTERNAL_SERVER_ERROR),
        };
        Self {
            urn: format!("urn:muster:refused:{word}"),
            title: refused.what,
            status: status.as_u16(),
            kind: refused.kind,
            why: refused.why,
            hint: refused.hint,
            store: None,
        }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self {
            kind: problem.kind,
            what: problem.title,
            why: problem.why,
            hint: problem.hint,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let mut problem = Self::new(RefusedKind::Failed, "cannot read the store");
        let mut next: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = next {
            problem.why.push(error.to_string());
            next = error.source();
        }
        let fault = match error {
            StoreError::Damaged(Damaged { key, why }) => StoreFault::Damaged { key, why },
            StoreError::Backend { why, source, .. } => StoreFault::Backend {
                why,
                source: source.map(|source| source.to_string()),
            },
            other => StoreFault::Backend {
                why: other.to_string(),
                source: None,
            },
        };
        problem.store = Some(Box::new(fault));
        problem
    }
}

impl From<StoreFault> for StoreError {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Damaged { key, why } => Damaged { key, why }.into(),
            StoreFault::Backend { why, source } => Self::Backend {
                what: "read",
                why,
                source: source.map(|text| Arc::new(io::Error::other(text))),
            },
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A problem holds nothing that JSON cannot.
        let mut body = serde_json::to_vec(&self).unwrap_or_default();
        body.push(b'\n');
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, Body::from(body)).into_response()
    }
}
