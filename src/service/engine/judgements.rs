//! [`Judgements`]: how many databases who said what of, for the metrics.

use std::collections::BTreeMap;

use muster_model::{Decision, Skip};

/// How many of each of [`JUDGEMENTS`].
pub type Judgements = BTreeMap<(&'static str, &'static str), u64>;

/// Who decides, and what: the built-in check of what can be served, the sources' filters, the rules, and the check of
/// names. A failed matcher leaves a database undecided.
pub const JUDGEMENTS: [(&str, &str); 6] = [
    ("support", "skip"),
    ("sources", "skip"),
    ("rules", "enroll"),
    ("rules", "skip"),
    ("rules", "undecided"),
    ("name", "skip"),
];

/// Which of them a decision is.
pub const fn who_said_what(decision: &Decision) -> (&'static str, &'static str) {
    match decision {
        Decision::Enroll(_) => ("rules", "enroll"),
        Decision::Undecided { .. } => ("rules", "undecided"),
        Decision::Skip { reason } => match reason {
            Skip::Unsupported { .. } | Skip::State { .. } | Skip::NoEndpoint => ("support", "skip"),
            Skip::NotSelected { .. } => ("sources", "skip"),
            Skip::Matcher { .. } | Skip::NoMatch => ("rules", "skip"),
            Skip::BadName { .. } => ("name", "skip"),
        },
    }
}
