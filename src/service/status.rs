//! [`Status`]: what the service knows of itself at a moment. `muster status`, readiness, the API and the metrics
//! all show this and nothing else.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use muster_model::{Coverage, Scope, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doctor::Finding;

/// What the service knows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// muster's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// When this was true.
    pub at: Timestamp,
    /// In one word.
    pub state: ServiceState,
    /// Everything that is not as it should be; the first is the one to mend first.
    pub reasons: Vec<Reason>,
    /// What is wrong or soon will be, and is no reason to call the state another one: as `muster doctor` finds it, as
    /// far as that can be told without asking anybody. Looked for once a minute.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The configuration that is in force.
    pub config: ConfigStatus,
    /// The store.
    pub store: StoreStatus,
    /// Every scope that the configuration asks for, by scope.
    pub scopes: Vec<ScopeStatus>,
    /// Whether that is all that the configuration asks for: false while a list of accounts, regions or
    /// subscriptions could not be read.
    pub scopes_known: bool,
    /// How many of each.
    pub counts: Counts,
    /// Plans that wait for a person.
    pub plans_waiting: usize,
    /// Who is told of changes.
    pub notify: Vec<SinkStatus>,
    /// Matchers of one's own, in the order in which they are asked.
    #[serde(default)]
    pub plugins: Vec<PluginStatus>,
    /// Where the API listens; none when it does not.
    pub listen: Option<String>,
    /// The proxy; none when nothing is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyStatus>,
}

/// The proxy, where people enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyStatus {
    /// The cluster's name.
    pub cluster_name: String,
    /// What locks call this machine; none where it has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// Where it listens: for every protocol, then for PostgreSQL alone.
    pub listen: Vec<String>,
    /// When the certificate that it shows to people ends.
    pub certificate_expires: Timestamp,
    /// Databases that it serves: enrolled ones, and those registered by hand.
    pub targets: usize,
    /// Sessions that are open.
    pub sessions: usize,
    /// What was counted since the start.
    pub numbers: ProxyNumbers,
    /// The audit log.
    pub audit: AuditStatus,
}

/// What the proxy counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyNumbers {
    /// Connections that were taken.
    pub accepted: u64,
    /// Those that were turned away at a limit of the proxy: closed at once, or told that it is full.
    pub turned_away: u64,
    /// Those whose certificate did not say who it is.
    pub not_identified: u64,
    /// Those that were refused: by roles, by muster or by the database.
    pub refused: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Requests to cancel a query that were passed on.
    pub cancels: u64,
    /// Requests to cancel a query that were not.
    pub cancels_ignored: u64,
    /// Bytes from clients, of sessions that have ended.
    pub bytes_from_clients: u64,
    /// Bytes to clients, of sessions that have ended.
    pub bytes_to_clients: u64,
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditStatus {
    /// Its directory; none when it goes to standard output.
    pub path: Option<PathBuf>,
    /// Events since the start.
    pub events_total: u64,
    /// Why it cannot be written now, and since when; none while it can.
    pub failure: Option<AuditFailure>,
    /// What of it was not as it was left, as far as that was found since the start; none when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// Why the audit log cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditFailure {
    /// Why.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// The service in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// Not every scope has been tried yet since the start.
    Starting,
    /// All is well.
    Ready,
    /// It works, and something is wrong: see the reasons.
    Degraded,
    /// It cannot write: what is known stays, and nothing changes until it can.
    Stuck,
    /// It is ending.
    Draining,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// A stable word: `scope-unread`, `scope-partial`, `store-failed`, `config-rejected`, `clock-jumped`,
    /// `plan-waiting`, `notify-failing`, `scopes-unknown`, `plugin-paused`, `plugin-failing`, `plugin-rejected`,
    /// `audit-failing`, `starting`.
    pub code: String,
    /// What it is about: a scope, a sink, a path.
    pub subject: String,
    /// What is wrong and what to do, in one or two sentences.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigStatus {
    /// Its file.
    pub path: Option<PathBuf>,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub digest: String,
    /// When it came into force.
    pub loaded: Timestamp,
    /// What of the file is not in force before the service is restarted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<String>,
    /// The last time somebody asked for a reload.
    pub last_reload: Option<Reloading>,
}

/// How a reload went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reloading {
    /// When.
    pub at: Timestamp,
    /// Whether it came into force.
    pub accepted: bool,
    /// What changed, or every problem.
    pub messages: Vec<String>,
}

/// The store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreStatus {
    /// Its directory.
    pub path: PathBuf,
    /// The revision.
    pub revision: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Why it cannot be used at present; none when it can.
    pub failure: Option<String>,
}

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScopeStatus {
    /// The scope.
    pub scope: Arc<Scope>,
    /// The last scan's coverage; none before the first.
    pub coverage: Option<Coverage>,
    /// The last scan's time.
    pub attempted: Option<Timestamp>,
    /// The last complete scan's time.
    pub complete: Option<Timestamp>,
    /// Databases that the last complete scan found.
    pub found: u64,
    /// Incomplete scans in a row.
    pub failures_in_a_row: u32,
    /// When it is due next; none while it is being scanned.
    pub next: Option<Timestamp>,
    /// Whether it is being scanned now.
    pub running: bool,
    /// How long its last scan took, in milliseconds.
    pub milliseconds: Option<u64>,
}

/// How many of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Databases in the inventory, by provider and kind: `aws/rds`.
    pub databases: BTreeMap<String, u64>,
    /// Targets, by protocol.
    pub targets: BTreeMap<String, u64>,
    /// Databases that are not enrolled, by the reason's code.
    pub skipped: BTreeMap<String, u64>,
    /// Changes that a safety holds, by safety.
    pub held: BTreeMap<String, u64>,
    /// The same changes, by what they would do: `add`, `update`, `remove`.
    #[serde(default)]
    pub would: BTreeMap<String, u64>,
}

/// Somebody who is told of changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SinkStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Notices that it has not had yet.
    pub waiting: u64,
    /// Notices that it never got because too many waited.
    pub dropped: u64,
    /// The last that was delivered.
    pub delivered: Option<Timestamp>,
    /// Failures in a row.
    pub failures_in_a_row: u32,
    /// What went wrong the last time.
    pub error: Option<String>,
}

/// A matcher of one's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginStatus {
    /// The rule that asks it.
    pub rule: String,
    /// What it calls itself.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Why it may be run: `pinned`, `signed` or `unsigned`.
    pub trusted: String,
    /// How it does.
    pub state: PluginState,
    /// Evaluations in a row in which it failed over everything.
    pub failures_in_a_row: u32,
    /// The last failure; none since it last answered for all that it was asked.
    pub failure: Option<String>,
    /// Databases that it left undecided.
    pub undecided: u64,
    /// When it is asked about them again; none while it is, or when there are none.
    pub next: Option<Timestamp>,
    /// Verdicts that it gave since it was loaded.
    pub judged: u64,
    /// Databases over which it failed since it was loaded, each time anew.
    pub failed: u64,
}

/// How a matcher of one's own does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PluginState {
    /// It answers.
    Working,
    /// It failed over some databases the last time.
    Failing,
    /// It failed again and again, and is not asked for a while.
    Paused,
}

impl PluginState {
    /// The word that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Failing => "failing",
            Self::Paused => "paused",
        }
    }
}

impl ServiceState {
    /// The word that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Stuck => "stuck",
            Self::Draining => "draining",
        }
    }
}
