//! What must not go wrong: sequences of answers that once removed, froze or renamed a database that was there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{collections::BTreeSet, sync::Arc};

use muster_model::{
    AccountId, Availability, Database, Provider, Scope, Service, Unread, Unsupported,
};

use crate::{
    Action, Grace, OpenScopes, Safety, Unconfigured,
    testkit::{World, complete, database},
};

const EAST: &str = "us-east-1";
const WEST: &str = "eu-west-1";

/// A world that removes as soon as it may.
fn hasty() -> World {
    let mut world = World::new();
    world.settings.unconfigured = Unconfigured::Remove;
    world.settings.grace = Grace {
        scans: 1,
        seconds: 0,
    };
    world
}

fn held(world: &mut World, scans: &[muster_model::Scan]) -> (Action, Option<Safety>, String) {
    let change = world.apply(scans).plan.changes.remove(0);
    let safety = change.hold.map(|hold| hold.safety);
    (change.action, safety, change.reason)
}

#[test]
fn a_region_that_is_gone_from_the_list_of_all_regions_proves_nothing() {
    let mut world = hasty();
    world.open = vec![OpenScopes {
        provider: Provider::Aws,
        account: Some(AccountId::new("111111111111")),
        services: BTreeSet::from([Service::Rds]),
        resource_groups: None,
    }];
    world.apply(&[
        complete(EAST, vec![database(EAST, "a", "prod")]),
        complete(WEST, vec![]),
    ]);
    for _ in 0..5 {
        let (action, safety, reason) = held(&mut world, &[complete(WEST, vec![])]);
        assert_eq!((action, safety), (Action::Held, Some(Safety::Coverage)));
        assert!(reason.contains("no longer lists it"), "{reason}");
    }
    // Another account's, and another service's, are nobody's.
    world.open[0].account = Some(AccountId::new("222222222222"));
    assert_eq!(
        held(&mut world, &[complete(WEST, vec![])]).0,
        Action::Remove
    );
}

#[test]
fn a_subscription_that_is_gone_from_the_list_proves_nothing() {
    let open = |groups: Option<&[&str]>| OpenScopes {
        provider: Provider::Azure,
        account: None,
        services: BTreeSet::from([Service::Mysql]),
        resource_groups: groups.map(|all| all.iter().map(|&it| it.to_owned()).collect()),
    };
    let mut world = hasty();
    let mut server = database("westeurope", "a", "prod");
    for (group, asked, want) in [
        (None, open(None), Action::Held),
        (Some("Shop"), open(None), Action::Held),
        (Some("Shop"), open(Some(&["shop"])), Action::Held),
        (Some("Shop"), open(Some(&["bank"])), Action::Remove),
    ] {
        server.scope = Arc::new(Scope::azure("s", Service::Mysql, group));
        let scan = muster_model::Scan {
            found: vec![server.clone()],
            ..muster_model::Scan::empty(server.scope.clone())
        };
        world.apply(&[scan]);
        world.open = vec![asked];
        let (action, ..) = held(&mut world, &[complete(EAST, vec![])]);
        assert_eq!(action, want, "{group:?}");
    }
}

#[test]
fn what_nobody_asks_for_any_more_goes_after_its_grace() {
    let mut world = hasty();
    world.settings.grace.seconds = 3600;
    world.apply(&[complete(EAST, vec![database(EAST, "a", "prod")])]);
    let elsewhere = [complete(WEST, vec![])];
    let (action, safety, reason) = held(&mut world, &elsewhere);
    assert_eq!((action, safety), (Action::Held, Some(Safety::Grace)));
    assert!(reason.contains("(grace: 1h)"), "{reason}");
    // The credentials lead to the right account again, and the grace begins anew.
    world.now = world.now.plus(3500);
    world.apply(&[complete(EAST, vec![database(EAST, "a", "prod")])]);
    assert_eq!(held(&mut world, &elsewhere).0, Action::Held);
    world.now = world.now.plus(3600);
    assert_eq!(held(&mut world, &elsewhere).0, Action::Remove);
}

#[test]
fn a_source_that_could_not_be_resolved_deselects_nothing() {
    let mut world = hasty();
    world.apply(&[complete(EAST, vec![database(EAST, "a", "prod")])]);
    // Another source read the same scope, completely, and selects other databases of it.
    let other = [complete(EAST, vec![database(EAST, "a", "unselected")])];
    world.scopes_known = false;
    let (action, safety, _) = held(&mut world, &other);
    assert_eq!((action, safety), (Action::Held, Some(Safety::Coverage)));
    world.scopes_known = true;
    assert_eq!(held(&mut world, &other).0, Action::Remove);
}

