//! A tiny world for the tests: databases, scans, a rule, and a store that applies plans.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use muster_model::{
    Availability, Coverage, Database, Decision, Endpoint, EndpointRole, Enrollment, Failure,
    FailureReason, Kind, Protocol, Record, ResourceId, Scan, Scope, ScopeRecord, Service, Skip,
    State, Target, Timestamp, Trace,
};

use crate::{
    Brake, Grace, Input, Inventory, Judged, OpenScopes, Outcome, Policy, Removals, ScopeLine,
    Settings, TargetWrite, Unconfigured, plan,
};

pub(crate) fn scope(region: &str) -> Arc<Scope> {
    Arc::new(Scope::aws("111111111111", region, Service::Rds))
}

pub(crate) fn database(region: &str, name: &str, env: &str) -> Database {
    let id = format!("arn:aws:rds:{region}:111111111111:db:{name}");
    Database {
        id: ResourceId::of(&id, "instance"),
        scope: scope(region),
        kind: Kind::Rds,
        protocol: Some(Protocol::Postgres),
        identifier: name.to_owned(),
        role: EndpointRole::Instance,
        region: region.to_owned(),
        endpoint: Some(Endpoint {
            host: format!("{name}.{region}.example"),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: "16.4".to_owned(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        tags: BTreeMap::from([("env".to_owned(), env.to_owned())]),
        derived: BTreeMap::from([("region".to_owned(), region.to_owned())]),
        facts: BTreeMap::new(),
        unsupported: None,
        unread: BTreeSet::new(),
        notes: Vec::new(),
    }
}

pub(crate) fn complete(region: &str, found: Vec<Database>) -> Scan {
    Scan {
        found,
        ..Scan::empty(scope(region))
    }
}

pub(crate) fn denied() -> Failure {
    Failure {
        reason: FailureReason::Denied,
        call: "rds:DescribeDBInstances".to_owned(),
        message: "not authorized".to_owned(),
        permission: Some("rds:DescribeDBInstances".to_owned()),
    }
}

pub(crate) fn partial(region: &str, found: Vec<Database>) -> Scan {
    Scan {
        found,
        coverage: Coverage::Partial(vec![denied()]),
        ..Scan::empty(scope(region))
    }
}

pub(crate) fn unread(region: &str) -> Scan {
    Scan {
        coverage: Coverage::Unread(vec![denied()]),
        ..Scan::empty(scope(region))
    }
}

/// The rule of the tests: `env: prod` is enrolled as `NAME-REGION`, `env: broken` breaks the matcher.
pub(crate) fn judge(database: &Database) -> Judged {
    let (labels, shadowed) = database.labels();
    let trace = Trace {
        steps: Vec::new(),
        shadowed,
    };
    let decision = match labels.value("env") {
        _ if database.unsupported.is_some() => Decision::Skip {
            reason: Skip::Unsupported {
                why: database.unsupported.clone().unwrap(),
            },
        },
        _ if database.state.availability == Availability::Unavailable => Decision::Skip {
            reason: Skip::State {
                state: database.state.clone(),
            },
        },
        Some("prod") => {
            let name = match labels.value("name") {
                Some(name) => name.to_owned(),
                None => format!("{}-{}", database.identifier, database.region),
            };
            Decision::Enroll(Enrollment {
                short_name: database.identifier.clone(),
                name,
                labels,
                hints: BTreeMap::new(),
                matcher: "rule \"prod\"".to_owned(),
                reason: "rule \"prod\" (env in [prod])".to_owned(),
            })
        }
        Some("unselected") => Decision::Skip {
            reason: Skip::NotSelected {
                detail: "account is `1`, asked for [2]".to_owned(),
            },
        },
        Some("broken") => Decision::Undecided {
            matcher: "plugin x".to_owned(),
            message: "deadline exceeded".to_owned(),
        },
        _ => Decision::Skip {
            reason: Skip::NoMatch,
        },
    };
    Judged { decision, trace }
}

pub(crate) struct World {
    pub(crate) records: Vec<Record>,
    pub(crate) targets: BTreeMap<ResourceId, Target>,
    pub(crate) scopes: BTreeMap<Arc<Scope>, ScopeRecord>,
    pub(crate) settings: Settings,
    pub(crate) now: Timestamp,
    pub(crate) scopes_known: bool,
    pub(crate) open: Vec<OpenScopes>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            records: Vec::new(),
            targets: BTreeMap::new(),
            scopes: BTreeMap::new(),
            settings: Settings {
                policy: Policy::Sync,
                grace: Grace {
                    scans: 2,
                    seconds: 600,
                },
                brake: Brake {
                    percent: 100,
                    at_least: 1,
                    window: 3600,
                    released: false,
                },
                group: "default".to_owned(),
                unconfigured: Unconfigured::Hold,
            },
            now: Timestamp::from_unix(1_800_000_000),
            scopes_known: true,
            open: Vec::new(),
        }
    }

    /// One run: merge, judge, plan. Nothing is kept.
    pub(crate) fn plan(&self, scans: &[Scan]) -> (Outcome, Inventory, Vec<ScopeRecord>) {
        let mut inventory = Inventory::new(self.records.iter().cloned());
        inventory.adopt(
            self.targets.values().filter(|t| t.owner.by == "discovery"),
            self.now,
        );
        let merge = inventory.merge(
            scans,
            &self.scopes,
            self.now,
            "run",
            self.settings.grace.scans,
        );
        let judged = inventory
            .iter()
            .map(|record| (record.database.id.clone(), judge(&record.database)))
            .collect();
        let lines: Vec<ScopeLine> = scans
            .iter()
            .map(|scan| ScopeLine {
                scope: scan.scope.clone(),
                coverage: scan.coverage.clone(),
                found: scan.found.len(),
                malformed: scan.malformed.clone(),
                warnings: Vec::new(),
            })
            .collect();
        let outcome = plan(Input {
            inventory: &inventory,
            seen: &merge.seen,
            targets: &self.targets,
            judged: &judged,
            scopes: &lines,
            scopes_known: self.scopes_known,
            open: &self.open,
            before: &self.scopes,
            removals: Removals {
                besides: 0,
                approved: &BTreeSet::new(),
            },
            rest: None,
            notes: Vec::new(),
            settings: &self.settings,
            now: self.now,
        });
        (outcome, inventory, merge.scopes)
    }

    /// One run, carried out; the clock moves five minutes on.
    pub(crate) fn apply(&mut self, scans: &[Scan]) -> Outcome {
        let (outcome, mut inventory, scopes) = self.plan(scans);
        for write in &outcome.writes {
            match write {
                TargetWrite::Put(target) => {
                    self.targets.insert(target.id.clone(), (**target).clone());
                }
                TargetWrite::Delete(id) => {
                    self.targets.remove(id);
                }
            }
        }
        for id in &outcome.forget {
            inventory.forget(id);
        }
        self.records = inventory.iter().cloned().collect();
        self.scopes.extend(
            scopes
                .into_iter()
                .map(|record| (record.scope.clone(), record)),
        );
        self.now = self.now.plus(300);
        outcome
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.targets
            .values()
            .map(|target| target.name.as_str())
            .collect()
    }
}
