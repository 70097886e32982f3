//! [`Metrics`]: what the service counts, for Prometheus.
//!
//! What happened is counted as it happens; what follows from the status is read from it when somebody scrapes. A
//! scrape looks at no database: it costs a little for each scope, and nothing for each target.
//!
//! | part | what it has |
//! |---|---|
//! | [`families`] | every metric: name, type, labels, meaning |
//! | [`docs`] | `docs/metrics.md`, made from them |
//!
//! Serve the text with [`CONTENT_TYPE`], or as [`plain`]. To have requests counted, put the observer into the budgets:
//!
//! ```ignore
//! BudgetConfig { observer: Observed::by(metrics.observer()), ..BudgetConfig::default() }
//! ```

mod cloud;
pub mod docs;
pub mod families;
pub mod family;
mod operations;
pub mod plain;
mod process;
mod scrape;
mod series;
#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
mod values;

use std::{borrow::Cow, sync::Arc, time::Duration};

use muster_cloud::Observer;
use muster_model::{Failure, Provider, Scan, Service};
use muster_store::StoreError;
use prometheus_client::{
    metrics::{counter::Counter, histogram::Histogram},
    registry::Registry,
};

use self::{cloud::Cloud, series::Series};
use crate::{
    doctor::evidence::Compared,
    service::{engine::Taken, status::Status},
};

/// The content type of what [`Metrics::encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the service counts. Every method returns at once, and may be called from anywhere.
#[derive(Debug)]
pub struct Metrics {
    version: String,
    registry: Registry,
    reloads: Series<1, Counter>,
    plugin_reloads: Series<1, Counter>,
    scans: Series<3, Counter>,
    scan_duration: Series<2, Histogram>,
    scan_errors: Series<3, Counter>,
    scan_warnings: Series<3, Counter>,
    scan_malformed: Series<2, Counter>,
    cloud: Arc<Cloud>,
    verdicts: Series<2, Counter>,
    applied: Series<1, Counter>,
    store_duration: Series<1, Histogram>,
    store_failures: Series<1, Counter>,
    store_conflicts: Series<0, Counter>,
    notices: Series<1, Counter>,
    deliveries: Series<2, Counter>,
    delivery_duration: Series<0, Histogram>,
}

/// What is done to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOp {
    /// Opening it, with what it does to recover.
    Open,
    /// Reading from it.
    Read,
    /// Writing one batch to disk.
    Commit,
    /// Writing it anew without what nobody needs.
    Compact,
}

/// What came of one attempt to deliver a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The sink has it.
    Delivered,
    /// The sink does not have it; it will be tried again.
    Failed,
}

// === impl Metrics ===

impl Metrics {
    /// Everything at zero. `version` is that of the program.
    pub fn new(version: &str) -> Arc<Self> {
        let mut registry = Registry::default();
        let all = &mut registry;
        Arc::new(Self {
            version: version.to_owned(),
            reloads: Series::within(&families::CONFIG_RELOADS, all),
            plugin_reloads: Series::within(&families::PLUGIN_RELOADS, all),
            scans: Series::within(&families::SCANS_TOTAL, all),
            scan_duration: Series::within(&families::SCAN_DURATION, all),
            scan_errors: Series::within(&families::SCAN_ERRORS, all),
            scan_warnings: Series::within(&families::SCAN_WARNINGS, all),
            scan_malformed: Series::within(&families::SCAN_MALFORMED, all),
            cloud: Arc::new(Cloud::new(all)),
            verdicts: Series::within(&families::MATCH_VERDICTS, all),
            applied: Series::within(&families::PLAN_APPLIED, all),
            store_duration: Series::within(&families::STORE_DURATION, all),
            store_failures: Series::within(&families::STORE_FAILURES, all),
            store_conflicts: Series::within(&families::STORE_CONFLICTS, all),
            notices: Series::within(&families::NOTICES, all),
            deliveries: Series::within(&families::NOTIFY_DELIVERIES, all),
            delivery_duration: Series::within(&families::NOTIFY_DURATION, all),
            registry,
        })
    }

