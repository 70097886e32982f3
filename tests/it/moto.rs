//! Scanners against moto, an implementation of AWS that is not ours, with what boto3 lists there as the measure.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_credential_types::Credentials;
use muster_cloud::{
    BudgetConfig,
    aws::{AssumeRole, AwsAccess, AwsAccount, AwsOptions},
};
use muster_discovery::aws_scanner;
use muster_model::{
    Availability, Coverage, Database, FailureReason, Scan, Scope, Service, Unsupported,
};

use crate::support::moto::{Found, Moto, REGIONS, ROLE};

async fn accounts(moto: &Moto) -> Vec<AwsAccount> {
    let access = AwsAccess::load(AwsOptions {
        endpoint_url: Some(moto.url.clone()),
        credentials: Some(Credentials::new(
            "AKIAAMBIENT111111111",
            "secret",
            None,
            None,
            "test",
        )),
        // The server is on this machine, and a fault of its own stays one.
        budgets: BudgetConfig {
            per_second: 1000.0,
            attempts: 2,
            base_delay: Duration::from_millis(1),
            ..BudgetConfig::default()
        },
    })
    .await;
    let role = AssumeRole {
        arn: ROLE.to_owned(),
        external_id: Some("fleet".to_owned()),
    };
    vec![
        access.account(None).await.unwrap(),
        access.account(Some(&role)).await.unwrap(),
    ]
}

async fn scan(account: &AwsAccount, region: &str, service: Service) -> Scan {
    let scope = Arc::new(Scope::aws(account.id(), region, service));
    aws_scanner(account.region(region), scope)
        .expect("a service of AWS")
        .scan()
        .await
}

/// What boto3 lists, and what muster finds, as the same words.
fn listed(found: &Found) -> String {
    let Found {
        id,
        host,
        port,
        engine,
        region,
        account,
        ..
    } = found;
    let (version, tags) = (found.version.as_deref().unwrap_or_default(), &found.tags);
    format!(
        "{id} {host}:{port} {engine} {version} in {account}/{region}, {} {tags:?}",
        found.state
    )
}

fn seen(database: &Database) -> String {
    let Database {
        id,
        engine,
        region,
        scope,
        tags,
        ..
    } = database;
    let endpoint = database
        .endpoint
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    // boto3's listing of groups has no version; muster has it from the group's members.
    let version = if scope.service == Service::Elasticache {
        ""
    } else {
        &database.engine_version
    };
    format!(
        "{id} {endpoint} {engine} {version} in {}/{region}, {} {tags:?}",
        scope.account, database.state.name
    )
}

#[tokio::test]
async fn both_accounts_and_regions_hold_what_boto3_lists() {
    let moto = Moto::shared();
    for account in accounts(moto).await {
        for region in REGIONS {
            for service in [Service::Rds, Service::Docdb, Service::Elasticache] {
                let scan = scan(&account, region, service).await;
                assert_eq!(scan.coverage, Coverage::Complete, "{}", scan.scope);
                assert!(scan.malformed.is_empty(), "{:?}", scan.malformed);
                let is_here = |found: &&Found| {
                    found.account == account.id()
                        && found.region == region
                        && found.service == service.as_str()
                };
                let want: BTreeSet<_> = moto.found.iter().filter(is_here).map(listed).collect();
                let have: BTreeSet<_> = scan.found.iter().map(seen).collect();
                assert_eq!(have, want, "{}", scan.scope);
                assert_eq!(
                    have.len(),
                    scan.found.len(),
                    "nothing is found twice in {}",
                    scan.scope
                );
            }
        }
    }
    let accounts: BTreeSet<_> = moto
        .found
        .iter()
        .map(|found| found.account.as_str())
        .collect();
    assert_eq!(accounts.len(), 2, "the fleet is in two accounts");
    let biggest = moto
        .found
        .iter()
        .filter(|found| found.service == "rds" && found.role == "instance")
        .count();
    assert!(biggest > 100, "a listing has more than one page");
}

