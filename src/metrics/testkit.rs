//! For tests: a status that has something to say everywhere, and a reader of what is scraped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use muster_cloud::{
    Reason as Why,
    observe::{Cloud, Holder},
};
use muster_model::{Coverage, Failure, FailureReason, Scope, Service, Timestamp};

use super::{Delivery, Metrics};
use crate::service::status::{
    AuditFailure, AuditStatus, ConfigStatus, Counts, PluginState, PluginStatus, ProxyNumbers,
    ProxyStatus, Reason, Reloading, ScopeStatus, ServiceState, SinkStatus, Status, StoreStatus,
};

/// One line of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The name, with `_bucket`, `_sum` or `_count` for a histogram's.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// A service that has just started and knows nothing.
pub fn empty() -> Status {
    let at = Timestamp::from_unix(1_000_000);
    Status {
        version: "1.2.3".to_owned(),
        pid: 1,
        started: at,
        at,
        state: ServiceState::Starting,
        reasons: Vec::new(),
        findings: Vec::new(),
        config: ConfigStatus {
            path: Some(PathBuf::from("/etc/muster/muster.yaml")),
            digest: "00".repeat(32),
            loaded: at,
            needs_restart: Vec::new(),
            last_reload: None,
        },
        store: StoreStatus {
            path: PathBuf::from("/var/lib/muster"),
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

/// A service about which there is something to say everywhere.
pub fn full() -> Status {
    let at = Timestamp::from_unix(1_000_000);
    let mut status = empty();
    status.state = ServiceState::Degraded;
    status.reasons = vec![reason("scope-partial"), reason("plan-waiting")];
    status.config.last_reload = Some(Reloading {
        at,
        accepted: false,
        messages: vec!["no".to_owned()],
    });
    status.scopes = vec![
        ScopeStatus {
            coverage: Some(Coverage::Complete),
            attempted: Some(at.plus(-60)),
            complete: Some(at.plus(-60)),
            next: Some(at.plus(240)),
            ..untried(Scope::aws("111111111111", "eu-west-1", Service::Rds))
        },
        ScopeStatus {
            coverage: Some(Coverage::Partial(vec![failure(FailureReason::Denied)])),
            attempted: Some(at.plus(-30)),
            complete: Some(at.plus(-3600)),
            failures_in_a_row: 4,
            running: true,
            ..untried(Scope::aws("111111111111", "us-east-1", Service::Rds))
        },
        untried(Scope::aws("222222222222", "us-east-1", Service::Rds)),
    ];
    let count = |words: &[(&str, u64)]| {
        words
            .iter()
            .map(|(word, many)| ((*word).to_owned(), *many))
            .collect()
    };
    status.counts = Counts {
        databases: count(&[("aws/rds", 7), ("azure/azure-mysql", 2)]),
        targets: count(&[("postgres", 5)]),
        skipped: count(&[("no-match", 3), ("some-new-reason", 1)]),
        held: count(&[("brake", 2)]),
        would: count(&[("remove", 2)]),
    };
    status.plans_waiting = 1;
    status.notify = vec![SinkStatus {
        name: "chat".to_owned(),
        waiting: 3,
        dropped: 1,
        delivered: Some(at),
        failures_in_a_row: 2,
        error: Some("refused".to_owned()),
    }];
    status.findings = vec![crate::doctor::Finding {
        check: crate::doctor::Check::Store,
        code: "disk-low".to_owned(),
        severity: crate::doctor::Severity::Warning,
        subject: "/var/lib/muster".to_owned(),
        what: "the disk is nearly full".to_owned(),
        why: String::new(),
        remedy: "make room".to_owned(),
    }];
    status.plugins = vec![PluginStatus {
        rule: "ownership".to_owned(),
        name: "owner".to_owned(),
        version: "1.0.0".to_owned(),
        path: "/etc/muster/owner.wasm".into(),
        sha256: "00".repeat(32),
        trusted: "pinned".to_owned(),
        state: PluginState::Paused,
        failures_in_a_row: 3,
        failure: Some("timeout: it did not end".to_owned()),
        undecided: 4,
        next: Some(at.plus(60)),
        judged: 9,
        failed: 12,
    }];
    status.proxy = Some(ProxyStatus {
        cluster_name: "muster".to_owned(),
        node_name: None,
        listen: vec!["127.0.0.1:7430".to_owned()],
        certificate_expires: at.plus(86_400),
        targets: 6,
        sessions: 2,
        numbers: ProxyNumbers {
            accepted: 11,
            refused: 3,
            sessions: 7,
            bytes_to_clients: 4096,
            ..ProxyNumbers::default()
        },
        audit: AuditStatus {
            damage: None,
            path: Some("/var/lib/muster/audit".into()),
            events_total: 40,
            failure: Some(AuditFailure {
                why: "no space left on device".to_owned(),
                since: at,
            }),
        },
    });
    status
}

/// A scope before its first scan.
pub fn untried(scope: Scope) -> ScopeStatus {
    ScopeStatus {
        scope: Arc::new(scope),
        coverage: None,
        attempted: None,
        complete: None,
        found: 0,
        failures_in_a_row: 0,
        next: None,
        running: false,
        milliseconds: None,
    }
}

/// Something that is not as it should be.
pub fn reason(code: &str) -> Reason {
    Reason {
        code: code.to_owned(),
        subject: "something".to_owned(),
        message: "mend it".to_owned(),
        since: Timestamp::from_unix(1_000_000),
    }
}

/// A call that failed.
pub fn failure(reason: FailureReason) -> Failure {
    Failure {
        reason,
        call: "rds:DescribeDBClusters".to_owned(),
        message: "no".to_owned(),
        permission: None,
    }
}

/// A scrape in which every family has a series.
pub fn everything() -> String {
    let metrics = Metrics::new("1.2.3");
    let ends = std::time::UNIX_EPOCH + Duration::from_secs(2_000_000);
    let watch = metrics.observer();
    watch.attempt(
        "rds:DescribeDBClusters",
        Some(Why::Throttled),
        Duration::ZERO,
    );
    for cloud in [Cloud::Aws, Cloud::Azure] {
        watch.credentials(Holder::new(), cloud, Ok(Some(ends)));
    }
    metrics.notified("chat", Delivery::Failed, Duration::from_millis(20));
    metrics.encode(&full())
}

/// The samples of a scrape.
pub fn samples(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(sample).collect()
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
        None => (series, ""),
    };
    let labels = labels.split_terminator("\",").map(|label| {
        let (name, value) = label.split_once("=\"").expect("a label");
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().expect("a number"),
    }
}

/// The value of one series: `value(&text, "muster_targets", &[("protocol", "redis")])`.
pub fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let wanted: BTreeMap<String, String> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let found = samples(text);
    let mut found = found
        .iter()
        .filter(|s| s.name == name && s.labels == wanted);
    let value = found.next().map(|sample| sample.value);
    assert_eq!(found.next(), None, "{name} {labels:?} is there twice");
    value
}
