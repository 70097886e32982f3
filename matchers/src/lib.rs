//! Judges databases: which are enrolled, under which name and with which labels, and why.
//!
//! [`Chain::build`] checks sources and rules and reports all that is wrong with them; [`Chain::judge`] then
//! takes one [`muster_model::Database`] to one [`Judgement`]. Judging is pure: no clock, no I/O, no other database is
//! looked at, and the same database always comes to the same judgement with the same trace.
//!
//! | file | what is in it |
//! |---|---|
//! | `chain` | the steps in order, and the trace |
//! | `source` | which databases a source selects |
//! | `file` | rules as they are written |
//! | `rule` | rules as they are judged by; what is wrong with those that cannot be |
//! | `labels` | rename, map, drop, add |
//! | `template` | values with `{{ fields }}` in them |
//! | `names` | names that nobody wrote |
//! | `reach` | rules that can never match |
//!
//! It does not look for two databases that want one name: the planner sees all of them, and reports both.

#![forbid(unsafe_code)]

mod chain;
mod file;
mod labels;
mod names;
mod problem;
mod reach;
mod rule;
mod source;
mod template;

pub use self::{
    chain::{Chain, Judgement},
    file::{EnrollFile, LabelsFile, RuleFile},
    names::{MAX_NAME_LEN, OVERRIDE_TAGS},
    problem::Problem,
    source::SourceFilter,
    template::FIELDS,
};
