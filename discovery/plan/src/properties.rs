//! What holds for every fleet and every sequence of scans.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use muster_model::Scan;
use proptest::prelude::*;

use crate::{
    Grace,
    testkit::{World, complete, database, partial, unread},
};

const EAST: &str = "us-east-1";
const WEST: &str = "eu-west-1";

const REGIONS: [&str; 3] = [EAST, WEST, "ap-south-1"];

/// For each region: which of ten databases there are, with which environment.
fn fleet() -> impl Strategy<Value = Vec<Vec<(u8, &'static str)>>> {
    let database = (
        0..10u8,
        prop_oneof![4 => Just("prod"), 1 => Just("dev"), 1 => Just("broken")],
    );
    prop::collection::vec(
        prop::collection::btree_map(0..10u8, database, 0..8),
        REGIONS.len(),
    )
    .prop_map(|regions| {
        regions
            .into_iter()
            .map(|r| r.into_iter().map(|(k, (_, env))| (k, env)).collect())
            .collect()
    })
}

fn scans(fleet: &[Vec<(u8, &'static str)>]) -> Vec<Scan> {
    REGIONS
        .iter()
        .zip(fleet)
        .map(|(region, all)| {
            complete(
                region,
                all.iter()
                    .map(|(n, env)| database(region, &format!("db{n}"), env))
                    .collect(),
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn the_same_fleet_twice_changes_nothing(a in fleet()) {
        let mut world = World::new();
        world.apply(&scans(&a));
        let again = world.apply(&scans(&a));
        prop_assert!(again.writes.is_empty() && again.forget.is_empty());
        prop_assert_eq!(again.plan.summary.add + again.plan.summary.update + again.plan.summary.remove, 0);
    }

    #[test]
    fn applying_the_difference_gives_the_other(a in fleet(), b in fleet()) {
        // A matcher that fails keeps what there is: nothing to compare there.
        let b: Vec<Vec<_>> = b.into_iter().map(|r| r.into_iter().filter(|(_, env)| *env != "broken").collect()).collect();
        let mut world = World::new();
        world.settings.grace = Grace { scans: 1, seconds: 0 };
        world.apply(&scans(&a));
        world.apply(&scans(&b));
        let mut fresh = World::new();
        fresh.apply(&scans(&b));
        prop_assert_eq!(world.targets, fresh.targets);
    }

    #[test]
    fn no_sequence_of_incomplete_scans_removes_anything(a in fleet(), later in prop::collection::vec((fleet(), prop::collection::vec(any::<bool>(), 3)), 1..6)) {
        let mut world = World::new();
        world.settings.grace = Grace { scans: 1, seconds: 0 };
        world.apply(&scans(&a));
        let before: Vec<_> = world.targets.keys().cloned().collect();
        for (fleet, some) in later {
            let run: Vec<Scan> = scans(&fleet)
                .into_iter()
                .zip(some)
                .enumerate()
                .map(|(n, (scan, some))| if some { partial(REGIONS[n], scan.found) } else { unread(REGIONS[n]) })
                .collect();
            let outcome = world.apply(&run);
            prop_assert_eq!(outcome.plan.summary.remove, 0);
        }
        for id in before {
            prop_assert!(world.targets.contains_key(&id));
        }
    }

    #[test]
    fn the_order_of_pages_and_scopes_makes_no_difference(a in fleet(), b in fleet(), seed in any::<u64>()) {
        let shuffled = {
            let mut scans = scans(&b);
            let mut state = seed;
            let mut next = |n: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as usize % n.max(1)
            };
            for scan in &mut scans {
                for i in (1..scan.found.len()).rev() {
                    let j = next(i + 1);
                    scan.found.swap(i, j);
                }
                // A page that came twice.
                if let Some(first) = scan.found.first().cloned() {
                    scan.found.push(first);
                }
            }
            for i in (1..scans.len()).rev() {
                let j = next(i + 1);
                scans.swap(i, j);
            }
            scans
        };
        let mut one = World::new();
        one.apply(&scans(&a));
        let mut two = World::new();
        two.apply(&scans(&a));
        let first = one.apply(&scans(&b));
        let second = two.apply(&shuffled);
        prop_assert_eq!(&first.writes, &second.writes);
        prop_assert_eq!(&first.plan.changes, &second.plan.changes);
        prop_assert_eq!(&first.plan.skipped, &second.plan.skipped);
    }
}
