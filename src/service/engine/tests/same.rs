//! Scan by scan comes to the same as all at once.

use std::collections::BTreeMap;

use muster_model::{Database, Scan, Timestamp};
use muster_plan::{Action, Grace};
use muster_store::{MemoryStore, Store, tables};
use proptest::prelude::*;

use super::kit::{REGIONS, World, complete, database, failed, setup};
use crate::pipeline::{
    commit::commit,
    run::{Ask, Run, run},
    state::State,
};

/// One scan of one region: what is there, and how it was read.
#[derive(Clone, Debug)]
struct Step {
    region: usize,
    /// By number: its environment, and the name that it wants.
    fleet: BTreeMap<u8, (&'static str, u8)>,
    read: Read,
    minutes: i64,
}

#[derive(Clone, Copy, Debug)]
enum Read {
    Complete,
    /// So many of the databases were read.
    Partial(u8),
    Unread,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let env =
        prop_oneof![5 => Just("prod"), 1 => Just("dev"), 1 => Just("broken"), 1 => Just("other")];
    // Few names, so that databases of all regions want the same.
    let fleet = prop::collection::btree_map(0..6u8, (env, 0..8u8), 0..6);
    let read = prop_oneof![
        5 => Just(Read::Complete),
        2 => (0..5u8).prop_map(Read::Partial),
        1 => Just(Read::Unread),
    ];
    let step =
        (0..REGIONS.len(), fleet, read, 0..60i64).prop_map(|(region, fleet, read, minutes)| Step {
            region,
            fleet,
            read,
            minutes,
        });
    prop::collection::vec(step, 1..14)
}

impl Step {
    fn scan(&self) -> Scan {
        let region = REGIONS[self.region];
        let found = |count: usize| -> Vec<Database> {
            self.fleet
                .iter()
                .take(count)
                .map(|(n, (env, name))| {
                    database(region, &format!("db-{n}"), env, &format!("name-{name}"))
                })
                .collect()
        };
        match self.read {
            Read::Complete => complete(region, found(usize::MAX)),
            Read::Partial(count) => failed(region, found(count.into())),
            Read::Unread => failed(region, Vec::new()),
        }
    }
}

/// A whole run over the last scan of every region, until nothing changes any more.
fn whole(store: &MemoryStore, scans: &[Scan], setup: &super::super::Setup, now: Timestamp) -> Run {
    for _ in 0..10 {
        let state = State::load(store).unwrap();
        let ask = Ask {
            chain: &setup.chain,
            settings: &setup.settings,
            scopes_known: true,
            open: &[],
            now,
            run: "run",
        };
        let result = run(&state, scans, &ask);
        commit(store, &result.writes, state.revision, None).unwrap();
        if result.writes.targets.is_empty() {
            return result;
        }
    }
    panic!("a plan that is carried out has to come to an end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn scan_by_scan_is_the_same_as_all_at_once(steps in steps(), restart in prop::collection::vec(any::<bool>(), 14)) {
        let mut setup = setup();
        setup.settings.grace = Grace { scans: 1, seconds: 0 };
        // What the brake holds is released with the next scan of its scope, and not of another one.
        setup.settings.brake.released = true;
        let mut world = World::new(setup.clone());
        let oracle = MemoryStore::new();
        let mut last: Vec<Scan> = REGIONS.iter().map(|region| complete(region, Vec::new())).collect();
        for scan in &last {
            world.engine.take(scan, world.now, "run").unwrap();
        }
        whole(&oracle, &last, &setup, world.now);
        for (step, restart) in steps.iter().zip(restart) {
            world.now = world.now.plus(step.minutes * 60);
            let scan = step.scan();
            if restart {
                world.restart(setup.clone());
                for scan in &last {
                    world.engine.take(scan, world.now, "run").unwrap();
                }
            }
            world.engine.take(&scan, world.now, "run").unwrap();
            last[step.region] = scan;
            // What a name that became free brings about.
            for _ in 0..6 {
                world.engine.sweep(world.now).unwrap();
            }
            let all = whole(&oracle, &last, &setup, world.now);

            let targets = |store: &dyn Store| tables::TARGETS.list(store).unwrap().records.into_iter().map(|(_, t)| t.value).collect::<Vec<_>>();
            prop_assert_eq!(targets(&*world.store), targets(&oracle));
            let inventory = |store: &dyn Store| tables::INVENTORY.list(store).unwrap().records.into_iter().map(|(_, r)| (r.value.database, r.value.missing.is_some())).collect::<Vec<_>>();
            prop_assert_eq!(inventory(&*world.store), inventory(&oracle));
            let decisions = |store: &dyn Store| {
                let missing: std::collections::BTreeSet<String> = tables::INVENTORY.list(store).unwrap().records.into_iter().filter(|(_, r)| r.value.missing.is_some()).map(|(id, _)| id).collect();
                tables::DECISIONS.list(store).unwrap().records.into_iter().filter(|(id, _)| !missing.contains(id)).map(|(id, d)| (id, d.value.decision, d.value.trace)).collect::<Vec<_>>()
            };
            prop_assert_eq!(decisions(&*world.store), decisions(&oracle));
            // What a person is told is held is what the plan of everything says.
            let mut held: BTreeMap<String, u64> = BTreeMap::new();
            for change in all.plan.changes.iter().filter(|change| change.action == Action::Held) {
                *held.entry(change.hold.unwrap().safety.as_str().to_owned()).or_default() += 1;
            }
            prop_assert_eq!(world.engine.counts().held, held);
        }
    }
}
