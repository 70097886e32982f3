//! [`Scan`]: what one pass over one scope found, and whether it saw everything.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Database, Scope, id::words};

/// The answer of a scanner. There is no `Result` around it: a scan that failed is a scan with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Scan {
    /// What was to be read.
    pub scope: Arc<Scope>,
    /// What was found, in no particular order.
    pub found: Vec<Database>,
    /// Records that could not be understood. Those whose provider id could be read count as seen.
    pub malformed: Vec<Malformed>,
    /// Whether that is all there is.
    pub coverage: Coverage,
    /// Calls that failed without costing coverage: optional facts that could not be read.
    pub warnings: Vec<Failure>,
    /// Requests sent, with those that were tried again.
    pub requests: u32,
}

/// Whether a scope was read completely. Only what was read completely can prove that something is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Every page of every call was read.
    Complete,
    /// Something was read, and something was not; why.
    Partial(Vec<Failure>),
    /// Nothing could be read; why.
    Unread(Vec<Failure>),
}

/// One call that failed for good, after whatever retries the budget allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failure {
    /// What sort of failure.
    pub reason: FailureReason,
    /// The call, as the provider's permission names it: `rds:DescribeDBClusters`.
    pub call: String,
    /// What the provider or the transport said, in one line.
    pub message: String,
    /// The permission that is missing, when that is known to be the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
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
    /// A fault of muster's own: the scanner broke off.
    Internal,
}
words!(FailureReason, "failure reason":
    NoCredentials = "no-credentials",
    Denied = "denied",
    Throttled = "throttled",
    Unreachable = "unreachable",
    Server = "server",
    Malformed = "malformed",
    Truncated = "truncated",
    UnsupportedEngine = "unsupported-engine",
    Capped = "capped",
    Rejected = "rejected",
    Internal = "internal",
);

/// A record that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Malformed {
    /// The provider's id, where at least that could be read: then nothing of that resource counts as gone.
    pub provider_id: Option<String>,
    /// The call whose answer held it.
    pub call: String,
    /// What is wrong with it.
    pub message: String,
}

// === impl Scan ===

impl Scan {
    /// A scan that found nothing and saw everything; a scanner fills it.
    pub fn empty(scope: Arc<Scope>) -> Self {
        Self {
            scope,
            found: Vec::new(),
            malformed: Vec::new(),
            coverage: Coverage::Complete,
            warnings: Vec::new(),
            requests: 0,
        }
    }

    /// Notes that a call which lists databases failed: the scope is not completely read.
    pub fn fail(&mut self, failure: Failure) {
        match &mut self.coverage {
            Coverage::Complete => self.coverage = Coverage::Partial(vec![failure]),
            Coverage::Partial(failures) | Coverage::Unread(failures) => failures.push(failure),
        }
    }

    /// Settles the coverage at the end of a scan: a malformed record without an id costs completeness, and a
    /// scope of which no listing call got any answer (`answered` is false) is unread rather than partial.
    #[must_use]
    pub fn finish(mut self, answered: bool) -> Self {
        let nameless: Vec<_> = self
            .malformed
            .iter()
            .filter(|record| record.provider_id.is_none())
            .collect();
        for failure in nameless
            .into_iter()
            .map(|record| Failure {
                reason: FailureReason::Malformed,
                call: record.call.clone(),
                message: record.message.clone(),
                permission: None,
            })
            .collect::<Vec<_>>()
        {
            self.fail(failure);
        }
        if !answered && let Coverage::Partial(failures) = self.coverage {
            self.coverage = Coverage::Unread(failures);
        }
        self
    }
}

// === impl Coverage ===

impl Coverage {
    /// Whether everything was read.
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }

    /// `complete`, `partial` or `unread`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial(_) => "partial",
            Self::Unread(_) => "unread",
        }
    }

    /// Why it is not complete; empty when it is.
    pub fn failures(&self) -> &[Failure] {
        match self {
            Self::Complete => &[],
            Self::Partial(failures) | Self::Unread(failures) => failures,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.call, self.reason, self.message)?;
        match &self.permission {
            Some(permission) => write!(f, " (missing permission: {permission})"),
            None => Ok(()),
        }
    }
}
