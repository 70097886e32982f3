//! What is counted, by the series that it is found in.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod page;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use muster_cloud::{
    Budget, BudgetConfig, CallError, Reason,
    error::{Classified, Retry},
    observe::{Cloud, Holder},
};
use muster_model::{Coverage, FailureReason, Malformed, Scan, Scope, Service, Timestamp};
use muster_plan::Summary;
use muster_store::{Expect, Found, Key, StoreError};

use super::{
    Delivery, Metrics, StoreOp,
    families::ALL,
    family::{Kind, Values},
    operations::{OPERATIONS, operation},
    plain,
    testkit::{empty, everything, failure, full, reason, samples, untried, value},
    values::{OK, OTHER},
};
use crate::{
    install::{iam, oracle},
    service::{
        engine::Taken,
        notice::{Notice, NoticeEvent},
    },
};

const RDS: [(&str, &str); 2] = [("provider", "aws"), ("service", "rds")];

fn rds<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    RDS.iter().chain(more).copied().collect()
}

fn scope() -> Scope {
    Scope::aws("111111111111", "eu-west-1", Service::Rds)
}

#[test]
fn a_scan_is_counted_with_its_failures() {
    let metrics = Metrics::new("1.2.3");
    let mut scan = Scan::empty(Arc::new(scope()));
    metrics.scan_ended(&scan, Duration::from_millis(300));
    scan.coverage = Coverage::Partial(vec![
        failure(FailureReason::Denied),
        failure(FailureReason::Throttled),
        failure(FailureReason::Denied),
    ]);
    scan.warnings = vec![failure(FailureReason::Server)];
    scan.malformed = vec![Malformed {
        provider_id: None,
        call: "rds:DescribeDBClusters".to_owned(),
        message: "what?".to_owned(),
    }];
    metrics.scan_ended(&scan, Duration::from_secs(40));
    let text = metrics.encode(&empty());
    let count = |name: &str, more: &[(&str, &str)]| value(&text, name, &rds(more)).unwrap();
    assert_eq!(
        count("muster_scans_total", &[("coverage", "complete")]),
        1.0
    );
    assert_eq!(count("muster_scans_total", &[("coverage", "partial")]), 1.0);
    assert_eq!(
        count("muster_scan_errors_total", &[("reason", "denied")]),
        2.0
    );
    assert_eq!(
        count("muster_scan_errors_total", &[("reason", "throttled")]),
        1.0
    );
    assert_eq!(
        count("muster_scan_errors_total", &[("reason", "server")]),
        0.0
    );
    assert_eq!(
        count("muster_scan_warnings_total", &[("reason", "server")]),
        1.0
    );
    assert_eq!(count("muster_scan_malformed_records_total", &[]), 1.0);
    let name = "muster_scan_duration_seconds_bucket";
    assert_eq!(count(name, &[("le", "0.25")]), 0.0);
    assert_eq!(count(name, &[("le", "0.5")]), 1.0);
    assert_eq!(count(name, &[("le", "60.0")]), 2.0);
    assert_eq!(count("muster_scan_duration_seconds_sum", &[]), 40.3);
}

#[test]
fn scopes_are_summed_up_by_service() {
    let text = Metrics::new("1.2.3").encode(&full());
    let gauge = |name: &str, more: &[(&str, &str)]| value(&text, name, &rds(more));
    for (state, many) in [
        ("complete", 1.0),
        ("partial", 1.0),
        ("unread", 0.0),
        ("untried", 1.0),
    ] {
        assert_eq!(
            gauge("muster_scan_scopes", &[("state", state)]),
            Some(many),
            "{state}"
        );
    }
    assert_eq!(gauge("muster_scan_scopes_running", &[]), Some(1.0));
    assert_eq!(gauge("muster_scan_consecutive_failures", &[]), Some(4.0));
    // The one that waits for longest is the one to look at.
    let last = "muster_scan_last_success_timestamp_seconds";
    assert_eq!(gauge(last, &[]), Some(1_000_000.0 - 3600.0));
    let last = "muster_scan_last_attempt_timestamp_seconds";
    assert_eq!(gauge(last, &[]), Some(1_000_000.0 - 60.0));
    let next = "muster_scan_next_due_timestamp_seconds";
    assert_eq!(gauge(next, &[]), Some(1_000_000.0 + 240.0));
    let other = [("provider", "aws"), ("service", "docdb")];
    assert_eq!(value(&text, last, &other), None);
}

