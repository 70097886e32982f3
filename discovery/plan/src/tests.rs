#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use crate::{
    Action, Brake, Grace, Outcome, Policy, Safety, Unconfigured,
    testkit::{World, complete, database, partial},
};
use muster_model::{Availability, Endpoint, Malformed, Owner, State, Unread, fact};

const EAST: &str = "us-east-1";
const WEST: &str = "eu-west-1";

fn rows(outcome: &Outcome) -> Vec<(Action, &str, Option<Safety>)> {
    outcome
        .plan
        .changes
        .iter()
        .map(|c| (c.action, c.name.as_str(), c.hold.as_ref().map(|h| h.safety)))
        .collect()
}

#[test]
fn a_new_database_is_enrolled_and_then_kept() {
    let mut world = World::new();
    let scans = [complete(
        EAST,
        vec![
            database(EAST, "orders", "prod"),
            database(EAST, "scratch", "dev"),
        ],
    )];
    let first = world.apply(&scans);
    assert_eq!(rows(&first), [(Action::Add, "orders-us-east-1", None)]);
    assert_eq!(first.plan.skipped[0].reason, "no rule enrolls it");
    let second = world.apply(&scans);
    assert_eq!(rows(&second), [(Action::Keep, "orders-us-east-1", None)]);
    assert!(second.writes.is_empty());
}

#[test]
fn an_update_names_each_field() {
    let mut world = World::new();
    let old = database(EAST, "orders", "prod");
    world.apply(&[complete(EAST, vec![old.clone()])]);
    let mut new = old;
    new.endpoint = Some(Endpoint {
        host: "b".to_owned(),
        port: 3306,
    });
    new.tags.insert("team".to_owned(), "core".to_owned());
    let outcome = world.apply(&[complete(EAST, vec![new])]);
    let fields: Vec<_> = outcome.plan.changes[0]
        .fields
        .iter()
        .map(|f| (f.field.as_str(), f.to.as_deref()))
        .collect();
    assert_eq!(
        fields,
        [("endpoint", Some("b:3306")), ("labels.team", Some("core"))]
    );
}

#[test]
fn a_gone_database_is_removed_only_after_its_grace() {
    let mut world = World::new();
    let both = vec![database(EAST, "a", "prod"), database(EAST, "b", "prod")];
    world.apply(&[complete(EAST, both.clone())]);
    let one = [complete(EAST, both[..1].to_vec())];
    let first = world.apply(&one);
    assert_eq!(
        rows(&first)[1],
        (Action::Held, "b-us-east-1", Some(Safety::Grace))
    );
    // Two scans, but five minutes of ten.
    let second = world.apply(&one);
    assert_eq!(
        rows(&second)[1],
        (Action::Held, "b-us-east-1", Some(Safety::Grace))
    );
    let third = world.apply(&one);
    assert_eq!(rows(&third)[1], (Action::Remove, "b-us-east-1", None));
    assert_eq!(world.names(), ["a-us-east-1"]);
    assert_eq!(world.records.len(), 1, "what is removed is forgotten");
}

#[test]
fn a_clock_that_jumps_back_never_ends_a_grace() {
    let mut world = World::new();
    world.apply(&[complete(EAST, vec![database(EAST, "a", "prod")])]);
    world.apply(&[complete(EAST, vec![])]);
    for _ in 0..5 {
        world.now = world.now.plus(-86_400);
        world.apply(&[complete(EAST, vec![])]);
    }
    assert_eq!(world.names(), ["a-us-east-1"]);
}

#[test]
fn an_incomplete_scope_adds_and_updates_and_never_removes() {
    let mut world = World::new();
    world.settings.grace = Grace {
        scans: 1,
        seconds: 0,
    };
    world.apply(&[complete(
        EAST,
        vec![database(EAST, "a", "prod"), database(EAST, "b", "prod")],
    )]);
    let mut changed = database(EAST, "a", "prod");
    changed.engine_version = "17.1".to_owned();
    let outcome = world.apply(&[partial(EAST, vec![changed, database(EAST, "c", "prod")])]);
    assert_eq!(
        rows(&outcome),
        [
            (Action::Update, "a-us-east-1", None),
            (Action::Held, "b-us-east-1", Some(Safety::Coverage)),
            (Action::Add, "c-us-east-1", None),
        ]
    );
    let reason = &outcome.plan.changes[1].reason;
    assert!(
        reason.contains("not completely read (denied rds:DescribeDBInstances)"),
        "{reason}"
    );
    // A rule that no longer wants it removes nothing there either: its labels may be half read.
    let outcome = world.apply(&[partial(EAST, vec![database(EAST, "a", "dev")])]);
    assert_eq!(
        rows(&outcome)[0],
        (Action::Held, "a-us-east-1", Some(Safety::Coverage))
    );
}

