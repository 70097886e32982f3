//! The plan as data: what every report renders.

use std::sync::Arc;

use muster_model::{
    Coverage, Endpoint, Failure, FieldChange, Kind, Labels, Malformed, Protocol, ResourceId, Scope,
    Shadowed, State, Timestamp,
};
use serde::{Deserialize, Serialize};

/// The difference between what is enrolled and what should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How many of each.
    pub summary: Summary,
    /// Every scope that was to be read, in order, with its coverage.
    pub scopes: Vec<ScopeLine>,
    /// Every target that is added, updated, removed, held or kept; by name, then id.
    pub changes: Vec<Change>,
    /// Every database that was seen and is not to be enrolled, and why; by id.
    pub skipped: Vec<SkippedLine>,
    /// What a person should know and that is nobody's action: a rule that matched nothing, a record that could
    /// not be understood.
    pub notes: Vec<String>,
    /// When the scans were made that it rests on.
    pub at: Timestamp,
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// To enroll.
    pub add: usize,
    /// To update.
    pub update: usize,
    /// To remove.
    pub remove: usize,
    /// Unchanged.
    pub keep: usize,
    /// Would change, but a safety holds them.
    pub held: usize,
    /// Seen, and not to be enrolled.
    pub skip: usize,
}

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeLine {
    /// The scope.
    pub scope: Arc<Scope>,
    /// How completely it was read, with the failures.
    pub coverage: Coverage,
    /// Databases found.
    pub found: usize,
    /// Records that could not be understood.
    pub malformed: Vec<Malformed>,
    /// Failures that did not cost coverage.
    pub warnings: Vec<Failure>,
}

/// What happens to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What.
    pub action: Action,
    /// Identity.
    pub id: ResourceId,
    /// Unique name.
    pub name: String,
    /// The product.
    pub kind: Kind,
    /// The wire protocol.
    pub protocol: Protocol,
    /// Where it listens.
    pub endpoint: Option<Endpoint>,
    /// The provider's state.
    pub state: State,
    /// Labels with provenance, after the change.
    pub labels: Labels,
    /// Tags that were kept out of the labels.
    pub shadowed: Vec<Shadowed>,
    /// Why: the deciding rule, or what became of the database.
    pub reason: String,
    /// Field by field, for updates.
    pub fields: Vec<FieldChange>,
    /// For a held change: what would happen, and which safety holds it.
    pub hold: Option<Hold>,
    /// What a person should know: IAM off, a stopped server.
    pub notes: Vec<String>,
}

/// What is done to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Enroll it.
    Add,
    /// Change it.
    Update,
    /// Remove it.
    Remove,
    /// Leave it.
    Keep,
    /// Would change it, and does not.
    Held,
}

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What would have been done: add, update or remove.
    pub would: Action,
    /// Which safety holds it.
    pub safety: Safety,
}

/// The safeties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Safety {
    /// The scope was not completely read, or is no longer configured.
    Coverage,
    /// Not missing for long enough yet.
    Grace,
    /// Too many removals in one plan.
    Brake,
    /// The record belongs to another owner or group.
    Owner,
    /// The policy does not allow this kind of change.
    Policy,
    /// Two databases want one name.
    Name,
    /// A matcher failed, so nothing is decided.
    Matcher,
}

/// A database that is not to be enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedLine {
    /// Identity.
    pub id: ResourceId,
    /// What people call it.
    pub name: String,
    /// The product.
    pub kind: Kind,
    /// The reason's stable word.
    pub code: String,
    /// The reason, as a sentence.
    pub reason: String,
}

// === words ===

impl Action {
    /// The word that stands for it in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Remove => "remove",
            Self::Keep => "keep",
            Self::Held => "held",
        }
    }
}

impl Safety {
    /// Every safety.
    pub const ALL: &'static [Self] = &[
        Self::Coverage,
        Self::Grace,
        Self::Brake,
        Self::Owner,
        Self::Policy,
        Self::Name,
        Self::Matcher,
    ];

    /// The word that stands for it in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coverage => "coverage",
            Self::Grace => "grace",
            Self::Brake => "brake",
            Self::Owner => "owner",
            Self::Policy => "policy",
            Self::Name => "name",
            Self::Matcher => "matcher",
        }
    }
}
