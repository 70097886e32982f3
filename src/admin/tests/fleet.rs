//! A store with a fleet in it, and a status that fits.

use std::{collections::BTreeMap, sync::Arc};

use muster_model::{
    Availability, Became, Coverage, Database, Decision, DecisionRecord, Endpoint, EndpointRole,
    Enrollment, Event, Failure, FailureReason, FieldChange, HeldPlan, HeldRemoval, HistoryEntry,
    Kind, Labels, Malformed, Missing, Owner, Protocol, Record, ResourceId, Scope, ScopeRecord,
    Service, Skip, State, Target, Timestamp, Trace, Verdict,
};
use muster_store::{Batch, Expect, Store, tables};

use crate::{
    pipeline::held::plan_id,
    service::status::{
        ConfigStatus, Counts, Reason, Reloading, ScopeStatus, ServiceState, SinkStatus, Status,
        StoreStatus,
    },
};

pub(super) const START: Timestamp = Timestamp::from_unix(1_700_000_000);

pub(super) fn scope() -> Arc<Scope> {
    Arc::new(Scope::aws("111111111111", "us-east-1", Service::Rds))
}

/// The id of the database with this number. Some hold what a path cannot.
pub(super) fn id(n: usize) -> ResourceId {
    ResourceId::of(
        &format!("arn:aws:rds:us-east-1:111111111111:db:d/{n:07}"),
        "instance",
    )
}

