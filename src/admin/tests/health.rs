//! Probes, metrics and version.

use std::{sync::Arc, time::Duration};

use muster_store::MemoryStore;
use reqwest::Method;

use super::{Served, fleet};
use crate::{
    admin::health::HUNG_AFTER,
    service::{
        handle::{Refused, RefusedKind},
        status::ServiceState,
    },
};

#[tokio::test]
async fn readiness_is_by_state_and_startup_is_over_once() {
    let api = Served::of(1).await;
    for (state, ready, started) in [
        (ServiceState::Starting, 503, 503),
        (ServiceState::Ready, 200, 200),
        (ServiceState::Degraded, 200, 200),
        (ServiceState::Stuck, 503, 200),
        (ServiceState::Draining, 503, 200),
    ] {
        let mut status = fleet::status();
        status.state = state;
        api.handle.set_status(status);
        assert_eq!(api.get("/readyz").await.status, ready, "{state:?}");
        assert_eq!(api.get("/startupz").await.status, started, "{state:?}");
        assert_eq!(api.get("/livez").await.status, 200, "{state:?}");
    }
}

#[tokio::test]
async fn reasons_are_listed_when_asked_for_and_when_not_ready() {
    let api = Served::of(1).await;
    let reason = "scope-unread aws/111111111111/us-east-1/docdb: denied rds:DescribeDBClusters; grant it (since 2023-11-14T22:14:20Z)\n";
    assert_eq!(api.get("/readyz").await.text, "degraded\n");
    assert_eq!(
        api.get("/readyz?verbose").await.text,
        format!("degraded\n{reason}")
    );
    let asked = api
        .ask(Method::GET, "/readyz", &[("accept", "application/json")])
        .await;
    assert_eq!(asked.status, 200);
    assert_eq!(asked.json()["ready"], true);
    assert_eq!(asked.json()["reasons"][0]["code"], "scope-unread");
    let mut status = fleet::status();
    status.state = ServiceState::Stuck;
    api.handle.set_status(status);
    assert_eq!(api.get("/readyz").await.text, format!("stuck\n{reason}"));
    let asked = api
        .ask(Method::GET, "/readyz", &[("accept", "application/json")])
        .await;
    assert_eq!(asked.status, 503);
    assert_eq!(asked.json()["ready"], false);
}

#[tokio::test]
async fn a_reason_cannot_forge_a_line() {
    let api = Served::of(1).await;
    let mut status = fleet::status();
    status.reasons[0].message = "a\nready \u{1b}[31m".to_owned();
    api.handle.set_status(status);
    let text = api.get("/readyz?verbose").await.text;
    assert!(text.contains(r"a\nready \u{1b}[31m"), "{text}");
    assert_eq!(text.lines().count(), 2);
}

#[tokio::test]
async fn a_loop_that_gives_no_sign_is_not_alive() {
    let api = Served::of(1).await;
    assert_eq!(api.get("/livez").await.text, "alive\n");
    tokio::time::pause();
    tokio::time::advance(HUNG_AFTER + Duration::from_secs(1)).await;
    tokio::time::resume();
    for path in ["/livez", "/healthz"] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.text.starts_with("hung: "), "{}", answer.text);
    }
    api.handle.set_status(fleet::status());
    assert_eq!(api.get("/livez").await.status, 200);
}

#[tokio::test]
async fn metrics_and_version_are_of_the_status() {
    let api = Served::of(1).await;
    let metrics = api.get("/metrics").await;
    assert_eq!(metrics.text, "# degraded\n");
    assert_eq!(
        metrics.header("content-type"),
        crate::metrics::plain::CONTENT_TYPE
    );
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2,*/*;q=0.1";
    let metrics = api
        .ask(Method::GET, "/metrics", &[("accept", prometheus)])
        .await;
    assert_eq!(metrics.text, "# degraded\n");
    assert_eq!(metrics.header("content-type"), crate::metrics::CONTENT_TYPE);
    let version = api.json("/version").await;
    assert_eq!(
        version,
        serde_json::json!({ "name": "muster", "version": "1.2.3", "api": 1 })
    );
}

#[tokio::test]
async fn a_store_that_cannot_be_used_costs_only_what_needs_it() {
    let failed = Refused {
        kind: RefusedKind::Unavailable,
        what: "the store has failed".to_owned(),
        why: vec!["no space left on device".to_owned()],
        hint: Some("make room".to_owned()),
    };
    let api = Served::over(Err(failed)).await;
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/api/v1/status",
        "/api/v1/config",
    ] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    for path in [
        "/sd/prometheus",
        "/api/v1/databases",
        "/api/v1/plans/9",
        "/api/v1/history",
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.problem(), "unavailable");
        let problem = answer.json();
        assert_eq!(problem["detail"], "the store has failed");
        assert_eq!(problem["why"][0], "no space left on device");
        assert_eq!(problem["hint"], "make room");
    }
    api.handle.set_store(Ok(Arc::new(MemoryStore::new())));
    assert_eq!(api.get("/api/v1/databases").await.status, 200);
}
