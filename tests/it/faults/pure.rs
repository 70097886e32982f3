//! The same without HTTP: scans are made up, complete or not, and so there can be many more of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use muster_model::{
    Availability, Coverage, Database, Endpoint, EndpointRole, Failure, FailureReason, Kind,
    Malformed, Protocol, ResourceId, Scan, Scope, Service, State, Unread, Unsupported, fact,
};

use super::{
    CALM, GRACE, PACE, at, check_in_the_end,
    enrolling::{Enrolling, setup},
    model::Model,
    scans::shuffled,
};
use crate::support::{
    draw::{Draw, Printed, seed},
    fleet::{Pace, Region, Truth},
};

/// What a scanner could say of a region: what is there, less what it did not read.
fn scan(
    scope: &Arc<Scope>,
    truth: &BTreeMap<ResourceId, Truth>,
    draw: &mut Draw,
    calm: bool,
) -> Scan {
    let mut scan = Scan::empty(Arc::clone(scope));
    let weather = if calm { 0 } else { draw.below(10) };
    let lost = |listing: &str| Failure {
        reason: FailureReason::Throttled,
        call: format!("rds:{listing}"),
        message: "Rate exceeded".to_owned(),
        permission: None,
    };
    let (instances, clusters, half) = match weather {
        0..=5 => (true, true, false),
        6 => (false, true, false),
        7 => (true, false, false),
        8 => (false, false, false),
        // Some pages were read.
        _ => (true, true, true),
    };
    if !instances || half {
        scan.fail(lost("DescribeDBInstances"));
    }
    if !clusters {
        scan.fail(lost("DescribeDBClusters"));
    }
    if !instances && !clusters {
        scan.coverage = Coverage::Unread(scan.coverage.failures().to_vec());
        return scan;
    }
    for (id, truth) in truth {
        if (if truth.cluster { !clusters } else { !instances }) || (half && draw.below(2) == 0) {
            continue;
        }
        // A record that muster does not understand: it was seen, and that is all.
        if (weather == 5 || half) && draw.below(20) == 0 {
            let malformed = Malformed {
                provider_id: Some(id.provider_id().to_owned()),
                call: "rds:DescribeDBInstances".to_owned(),
                message: "70000 is not a TCP port".to_owned(),
            };
            if !scan.malformed.contains(&malformed) {
                scan.malformed.push(malformed);
            }
            continue;
        }
        let mut database = database(scope, id, truth);
        if truth.cluster && (!instances || half) {
            for key in [fact::VPC, fact::CA, fact::PUBLIC] {
                if half && draw.below(2) == 0 {
                    continue;
                }
                database.facts.remove(key);
                database.derived.remove(key);
                database.unread = BTreeSet::from([Unread::Vpc]);
            }
        }
        scan.found.push(database);
    }
    // The malformed sibling of a found endpoint was seen as well: nobody can tell them apart.
    scan.found.retain(|database| {
        scan.malformed
            .iter()
            .all(|it| it.provider_id.as_deref() != Some(database.id.provider_id()))
    });
    scan
}

fn database(scope: &Arc<Scope>, id: &ResourceId, truth: &Truth) -> Database {
    let texts = |pairs: &[(&str, &str)]| {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect::<BTreeMap<_, _>>()
    };
    let unsupported = truth.engine == "oracle-ee";
    let role: EndpointRole = id.as_str().rsplit_once('#').unwrap().1.parse().unwrap();
    Database {
        id: id.clone(),
        scope: Arc::clone(scope),
        kind: if truth.cluster {
            Kind::Aurora
        } else {
            Kind::Rds
        },
        protocol: (!unsupported).then_some(Protocol::Postgres),
        identifier: id.provider_id().rsplit(':').next().unwrap().to_owned(),
        role: role.clone(),
        region: scope.region.to_string(),
        endpoint: truth
            .endpoint
            .clone()
            .map(|(host, port)| Endpoint { host, port }),
        tls_server_name: None,
        engine: truth.engine.to_owned(),
        engine_version: truth.version.clone(),
        state: State {
            name: truth.state.to_owned(),
            availability: match truth.state {
                "creating" | "deleting" => Availability::Unavailable,
                "stopped" => Availability::Stopped,
                _ => Availability::Available,
            },
        },
        tags: truth.tags.clone(),
        derived: texts(&[
            ("account-id", scope.account.as_str()),
            ("region", scope.region.as_str()),
            ("engine", truth.engine),
            ("endpoint-type", role.as_str()),
            ("vpc-id", &truth.vpc),
        ]),
        facts: texts(&[
            (fact::VPC, &truth.vpc),
            (fact::CA, truth.ca),
            (fact::PUBLIC, if truth.public { "true" } else { "false" }),
        ]),
        unsupported: unsupported.then(|| Unsupported::Engine {
            engine: truth.engine.to_owned(),
        }),
        unread: BTreeSet::new(),
        notes: Vec::new(),
    }
}

fn go(cycles: usize, regions: usize, pace: Pace) {
    let seed = seed();
    let _printed = Printed(seed);
    let scopes: Vec<_> = (0..regions)
        .map(|n| {
            let account = format!("{}", n % 3 + 1).repeat(12);
            Arc::new(Scope::aws(
                &account,
                &format!("eu-west-{}", n / 3 + 1),
                Service::Rds,
            ))
        })
        .collect();
    let mut fleet: Vec<_> = scopes
        .iter()
        .map(|scope| Region::new(scope.account.as_str(), scope.region.as_str(), pace, seed))
        .collect();
    let mut draw = Draw::part(seed, "scans");
    let mut enrolling = Enrolling::service(setup(scopes.clone(), GRACE), at(0));
    let mut model = Model::new(GRACE);
    let (mut changed, mut removed) = (0, 0);
    for cycle in 0..cycles {
        let (now, calm) = (at(cycle), cycle + CALM >= cycles);
        for place in shuffled(regions, &mut draw) {
            if !calm {
                fleet[place].step();
            }
            if draw.below(300) == 0 {
                enrolling.restart(now);
            }
            let truth = fleet[place].truth();
            let scan = scan(&scopes[place], &truth, &mut draw, calm);
            let effect = enrolling.take(&scan, &mut model, now, &format!("cycle-{cycle}"));
            for (id, (_, after)) in &effect.targets {
                changed += 1;
                if after.is_none() {
                    removed += 1;
                    let out = |truth: &Truth| truth.tags.get("enroll").is_some_and(|it| it == "no");
                    assert!(
                        truth.get(id).is_none_or(out),
                        "{id} was removed, and is there"
                    );
                }
            }
        }
        if draw.below(50) == 0 {
            enrolling.sweep(now);
            assert_eq!(enrolling.targets(), model.targets());
        }
    }
    enrolling.check_history();
    let targets = enrolling.targets();
    assert_eq!(targets, model.targets());
    check_in_the_end(&targets, fleet.iter().flat_map(Region::truth).collect());
    eprintln!(
        "seed {seed}: {} scans, {changed} changes, {removed} of them removals",
        cycles * regions
    );
    assert!(removed > cycles / 10, "hardly anything was removed");
}

#[test]
fn made_up_scans_remove_nothing_wrongly_and_miss_nothing() {
    go(800, 6, PACE);
}

#[test]
fn so_do_they_where_everything_changes_all_the_time() {
    let pace = Pace {
        vanishes: 150,
        returns: 200,
        appears: 500,
        changes: 300,
        ..PACE
    };
    go(300, 6, pace);
}

#[test]
#[ignore = "takes twenty minutes in a debug build: a million scans"]
fn a_million_made_up_scans() {
    go(33_334, 30, PACE);
}
