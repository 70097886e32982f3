//! The recordings of `fixtures/cloud`, which others use as well, with a sign-in by client secret.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use muster_cloud::{
    BudgetConfig, Budgets,
    azure::{AzureAccess, AzureOptions},
    replay::{Replayer, Tape},
};
use muster_model::{Availability, Coverage, FailureReason, Scope, Service};

use crate::azure_scanner;

const SUBSCRIPTION: &str = "0a1b2c3d-1111-4aaa-8bbb-0c0d0e0f1011";

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cloud")
}

/// Access that waits at most so long to be let in.
fn access(replayer: &Replayer, patience: Duration) -> Arc<AzureAccess> {
    let config = BudgetConfig {
        per_second: 1e6,
        attempts: 3,
        base_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(1),
        patience,
        ..BudgetConfig::default()
    };
    let options = AzureOptions {
        authority: Some(replayer.url().parse().unwrap()),
        management: Some(replayer.url().parse().unwrap()),
        env: Arc::new(|name| match name {
            "AZURE_TENANT_ID" | "AZURE_CLIENT_ID" | "AZURE_CLIENT_SECRET" => {
                Some("test".to_owned())
            }
            _ => None,
        }),
        budgets: Arc::new(Budgets::new(config, 1)),
        ..AzureOptions::default()
    };
    Arc::new(AzureAccess::load(options).unwrap())
}

#[tokio::test]
async fn every_recorded_fault_is_told_apart() {
    use FailureReason::{Denied, Malformed, Server, Throttled, Truncated};
    // Case, servers found, records that are no good, and what ended it.
    let table = [
        ("azure-denied", 0, 0, Some(Denied)),
        ("azure-denied-half-way", 1, 0, Some(Denied)),
        ("azure-empty-page", 1, 0, None),
        ("azure-link-elsewhere", 1, 0, Some(Malformed)),
        ("azure-malformed-record", 2, 1, None),
        ("azure-no-host", 2, 0, None),
        ("azure-not-json", 0, 0, Some(Malformed)),
        ("azure-paging", 3, 0, None),
        ("azure-repeated-link", 2, 0, Some(Truncated)),
        ("azure-server-error", 0, 0, Some(Server)),
        ("azure-throttled", 0, 0, Some(Throttled)),
        ("azure-throttled-then-ok", 1, 0, None),
        ("azure-truncated", 0, 0, Some(Truncated)),
        ("azure-unknown-type", 0, 0, None),
    ];
    let recorded: BTreeSet<String> = fs::read_dir(recordings().join("faults"))
        .unwrap()
        .map(|case| case.unwrap().file_name().into_string().unwrap())
        .filter(|case| case.starts_with("azure-"))
        .collect();
    let tested: BTreeSet<String> = table.iter().map(|(case, ..)| (*case).to_owned()).collect();
    assert_eq!(recorded, tested);

    for (case, found, malformed, failure) in table {
        let tape = Tape::from_dir(recordings().join("faults").join(case)).unwrap();
        let replayer = Replayer::start(tape).unwrap();
        let service = if case == "azure-unknown-type" {
            Service::Postgresql
        } else {
            Service::PostgresqlFlexible
        };
        // The recorded `Retry-After` is a second: enough for the one case that comes through.
        let patience = Duration::from_millis(if case == "azure-throttled" { 1 } else { 3000 });
        let scope = Arc::new(Scope::azure(SUBSCRIPTION, service, None));
        let scan = azure_scanner(access(&replayer, patience), scope)
            .unwrap()
            .scan()
            .await;
        let failures = scan.coverage.failures();
        let reasons: Vec<_> = failures.iter().map(|failure| failure.reason).collect();
        assert_eq!(reasons, Vec::from_iter(failure), "{case}: {failures:?}");
        assert_eq!(
            (scan.found.len(), scan.malformed.len()),
            (found, malformed),
            "{case}"
        );
        // Every call but the sign-in counts.
        assert_eq!(scan.requests as usize, replayer.asked() - 1, "{case}");
        assert_eq!(
            failure == Some(Denied),
            failures.iter().any(|failure| failure.permission.is_some()),
            "{case}"
        );
    }
}

#[tokio::test]
async fn the_demonstrations_fleet_is_read_completely() {
    let replayer = Replayer::start(Tape::from_dir(recordings().join("demo")).unwrap()).unwrap();
    let access = access(&replayer, Duration::from_secs(3));
    let subscriptions = access.subscriptions().await.unwrap();
    let mut names = BTreeSet::new();
    for subscription in &subscriptions {
        for service in [
            Service::Postgresql,
            Service::PostgresqlFlexible,
            Service::Mysql,
            Service::MysqlFlexible,
        ] {
            let scope = Arc::new(Scope::azure(&subscription.id, service, None));
            let scan = azure_scanner(Arc::clone(&access), scope)
                .unwrap()
                .scan()
                .await;
            assert_eq!(scan.coverage, Coverage::Complete, "{}", scan.scope);
            assert!(scan.malformed.is_empty(), "{:?}", scan.malformed);
            names.extend(
                scan.found
                    .into_iter()
                    .map(|database| (database.identifier, database.state.availability)),
            );
        }
    }
    assert_eq!(replayer.unmatched(), []);
    assert_eq!(
        subscriptions
            .iter()
            .map(|it| it.name.as_str())
            .collect::<Vec<_>>(),
        ["Production", "Development"]
    );
    for (name, availability) in [
        ("inventory-pg", Availability::Available),
        ("hr-pg", Availability::Stopped),
        ("web-mysql-replica", Availability::Available),
    ] {
        assert!(
            names.contains(&(name.to_owned(), availability)),
            "{name} is not among {names:?}"
        );
    }
}
