//! Whole scans against recorded answers: `recorded/*.yaml`, in the replayer's format.

use std::{sync::Arc, time::Duration};

use muster_cloud::{
    BudgetConfig, Budgets,
    azure::{AzureAccess, AzureOptions, Secret},
    replay::{Replayer, Tape},
};
use muster_model::{Coverage, FailureReason, Scan, Scope, Service};

use crate::azure_scanner;

const SUBSCRIPTION: &str = "aaaa0000-0000-0000-0000-000000000001";

fn options(replayer: &Replayer) -> AzureOptions {
    let config = BudgetConfig {
        per_second: 1e6,
        attempts: 3,
        base_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(1),
        max_pages: 3,
        ..BudgetConfig::default()
    };
    AzureOptions {
        management: Some(replayer.url().parse().unwrap()),
        token: Some(Secret::new("recorded")),
        budgets: Arc::new(Budgets::new(config, 1)),
        ..AzureOptions::default()
    }
}

async fn scan_with(access: AzureAccess, scope: Scope) -> Scan {
    azure_scanner(Arc::new(access), Arc::new(scope))
        .unwrap()
        .scan()
        .await
}

/// Scans a subscription of which `tape` holds the answers.
async fn scan(tape: &'static str, service: Service, group: Option<&str>) -> (Scan, Replayer) {
    let replayer = Replayer::start(Tape::from_files([("tape.yaml", tape)]).unwrap()).unwrap();
    let access = AzureAccess::load(options(&replayer)).unwrap();
    let scan = scan_with(access, Scope::azure(SUBSCRIPTION, service, group)).await;
    assert_eq!(replayer.unmatched(), []);
    (scan, replayer)
}

fn names(scan: &Scan) -> Vec<&str> {
    scan.found
        .iter()
        .map(|database| database.identifier.as_str())
        .collect()
}

/// Of the failures: which reason, and which permission.
fn failures(scan: &Scan) -> Vec<(FailureReason, Option<&str>)> {
    scan.coverage
        .failures()
        .iter()
        .map(|failure| (failure.reason, failure.permission.as_deref()))
        .collect()
}

const GOOD: &str = include_str!("../recorded/good.yaml");

#[tokio::test]
async fn every_product_is_read_over_all_its_pages() {
    for (service, want) in [
        (Service::PostgresqlFlexible, ["pg-1", "pg-2"].as_slice()),
        (Service::MysqlFlexible, &["my-1", "my-2"]),
        (Service::Postgresql, &["old-pg-1", "old-pg-2"]),
        (Service::Mysql, &["old-my"]),
    ] {
        let (scan, _) = scan(GOOD, service, None).await;
        assert_eq!(scan.coverage, Coverage::Complete, "{service}");
        assert_eq!(names(&scan), want, "{service}");
        assert_eq!(scan.requests as usize, want.len(), "{service}");
        assert!(
            scan.found
                .iter()
                .all(|database| database.scope == scan.scope)
        );
        assert!(scan.warnings.is_empty() && scan.malformed.is_empty());
    }
}

#[tokio::test]
async fn a_resource_group_is_asked_for_by_itself() {
    for (service, want) in [
        (Service::PostgresqlFlexible, "pg-1"),
        (Service::MysqlFlexible, "my-1"),
        (Service::Postgresql, "old-pg-1"),
        (Service::Mysql, "old-my"),
    ] {
        let (scan, replayer) = scan(GOOD, service, Some("rg-shop")).await;
        assert_eq!(scan.coverage, Coverage::Complete);
        assert_eq!(names(&scan), [want]);
        let asked = replayer.log();
        let start = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop/providers/Microsoft.DBfor"
        );
        assert!(
            asked.iter().all(|seen| seen.path.starts_with(&start)),
            "{asked:?}"
        );
    }
}

const BAD: &str = include_str!("../recorded/bad.yaml");

/// Scans a resource group of `recorded/bad.yaml`, each of which goes wrong in its own way.
async fn bad(group: &str) -> Scan {
    scan(BAD, Service::PostgresqlFlexible, Some(group)).await.0
}

#[tokio::test]
async fn a_malformed_record_costs_only_itself() {
    let scan = bad("malformed").await;
    assert_eq!(scan.coverage, Coverage::Complete);
    assert_eq!(names(&scan), ["before", "after"]);
    let malformed: Vec<_> = scan
        .malformed
        .iter()
        .filter_map(|record| record.provider_id.as_deref())
        .collect();
    assert_eq!(
        malformed,
        [format!(
            "/subscriptions/{SUBSCRIPTION}/resourcegroups/malformed/providers/microsoft.dbforpostgresql/flexibleservers/broken"
        )]
    );
}

