//! The demonstration's AWS fleet: the curious cases, and that no call is made per database.

use muster_cloud::replay::Tape;
use muster_model::{Availability, Service, Unsupported, fact};

use crate::world::{World, fixtures, impatient};

const OTHER: &str = "222222222222";

async fn world(account: &str) -> World {
    World::new(
        Tape::from_dir(fixtures("demo/aws")).unwrap(),
        account,
        impatient(),
    )
    .await
}

#[tokio::test]
async fn every_scope_of_the_first_account_is_read_whole() {
    let world = world("111111111111").await;
    for region in ["us-east-1", "eu-west-1"] {
        for service in [
            Service::Rds,
            Service::Docdb,
            Service::Elasticache,
            Service::ElasticacheServerless,
        ] {
            let scan = world.scan(region, service).await;
            assert!(
                scan.coverage.is_complete(),
                "{}: {:?}",
                scan.scope,
                scan.coverage
            );
            assert_eq!(
                (scan.malformed.len(), scan.warnings.len()),
                (0, 0),
                "{}",
                scan.scope
            );
            for it in &scan.found {
                assert!(it.unread.is_empty(), "{}: {:?}", it.id, it.unread);
                assert!(it.notes.is_empty(), "{}: {:?}", it.id, it.notes);
                let labels = (
                    it.derived["account-id"].as_str(),
                    it.derived["region"].as_str(),
                );
                assert_eq!(labels, ("111111111111", region), "{}", it.id);
            }
        }
    }
    assert_eq!(world.replayer.unmatched(), []);
}

#[tokio::test]
async fn databases_that_cannot_be_had_say_why() {
    let mine = world("111111111111").await;
    let theirs = world(OTHER).await;
    let mut scans = Vec::new();
    for world in [&mine, &theirs] {
        for region in ["us-east-1", "eu-west-1"] {
            for service in [Service::Rds, Service::Docdb, Service::Elasticache] {
                scans.push(world.scan(region, service).await);
            }
        }
    }
    let all: Vec<_> = scans.iter().flat_map(|scan| &scan.found).collect();
    let one = |name: &str| {
        *all.iter()
            .find(|it| it.identifier == name)
            .unwrap_or_else(|| panic!("no {name}"))
    };

    assert_eq!(
        one("nightly-load-test").state.availability,
        Availability::Stopped
    );
    assert!(one("nightly-load-test").endpoint.is_some());
    assert_eq!(one("checkout-migration").endpoint, None);
    assert!(
        matches!(&one("legacy-wiki").unsupported, Some(Unsupported::Version { need, .. }) if need == "10.6")
    );
    assert!(
        matches!(&one("old-events-docdb").unsupported, Some(Unsupported::Version { need, .. }) if need == "5.0")
    );
    assert!(
        matches!(&one("erp-oracle").unsupported, Some(Unsupported::Engine { engine }) if engine.starts_with("oracle"))
    );
    assert_eq!(
        one("legacy-sessions").unsupported,
        Some(Unsupported::TlsOff)
    );
    assert_eq!(one("audit-log-prod").fact(fact::IAM_AUTH), Some("false"));
    let twice: Vec<_> = all
        .iter()
        .filter(|it| it.identifier == "orders-prod")
        .map(|it| &it.id)
        .collect();
    assert_eq!(twice.len(), 2);
    assert_ne!(twice[0], twice[1]);
    // A tag may say what it likes; what muster derived stays as it is.
    let forger = one("partner-portal");
    let (labels, shadowed) = forger.labels();
    assert!(!shadowed.is_empty());
    for tag in shadowed
        .iter()
        .filter(|it| forger.derived.contains_key(&it.key))
    {
        assert_ne!(labels.value(&tag.key), Some(tag.value.as_str()));
    }
}

