//! The JSON report as types: version 1 of the documented schema (`docs/plan.schema.json`).
//!
//! These are not the plan's own types: the plan may change with muster, this may change only with
//! [`VERSION`]. Fields may be added within a version, so a reader has to pass over fields that it does not
//! know; [`Report`] does.

use std::collections::BTreeMap;

use muster_model as model;
use muster_plan as plan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version that this muster writes.
pub const VERSION: u32 = 1;

/// A plan: the difference between what is enrolled and what should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "muster plan")]
pub struct Report {
    /// The version of this schema: 1. Fields may be added within a version; none is removed or changes its
    /// meaning.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// How many of each.
    pub summary: Summary,
    /// Every scope that was to be read, in order.
    pub scopes: Vec<Scope>,
    /// Every target that is added, updated, removed or held, by name. Unchanged ones only when asked for.
    pub changes: Vec<Change>,
    /// Every database that was seen and is not to be enrolled, by id.
    pub skipped: Vec<Skipped>,
    /// What a person should know and that is nobody's action, a sentence each.
    pub notes: Vec<String>,
    /// When the scans were made that the plan rests on: RFC 3339, UTC.
    pub at: String,
}

/// How many of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// One unit of scanning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// The cloud: `aws`, `azure`.
    pub provider: String,
    /// Account number or subscription id.
    pub account: String,
    /// The region; `*` where one call lists them all.
    pub region: String,
    /// The family of list calls: `rds`, `docdb`, `elasticache`, `postgresql-flexible`.
    pub service: String,
    /// Azure: the resource group that the listing is narrowed to. Absent when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    /// How completely it was read.
    pub coverage: Coverage,
    /// Why it was not completely read, in one line; null when it was.
    pub error: Option<String>,
    /// How many databases were found.
    pub found: usize,
    /// The calls that failed and cost coverage.
    pub failures: Vec<Failure>,
    /// Records that could not be understood.
    pub malformed: Vec<Malformed>,
    /// Calls that failed without costing coverage: optional facts.
    pub warnings: Vec<Failure>,
}

/// How completely a scope was read. Only a complete one can prove that a database is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Everything was read.
    Complete,
    /// Something was read, and something was not.
    Partial,
    /// Nothing could be read.
    Unread,
}

/// A call that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What sort of failure: `denied`, `throttled`, `unreachable`, …
    pub reason: String,
    /// The call: `rds:DescribeDBClusters`.
    pub call: String,
    /// What the provider or the transport said.
    pub message: String,
    /// The permission that is missing; null when that is not the cause, or not known to be.
    pub permission: Option<String>,
}

/// A record that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Malformed {
    /// The provider's id; null when not even that could be read.
    pub provider_id: Option<String>,
    /// The call whose answer held it.
    pub call: String,
    /// What is wrong with it.
    pub message: String,
}

/// What happens to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// What.
    pub action: Action,
    /// Identity: the provider's id, `#` and the endpoint's role.
    pub id: String,
    /// The unique name.
    pub name: String,
    /// The product: `rds`, `aurora`, `docdb`, `azure-mysql-flexible`.
    pub kind: String,
    /// The wire protocol: `postgres`, `mysql`, `mongodb`, `redis`.
    pub protocol: String,
    /// Where it listens, as `HOST:PORT`; null while the provider reports none.
    pub endpoint: Option<String>,
    /// The provider's word for its state.
    pub state: String,
    /// Labels after the change.
    pub labels: BTreeMap<String, String>,
    /// Where each label came from: `derived`, `tag` or `matcher:NAME`.
    pub origins: BTreeMap<String, String>,
    /// Tags that were kept out of the labels, because their keys are muster's own.
    pub shadowed: BTreeMap<String, String>,
    /// Why: the deciding rule, or what became of the database.
    pub reason: String,
    /// Field by field, for updates.
    pub fields: Vec<Field>,
    /// What would be done and which safety holds it; null unless the action is `held`.
    pub hold: Option<Hold>,
    /// What a person should know, a sentence each.
    pub notes: Vec<String>,
}

/// What is done to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Enroll it.
    Add,
    /// Change it.
    Update,
    /// Remove it.
    Remove,
    /// Leave it; only in reports that were asked for unchanged ones.
    Keep,
    /// Would change it, and does not.
    Held,
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// The field: `endpoint`, `state`, `labels.env`.
    pub field: String,
    /// The value before; null when there is none.
    pub from: Option<String>,
    /// The value after; null when there is none.
    pub to: Option<String>,
}

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// What would have been done: `add`, `update` or `remove`.
    pub would: Action,
    /// Which safety holds it.
    pub safety: Safety,
}