pub(super) fn database(n: usize) -> Database {
    let env = if n.is_multiple_of(10) { "prod" } else { "dev" };
    Database {
        id: id(n),
        scope: scope(),
        kind: Kind::Rds,
        protocol: Some(Protocol::Postgres),
        identifier: format!("d{n}"),
        role: EndpointRole::Instance,
        region: "us-east-1".to_owned(),
        endpoint: (n != 4).then(|| Endpoint {
            host: format!("d{n}.example"),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: "16.4".to_owned(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        tags: BTreeMap::from([
            ("env".to_owned(), env.to_owned()),
            ("cost-center".to_owned(), format!("c{n}")),
            ("cost.center".to_owned(), "second".to_owned()),
        ]),
        derived: BTreeMap::from([("region".to_owned(), "us-east-1".to_owned())]),
        facts: BTreeMap::new(),
        unsupported: None,
        unread: Default::default(),
        notes: Vec::new(),
    }
}

pub(super) fn target(n: usize) -> Target {
    let database = database(n);
    let (mut labels, _): (Labels, _) = database.labels();
    assert!(labels.set("team", format!("t{n}"), "rule `teams`"));
    Target {
        id: database.id,
        name: format!("d{n}-rds-us-east-1-111111111111"),
        // Two share a short name.
        short_name: if n == 2 {
            "d0".to_owned()
        } else {
            format!("d{n}")
        },
        kind: database.kind,
        protocol: Protocol::Postgres,
        endpoint: database.endpoint,
        tls_server_name: None,
        engine: database.engine,
        engine_version: database.engine_version,
        state: database.state,
        labels,
        hints: BTreeMap::new(),
        facts: BTreeMap::new(),
        scope: scope(),
        owner: Owner {
            by: "discovery".to_owned(),
            group: "default".to_owned(),
        },
        reason: "rule \"all\"".to_owned(),
    }
}

/// Databases, of which those with even numbers are targets; a scope, three plans and some history.
pub(super) fn fill(store: &dyn Store, databases: usize) {
    let mut batch = Batch::new();
    let any = Expect::Any;
    for n in 0..databases {
        let database = database(n);
        let key = database.id.clone();
        let (labels, _) = database.labels();
        let enrolled = n.is_multiple_of(2);
        let record = Record {
            database,
            first_seen: START,
            changed: START,
            missing: (n == 3).then_some(Missing {
                since: START,
                scans: 1,
            }),
        };
        tables::INVENTORY
            .put(&mut batch, key.as_str(), &record, any)
            .unwrap();
        let decision = if enrolled {
            Decision::Enroll(Enrollment {
                name: format!("d{n}-rds-us-east-1-111111111111"),
                short_name: format!("d{n}"),
                labels,
                hints: BTreeMap::new(),
                matcher: "rules".to_owned(),
                reason: "rule \"all\"".to_owned(),
            })
        } else {
            Decision::Skip {
                reason: Skip::NoMatch,
            }
        };
        let mut trace = Trace::default();
        trace.step("rules", "enroll", "rule \"all\"");
        let decided = DecisionRecord {
            decision,
            trace,
            changed: START,
        };
        // The last one was never judged.
        if n + 1 < databases || databases == 1 {
            tables::DECISIONS
                .put(&mut batch, key.as_str(), &decided, any)
                .unwrap();
        }
        if enrolled {
            tables::TARGETS
                .put(&mut batch, key.as_str(), &target(n), any)
                .unwrap();
        }
    }
    let record = ScopeRecord {
        scope: scope(),
        attempted: START,
        coverage: Coverage::Complete,
        complete: Some(START),
        found: databases as u64,
        failures_in_a_row: 0,
        malformed: vec![Malformed {
            provider_id: None,
            call: "rds:DescribeDBInstances".to_owned(),
            message: "no port".to_owned(),
        }],
    };
    tables::SCOPES
        .put(&mut batch, &record.scope.to_string(), &record, any)
        .unwrap();
    for (number, verdict) in [
        (7, Verdict::Superseded { at: START }),
        (
            8,
            Verdict::Approved {
                by: "ann".to_owned(),
                at: START,
            },
        ),
        (9, Verdict::Waiting),
    ] {
        let plan = plan(number, verdict);
        tables::PLANS
            .put(&mut batch, &plan_id(number), &plan, any)
            .unwrap();
    }
    let entries: Vec<_> = (0..5).map(entry).collect();
    tables::HISTORY.append(store, &mut batch, &entries).unwrap();
    store.commit(batch).unwrap();
}

pub(super) fn plan(number: u64, verdict: Verdict) -> HeldPlan {
    HeldPlan {
        number,
        made: START,
        group: "default".to_owned(),
        removals: (0..3)
            .map(|n| HeldRemoval {
                became: Became::Open,
                id: id(n),
                name: format!("d{n}-rds-us-east-1-111111111111"),
                reason: "gone from a complete scope for 2 scans".to_owned(),
            })
            .collect(),
        targets: 5,
        allowance: 1,
        verdict,
    }
}

fn entry(n: usize) -> HistoryEntry {
    HistoryEntry {
        at: START.plus(i64::try_from(n).unwrap()),
        id: id(n % 2),
        name: format!("d{}", n % 2),
        event: Event::Changed,
        run: "r".to_owned(),
        by: "scan".to_owned(),
        fields: vec![FieldChange {
            field: "state".to_owned(),
            from: None,
            to: Some("available".to_owned()),
        }],
        reason: String::new(),
    }
}

/// A service with one scope that is read, one that is not, and one before its first scan.
pub(super) fn status() -> Status {
    let other = |service| Arc::new(Scope::aws("111111111111", "us-east-1", service));
    let scope_status = |scope: Arc<Scope>, coverage: Option<Coverage>| ScopeStatus {
        scope,
        attempted: coverage.as_ref().map(|_| START.plus(60)),
        complete: coverage
            .as_ref()
            .filter(|c| c.is_complete())
            .map(|_| START.plus(60)),
        found: 5,
        failures_in_a_row: u32::from(coverage.as_ref().is_some_and(|c| !c.is_complete())),
        next: Some(START.plus(360)),
        running: false,
        milliseconds: coverage.as_ref().map(|_| 1234),
        coverage,
    };
    let denied = Failure {
        reason: FailureReason::Denied,
        call: "rds:DescribeDBClusters".to_owned(),
        message: "not authorized".to_owned(),
        permission: Some("rds:DescribeDBClusters".to_owned()),
    };
    Status {
        version: "1.2.3".to_owned(),
        pid: 4321,
        started: START,
        at: START.plus(61),
        state: ServiceState::Degraded,
        reasons: vec![Reason {
            code: "scope-unread".to_owned(),
            subject: other(Service::Docdb).to_string(),
            message: "denied rds:DescribeDBClusters; grant it".to_owned(),
            since: START.plus(60),
        }],
        findings: Vec::new(),
        config: ConfigStatus {
            path: Some("/etc/muster/muster.yaml".into()),
            digest: "ab".repeat(32),
            loaded: START,
            needs_restart: Vec::new(),
            last_reload: Some(Reloading {
                at: START.plus(30),
                accepted: false,
                messages: vec!["line 3: unknown key".to_owned()],
            }),
        },
        store: StoreStatus {
            path: "/var/lib/muster".into(),
            revision: 1,
            bytes: 123_456,
            failure: None,
        },
        scopes: vec![
            scope_status(other(Service::Docdb), Some(Coverage::Unread(vec![denied]))),
            scope_status(other(Service::Elasticache), None),
            scope_status(scope(), Some(Coverage::Complete)),
        ],
        scopes_known: true,
        counts: Counts {
            databases: BTreeMap::from([("aws/rds".to_owned(), 5)]),
            targets: BTreeMap::from([("postgres".to_owned(), 3)]),
            skipped: BTreeMap::from([("no-match".to_owned(), 2)]),
            held: BTreeMap::from([("brake".to_owned(), 3)]),
            would: BTreeMap::from([("remove".to_owned(), 3)]),
        },
        plans_waiting: 1,
        notify: vec![SinkStatus {
            name: "ops".to_owned(),
            waiting: 2,
            dropped: 0,
            delivered: Some(START),
            failures_in_a_row: 1,
            error: Some("connection refused".to_owned()),
        }],
        plugins: Vec::new(),
        proxy: None,
        listen: Some("127.0.0.1:7420".to_owned()),
    }
}
