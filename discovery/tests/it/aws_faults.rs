//! What goes wrong with AWS, one recorded case each: what is kept, and what the coverage says.

use std::time::Duration;

use muster_cloud::{
    BudgetConfig,
    replay::{Answer, Tape},
};
use muster_model::{Coverage, FailureReason as Reason, Scan, Service, Unread};

use crate::world::{World, answer, impatient};

async fn scan(case: &str, service: Service) -> Scan {
    World::fault(case, impatient())
        .await
        .scan("us-east-1", service)
        .await
}

fn identifiers(scan: &Scan) -> Vec<&str> {
    let mut names: Vec<_> = scan.found.iter().map(|it| it.identifier.as_str()).collect();
    names.sort_unstable();
    names
}

/// `reason call` of each failure.
fn failures(scan: &Scan) -> Vec<String> {
    let mut all: Vec<_> = scan
        .coverage
        .failures()
        .iter()
        .map(|it| format!("{} {}", it.reason, it.call))
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn what_is_read_in_the_end_is_complete() {
    for (case, found, requests) in [
        ("paging", 5, 4),
        ("empty-page", 2, 4),
        ("page-twice", 3, 3),
        ("throttled-then-ok", 1, 4),
        ("throttled-retry-after", 1, 3),
        ("server-error-once", 1, 3),
        ("truncated-once", 1, 3),
        ("unknown-state", 2, 2),
    ] {
        let scan = scan(case, Service::Rds).await;
        assert_eq!(scan.coverage, Coverage::Complete, "{case}");
        assert_eq!(
            (scan.found.len(), scan.malformed.len()),
            (found, 0),
            "{case}: {:?}",
            identifiers(&scan)
        );
        assert_eq!(scan.requests, requests, "{case}");
    }
}

#[tokio::test]
async fn what_is_not_read_is_named_and_what_was_read_is_kept() {
    for (case, coverage, found, want) in [
        (
            "denied",
            "unread",
            0,
            &[
                "denied rds:DescribeDBClusters",
                "denied rds:DescribeDBInstances",
            ][..],
        ),
        (
            "denied-one-call",
            "partial",
            1,
            &["denied rds:DescribeDBClusters"],
        ),
        (
            "expired-token",
            "unread",
            0,
            &[
                "no-credentials rds:DescribeDBClusters",
                "no-credentials rds:DescribeDBInstances",
            ],
        ),
        (
            "throttled",
            "partial",
            0,
            &["throttled rds:DescribeDBInstances"],
        ),
        (
            "throttled-half-way",
            "partial",
            1,
            &["throttled rds:DescribeDBInstances"],
        ),
        (
            "server-error",
            "partial",
            0,
            &["server rds:DescribeDBInstances"],
        ),
        (
            "closed",
            "partial",
            0,
            &["unreachable rds:DescribeDBInstances"],
        ),
        (
            "truncated",
            "partial",
            1,
            &["truncated rds:DescribeDBInstances"],
        ),
        (
            "repeated-marker",
            "partial",
            2,
            &["truncated rds:DescribeDBInstances"],
        ),
        (
            "empty-body",
            "partial",
            0,
            &["truncated rds:DescribeDBInstances"],
        ),
        (
            "not-xml",
            "partial",
            0,
            &["malformed rds:DescribeDBInstances"],
        ),
        (
            "nameless-record",
            "partial",
            2,
            &["malformed rds:DescribeDBInstances"],
        ),
    ] {
        let scan = scan(case, Service::Rds).await;
        assert_eq!(
            (scan.coverage.as_str(), failures(&scan)),
            (coverage, want.iter().map(|it| (*it).to_owned()).collect()),
            "{case}"
        );
        assert_eq!(scan.found.len(), found, "{case}: {:?}", identifiers(&scan));
    }
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let scan = scan("denied-one-call", Service::Rds).await;
    let failure = &scan.coverage.failures()[0];
    assert_eq!(
        failure.permission.as_deref(),
        Some("rds:DescribeDBClusters")
    );
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_unreachable() {
    let budgets = BudgetConfig {
        attempts: 1,
        attempt_timeout: Duration::from_millis(200),
        ..impatient()
    };
    let scan = World::fault("hang", budgets)
        .await
        .scan("us-east-1", Service::Rds)
        .await;
    assert!(
        failures(&scan).contains(&"unreachable rds:DescribeDBInstances".to_owned()),
        "{:?}",
        scan.coverage
    );
}

#[tokio::test]
async fn more_pages_than_allowed_are_reported_as_capped() {
    let budgets = BudgetConfig {
        max_pages: 2,
        ..impatient()
    };
    let scan = World::fault("paging", budgets)
        .await
        .scan("us-east-1", Service::Rds)
        .await;
    assert_eq!(failures(&scan), ["capped rds:DescribeDBInstances"]);
    assert_eq!(scan.found.len(), 4);
}

#[tokio::test]
async fn one_bad_record_or_endpoint_costs_only_itself() {
    let record = scan("record-without-port", Service::Rds).await;
    assert_eq!((record.found.len(), record.malformed.len()), (2, 1));
    assert!(record.coverage.is_complete() && record.malformed[0].provider_id.is_some());

    let endpoint = scan("malformed-custom-endpoint", Service::Rds).await;
    assert_eq!(endpoint.malformed.len(), 1);
    assert!(endpoint.coverage.is_complete());
    assert_eq!(
        endpoint
            .found
            .iter()
            .filter(|it| it.role.as_str() == "custom")
            .count(),
        1
    );
}

#[tokio::test]
async fn facts_of_a_cache_that_may_not_be_read_are_warnings() {
    let scan = scan("facts-denied", Service::Elasticache).await;
    assert!(scan.coverage.is_complete());
    let warnings: Vec<_> = scan
        .warnings
        .iter()
        .map(|it| (it.reason, it.permission.as_deref().unwrap()))
        .collect();
    assert_eq!(
        warnings,
        [
            (Reason::Denied, "elasticache:DescribeCacheClusters"),
            (Reason::Denied, "elasticache:DescribeCacheSubnetGroups"),
        ]
    );
    assert_eq!(scan.found.len(), 2);
    for it in &scan.found {
        let unread: Vec<_> = it.unread.iter().copied().collect();
        assert_eq!(unread, [Unread::Vpc, Unread::Version]);
    }
}

#[tokio::test]
async fn tags_are_read_one_by_one_where_bulk_is_denied_and_marked_where_neither_may_be_read() {
    let world = World::fault("tags-one-by-one", impatient()).await;
    let scan = world.scan("us-east-1", Service::Elasticache).await;
    assert!(scan.coverage.is_complete());
    assert_eq!(
        (scan.warnings.len(), scan.warnings[0].call.as_str()),
        (1, "tag:GetResources")
    );
    assert!(
        scan.found
            .iter()
            .all(|it| !it.tags.is_empty() && it.unread.is_empty())
    );
    assert_eq!(
        world
            .calls()
            .iter()
            .filter(|it| *it == "ListTagsForResource")
            .count(),
        1,
        "one a group"
    );

    let scan = self::scan("tags-denied", Service::Elasticache).await;
    assert!(scan.coverage.is_complete());
    let calls: Vec<_> = scan.warnings.iter().map(|it| it.call.as_str()).collect();
    assert_eq!(
        calls,
        ["tag:GetResources", "elasticache:ListTagsForResource"]
    );
    assert!(
        scan.found
            .iter()
            .all(|it| it.unread.contains(&Unread::Tags))
    );
}

#[tokio::test]
async fn a_region_without_documentdb_is_an_empty_region() {
    let mut tape = Tape::default();
    let mut exchange = answer(
        "rds",
        "DescribeDBClusters",
        None,
        "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error><Type>Sender</Type>\
         <Code>InvalidParameterValue</Code><Message>Unrecognized engine name: docdb</Message></Error></ErrorResponse>",
    );
    exchange.answers = vec![Answer {
        status: 400,
        ..exchange.answers[0].clone()
    }];
    tape.push(exchange);
    let world = World::new(tape, crate::world::ACCOUNT, impatient()).await;
    let scan = world.scan("us-east-1", Service::Docdb).await;
    assert!(
        scan.coverage.is_complete() && scan.found.is_empty(),
        "{:?}",
        scan.coverage
    );
    assert_eq!(scan.warnings[0].reason, Reason::UnsupportedEngine);
}