#[tokio::test]
async fn a_cluster_has_all_its_endpoints_and_its_tags_from_one_listing() {
    let world = world("111111111111").await;
    let mut found = Vec::new();
    for region in ["us-east-1", "eu-west-1"] {
        found.extend(world.scan(region, Service::Rds).await.found);
    }
    let payments: Vec<_> = found
        .iter()
        .filter(|it| it.identifier == "payments")
        .collect();
    let mut roles: Vec<_> = payments.iter().map(|it| it.role.as_str()).collect();
    roles.sort_unstable();
    assert!(
        roles.contains(&"primary") && roles.contains(&"reader") && roles.contains(&"custom"),
        "{roles:?}"
    );
    for it in payments {
        assert!(
            it.derived.contains_key("vpc-id") && !it.tags.is_empty(),
            "{}",
            it.id
        );
        assert_eq!(it.tls_server_name.is_some(), it.role.as_str() == "custom");
    }
    let calls = world.calls();
    assert!(
        calls
            .iter()
            .all(|it| it == "DescribeDBInstances" || it == "DescribeDBClusters"),
        "{calls:?}"
    );
    assert!(
        calls.len() <= 6,
        "two listings a region, one of two pages, one tried again: {calls:?}"
    );
}

#[tokio::test]
async fn caches_in_cluster_mode_and_serverless_ones_have_one_endpoint() {
    let worlds = [world("111111111111").await, world(OTHER).await];
    let mut scans = Vec::new();
    for world in &worlds {
        for region in ["us-east-1", "eu-west-1"] {
            for service in [Service::Elasticache, Service::ElasticacheServerless] {
                scans.push(world.scan(region, service).await);
            }
        }
    }
    let mut found: Vec<_> = scans.into_iter().flat_map(|scan| scan.found).collect();
    found.retain(|it| ["search-cache", "rate-limits"].contains(&it.identifier.as_str()));
    let roles: Vec<_> = found
        .iter()
        .map(|it| (it.identifier.as_str(), it.role.as_str()))
        .collect();
    assert!(
        roles.contains(&("search-cache", "configuration")),
        "{roles:?}"
    );
    assert!(roles.contains(&("rate-limits", "serverless")), "{roles:?}");
    assert!(
        found
            .iter()
            .all(|it| it.derived.contains_key("vpc-id") && !it.tags.is_empty())
    );
}

#[tokio::test]
async fn documentdb_is_found_with_its_tags_and_costs_two_calls() {
    let world = world("111111111111").await;
    let scan = world.scan("us-east-1", Service::Docdb).await;
    assert!(!scan.found.is_empty());
    assert!(scan.found.iter().all(|it| !it.tags.is_empty()));
    assert_eq!(scan.requests, 2);
    assert!(scan.found.iter().any(|it| it.role.as_str() == "cluster"));
}

#[tokio::test]
async fn a_denied_region_is_unread_and_says_which_permission_is_missing() {
    let world = world(OTHER).await;
    let scan = world.scan("ap-southeast-2", Service::Rds).await;
    assert_eq!((scan.coverage.as_str(), scan.found.len()), ("unread", 0));
    let mut permissions: Vec<_> = scan
        .coverage
        .failures()
        .iter()
        .filter_map(|it| it.permission.as_deref())
        .collect();
    permissions.sort_unstable();
    assert_eq!(
        permissions,
        ["rds:DescribeDBClusters", "rds:DescribeDBInstances"]
    );
}

#[tokio::test]
async fn many_scopes_run_at_once_and_one_denied_scope_costs_the_others_nothing() {
    let world = world(OTHER).await;
    let mut scanners = Vec::new();
    for region in ["us-east-1", "eu-west-1", "ap-southeast-2"] {
        scanners.push(world.scanner(region, Service::Rds).await);
        scanners.push(world.scanner(region, Service::Elasticache).await);
    }
    let mut ended = 0;
    let scans = muster_discovery::run(scanners, 4, |_| ended += 1).await;
    let coverage: Vec<_> = scans
        .iter()
        .map(|it| format!("{} {}", it.scope, it.coverage.as_str()))
        .collect();
    assert_eq!(
        coverage,
        [
            "aws/222222222222/us-east-1/rds complete",
            "aws/222222222222/us-east-1/elasticache complete",
            "aws/222222222222/eu-west-1/rds complete",
            "aws/222222222222/eu-west-1/elasticache complete",
            "aws/222222222222/ap-southeast-2/rds unread",
            "aws/222222222222/ap-southeast-2/elasticache complete",
        ]
    );
    assert_eq!(ended, 6);
}
