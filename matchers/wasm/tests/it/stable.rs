//! One database, one verdict: in any batch, order, thread and process, also by a plugin that tries to remember.

use std::{collections::BTreeMap, process::Command};

use muster_wasm::{Configured, Evaluation, Failure, Limits, PluginError, Verdict};
use proptest::prelude::*;

use crate::kit::{self, Fleet};

/// It keeps count in a global, in memory (that it begins with, and that it takes: near, and beyond what a slot of the pool
/// keeps) and in a table, and enrolls only what it sees first: if anything of an
/// instance were left for the next, its second batch would come out otherwise. Within a batch it is honest: it looks at
/// its count once, before the first database.
const REMEMBERS: &[(&str, &str)] = &[
    (
        "code",
        "(global $count (mut i32) (i32.const 0)) (global $first (mut i32) (i32.const 0)) \
         (table $kept 4 funcref) (elem declare func $enroll)",
    ),
    (
        "before",
        "(global.set $first (i32.and (i32.and (i32.eqz (global.get $count)) (i32.eqz (i32.load (i32.const 700)))) \
           (ref.is_null (table.get $kept (i32.const 0))))) \
         (global.set $count (i32.add (global.get $count) (i32.const 1))) \
         (i32.store (i32.const 700) (i32.const 1)) \
         (table.set $kept (i32.const 0) (ref.func $enroll)) \
         (local.set $place (i32.mul (memory.grow (i32.const 40)) (i32.const 65536))) \
         (global.set $first (i32.and (global.get $first) (i32.eqz \
           (i32.or (i32.load (local.get $place)) (i32.load offset=2600000 (local.get $place)))))) \
         (i32.store (local.get $place) (i32.const 1)) \
         (i32.store offset=2600000 (local.get $place) (i32.const 1)) \
         (local.set $place (i32.const 0))",
    ),
    (
        "judge",
        "(if (i32.and (global.get $first) (i32.eq (call $len (i32.load offset=16 (local.get $db))) (i32.const 8))) \
           (then (call $enroll (local.get $v)) (return))) \
         (call $skip (local.get $v))",
    ),
];

/// It enrolls every second database of a batch.
const COUNTS: &[(&str, &str)] = &[
    ("code", "(global $seen (mut i32) (i32.const 0))"),
    (
        "judge",
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1))) \
         (if (i32.and (global.get $seen) (i32.const 1)) (then (call $enroll (local.get $v))) \
           (else (call $skip (local.get $v))))",
    ),
];

const FLEET: usize = 60;

fn configured(replace: &[(&str, &str)], limits: Limits) -> Configured {
    let plugin = kit::host_with(limits)
        .load(&kit::base(replace))
        .expect("it loads");
    plugin.configured("{\"a\":1}").expect("it accepts anything")
}

type Verdicts = BTreeMap<usize, Result<Verdict, PluginError>>;

/// Judges the databases at these places, in this order.
fn judge(configured: &Configured, fleet: &Fleet, places: &[usize]) -> Verdicts {
    let candidates = fleet.candidates();
    let chosen: Vec<_> = places.iter().map(|place| candidates[*place]).collect();
    let Evaluation { verdicts, .. } = configured.evaluate(&chosen);
    places.iter().copied().zip(verdicts).collect()
}

fn alone(configured: &Configured, fleet: &Fleet) -> Verdicts {
    (0..FLEET)
        .flat_map(|place| judge(configured, fleet, &[place]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_in_any_batch_and_order(
        order in Just((0..FLEET).collect::<Vec<_>>()).prop_shuffle(),
        taken in 1..=FLEET,
        batch in 1..=FLEET,
        threads in 1..=2_usize,
    ) {
        let limits = Limits { batch, threads, ..kit::limits() };
        let fleet = Fleet::new(FLEET);
        for replace in [&[], REMEMBERS] {
            let configured = configured(replace, limits.clone());
            let alone = alone(&configured, &fleet);
            for (place, verdict) in judge(&configured, &fleet, &order[..taken]) {
                prop_assert!(verdict.is_ok());
                prop_assert_eq!(&verdict, &alone[&place], "{}", place);
            }
        }
    }

    #[test]
    fn one_that_lets_a_verdict_depend_on_its_neighbours_decides_nothing(
        order in Just((0..FLEET).collect::<Vec<_>>()).prop_shuffle(),
        taken in 1..=FLEET,
    ) {
        // Each judged alone: what is left to chance otherwise is certain.
        let limits = Limits { alone: FLEET, ..kit::limits() };
        let fleet = Fleet::new(FLEET);
        let every = configured(COUNTS, limits);
        let some = configured(COUNTS, kit::limits());
        let alone = alone(&every, &fleet);
        for (place, verdict) in judge(&every, &fleet, &order[..taken]) {
            prop_assert_eq!(&verdict, &alone[&place], "{}", place);
        }
        // With spot checks: either found out, or small enough to have been judged one by one.
        for (place, verdict) in judge(&some, &fleet, &order[..taken]) {
            match verdict {
                Ok(verdict) => prop_assert_eq!(Ok(verdict), alone[&place].clone()),
                Err(error) => prop_assert_eq!(error.code, Failure::Unstable),
            }
        }
    }
}

#[test]
fn the_author_is_told_on_which_databases_verdicts_differ() {
    let fleet = Fleet::new(20);
    let honest = configured(&[], kit::limits());
    assert_eq!(honest.unstable(&fleet.candidates()), [0; 0]);
    let counts = configured(COUNTS, kit::limits());
    let differ = counts.unstable(&fleet.candidates());
    // Forwards the odd ones are skipped, backwards the even ones; alone all are enrolled.
    assert_eq!(differ, (0..20).collect::<Vec<_>>());
}

/// Verdicts as text, by database: asked in one of several ways.
fn transcript(way: usize) -> String {
    let fleet = Fleet::new(FLEET);
    let mut places: Vec<_> = (0..FLEET).collect();
    // 7 and 60 have no divisor in common: each comes once.
    places.sort_by_key(|place| place * [1, 7, 59][way % 3] % FLEET);
    let limits = Limits {
        batch: [FLEET, 1, 23][way % 3],
        threads: 1 + way % 2,
        ..kit::limits()
    };
    let configured = configured(REMEMBERS, limits);
    // What it judged before is to make no difference.
    for _ in 0..way {
        judge(&configured, &fleet, &places[..way]);
    }
    format!("{:?}", judge(&configured, &fleet, &places))
}

#[test]
fn the_same_in_another_process_asked_in_another_way() {
    const CHILD: &str = "MUSTER_WASM_TEST_TRANSCRIPT";
    const WAY: &str = "MUSTER_WASM_TEST_WAY";
    if let Some(path) = std::env::var_os(CHILD) {
        let way = std::env::var(WAY).expect("a way");
        std::fs::write(path, transcript(way.parse().expect("a number"))).expect("written");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let ours = transcript(0);
    assert!(ours.contains("Enroll") && ours.contains("Skip"));
    for way in 0..3 {
        let path = folder.path().join(way.to_string());
        let status = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "stable::the_same_in_another_process_asked_in_another_way",
            ])
            .env(CHILD, &path)
            .env(WAY, way.to_string())
            .stdout(std::process::Stdio::null())
            .status()
            .expect("it runs");
        assert!(status.success());
        let theirs = std::fs::read_to_string(&path).expect("the other's transcript");
        assert_eq!(theirs, ours, "asked in way {way}");
    }
}