#[test]
fn the_status_is_told_word_for_word() {
    let mut status = full();
    status.reasons.push(reason("a-word-of-tomorrow"));
    status.store.failure = Some("disk full".to_owned());
    let text = Metrics::new("9.9").encode(&status);
    let gauge = |name: &str, labels: &[(&str, &str)]| value(&text, name, labels);
    for (name, labels, want) in [
        ("muster_build_info", &[("version", "9.9")][..], 1.0),
        ("muster_service_state", &[("state", "degraded")], 1.0),
        ("muster_service_state", &[("state", "ready")], 0.0),
        ("muster_service_reasons", &[("code", "plan-waiting")], 1.0),
        ("muster_service_reasons", &[("code", "store-failed")], 0.0),
        ("muster_service_reasons", &[("code", OTHER)], 1.0),
        ("muster_config_last_reload_success", &[], 0.0),
        (
            "muster_config_last_reload_timestamp_seconds",
            &[],
            1_000_000.0,
        ),
        (
            "muster_inventory_databases",
            &[("provider", "aws"), ("kind", "rds")],
            7.0,
        ),
        (
            "muster_inventory_databases",
            &[("provider", "azure"), ("kind", "azure-mysql")],
            2.0,
        ),
        (
            "muster_plugin_state",
            &[("plugin", "owner"), ("state", "paused")],
            1.0,
        ),
        (
            "muster_plugin_state",
            &[("plugin", "owner"), ("state", "working")],
            0.0,
        ),
        (
            "muster_plugin_databases_total",
            &[("plugin", "owner"), ("outcome", "failed")],
            12.0,
        ),
        ("muster_plugin_undecided", &[("plugin", "owner")], 4.0),
        ("muster_inventory_skipped", &[("reason", "no-match")], 3.0),
        ("muster_inventory_skipped", &[("reason", OTHER)], 1.0),
        ("muster_targets", &[("protocol", "postgres")], 5.0),
        ("muster_plan_held", &[("safety", "brake")], 2.0),
        ("muster_plans_waiting", &[], 1.0),
        ("muster_proxy_up", &[], 1.0),
        ("muster_proxy_sessions", &[], 2.0),
        ("muster_proxy_sessions_opened_total", &[], 7.0),
        (
            "muster_proxy_connections_total",
            &[("outcome", "refused")],
            3.0,
        ),
        (
            "muster_proxy_bytes_total",
            &[("direction", "to-client")],
            4096.0,
        ),
        (
            "muster_proxy_cancel_requests_total",
            &[("outcome", "ignored")],
            0.0,
        ),
        ("muster_audit_up", &[], 0.0),
        ("muster_audit_events_total", &[], 40.0),
        ("muster_store_up", &[], 0.0),
        ("muster_notify_waiting", &[("sink", "chat")], 3.0),
        ("muster_notify_dropped_total", &[("sink", "chat")], 1.0),
        (
            "muster_notify_consecutive_failures",
            &[("sink", "chat")],
            2.0,
        ),
        ("process_start_time_seconds", &[], 1_000_000.0),
    ] {
        assert_eq!(gauge(name, labels), Some(want), "{name} {labels:?}");
    }
}

