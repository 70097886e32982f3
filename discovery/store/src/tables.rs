//! The collections that muster keeps. One line each: what it holds, and under which id.

use muster_model::{DecisionRecord, HeldPlan, Record, ScopeRecord, Target};

use crate::{Collection, History};

/// Databases as last seen, by [`muster_model::ResourceId`].
pub const INVENTORY: Collection<Record> = Collection::new("inventory", 1);

/// Enrolled databases, by [`muster_model::ResourceId`].
pub const TARGETS: Collection<Target> = Collection::new("targets", 1);

/// The last decision about each database, by [`muster_model::ResourceId`].
pub const DECISIONS: Collection<DecisionRecord> = Collection::new("decisions", 1);

/// How each scope's last scans went, by the scope as [`muster_model::Scope`] prints itself.
pub const SCOPES: Collection<ScopeRecord> = Collection::new("scopes", 1);

/// Plans that the brake held, by number, of six digits or more.
pub const PLANS: Collection<HeldPlan> = Collection::new("plans", 1);

/// Facts about the store itself, by name: the time of the last run, the plan that is being applied.
pub const META: Collection<serde_json::Value> = Collection::new("meta", 1);

/// What happened to each database, newest first.
pub const HISTORY: History = History::new();