#[tokio::test]
async fn a_cluster_gives_its_writer_readers_and_custom_endpoints() {
    let moto = Moto::shared();
    let accounts = accounts(moto).await;
    let scan = scan(&accounts[1], "eu-west-1", Service::Rds).await;
    let mut ends: Vec<_> = scan
        .found
        .iter()
        .filter(|it| it.identifier == "payments")
        .collect();
    ends.sort_by_key(|it| it.base_name());
    let names: Vec<_> = ends.iter().map(|it| it.base_name()).collect();
    assert_eq!(
        names,
        ["payments", "payments-custom-analytics", "payments-reader"]
    );
    let writer = ends[0].endpoint.as_ref().unwrap();
    assert_eq!(
        ends[1].tls_server_name.as_deref(),
        Some(writer.host.as_str()),
        "a custom endpoint shows the cluster's certificate"
    );
    for end in ends {
        assert_eq!(
            end.derived.get("account-id").map(String::as_str),
            Some("222222222222")
        );
        assert_eq!(
            end.derived.get("region").map(String::as_str),
            Some("eu-west-1")
        );
        assert_eq!(
            end.derived.get("engine").map(String::as_str),
            Some("aurora-postgresql")
        );
        assert_eq!(
            end.derived.get("endpoint-type").map(String::as_str),
            Some(end.role.as_str())
        );
    }
}

#[tokio::test]
async fn what_cannot_be_enrolled_is_found_with_its_reason() {
    let moto = Moto::shared();
    let accounts = accounts(moto).await;
    let rds = scan(&accounts[0], "us-east-1", Service::Rds).await;
    let one = |scan: &Scan, name: &str| {
        scan.found
            .iter()
            .find(|it| it.identifier == name)
            .cloned()
            .expect("found")
    };
    let version = |engine: &str, have: &str, need: &str| {
        Some(Unsupported::Version {
            engine: engine.to_owned(),
            have: have.to_owned(),
            need: need.to_owned(),
        })
    };
    assert_eq!(
        one(&rds, "wiki").unsupported,
        version("mariadb", "10.5.26", "10.6")
    );
    assert_eq!(
        one(&rds, "erp").unsupported,
        Some(Unsupported::Engine {
            engine: "oracle-ee".to_owned()
        })
    );
    assert_eq!(one(&rds, "catalog").unsupported, None);
    assert_eq!(
        one(&rds, "nightly").state.availability,
        Availability::Stopped
    );
    // A tag may not pass for what muster derives.
    let billing = one(&rds, "billing");
    let (labels, shadowed) = billing.labels();
    assert_eq!(labels.value("engine"), Some("mariadb"));
    assert_eq!(shadowed.len(), 1, "{shadowed:?}");

    let documents = scan(&accounts[0], "us-east-1", Service::Docdb).await;
    assert_eq!(
        one(&documents, "old-events").unsupported,
        version("docdb", "4.0.0", "5.0")
    );
    assert_eq!(one(&documents, "sessions").unsupported, None);
    let caches = scan(&accounts[0], "us-east-1", Service::Elasticache).await;
    assert_eq!(
        one(&caches, "legacy").unsupported,
        Some(Unsupported::TlsOff)
    );
    assert_eq!(one(&caches, "search").role.as_str(), "configuration");
}

#[tokio::test]
async fn every_enabled_region_is_listed() {
    let moto = Moto::shared();
    let regions = accounts(moto).await[0].regions().await.unwrap();
    for region in REGIONS {
        assert!(regions.iter().any(|it| it == region), "{regions:?}");
    }
    assert!(regions.len() > 10 && regions.is_sorted(), "{regions:?}");
}

/// moto does not know serverless caches and answers 500: that is a scope which is not read, not an empty one.
#[tokio::test]
async fn a_call_that_the_server_cannot_answer_leaves_the_scope_unread() {
    let moto = Moto::shared();
    let scan = scan(
        &accounts(moto).await[0],
        "us-east-1",
        Service::ElasticacheServerless,
    )
    .await;
    let Coverage::Unread(failures) = &scan.coverage else {
        panic!("{:?}", scan.coverage)
    };
    assert_eq!(failures[0].reason, FailureReason::Server, "{failures:?}");
    assert_eq!(failures[0].call, "elasticache:DescribeServerlessCaches");
}