#[test]
fn what_was_taken_in_is_counted() {
    let metrics = Metrics::new("1.2.3");
    let notice = |event| Notice {
        event,
        at: Timestamp::from_unix(0),
        group: "main".to_owned(),
        run: "scan-1".to_owned(),
        id: None,
        name: "orders".to_owned(),
        reason: "found".to_owned(),
        would: None,
        safety: None,
        fields: Vec::new(),
    };
    let taken = Taken {
        summary: Summary {
            add: 2,
            remove: 1,
            keep: 50,
            ..Summary::default()
        },
        judged: 53,
        judgements: [(("rules", "enroll"), 50), (("support", "skip"), 3)].into(),
        notices: vec![
            notice(NoticeEvent::Enrolled),
            notice(NoticeEvent::Enrolled),
            notice(NoticeEvent::Removed),
        ],
        ..Taken::default()
    };
    metrics.taken(&taken);
    metrics.taken(&taken);
    metrics.reloaded(true);
    metrics.reloaded(false);
    let text = metrics.encode(&empty());
    for (name, labels, want) in [
        (
            "muster_match_verdicts_total",
            &[("matcher", "rules"), ("verdict", "enroll")][..],
            100.0,
        ),
        (
            "muster_match_verdicts_total",
            &[("matcher", "support"), ("verdict", "skip")],
            6.0,
        ),
        ("muster_plan_applied_total", &[("action", "add")], 4.0),
        ("muster_plan_applied_total", &[("action", "update")], 0.0),
        ("muster_plan_applied_total", &[("action", "remove")], 2.0),
        ("muster_notices_total", &[("event", "enrolled")], 4.0),
        ("muster_notices_total", &[("event", "held")], 0.0),
        (
            "muster_config_reloads_total",
            &[("outcome", "accepted")],
            1.0,
        ),
        (
            "muster_config_reloads_total",
            &[("outcome", "rejected")],
            1.0,
        ),
    ] {
        assert_eq!(value(&text, name, labels), Some(want), "{name} {labels:?}");
    }
}

#[test]
fn a_conflict_is_no_failure_of_the_store() {
    let metrics = Metrics::new("1.2.3");
    let conflict = StoreError::Conflict {
        key: Key::new("targets/x").unwrap(),
        expected: Expect::Absent,
        found: Found::Absent,
    };
    let failed = StoreError::Twice {
        key: Key::new("targets/x").unwrap(),
    };
    for outcome in [Ok(()), Err(&conflict), Err(&conflict), Err(&failed)] {
        metrics.store_op(StoreOp::Commit, Duration::from_millis(3), outcome);
    }
    let text = metrics.encode(&empty());
    let commit = [("op", "commit")];
    for (name, labels, want) in [
        ("muster_store_op_duration_seconds_count", &commit[..], 4.0),
        ("muster_store_failures_total", &commit[..], 1.0),
        ("muster_store_failures_total", &[("op", "read")], 0.0),
        ("muster_store_conflicts_total", &[], 2.0),
    ] {
        assert_eq!(value(&text, name, labels), Some(want), "{name} {labels:?}");
    }
}