#[test]
fn the_brake_holds_every_removal_of_a_plan_that_removes_too_much() {
    let mut world = World::new();
    world.settings.grace = Grace {
        scans: 1,
        seconds: 0,
    };
    world.settings.brake = Brake {
        percent: 20,
        at_least: 1,
        window: 3600,
        released: false,
    };
    let fleet: Vec<_> = (0..10)
        .map(|n| database(EAST, &format!("db{n}"), "prod"))
        .collect();
    world.apply(&[complete(EAST, fleet.clone())]);
    let outcome = world.apply(&[complete(EAST, fleet[..7].to_vec())]);
    assert_eq!(outcome.plan.summary.held, 3);
    assert_eq!(outcome.plan.summary.remove, 0);
    assert!(
        outcome.plan.changes[7]
            .reason
            .contains("would remove 3 of 10 targets, and 2 is the most it may")
    );
    world.settings.brake.released = true;
    assert_eq!(
        world
            .apply(&[complete(EAST, fleet[..7].to_vec())])
            .plan
            .summary
            .remove,
        3
    );
}

#[test]
fn policies_hold_what_they_do_not_allow() {
    for (policy, update, remove) in [
        (Policy::Sync, Action::Update, Action::Remove),
        (Policy::UpsertOnly, Action::Update, Action::Held),
        (Policy::CreateOnly, Action::Held, Action::Held),
    ] {
        let mut world = World::new();
        world.settings.grace = Grace {
            scans: 1,
            seconds: 0,
        };
        world.apply(&[complete(
            EAST,
            vec![database(EAST, "a", "prod"), database(EAST, "b", "prod")],
        )]);
        world.settings.policy = policy;
        let mut changed = database(EAST, "a", "prod");
        changed.engine_version = "17.1".to_owned();
        let outcome = world.apply(&[complete(EAST, vec![changed])]);
        assert_eq!(
            (
                outcome.plan.changes[0].action,
                outcome.plan.changes[1].action
            ),
            (update, remove),
            "{policy:?}"
        );
        for change in outcome
            .plan
            .changes
            .iter()
            .filter(|change| change.action == Action::Held)
        {
            assert_eq!(change.hold.as_ref().unwrap().safety, Safety::Policy);
        }
    }
}

#[test]
fn two_that_want_one_name_are_both_told_and_the_first_keeps_it() {
    let mut world = World::new();
    let named = |region: &str, id: &str| {
        let mut database = database(region, id, "prod");
        database.tags.insert("name".to_owned(), "Orders".to_owned());
        database
    };
    let outcome = world.apply(&[complete(EAST, vec![named(EAST, "a"), named(EAST, "b")])]);
    assert_eq!(
        rows(&outcome),
        [
            (Action::Held, "Orders", Some(Safety::Name)),
            (Action::Held, "Orders", Some(Safety::Name))
        ]
    );
    assert!(outcome.plan.changes[0].reason.contains(":db:b#instance"));
    assert!(outcome.plan.changes[1].reason.contains(":db:a#instance"));

    world.apply(&[complete(EAST, vec![named(EAST, "a")])]);
    let outcome = world.apply(&[complete(EAST, vec![named(EAST, "a"), named(EAST, "b")])]);
    assert_eq!(
        rows(&outcome),
        [
            (Action::Keep, "Orders", None),
            (Action::Held, "Orders", Some(Safety::Name))
        ]
    );
    assert!(
        outcome.plan.changes[0].notes[0].contains(":db:b#instance"),
        "the holder is told as well"
    );
}

#[test]
fn another_owners_target_is_left_alone() {
    let mut world = World::new();
    let scans = [complete(EAST, vec![database(EAST, "a", "prod")])];
    world.apply(&scans);
    for target in world.targets.values_mut() {
        target.owner = Owner {
            by: "discovery".to_owned(),
            group: "other".to_owned(),
        };
    }
    let outcome = world.apply(&scans);
    assert_eq!(
        rows(&outcome),
        [(Action::Held, "a-us-east-1", Some(Safety::Owner))]
    );
    world.settings.grace = Grace {
        scans: 1,
        seconds: 0,
    };
    world.apply(&[complete(EAST, vec![])]);
    assert_eq!(world.names(), ["a-us-east-1"]);
}

#[test]
fn a_failed_matcher_decides_nothing() {
    let mut world = World::new();
    world.apply(&[complete(EAST, vec![database(EAST, "a", "prod")])]);
    let outcome = world.apply(&[complete(
        EAST,
        vec![database(EAST, "a", "broken"), database(EAST, "b", "broken")],
    )]);
    assert_eq!(
        rows(&outcome),
        [
            (Action::Held, "a-us-east-1", Some(Safety::Matcher)),
            (Action::Held, "b", Some(Safety::Matcher))
        ]
    );
    assert!(outcome.writes.is_empty());
}

