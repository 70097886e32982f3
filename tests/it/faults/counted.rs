//! What the service counts of the scans, held against what the cloud did: every failure shows, and nothing else does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use muster::{
    metrics::Metrics,
    service::status::{ConfigStatus, Counts, ServiceState, Status, StoreStatus},
};
use muster_model::{Scan, Timestamp};

use super::weather::{Fault, Seen};

/// Scans and calls, as the metrics have them and as they were.
pub struct Counted {
    metrics: Arc<Metrics>,
    /// By metric and labels.
    expected: BTreeMap<String, u64>,
}

impl Counted {
    /// Nothing yet, for metrics that are also told of every call.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            expected: BTreeMap::new(),
        }
    }

    /// A scan, and the calls that were made for it.
    pub fn take(&mut self, scan: &Scan, seen: &[Seen]) {
        self.metrics.scan_ended(scan, Duration::ZERO);
        let coverage = scan.coverage.as_str();
        self.add(&format!(
            "muster_scans_total{{provider=\"aws\",service=\"rds\",coverage=\"{coverage}\"}}"
        ));
        for failure in scan.coverage.failures() {
            let reason = failure.reason.as_str();
            self.add(&format!(
                "muster_scan_errors_total{{provider=\"aws\",service=\"rds\",reason=\"{reason}\"}}"
            ));
        }
        for call in seen {
            let outcome = match call.fault {
                Some(Fault::Throttled) => "throttled",
                Some(Fault::Server) => "server",
                Some(Fault::Silence) => "unreachable",
                Some(Fault::Cut) => "truncated",
                Some(Fault::Denied) => "denied",
                Some(Fault::EmptyPage | Fault::PageTwice | Fault::Circle) | None => "ok",
            };
            let action = &call.action;
            self.add(&format!(
                "muster_cloud_requests_total{{service=\"rds\",operation=\"rds:{action}\",outcome=\"{outcome}\"}}"
            ));
        }
    }

    /// Holds one against the other; the calls only where no scan was made again, for that calls twice.
    pub fn check(&self, calls: bool) {
        let text = self.metrics.encode(&status());
        let scans = ["muster_scans_total{", "muster_scan_errors_total{"];
        let requests = calls.then_some("muster_cloud_requests_total{service=\"rds\",");
        let families: Vec<&str> = scans.into_iter().chain(requests).collect();
        let counts = |series: &str| families.iter().any(|family| series.starts_with(family));
        let counted: BTreeMap<String, u64> = text
            .lines()
            .filter(|line| counts(line))
            .filter_map(|line| {
                let (series, count) = line.rsplit_once(' ')?;
                Some((series.to_owned(), count.parse().unwrap()))
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        let mut expected = self.expected.clone();
        expected.retain(|series, _| counts(series));
        assert_eq!(counted, expected, "what the metrics count, and what was");
    }

    fn add(&mut self, series: &str) {
        match self.expected.get_mut(series) {
            Some(count) => *count += 1,
            None => {
                self.expected.insert(series.to_owned(), 1);
            }
        }
    }
}

/// Metrics are shown together with a status; here there is nothing to say in it.
fn status() -> Status {
    let now = Timestamp::from_unix(0);
    Status {
        version: String::new(),
        pid: 1,
        started: now,
        at: now,
        state: ServiceState::Ready,
        reasons: Vec::new(),
        findings: Vec::new(),
        config: ConfigStatus {
            path: None,
            digest: String::new(),
            loaded: now,
            needs_restart: Vec::new(),
            last_reload: None,
        },
        store: StoreStatus {
            path: "store".into(),
            revision: 0,
            bytes: 0,
            failure: None,
        },
        scopes: Vec::new(),
        scopes_known: true,
        counts: Counts::default(),
        plans_waiting: 0,
        notify: Vec::new(),
        plugins: Vec::new(),
        listen: None,
        proxy: None,
    }
}
