//! The one line: scan -> inventory -> match -> plan -> enroll.
//!
//! | part | does |
//! |---|---|
//! | [`sources`] | from the configuration's sources to scanners, and to the filters of what they find |
//! | [`state`] | what the store holds, read once |
//! | [`run`] | one run: merges the scans, judges, plans. Pure: `muster plan` and `muster apply` share it |
//! | [`commit`] | writes what a run came to, all or nothing |
//! | [`matched`] | by which matchers what the store holds was judged |
//! | [`saved`] | a plan in a file, to be looked at by a person and applied later |
//!
//! Does not decide anything itself: judging is `muster-matchers`', planning `muster-plan`'s.

use muster_model::Timestamp;

pub mod commit;
pub mod held;
pub mod matched;
pub mod run;
pub mod saved;
pub mod sources;
pub mod state;

/// A run's name: when, and by which process, to tell runs of one second apart.
pub fn run_id(now: Timestamp) -> String {
    format!("{now}-{}", std::process::id())
}
