//! The feeder against what it should publish, worked out anew from all that is there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{collections::BTreeMap, sync::Arc};

use muster_model::{ResourceId, Target};
use muster_store::{Batch, Expect, MemoryStore, Store, tables};
use proptest::prelude::*;

use super::{Feeder, Place};

fn target(id: &str, name: &str, version: u32) -> Target {
    serde_json::from_value(serde_json::json!({
        "id": id,
        "name": name,
        "short_name": name,
        "kind": "rds",
        "protocol": "postgres",
        "endpoint": { "host": format!("{id}.example.com"), "port": 5432 },
        "engine": "postgres",
        "engine_version": version.to_string(),
        "state": { "name": "available", "availability": "available" },
        "labels": {},
        "scope": "aws/111111111111/eu-west-1/rds",
        "owner": { "by": "discovery", "group": "default" },
        "reason": "a test",
    }))
    .unwrap()
}

/// What somebody does.
#[derive(Clone, Debug)]
enum Step {
    /// Writes targets of the store, or takes them away.
    Commit(Vec<(u8, u8, Option<u32>)>),
    /// Registers databases by hand, in place of those before.
    ByHand(Vec<(u8, u32)>),
    /// Names databases in the configuration, in place of those before.
    Configured(Vec<(u8, u32)>),
    /// The feeder looks.
    Look,
    /// Another store with the same content takes the place of the first: the service has opened it again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let one = (0..6u8, 0..4u8, proptest::option::of(0..3u32));
    prop_oneof![
        4 => proptest::collection::vec(one, 1..4).prop_map(Step::Commit),
        2 => proptest::collection::vec((0..4u8, 0..3u32), 0..3).prop_map(Step::ByHand),
        2 => proptest::collection::vec((0..4u8, 0..3u32), 0..3).prop_map(Step::Configured),
        3 => Just(Step::Look),
        1 => Just(Step::Reopen),
    ]
}

fn follow(feeder: &Feeder, store: &Arc<dyn Store>, place: &mut Place) -> Vec<ResourceId> {
    // Without news it would wait for some: so it gets its news before.
    let news = place.store.is_none() || store.revision().unwrap() > place.upto;
    let other = place
        .store
        .as_ref()
        .is_some_and(|known| !Arc::ptr_eq(known, store));
    if news || other {
        feeder.follow(store, place).unwrap()
    } else {
        Vec::new()
    }
}

proptest! {
    #[test]
    fn what_is_published_is_what_is_there(steps in proptest::collection::vec(step(), 1..30)) {
        let feeder = Feeder::new();
        let mut place = Place::default();
        let mut store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let mut stored: BTreeMap<String, Target> = BTreeMap::new();
        let mut records: BTreeMap<String, Target> = BTreeMap::new();
        let mut configured: BTreeMap<String, Target> = BTreeMap::new();
        let mut told: BTreeMap<ResourceId, Option<Target>> = BTreeMap::new();
        for step in steps.into_iter().chain([Step::Look]) {
            let touched = match step {
                Step::Commit(writes) => {
                    let mut batch = Batch::new();
                    let writes: BTreeMap<_, _> =
                        writes.into_iter().map(|(id, name, version)| (id, (name, version))).collect();
                    for (id, (name, version)) in writes {
                        let id = format!("db-{id}");
                        let name = format!("name-{name}");
                        // Two targets of a store never have one name.
                        let taken = stored.values().any(|other| other.name == name && other.id.as_str() != id);
                        match version.filter(|_| !taken) {
                            Some(version) => {
                                let target = target(&id, &name, version);
                                tables::TARGETS.put(&mut batch, &id, &target, Expect::Any).unwrap();
                                stored.insert(id, target);
                            }
                            None => {
                                tables::TARGETS.delete(&mut batch, &id, Expect::Any).unwrap();
                                stored.remove(&id);
                            }
                        }
                    }
                    store.commit(batch).unwrap();
                    continue;
                }
                Step::ByHand(targets) => {
                    let make = |(name, version)| target(&format!("hand-{name}"), &format!("Name-{name}"), version);
                    let targets: Vec<Target> = targets.into_iter().map(make).collect();
                    records = targets.iter().map(|t| (t.name.to_lowercase(), t.clone())).collect();
                    feeder.set_records(records.values().cloned().collect())
                }
                Step::Configured(targets) => {
                    // Now and then the same database, now and then another one.
                    let id = |name| if name % 2 == 0 { format!("hand-{name}") } else { format!("file-{name}") };
                    let make = |(name, version)| target(&id(name), &format!("NAME-{name}"), version);
                    let targets: Vec<Target> = targets.into_iter().map(make).collect();
                    configured = targets.iter().map(|t| (t.name.to_lowercase(), t.clone())).collect();
                    feeder.set_configured(configured.values().cloned().collect())
                }
                Step::Look => follow(&feeder, &store, &mut place),
                Step::Reopen => {
                    let other = MemoryStore::default();
                    let mut batch = Batch::new();
                    for (id, target) in &stored {
                        tables::TARGETS.put(&mut batch, id, target, Expect::Any).unwrap();
                    }
                    other.commit(batch).unwrap();
                    store = Arc::new(other);
                    follow(&feeder, &store, &mut place)
                }
            };
            // Whoever listens learns of every target that is another one.
            let now: BTreeMap<ResourceId, Target> = feeder
                .catalog()
                .load()
                .iter()
                .map(|target| (target.id.clone(), (**target).clone()))
                .collect();
            for id in touched {
                told.insert(id.clone(), now.get(&id).cloned());
            }
            let heard: BTreeMap<_, _> = told
                .iter()
                .filter_map(|(id, target)| Some((id.clone(), target.clone()?)))
                .collect();
            prop_assert_eq!(heard, now);
        }
        let mut by_hand = records;
        by_hand.extend(configured);
        let mut expected: BTreeMap<ResourceId, Target> = by_hand
            .values()
            .map(|target| (target.id.clone(), target.clone()))
            .collect();
        for target in stored.values() {
            if !by_hand.contains_key(&target.name) {
                expected.insert(target.id.clone(), target.clone());
            }
        }
        let published: BTreeMap<ResourceId, Target> = feeder
            .catalog()
            .load()
            .iter()
            .map(|target| (target.id.clone(), (**target).clone()))
            .collect();
        prop_assert_eq!(published, expected);
    }
}
