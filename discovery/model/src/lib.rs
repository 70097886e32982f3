//! The nouns of muster, and nothing else.
//!
//! | word | meaning |
//! |---|---|
//! | [`Database`] | what a scanner saw in a cloud: one reachable endpoint with its engine, tags and state |
//! | [`ResourceId`] | the provider's own id plus the endpoint role; identity, never the name |
//! | [`Scope`] | one unit of scanning: account or subscription x region x service |
//! | [`Coverage`] | whether a scope was read completely, and if not, why |
//! | [`Scan`] | what one pass over one scope found, with its coverage |
//! | [`Selector`] | a filter over labels: what tag filters, rules and roles are written in |
//! | [`Decision`] | what the matchers said of a database, with the [`Trace`] of why |
//! | [`Target`] | an enrolled database, as the proxy serves it |
//!
//! This crate does no I/O, knows no clock and no async: time comes in as a [`Timestamp`].

mod database;
mod decision;
mod held;
mod id;
mod kind;
mod labels;
mod record;
mod scan;
pub mod selector;
mod target;
mod time;

pub use self::{
    database::{Availability, Database, Endpoint, EndpointRole, State, Unread, fact},
    decision::{Decision, Enrollment, Skip, Step, Trace, Unsupported},
    held::{Became, HeldPlan, HeldRemoval, Verdict},
    id::{AccountId, ParseScopeError, Provider, Region, ResourceId, Scope, Service},
    kind::{Kind, Protocol},
    labels::{DERIVED_KEYS, Label, Labels, Origin, RESERVED_PREFIXES, Shadowed},
    record::{DecisionRecord, Event, FieldChange, HistoryEntry, Missing, Record, ScopeRecord},
    scan::{Coverage, Failure, FailureReason, Malformed, Scan},
    selector::{Selector, SelectorError},
    target::{Owner, Target, hint},
    time::Timestamp,
};