    /// A scan of one scope has ended, well or not, after this long.
    pub fn scan_ended(&self, scan: &Scan, took: Duration) {
        let service = labels(scan.scope.provider, scan.scope.service);
        let [provider, name] = service;
        self.scans
            .with([provider, name, scan.coverage.as_str()], |n| n.inc());
        self.scan_duration
            .with(service, |times| times.observe(took.as_secs_f64()));
        let count = |series: &Series<3, Counter>, failures: &[Failure]| {
            for failure in failures {
                series.with([provider, name, failure.reason.as_str()], |n| n.inc());
            }
        };
        count(&self.scan_errors, scan.coverage.failures());
        count(&self.scan_warnings, &scan.warnings);
        let malformed = u64::try_from(scan.malformed.len()).unwrap_or(u64::MAX);
        self.scan_malformed.with(service, |n| n.inc_by(malformed));
    }

    /// Something was taken in and is in the store: a scan, a configuration, or what a person asked for.
    pub fn taken(&self, taken: &Taken) {
        for ((who, what), many) in &taken.judgements {
            self.verdicts.with([who, what], |n| n.inc_by(*many));
        }
        let summary = &taken.summary;
        for (action, many) in [
            ("add", summary.add),
            ("update", summary.update),
            ("remove", summary.remove),
        ] {
            let many = u64::try_from(many).unwrap_or(u64::MAX);
            self.applied.with([action], |n| n.inc_by(many));
        }
        for notice in &taken.notices {
            self.notices.with([notice.event.as_str()], |n| n.inc());
        }
    }

    /// Somebody asked for the configuration to be read again, not only to be checked. When it was, and how it went
    /// the last time, is in the status.
    pub fn reloaded(&self, accepted: bool) {
        let outcome = if accepted { "accepted" } else { "rejected" };
        self.reloads.with([outcome], |n| n.inc());
    }

    /// Files of plugins were others, and were loaded anew or refused.
    pub fn plugins_reloaded(&self, accepted: bool) {
        let outcome = if accepted { "accepted" } else { "rejected" };
        self.plugin_reloads.with([outcome], |n| n.inc());
    }

    /// An operation on the store has ended after this long. A conflict counts as one, and not as a failure.
    pub fn store_op(&self, op: StoreOp, took: Duration, outcome: Result<(), &StoreError>) {
        self.store_duration
            .with([op.as_str()], |times| times.observe(took.as_secs_f64()));
        match outcome {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                self.store_conflicts.with([], |n| n.inc());
            }
            Err(_) => self.store_failed(op),
        }
    }

    /// An operation on the store failed of which nothing else is known.
    pub fn store_failed(&self, op: StoreOp) {
        self.store_failures.with([op.as_str()], |n| n.inc());
    }

    /// One attempt to deliver a notice to `sink` has ended after this long.
    pub fn notified(&self, sink: &str, delivery: Delivery, took: Duration) {
        let labels = [Cow::Owned(sink.to_owned()), delivery.as_str().into()];
        self.deliveries.at(labels, |n| n.inc());
        self.delivery_duration
            .with([], |times| times.observe(took.as_secs_f64()));
    }

    /// Who counts requests to the clouds: goes into `BudgetConfig::observer`.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.cloud) as Arc<dyn Observer>
    }

    /// What time it is for the clouds, by the last date of each.
    pub fn dates(&self) -> Vec<Compared> {
        self.cloud.dates().compared()
    }

    /// Everything, in the text format of OpenMetrics; see [`CONTENT_TYPE`], and [`plain`] for older readers.
    pub fn encode(&self, status: &Status) -> String {
        scrape::scrape(self, status)
    }
}

// === words ===

impl StoreOp {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Open, Self::Read, Self::Commit, Self::Compact];

    /// The word that stands for it in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Commit => "commit",
            Self::Compact => "compact",
        }
    }
}

impl Delivery {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Delivered, Self::Failed];

    /// The word that stands for it in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

const fn labels(provider: Provider, service: Service) -> [&'static str; 2] {
    [provider.as_str(), service.as_str()]
}
