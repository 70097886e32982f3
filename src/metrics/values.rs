//! The values that labels have: the words of the types that they stand for, so that a new word is a new series.

use muster_cloud::Reason;
use muster_model::{FailureReason, Kind, Protocol, Provider, Service};
use muster_plan::Safety;

use super::{Delivery, StoreOp, operations::OPERATIONS};
use crate::{
    doctor::{Check, Severity},
    service::{engine::JUDGEMENTS, notice::NoticeEvent, status::ServiceState},
};

/// One value for each label.
pub type Row = Vec<&'static str>;

/// Stands for a word that this version does not know.
pub const OTHER: &str = "other";
/// The outcome of what went well.
pub const OK: &str = "ok";
/// The state of a scope that was not scanned yet.
pub const UNTRIED: &str = "untried";

/// The states of the service.
pub const STATES: [ServiceState; 5] = [
    ServiceState::Starting,
    ServiceState::Ready,
    ServiceState::Degraded,
    ServiceState::Stuck,
    ServiceState::Draining,
];
/// What a status's reasons may say.
pub const REASONS: [&str; 14] = [
    "scope-unread",
    "scope-partial",
    "store-failed",
    "config-rejected",
    "clock-jumped",
    "plan-waiting",
    "notify-failing",
    "scopes-unknown",
    "plugin-paused",
    "plugin-failing",
    "plugin-rejected",
    "audit-failing",
    "starting",
    OTHER,
];
/// How much of a scope was read.
const COVERAGES: [&str; 3] = ["complete", "partial", "unread"];
/// Why a database is not enrolled.
pub const SKIPS: [&str; 12] = [
    "engine-unsupported",
    "engine-too-old",
    "mode-unsupported",
    "tls-off",
    "state",
    "no-endpoint",
    "not-selected",
    "matcher",
    "no-match",
    "bad-name",
    "not-seen",
    OTHER,
];

/// No labels.
pub fn one() -> Vec<Row> {
    vec![Vec::new()]
}

/// What became of a connection to the proxy.
pub const CONNECTIONS: [&str; 4] = ["accepted", "turned-away", "not-identified", "refused"];
/// Whose bytes.
pub const DIRECTIONS: [&str; 2] = ["from-client", "to-client"];
/// What became of a request to cancel a query.
pub const CANCELS: [&str; 2] = ["passed-on", "ignored"];

/// What is looked at, and how bad it is.
pub fn findings() -> Vec<Row> {
    let of = |check: &Check| {
        let check = check.as_str();
        Severity::ALL
            .iter()
            .map(move |severity| vec![check, severity.as_str()])
    };
    Check::ALL.iter().flat_map(of).collect()
}

/// What became of a connection to the proxy.
pub fn connections() -> Vec<Row> {
    rows(CONNECTIONS)
}

/// Whose bytes.
pub fn directions() -> Vec<Row> {
    rows(DIRECTIONS)
}

/// What became of a request to cancel a query.
pub fn cancels() -> Vec<Row> {
    rows(CANCELS)
}

/// The states of the service.
pub fn states() -> Vec<Row> {
    rows(STATES.map(ServiceState::as_str))
}

/// What is not as it should be.
pub fn reasons() -> Vec<Row> {
    rows(REASONS)
}

/// What came of a reload.
pub fn reloads() -> Vec<Row> {
    rows(["accepted", "rejected"])
}

/// How a plugin does.
pub fn plugin_states() -> Vec<Row> {
    rows(["working", "failing", "paused"])
}

/// What a plugin was asked for.
pub fn plugin_outcomes() -> Vec<Row> {
    rows(["judged", "failed"])
}

/// Providers.
pub fn providers() -> Vec<Row> {
    rows(Provider::ALL.iter().map(|provider| provider.as_str()))
}

/// Services, with their providers.
pub fn services() -> Vec<Row> {
    let row = |service: &Service| vec![service.provider().as_str(), service.as_str()];
    Service::ALL.iter().map(row).collect()
}

/// What scans come to.
pub fn scans() -> Vec<Row> {
    cross(services(), &COVERAGES)
}

/// Why scans are not complete.
pub fn scan_errors() -> Vec<Row> {
    let reasons: Vec<_> = FailureReason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .collect();
    cross(services(), &reasons)
}

/// How the last scans went.
pub fn scope_states() -> Vec<Row> {
    let mut states = COVERAGES.to_vec();
    states.push(UNTRIED);
    cross(services(), &states)
}

/// Requests, and how they end.
pub fn requests() -> Vec<Row> {
    let calls = OPERATIONS
        .iter()
        .map(|known| vec![known.service, known.call]);
    cross(calls.collect(), &outcomes())
}

/// The interfaces of the clouds that requests go to.
pub fn cloud_services() -> Vec<Row> {
    let services: std::collections::BTreeSet<_> =
        OPERATIONS.iter().map(|known| known.service).collect();
    rows(services)
}

/// What comes of asking for credentials.
pub fn credentials() -> Vec<Row> {
    cross(providers(), &outcomes())
}

/// Kinds of databases that scans find, with their providers.
pub fn kinds() -> Vec<Row> {
    let row = |kind: &Kind| Some(vec![kind.service()?.provider().as_str(), kind.as_str()]);
    Kind::ALL.iter().filter_map(row).collect()
}

/// Why databases are not enrolled.
pub fn skips() -> Vec<Row> {
    rows(SKIPS)
}

/// Protocols.
pub fn protocols() -> Vec<Row> {
    rows(Protocol::ALL.iter().map(|protocol| protocol.as_str()))
}

/// Who decides of databases, and what.
pub fn verdicts() -> Vec<Row> {
    JUDGEMENTS.map(|(who, what)| vec![who, what]).into()
}

/// What is done to targets.
pub fn actions() -> Vec<Row> {
    rows(["add", "update", "remove"])
}

/// Safeties.
pub fn safeties() -> Vec<Row> {
    rows(Safety::ALL.iter().map(|safety| safety.as_str()))
}

/// What is done to the store.
pub fn store_ops() -> Vec<Row> {
    rows(StoreOp::ALL.iter().map(|op| op.as_str()))
}

/// What one can be told of.
pub fn events() -> Vec<Row> {
    rows(NoticeEvent::ALL.iter().map(|event| event.as_str()))
}

/// What comes of a delivery.
pub fn deliveries() -> Vec<Row> {
    rows(Delivery::ALL.iter().map(|delivery| delivery.as_str()))
}

fn outcomes() -> Row {
    let failures = Reason::ALL.iter().map(|reason| reason.as_str());
    std::iter::once(OK).chain(failures).collect()
}

fn rows(words: impl IntoIterator<Item = &'static str>) -> Vec<Row> {
    words.into_iter().map(|word| vec![word]).collect()
}

fn cross(rows: Vec<Row>, words: &[&'static str]) -> Vec<Row> {
    let with = |row: &Row, word: &'static str| row.iter().copied().chain([word]).collect();
    rows.iter()
        .flat_map(|row| words.iter().map(|word| with(row, word)).collect::<Vec<_>>())
        .collect()
}
