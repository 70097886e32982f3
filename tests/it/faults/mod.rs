//! A fleet in ten regions of three accounts whose every call fails at random.
//!
//! Three calls in ten are throttled, fail, stay without an answer, are cut, denied, answered with an empty page and a
//! marker, or with a page that comes twice; and some days a whole listing is denied for many cycles. The real
//! scanners read that over HTTP with the SDK, and the service's engine takes in what they say. Everything that comes
//! of it is held against the fleet as it really is, and against a model that is written a second time and simply.
//!
//! A cycle is five minutes of a clock that is passed in. As in the service, a scope is due every so often (here every
//! fourth cycle), and later after failures; so a cycle scans about a fifth of the thirty scopes, and not all of them.
//! What the SDK costs in a debug build allows no more. The fleet changes in every cycle.
//!
//! `MUSTER_TEST_SEED` runs a failure again: fleet and faults then come the same, call by call. A scan in which an
//! answer came too late, because the machine does too much else, is made again.

mod counted;
mod enrolling;
mod model;
mod pure;
mod scans;
mod weather;

use std::collections::{BTreeMap, BTreeSet};

use muster::metrics::Metrics;
use muster_model::{FailureReason, ResourceId, Timestamp};
use muster_plan::Grace;

use crate::support::{
    draw::{Draw, Printed, seed},
    fleet::{Pace, Truth},
};
use counted::Counted;
use enrolling::{Enrolling, setup};
use model::{Enrolled, Model};
use scans::{Scanned, Sweep, shuffled};

/// Seconds of a cycle.
const CYCLE: i64 = 300;
/// Both halves count: three scans can be read before the time is over, and after it fewer than three.
const GRACE: Grace = Grace {
    scans: 3,
    seconds: 1800,
};
/// Cycles without faults and changes at the end: enough for the slowest scope to be read and the grace to pass.
const CALM: usize = 32;
const PACE: Pace = Pace {
    size: 4,
    appears: 100,
    vanishes: 8,
    returns: 15,
    changes: 40,
};

/// What the whole test came to.
#[derive(Default)]
struct Sum {
    scans: usize,
    complete: usize,
    calls: usize,
    late: usize,
    failures: BTreeMap<FailureReason, usize>,
    enrolled: usize,
    updated: usize,
    removed: usize,
    unchanged: usize,
}