#[tokio::test]
async fn a_record_that_cannot_be_named_costs_completeness() {
    let scan = bad("nameless").await;
    assert_eq!(names(&scan), ["before", "after"]);
    assert!(matches!(scan.coverage, Coverage::Partial(_)));
    assert_eq!(failures(&scan), [(FailureReason::Malformed, None)]);
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    let permission = Some("Microsoft.DBforPostgreSQL/flexibleServers/read");
    for (group, reason, permission) in [
        ("denied", FailureReason::Denied, permission),
        ("gone", FailureReason::Rejected, None),
        ("server-error", FailureReason::Server, None),
        ("throttled", FailureReason::Throttled, None),
        ("truncated", FailureReason::Truncated, None),
        ("no-json", FailureReason::Malformed, None),
        ("no-list", FailureReason::Malformed, None),
        ("closed", FailureReason::Unreachable, None),
        // Only for single servers does it mean that there are none.
        ("no-type", FailureReason::Rejected, None),
    ] {
        let scan = bad(group).await;
        assert!(
            matches!(scan.coverage, Coverage::Unread(_)),
            "{group}: {:?}",
            scan.coverage
        );
        assert_eq!(
            failures(&scan),
            [(reason, permission)],
            "{group}: {:?}",
            scan.coverage
        );
        assert_eq!(
            scan.coverage.failures()[0].call,
            "Microsoft.DBforPostgreSQL/flexibleServers/read"
        );
        assert!(scan.found.is_empty() && scan.requests > 0);
    }
}

#[tokio::test]
async fn what_was_read_before_a_failure_stays() {
    for (group, reason, requests) in [
        ("denied-later", FailureReason::Denied, 2),
        ("other-host", FailureReason::Malformed, 1),
        ("bad-link", FailureReason::Malformed, 1),
        ("circle", FailureReason::Truncated, 1),
        ("capped", FailureReason::Capped, 3),
    ] {
        let scan = bad(group).await;
        assert!(
            matches!(scan.coverage, Coverage::Partial(_)),
            "{group}: {:?}",
            scan.coverage
        );
        assert_eq!(failures(&scan)[0].0, reason, "{group}: {:?}", scan.coverage);
        assert_eq!(names(&scan)[0], "before", "{group}");
        assert_eq!(scan.requests, requests, "{group}");
    }
}

#[tokio::test]
async fn throttling_that_ends_leaves_no_trace_but_the_requests() {
    let scan = bad("throttled-once").await;
    assert_eq!(scan.coverage, Coverage::Complete);
    assert_eq!((names(&scan), scan.requests), (vec!["before"], 3));
}

#[tokio::test]
async fn a_cloud_without_single_servers_has_none() {
    for service in [Service::Postgresql, Service::Mysql] {
        let (scan, _) = scan(BAD, service, Some("no-type")).await;
        assert_eq!(
            (&scan.coverage, scan.found.len(), scan.requests),
            (&Coverage::Complete, 0, 1)
        );
    }
}

#[tokio::test]
async fn a_namespace_that_is_not_registered_holds_nothing() {
    for service in [
        Service::PostgresqlFlexible,
        Service::MysqlFlexible,
        Service::Postgresql,
        Service::Mysql,
    ] {
        let (scan, _) = scan(BAD, service, Some("unregistered")).await;
        assert_eq!(
            (&scan.coverage, scan.found.len()),
            (&Coverage::Complete, 0),
            "{service}"
        );
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_asked_and_every_source_is_named() {
    let replayer = Replayer::start(Tape::default()).unwrap();
    let nowhere = || Some("http://127.0.0.1:1".parse().unwrap());
    let options = AzureOptions {
        token: None,
        authority: nowhere(),
        imds: nowhere(),
        cli: Some("/nonexistent/az".into()),
        env: Arc::new(|_| None),
        ..options(&replayer)
    };
    let access = AzureAccess::load(options).unwrap();
    let scan = scan_with(
        access,
        Scope::azure(SUBSCRIPTION, Service::MysqlFlexible, None),
    )
    .await;
    assert!(matches!(scan.coverage, Coverage::Unread(_)));
    let failure = &scan.coverage.failures()[0];
    assert_eq!(failure.reason, FailureReason::NoCredentials);
    assert!(
        failure.message.contains("failed to acquire a token")
            && failure.message.contains("AzureCLICredential")
    );
    assert_eq!((scan.requests, replayer.asked()), (0, 0));
}

#[tokio::test]
async fn a_scope_that_is_no_path_is_not_asked_for() {
    let replayer = Replayer::start(Tape::default()).unwrap();
    let access = AzureAccess::load(options(&replayer)).unwrap();
    let scan = scan_with(
        access,
        Scope::azure("../tenants", Service::MysqlFlexible, None),
    )
    .await;
    assert!(matches!(scan.coverage, Coverage::Unread(_)));
    assert_eq!(failures(&scan), [(FailureReason::Rejected, None)]);
    assert_eq!(replayer.asked(), 0);
}

#[test]
fn other_clouds_scopes_have_no_scanner_here() {
    let access = Arc::new(AzureAccess::load(AzureOptions::default()).unwrap());
    let scope = Arc::new(Scope::aws("111111111111", "us-east-1", Service::Rds));
    assert!(azure_scanner(access, scope).is_none());
}
