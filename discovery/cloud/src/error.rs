//! Why a call to a cloud failed: a reason that a report can sort by, the call, one line of text.
//!
//! Every provider's errors come down to [`CallError`], so that a scanner never looks at a status
//! code. Does not retry: that is [`crate::budget`]'s work, told by [`Retry`].

use std::{fmt, time::Duration};

pub use crate::text::{chain, one_line};

/// The longest [`CallError::message`], in bytes.
pub const MAX_MESSAGE: usize = 500;

/// Why a call failed. The words are those of the report, see [`Reason::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No credentials, or none that could be used.
    NoCredentials,
    /// A permission is missing.
    Denied,
    /// The provider asked to slow down, for longer than the budget allowed.
    Throttled,
    /// No connection, a time-out, or a connection that broke before the answer began.
    Unreachable,
    /// The provider failed (5xx).
    Server,
    /// An answer that could not be understood.
    Malformed,
    /// An answer that ended in the middle.
    Truncated,
    /// The provider does not know an engine that was asked for.
    UnsupportedEngine,
    /// A limit of muster's own was reached: more pages than a scan may read.
    Capped,
    /// The provider refused the request for another reason.
    Rejected,
}

/// A call that failed, after every retry that the budget allowed.
///
/// `Display` is `CALL: MESSAGE`. Holds no secret: texts go through [`one_line`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// Why.
    pub reason: Reason,
    /// The call, as the provider's permission names it: `rds:DescribeDBClusters`.
    pub call: String,
    /// What the provider or the transport said: one line, at most [`MAX_MESSAGE`] bytes.
    pub message: String,
    /// The permission that is missing, when that is known to be the cause.
    pub permission: Option<String>,
}

/// Whether the same call may succeed a little later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It will fail again.
    No,
    /// After the budget's own back-off.
    Yes,
    /// Not before this has passed: the provider said so (`Retry-After`).
    After(Duration),
}

/// A provider's error, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// What the caller sees if this was the last attempt.
    pub error: CallError,
    /// Whether there may be another attempt.
    pub retry: Retry,
}

/// An error of one provider's client that can say what it means.
pub trait Classify {
    /// What this error means for `call` (`rds:DescribeDBClusters`).
    fn classify(&self, call: &str) -> Classified;
}

// === impl Reason ===

impl Reason {
    /// All of them, for tables.
    pub const ALL: [Self; 10] = [
        Self::NoCredentials,
        Self::Denied,
        Self::Throttled,
        Self::Unreachable,
        Self::Server,
        Self::Malformed,
        Self::Truncated,
        Self::UnsupportedEngine,
        Self::Capped,
        Self::Rejected,
    ];

    /// The word of reports and metrics: `no-credentials`, `denied`, ...
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCredentials => "no-credentials",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Server => "server",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::UnsupportedEngine => "unsupported-engine",
            Self::Capped => "capped",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl CallError ===

impl CallError {
    /// An error with its text cleaned by [`one_line`], and no missing permission.
    pub fn new(reason: Reason, call: &str, message: impl AsRef<str>) -> Self {
        Self {
            reason,
            call: call.to_owned(),
            message: one_line(message.as_ref()),
            permission: None,
        }
    }

    /// A refusal for want of `permission`.
    pub fn denied(call: &str, permission: impl Into<String>, message: impl AsRef<str>) -> Self {
        Self {
            permission: Some(permission.into()),
            ..Self::new(Reason::Denied, call, message)
        }
    }

    /// The same error, not to be retried.
    pub const fn fatal(self) -> Classified {
        Classified {
            error: self,
            retry: Retry::No,
        }
    }

    /// The same error, to be retried as `retry` says.
    pub const fn retry(self, retry: Retry) -> Classified {
        Classified { error: self, retry }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.message)
    }
}

impl std::error::Error for CallError {}

// === impl Classify ===

/// An error that is already understood is final.
impl Classify for CallError {
    fn classify(&self, _call: &str) -> Classified {
        self.clone().fatal()
    }
}

/// What a client of our own has already judged.
impl Classify for Classified {
    fn classify(&self, _call: &str) -> Classified {
        self.clone()
    }
}
