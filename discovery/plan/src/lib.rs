//! From what was seen to what is to be changed.
//!
//! Two pure steps, with the clock passed in and no I/O, so that the same inputs always give the same bytes:
//!
//! 1. [`Inventory::merge`] takes the scans of a run into what was known before. It alone decides when a
//!    database counts as missing: only when a complete scan of its scope did not find it.
//! 2. [`plan`] compares what the matchers want with what is enrolled, and holds back whatever one of the
//!    safeties forbids: coverage, grace, brake, owner, policy, name, matcher.
//!
//! `muster plan`, `muster apply` and the running service share these two functions.

mod diff;
mod inventory;
mod live;
mod names;
mod planner;
mod settings;
mod types;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrongs;

pub use self::{
    inventory::{Inventory, Merge},
    live::{Index, Sighting, Standing, Tally, unread_line},
    planner::{Input, Judged, OpenScopes, Outcome, Removals, TargetWrite, plan, why_and_why_held},
    settings::{Brake, Grace, Policy, Settings, Unconfigured},
    types::{Action, Change, Hold, Plan, Safety, ScopeLine, SkippedLine, Summary},
};
