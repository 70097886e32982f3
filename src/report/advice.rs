//! What a person can do about a call that failed.

use muster_model::{Failure, FailureReason, Provider, Scope};

/// One sentence without a full stop: what would make the call succeed next time.
pub fn advice(failure: &Failure, scope: &Scope) -> String {
    let account = match scope.provider {
        Provider::Aws => format!("account {}", scope.account),
        Provider::Azure => format!("subscription {}", scope.account),
        Provider::SelfHosted => "what is not in a cloud".to_owned(),
    };
    match failure.reason {
        FailureReason::NoCredentials => {
            format!("give muster credentials for {account}; the message lists the sources that were tried")
        }
        FailureReason::Denied => {
            let permission = failure.permission.as_deref().unwrap_or(&failure.call);
            format!(
                "grant {permission} to the identity that muster uses in {account}; `muster install iam {}` prints \
                 the whole policy",
                scope.provider
            )
        }
        FailureReason::Throttled => {
            "nothing at once, the next scan tries again; if it stays so, scan less often or find out who else \
             uses up the account's request quota"
                .to_owned()
        }
        FailureReason::Unreachable => {
            "check name resolution, firewall and proxy between muster and the provider's endpoint".to_owned()
        }
        FailureReason::Server => "nothing at once, the provider failed and the next scan tries again".to_owned(),
        FailureReason::Malformed => {
            "the answer is not what the provider documents; report it with the call and the message".to_owned()
        }
        FailureReason::Truncated => {
            "nothing at once, the next scan tries again; if it stays so, look at proxies between muster and the \
             provider"
                .to_owned()
        }
        FailureReason::UnsupportedEngine => {
            format!("the provider does not offer this engine in {}; leave the region out for it", scope.region)
        }
        FailureReason::Capped => {
            "a limit of muster's own was reached; narrow the source to fewer databases or raise the limit".to_owned()
        }
        FailureReason::Internal => "this is a bug of muster; report it with the message".to_owned(),
        FailureReason::Rejected => {
            format!("read the provider's message; the request itself is refused for {account} in {}", scope.region)
        }
    }
}
