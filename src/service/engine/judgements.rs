//! [`Judgements`]: how many databases who said what of, for the metrics.

use std::collections::BTreeMap;

use muster_model::{Decision, Skip};

/// How many of each of [`JUDGEMENTS`].
pub type Judgements = BTreeMap<(&'static str, &'static str), u64>;

/// Who decides, and what: the built-in check of what can be served, the sources' filters, the rules, matchers of one's
/// own, and the check of names. A failed matcher leaves a database undecided.
pub const JUDGEMENTS: [(&str, &str); 9] = [
    ("support", "skip"),
    ("sources", "skip"),
    ("rules", "enroll"),
    ("rules", "skip"),
    ("rules", "undecided"),
    ("plugins", "enroll"),
    ("plugins", "skip"),
    ("plugins", "undecided"),
    ("name", "skip"),
];

/// Which of them a decision is.
pub fn who_said_what(decision: &Decision) -> (&'static str, &'static str) {
    // The chain calls them so; a rule is `rule "..."`, whatever its name.
    let of = |matcher: &str| match matcher.starts_with("plugin \"") {
        true => "plugins",
        false => "rules",
    };
    match decision {
        Decision::Enroll(enrollment) => (of(&enrollment.matcher), "enroll"),
        Decision::Undecided { matcher, .. } => (of(matcher), "undecided"),
        Decision::Skip { reason } => match reason {
            Skip::Unsupported { .. } | Skip::State { .. } | Skip::NoEndpoint => ("support", "skip"),
            Skip::NotSelected { .. } => ("sources", "skip"),
            Skip::Matcher { matcher, .. } => (of(matcher), "skip"),
            Skip::NoMatch => ("rules", "skip"),
            Skip::BadName { .. } => ("name", "skip"),
        },
    }
}