/// What can hold a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Identity: the provider's id, `#` and the endpoint's role.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The product.
    pub kind: String,
    /// The reason's stable word: `engine-too-old`, `no-match`.
    pub code: String,
    /// The reason, as a sentence.
    pub reason: String,
}

/// The JSON Schema of [`Report`], as `docs/plan.schema.json` holds it.
pub fn json_schema() -> schemars::Schema {
    schemars::schema_for!(Report)
}

// === conversions from the plan ===

impl From<&plan::Summary> for Summary {
    fn from(from: &plan::Summary) -> Self {
        let plan::Summary {
            add,
            update,
            remove,
            keep,
            held,
            skip,
        } = *from;
        Self {
            add,
            update,
            remove,
            keep,
            held,
            skip,
        }
    }
}

impl From<&plan::ScopeLine> for Scope {
    fn from(line: &plan::ScopeLine) -> Self {
        let failures: Vec<Failure> = line.coverage.failures().iter().map(Failure::from).collect();
        Self {
            provider: line.scope.provider.to_string(),
            account: line.scope.account.to_string(),
            region: line.scope.region.to_string(),
            service: line.scope.service.to_string(),
            resource_group: line.scope.resource_group.clone(),
            coverage: (&line.coverage).into(),
            error: super::view::error(&line.coverage),
            found: line.found,
            failures,
            malformed: line.malformed.iter().map(Malformed::from).collect(),
            warnings: line.warnings.iter().map(Failure::from).collect(),
        }
    }
}

impl From<&model::Coverage> for Coverage {
    fn from(coverage: &model::Coverage) -> Self {
        match coverage {
            model::Coverage::Complete => Self::Complete,
            model::Coverage::Partial(_) => Self::Partial,
            model::Coverage::Unread(_) => Self::Unread,
        }
    }
}

impl From<&model::Failure> for Failure {
    fn from(failure: &model::Failure) -> Self {
        Self {
            reason: failure.reason.to_string(),
            call: failure.call.clone(),
            message: failure.message.clone(),
            permission: failure.permission.clone(),
        }
    }
}

impl From<&model::Malformed> for Malformed {
    fn from(record: &model::Malformed) -> Self {
        Self {
            provider_id: record.provider_id.clone(),
            call: record.call.clone(),
            message: record.message.clone(),
        }
    }
}

impl From<&plan::Change> for Change {
    fn from(change: &plan::Change) -> Self {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self {
            action: change.action.into(),
            id: change.id.to_string(),
            name: change.name.clone(),
            kind: change.kind.to_string(),
            protocol: change.protocol.to_string(),
            endpoint: change.endpoint.as_ref().map(ToString::to_string),
            state: change.state.name.clone(),
            labels: change.labels.values().map(owned).collect(),
            origins: change
                .labels
                .iter()
                .map(|(key, label)| (key.to_owned(), super::view::origin(&label.origin)))
                .collect(),
            shadowed: change
                .shadowed
                .iter()
                .map(|tag| (tag.key.clone(), tag.value.clone()))
                .collect(),
            reason: change.reason.clone(),
            fields: change
                .fields
                .iter()
                .map(|change| Field {
                    field: change.field.clone(),
                    from: change.from.clone(),
                    to: change.to.clone(),
                })
                .collect(),
            hold: change.hold.as_ref().map(|hold| Hold {
                would: hold.would.into(),
                safety: hold.safety.into(),
            }),
            notes: change.notes.clone(),
        }
    }
}

impl From<plan::Action> for Action {
    fn from(action: plan::Action) -> Self {
        match action {
            plan::Action::Add => Self::Add,
            plan::Action::Update => Self::Update,
            plan::Action::Remove => Self::Remove,
            plan::Action::Keep => Self::Keep,
            plan::Action::Held => Self::Held,
        }
    }
}

impl From<plan::Safety> for Safety {
    fn from(safety: plan::Safety) -> Self {
        match safety {
            plan::Safety::Coverage => Self::Coverage,
            plan::Safety::Grace => Self::Grace,
            plan::Safety::Brake => Self::Brake,
            plan::Safety::Owner => Self::Owner,
            plan::Safety::Policy => Self::Policy,
            plan::Safety::Name => Self::Name,
            plan::Safety::Matcher => Self::Matcher,
        }
    }
}

impl From<&plan::SkippedLine> for Skipped {
    fn from(line: &plan::SkippedLine) -> Self {
        Self {
            id: line.id.to_string(),
            name: line.name.clone(),
            kind: line.kind.to_string(),
            code: line.code.clone(),
            reason: line.reason.clone(),
        }
    }
}