#[test]
fn a_sink_has_its_series_from_the_start_and_takes_them_along() {
    let metrics = Metrics::new("1.2.3");
    let name = "muster_notify_deliveries_total";
    let failed = [("outcome", "failed"), ("sink", "chat")];
    assert_eq!(value(&metrics.encode(&empty()), name, &failed), None);
    assert_eq!(value(&metrics.encode(&full()), name, &failed), Some(0.0));
    metrics.notified("chat", Delivery::Failed, Duration::from_millis(5));
    metrics.notified("chat", Delivery::Failed, Duration::from_millis(5));
    let text = metrics.encode(&full());
    assert_eq!(value(&text, name, &failed), Some(2.0));
    assert_eq!(
        value(&text, "muster_notify_duration_seconds_count", &[]),
        Some(2.0)
    );
    assert_eq!(value(&metrics.encode(&empty()), name, &failed), None);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_at_a_call_is_counted() {
    let metrics = Metrics::new("1.2.3");
    let config = BudgetConfig {
        observer: metrics.observer().into(),
        ..BudgetConfig::default()
    };
    let budget = Budget::new(config, 0);
    let mut answers = vec![Some(Reason::Throttled), Some(Reason::Server), None].into_iter();
    let answer = budget
        .call("rds:DescribeDBClusters", || {
            let answer = answers.next().flatten();
            async move {
                tokio::time::sleep(Duration::from_millis(40)).await;
                let wrong = |reason| CallError::new(reason, "rds:DescribeDBClusters", "no");
                answer.map_or(Ok(7), |reason| {
                    Err::<u32, Classified>(wrong(reason).retry(Retry::Yes))
                })
            }
        })
        .await;
    assert_eq!(answer, Ok(7));
    let unknown = || async { Ok::<_, CallError>(()) };
    budget.call("rds:Whatever", unknown).await.unwrap();
    let text = metrics.encode(&empty());
    let requests = |service, operation, outcome| {
        let labels = [
            ("operation", operation),
            ("outcome", outcome),
            ("service", service),
        ];
        value(&text, "muster_cloud_requests_total", &labels)
    };
    for outcome in [OK, "throttled", "server"] {
        assert_eq!(
            requests("rds", "rds:DescribeDBClusters", outcome),
            Some(1.0),
            "{outcome}"
        );
    }
    assert_eq!(
        requests("rds", "rds:DescribeDBClusters", "denied"),
        Some(0.0)
    );
    assert_eq!(requests(OTHER, OTHER, OK), Some(1.0));
    let rds = [("service", "rds")];
    assert_eq!(
        value(&text, "muster_cloud_throttled_total", &rds),
        Some(1.0)
    );
    // Without the back-off between the attempts.
    let sum = value(&text, "muster_cloud_request_duration_seconds_sum", &rds).unwrap();
    assert!((sum - 0.12).abs() < 0.01, "{sum}");
}

#[test]
fn credentials_are_told_of_until_nobody_holds_them() {
    let metrics = Metrics::new("1.2.3");
    let observer = metrics.observer();
    let end = |seconds| Ok(Some(UNIX_EPOCH + Duration::from_secs(seconds)));
    let expiry = || {
        let text = metrics.encode(&empty());
        let name = "muster_cloud_credential_expiry_timestamp_seconds";
        value(&text, name, &[("provider", "aws")])
    };
    let (one, other) = (Holder::new(), Holder::new());
    assert_eq!(expiry(), None);
    observer.credentials(one, Cloud::Aws, end(5000));
    observer.credentials(other, Cloud::Aws, end(3000));
    assert_eq!(expiry(), Some(3000.0));
    observer.credentials(other, Cloud::Aws, Err(Reason::Denied));
    assert_eq!(expiry(), Some(3000.0));
    observer.credentials(other, Cloud::Aws, end(9000));
    assert_eq!(expiry(), Some(5000.0));
    observer.released(one);
    assert_eq!(expiry(), Some(9000.0));
    observer.credentials(other, Cloud::Aws, Ok(None));
    assert_eq!(expiry(), None);
    let text = metrics.encode(&empty());
    let asked = |outcome| {
        let labels = [("outcome", outcome), ("provider", "aws")];
        value(&text, "muster_cloud_credential_requests_total", &labels)
    };
    assert_eq!((asked(OK), asked("denied")), (Some(4.0), Some(1.0)));
}

/// The policies that `muster install iam` prints name every call that a scan makes.
#[test]
fn every_call_that_needs_a_permission_is_known_by_name() {
    let aws = iam::aws_for(Service::ALL.iter().copied(), true, false);
    let azure = iam::azure_for(Service::ALL.iter().copied());
    let mut calls = BTreeSet::new();
    for document in aws.into_iter().chain(azure) {
        strings(&document.body, &mut |text| {
            if text.contains(':') && !text.contains(' ') || text.ends_with("/read") {
                calls.insert(text.to_owned());
            }
        });
    }
    assert!(calls.len() >= 12, "{calls:?}");
    for call in calls {
        assert_eq!(operation(&call).call, call);
    }
    assert!(OPERATIONS.is_sorted_by_key(|known| (known.call == OTHER, known.call)));
}

fn strings(value: &serde_json::Value, see: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::String(text) => see(text),
        serde_json::Value::Array(all) => all.iter().for_each(|value| strings(value, see)),
        serde_json::Value::Object(all) => all.values().for_each(|value| strings(value, see)),
        _ => {}
    }
}
