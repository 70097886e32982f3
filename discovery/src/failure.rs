//! From a call's error, as the cloud crate words it, to the failure that a scan carries.

use muster_cloud::{CallError, Reason};
use muster_model::{Failure, FailureReason};

/// The same failure in the model's words.
pub fn failure(error: CallError) -> Failure {
    let reason = match error.reason {
        Reason::NoCredentials => FailureReason::NoCredentials,
        Reason::Denied => FailureReason::Denied,
        Reason::Throttled => FailureReason::Throttled,
        Reason::Unreachable => FailureReason::Unreachable,
        Reason::Server => FailureReason::Server,
        Reason::Malformed => FailureReason::Malformed,
        Reason::Truncated => FailureReason::Truncated,
        Reason::UnsupportedEngine => FailureReason::UnsupportedEngine,
        Reason::Capped => FailureReason::Capped,
        Reason::Rejected => FailureReason::Rejected,
    };
    Failure {
        reason,
        call: error.call,
        message: error.message,
        permission: error.permission,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_vocabularies_have_the_same_words() {
        for reason in Reason::ALL {
            let failure = failure(CallError::new(reason, "rds:DescribeDBClusters", "no"));
            assert_eq!(failure.reason.as_str(), reason.as_str());
        }
    }
}