#[test]
fn a_state_keeps_a_new_database_out_and_takes_no_enrolled_one_away() {
    let mut world = World::new();
    world.apply(&[complete(EAST, vec![database(EAST, "a", "prod")])]);
    let broken = |name: &str| {
        let mut database = database(EAST, name, "prod");
        database.state = State {
            name: "failed".to_owned(),
            availability: Availability::Unavailable,
        };
        database.endpoint = None;
        database
    };
    let outcome = world.apply(&[complete(EAST, vec![broken("a"), broken("b")])]);
    assert_eq!(rows(&outcome), [(Action::Update, "a-us-east-1", None)]);
    assert_eq!(outcome.plan.skipped[0].code, "state");
    let target = world.targets.values().next().unwrap();
    assert_eq!(target.state.name, "failed");
    assert!(target.endpoint.is_some(), "the endpoint stays known");
}

#[test]
fn unread_tags_are_carried_over_and_never_guessed() {
    let mut world = World::new();
    world.apply(&[complete(EAST, vec![database(EAST, "a", "prod")])]);
    let tagless = |name: &str| {
        let mut database = database(EAST, name, "prod");
        database.tags.clear();
        database.unread.insert(Unread::Tags);
        database
    };
    let outcome = world.apply(&[complete(EAST, vec![tagless("a"), tagless("b")])]);
    assert_eq!(
        rows(&outcome),
        [
            (Action::Keep, "a-us-east-1", None),
            (Action::Held, "b", Some(Safety::Coverage))
        ]
    );
}

#[test]
fn what_stands_with_a_clusters_instances_does_not_come_and_go_with_their_listing() {
    let mut world = World::new();
    let facts = [
        (fact::VPC, "vpc-1"),
        (fact::PUBLIC, "false"),
        (fact::CA, "rds-ca-rsa2048-g1"),
    ];
    // Nothing of it is known, then half, nothing again, all, and nothing again: what was known stays.
    for (read, action) in [
        (0, Action::Add),
        (2, Action::Update),
        (0, Action::Keep),
        (3, Action::Update),
        (1, Action::Keep),
    ] {
        let mut found = database(EAST, "a", "prod");
        found.facts.clear();
        for (key, value) in facts.into_iter().take(read) {
            found.facts.insert(key.to_owned(), value.to_owned());
        }
        found.derived.remove(fact::VPC);
        if read > 0 {
            found
                .derived
                .insert(fact::VPC.to_owned(), "vpc-1".to_owned());
        }
        if read < facts.len() {
            found.unread.insert(Unread::Vpc);
        }
        let outcome = world.apply(&[partial(EAST, vec![found])]);
        assert_eq!(rows(&outcome), [(action, "a-us-east-1", None)], "{read}");
    }
    let target = world.targets.values().next().unwrap();
    for (key, value) in facts {
        assert_eq!(target.facts.get(key).map(String::as_str), Some(value));
    }
    assert!(target.labels.iter().any(|(key, _)| key == fact::VPC));
}

#[test]
fn a_record_that_was_seen_but_not_understood_is_not_missing() {
    let mut world = World::new();
    world.settings.grace = Grace {
        scans: 1,
        seconds: 0,
    };
    let found = database(EAST, "a", "prod");
    let id = found.id.provider_id().to_owned();
    world.apply(&[complete(EAST, vec![found])]);
    let mut scan = complete(EAST, vec![]);
    scan.malformed.push(Malformed {
        provider_id: Some(id),
        call: String::new(),
        message: String::new(),
    });
    world.apply(&[scan]);
    assert_eq!(world.names(), ["a-us-east-1"]);
}

#[test]
fn a_scope_that_no_source_covers_holds_unless_told_otherwise() {
    let mut world = World::new();
    world.apply(&[
        complete(EAST, vec![database(EAST, "a", "prod")]),
        complete(WEST, vec![]),
    ]);
    let rest = [complete(WEST, vec![])];
    assert_eq!(
        rows(&world.apply(&rest)),
        [(Action::Held, "a-us-east-1", Some(Safety::Coverage))]
    );
    world.settings.unconfigured = Unconfigured::Remove;
    // Not while it is not known which scopes there are.
    world.scopes_known = false;
    assert_eq!(
        rows(&world.apply(&rest)),
        [(Action::Held, "a-us-east-1", Some(Safety::Coverage))]
    );
    world.scopes_known = true;
    assert_eq!(
        rows(&world.apply(&rest)),
        [(Action::Remove, "a-us-east-1", None)]
    );
}

#[test]
fn a_target_that_lost_its_record_is_found_again_or_goes_the_ordinary_way() {
    let mut world = World::new();
    let scans = [complete(EAST, vec![database(EAST, "a", "prod")])];
    world.apply(&scans);
    world.records.clear();
    assert_eq!(
        rows(&world.apply(&scans)),
        [(Action::Keep, "a-us-east-1", None)]
    );
    world.records.clear();
    for _ in 0..3 {
        world.apply(&[complete(EAST, vec![])]);
    }
    assert!(world.names().is_empty());
}
