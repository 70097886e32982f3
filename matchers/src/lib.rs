//! Judges databases: which are enrolled, under which name and with which labels, and why.
//!
//! [`Chain::build`] checks sources and rules and reports all that is wrong with them; [`Chain::judge_all`] then
//! takes each [`muster_model::Database`] to one [`Judgement`]. Judging is pure: no clock, no I/O, no other database is
//! looked at, and the same database always comes to the same judgement with the same trace, alone or beside others.
//! So it is as long as the [`Matcher`]s of others are; how they are held to it is not this crate's to know.
//!
//! | file | what is in it |
//! |---|---|
//! | `chain` | the steps in order, for many databases at once |
//! | `judging` | what one database goes through, and the trace of it |
//! | `plugin` | matchers that others wrote, as the chain sees them |
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
mod judging;
mod labels;
mod names;
mod plugin;
mod problem;
mod reach;
mod rule;
mod source;
mod template;

pub use self::{
    chain::{Chain, Judgement},
    file::{EnrollFile, LabelsFile, PluginFile, RuleFile},
    names::{MAX_NAME_LEN, OVERRIDE_TAGS},
    plugin::{Candidate, Failed, Matcher, Matchers, Proposal, Subject, Verdict},
    problem::Problem,
    source::SourceFilter,
    template::FIELDS,
};