fn go(sweep: &Sweep, mut enrolling: Enrolling, restarts: bool) -> Sum {
    let _printed = Printed(sweep.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let metrics = Metrics::new("test");
    let (_cloud, mut receivers) = sweep.start(&runtime, &metrics);
    let mut counted = Counted::new(metrics);
    let mut model = Model::new(GRACE);
    let mut sum = Sum::default();
    let mut draw = Draw::part(sweep.seed, "order");
    let mut truths: BTreeMap<usize, BTreeMap<ResourceId, Truth>> = BTreeMap::new();
    for cycle in 0..sweep.cycles {
        let now = at(cycle);
        for place in shuffled(receivers.len(), &mut draw) {
            let turn = receivers[place].blocking_recv();
            let turn = turn.expect("what ended the scans of this scope is above");
            assert_eq!(turn.cycle, cycle);
            let Some(scanned) = turn.scanned else {
                continue;
            };
            if restarts && draw.below(200) == 0 {
                enrolling.restart(now);
            }
            sum.take(&scanned, &mut enrolling, &mut model, now, cycle);
            counted.take(&scanned.scan, &scanned.seen);
            truths.insert(place, scanned.truth);
        }
        if draw.below(20) == 0 {
            enrolling.sweep(now);
            assert_eq!(enrolling.targets(), model.targets());
        }
    }
    enrolling.check_history();
    counted.check(sum.late == 0);
    // In the end, when the clouds are well again, all is as it really is.
    let targets = enrolling.targets();
    assert_eq!(targets, model.targets());
    check_in_the_end(&targets, truths.into_values().flatten().collect());
    sum
}

impl Sum {
    fn take(
        &mut self,
        scanned: &Scanned,
        enrolling: &mut Enrolling,
        model: &mut Model,
        now: Timestamp,
        cycle: usize,
    ) {
        let expected = scanned.check();
        self.scans += 1;
        self.complete += usize::from(expected.failures.is_empty());
        self.calls += scanned.seen.len();
        self.late += scanned.late.len();
        for (reason, _) in expected.failures {
            *self.failures.entry(reason).or_default() += 1;
        }
        let run = format!("cycle-{cycle}");
        let effect = enrolling.take(&scanned.scan, model, now, &run);
        self.unchanged += usize::from(!effect.anything);
        for (id, (_, after)) in &effect.targets {
            let truth = scanned.truth.get(id);
            match after {
                // No wrong endpoint, ever: not that of another, and not one of yesterday.
                Some(after) => check_target(
                    id,
                    after,
                    truth.unwrap_or_else(|| panic!("{id} is not there")),
                ),
                None => {
                    let gone = truth
                        .is_none_or(|truth| truth.tags.get("enroll").is_some_and(|it| it == "no"));
                    assert!(gone, "{id} was removed, and is there: {truth:?}");
                    assert!(scanned.scan.coverage.is_complete(), "{id}");
                }
            }
            match after {
                None => self.removed += 1,
                Some(_) if effect.targets[id].0 == muster_model::Event::Enrolled => {
                    self.enrolled += 1
                }
                Some(_) => self.updated += 1,
            }
        }
    }

    fn print(&self, seed: u64) {
        eprintln!(
            "seed {seed}: {} scans, {} of them complete, {} without any change; {} calls, and {} again because of a slow machine; failures \
             {:?}; {} enrolled, {} updated, {} removed",
            self.scans,
            self.complete,
            self.unchanged,
            self.calls,
            self.late,
            self.failures,
            self.enrolled,
            self.updated,
            self.removed,
        );
    }

    /// The test would prove nothing if little had happened.
    fn check(&self, scans: usize) {
        assert!(
            self.scans >= scans,
            "hardly anything happened: {} scans",
            self.scans
        );
        let reasons: BTreeSet<_> = self.failures.keys().copied().collect();
        let every = [
            FailureReason::Denied,
            FailureReason::Throttled,
            FailureReason::Unreachable,
            FailureReason::Server,
            FailureReason::Truncated,
        ];
        assert!(reasons.is_superset(&BTreeSet::from(every)), "{reasons:?}");
        // Of a hundred scans.
        for (what, count, at_least) in [
            ("complete", self.complete, 50),
            ("incomplete", self.scans - self.complete, 20),
            ("without any change", self.unchanged, 20),
            ("enrolled", self.enrolled, 10),
            ("updated", self.updated, 30),
            ("removed", self.removed, 8),
        ] {
            let share = count * 100 / self.scans;
            assert!(
                share >= at_least,
                "hardly anything happened: {share} % {what}"
            );
        }
    }
}

fn at(cycle: usize) -> Timestamp {
    Timestamp::from_unix(1_700_000_000).plus(i64::try_from(cycle).unwrap() * CYCLE)
}

fn check_target(id: &ResourceId, target: &Enrolled, truth: &Truth) {
    let endpoint = truth
        .endpoint
        .as_ref()
        .map(|(host, port)| format!("{host}:{port}"));
    // While it is made again it keeps the address that it had.
    if endpoint.is_some() {
        assert_eq!(target.endpoint(), endpoint.as_deref(), "{id}");
    }
}

/// Everything that is there and should be is enrolled, as it is; and nothing else is.
fn check_in_the_end(targets: &BTreeMap<ResourceId, Enrolled>, truth: BTreeMap<ResourceId, Truth>) {
    for (id, truth) in &truth {
        let out = truth.tags.get("enroll").is_some_and(|it| it == "no");
        if truth.engine == "oracle-ee" {
            assert!(!targets.contains_key(id), "{id} cannot be served");
        } else if !["creating", "deleting"].contains(&truth.state) {
            assert_eq!(targets.contains_key(id), !out, "{id}: {truth:?}");
        }
        if let Some(target) = targets.get(id) {
            check_target(id, target, truth);
        }
    }
    for id in targets.keys() {
        assert!(truth.contains_key(id), "{id} is gone, and enrolled");
    }
}

#[test]
fn a_thousand_cycles_of_bad_weather_remove_nothing_wrongly_and_miss_nothing() {
    let seed = seed();
    let sweep = Sweep {
        accounts: 3,
        regions: 10,
        cycles: 1000,
        calm: 1000 - CALM,
        every: 4,
        faults: 300,
        pace: PACE,
        seed,
    };
    let enrolling = Enrolling::service(setup(sweep.scopes(), GRACE), at(0));
    let sum = go(&sweep, enrolling, true);
    sum.print(seed);
    sum.check(5000);
}

#[test]
fn the_one_shot_commands_come_to_the_same() {
    let seed = seed();
    let sweep = Sweep {
        accounts: 2,
        regions: 2,
        cycles: 100,
        calm: 100 - CALM,
        every: 1,
        faults: 300,
        pace: Pace {
            vanishes: 30,
            changes: 100,
            ..PACE
        },
        seed,
    };
    let sum = go(
        &sweep,
        Enrolling::one_shot(setup(sweep.scopes(), GRACE)),
        false,
    );
    sum.print(seed);
}