#[test]
fn a_version_that_is_not_told_any_more_removes_nothing() {
    let mut world = hasty();
    let known = database(EAST, "a", "prod");
    world.apply(&[complete(EAST, vec![known.clone()])]);
    let silent = Database {
        engine_version: String::new(),
        unsupported: Some(Unsupported::Version {
            engine: "docdb".to_owned(),
            have: String::new(),
            need: "5.0".to_owned(),
        }),
        unread: BTreeSet::from([Unread::Version]),
        ..known.clone()
    };
    assert_eq!(
        held(&mut world, &[complete(EAST, vec![silent])]).0,
        Action::Keep
    );
    // A version that is told and too old does.
    let old = Database {
        engine_version: "4.0".to_owned(),
        unsupported: Some(Unsupported::Version {
            engine: "docdb".to_owned(),
            have: "4.0".to_owned(),
            need: "5.0".to_owned(),
        }),
        ..known
    };
    assert_eq!(
        held(&mut world, &[complete(EAST, vec![old])]).0,
        Action::Remove
    );
}

#[test]
fn another_spelling_of_a_resource_group_renames_nothing() {
    let mut world = World::new();
    let server = |name: &str, group: &str| {
        let mut server = database("westeurope", name, "prod");
        server.id = muster_model::ResourceId::new("/subscriptions/s/orders#server");
        server.scope = Arc::new(Scope::azure("s", Service::Mysql, None));
        server.endpoint.as_mut().unwrap().host = "orders.example".to_owned();
        let group = ("resource-group".to_owned(), group.to_owned());
        server.derived.extend([group.clone()]);
        server.facts.extend([group]);
        server
    };
    let scan = |server: Database| {
        [muster_model::Scan {
            scope: server.scope.clone(),
            found: vec![server.clone()],
            ..muster_model::Scan::empty(server.scope)
        }]
    };
    world.apply(&scan(server("Orders", "Shop-RG")));
    let outcome = world.apply(&scan(server("orders", "SHOP-RG")));
    assert_eq!(outcome.plan.changes[0].action, Action::Keep);
    assert_eq!(world.names(), ["Orders-westeurope"]);
    let outcome = world.apply(&scan(server("Orders", "other")));
    assert_eq!(
        outcome.plan.changes[0].fields.len(),
        2,
        "a real change is one"
    );
}

#[test]
fn nobody_takes_over_a_short_name_that_people_use() {
    let mut world = World::new();
    let mut all = vec![database(EAST, "orders", "prod")];
    world.apply(&[complete(EAST, all.clone())]);
    let mut thief = database(EAST, "thief", "prod");
    thief.tags.insert("name".to_owned(), "Orders".to_owned());
    all.push(thief);
    let outcome = world.apply(&[complete(EAST, all.clone())]);
    let change = &outcome.plan.changes[0];
    assert_eq!(change.name, "Orders");
    assert_eq!(change.hold.as_ref().unwrap().safety, Safety::Name);
    assert!(
        change.reason.contains("db:orders#instance"),
        "{}",
        change.reason
    );
    // Its own short name anybody may take for a name.
    all[0].tags.insert("name".to_owned(), "orders".to_owned());
    all.truncate(1);
    world.apply(&[complete(EAST, all)]);
    assert_eq!(world.names(), ["orders"]);
}

#[test]
fn a_name_that_cannot_be_had_keeps_no_label_from_changing() {
    let mut world = World::new();
    let mut all = vec![database(EAST, "a", "prod"), database(EAST, "b", "prod")];
    world.apply(&[complete(EAST, all.clone())]);
    all[1]
        .tags
        .insert("name".to_owned(), "a-us-east-1".to_owned());
    let outcome = world.apply(&[complete(EAST, all.clone())]);
    let change = &outcome.plan.changes[1];
    assert_eq!(
        (change.action, change.name.as_str()),
        (Action::Update, "b-us-east-1")
    );
    assert!(
        change.notes[0].contains("not renamed"),
        "{:?}",
        change.notes
    );
    assert_eq!(
        world.targets.values().nth(1).unwrap().labels.value("name"),
        Some("a-us-east-1")
    );
    // Then nothing is left to do but the name.
    let outcome = world.apply(&[complete(EAST, all)]);
    assert_eq!(
        outcome.plan.changes[1].hold.as_ref().unwrap().safety,
        Safety::Name
    );
}

#[test]
fn what_a_state_means_is_told_when_only_that_has_changed() {
    let mut world = World::new();
    let mut it = database(EAST, "a", "prod");
    it.state.name = "hibernated".to_owned();
    it.state.availability = Availability::Unknown;
    world.apply(&[complete(EAST, vec![it.clone()])]);
    it.state.availability = Availability::Stopped;
    let outcome = world.apply(&[complete(EAST, vec![it])]);
    assert_eq!(outcome.plan.changes[0].fields[0].field, "availability");
    assert_eq!(
        world.targets.values().next().unwrap().state.availability,
        Availability::Stopped
    );
}

#[test]
fn a_thousand_that_want_one_name_are_told_of_one_and_counted() {
    let mut world = World::new();
    let same = (0..1000)
        .map(|n| {
            let mut it = database(EAST, &format!("db{n:04}"), "prod");
            it.tags.insert("name".to_owned(), "same".to_owned());
            it
        })
        .collect();
    let outcome = world.apply(&[complete(EAST, same)]);
    assert_eq!(outcome.plan.summary.held, 1000);
    let reason = &outcome.plan.changes[7].reason;
    assert!(
        reason.ends_with(":db0000#instance and 998 more"),
        "{reason}"
    );
}
