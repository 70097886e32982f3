//! What the store holds beside targets: what was seen, when, and what changed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Coverage, Database, Decision, Malformed, ResourceId, Scope, Timestamp, Trace};

/// A database in the inventory.
///
/// There is no `last_seen` in it: a record that is not missing was last seen when its scope was last read
/// completely ([`ScopeRecord::complete`]), so that a scan in which nothing changed writes nothing per database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Record {
    /// As last seen.
    pub database: Database,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When the database, as read, last changed.
    pub changed: Timestamp,
    /// Set while complete scans of its scope do not find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// How long a database has not been found by complete scans of its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Missing {
    /// The first complete scan that did not find it.
    pub since: Timestamp,
    /// How many complete scans in a row did not find it.
    pub scans: u32,
}

/// How a scope's last scans went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ScopeRecord {
    /// The scope.
    pub scope: Arc<Scope>,
    /// The last scan's time.
    pub attempted: Timestamp,
    /// The last scan's coverage.
    pub coverage: Coverage,
    /// The last complete scan's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<Timestamp>,
    /// How many databases the last complete scan found.
    pub found: u64,
    /// Incomplete scans in a row.
    pub failures_in_a_row: u32,
    /// Records of the last scan that could not be understood, at most [`ScopeRecord::MAX_MALFORMED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub malformed: Vec<Malformed>,
}

impl ScopeRecord {
    /// The most malformed records that are remembered of a scan.
    pub const MAX_MALFORMED: usize = 100;
}

/// The last decision about a database, kept so that `explain` can answer without scanning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DecisionRecord {
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub trace: Trace,
    /// When it last changed.
    pub changed: Timestamp,
}

/// One line of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// Of which database.
    pub id: ResourceId,
    /// Its name at that time.
    pub name: String,
    /// What happened.
    pub event: Event,
    /// The run that saw or did it.
    pub run: String,
    /// The scan's scope, the matcher or the person behind it.
    pub by: String,
    /// Field by field, for changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What happened to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A scan found it for the first time.
    Seen,
    /// A scan found it changed.
    Changed,
    /// A complete scan did not find it.
    Missing,
    /// It was missing and is there again.
    Returned,
    /// It is no longer in the inventory.
    Forgotten,
    /// It was enrolled.
    Enrolled,
    /// Its target was updated.
    Updated,
    /// Its target was removed.
    Removed,
    /// A person approved its removal, which the brake held.
    Approved,
    /// A person rejected its removal, which the brake held.
    Rejected,
}
crate::id::words!(Event, "event":
    Seen = "seen",
    Changed = "changed",
    Missing = "missing",
    Returned = "returned",
    Forgotten = "forgotten",
    Enrolled = "enrolled",
    Updated = "updated",
    Removed = "removed",
    Approved = "approved",
    Rejected = "rejected",
);

/// One field that changed; `None` on the side where it does not exist.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct FieldChange {
    /// The field: `endpoint`, `state`, `labels.env`.
    pub field: String,
    /// The value before.
    pub from: Option<String>,
    /// The value after.
    pub to: Option<String>,
}
