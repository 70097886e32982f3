#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use muster_model::{Scope, Service};

use super::{Queue, Wanted};
use crate::{Moment, Pace, When};

pub(super) fn scope(number: usize) -> Arc<Scope> {
    Arc::new(Scope::aws(
        "111122223333",
        &format!("region-{number}"),
        Service::Rds,
    ))
}

pub(super) fn pace(every: u64, jitter: u64, backoff_max: u64) -> Pace {
    Pace {
        when: When::every(Duration::from_secs(every)).unwrap(),
        jitter: Duration::from_secs(jitter),
        backoff_max: Duration::from_secs(backoff_max),
    }
}

pub(super) fn wanted(number: usize, pace: &Pace) -> Wanted {
    Wanted {
        scope: scope(number),
        source: Arc::from("aws"),
        pace: pace.clone(),
        failures: 0,
    }
}

pub(super) fn queue(slots: usize) -> Queue {
    Queue::new(NonZeroUsize::new(slots).unwrap(), 7)
}

pub(super) fn s(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

/// One that has been scanned once, well or not, and rests.
fn rested(slots: usize, scopes: usize, pace: &Pace, complete: bool) -> Queue {
    let mut queue = queue(slots);
    queue.set((0..scopes).map(|n| wanted(n, pace)), s(0));
    let end = s(0).plus(pace.jitter);
    while let Some(scope) = queue.take(end) {
        queue.ended(&scope, complete, s(0)).unwrap();
    }
    queue
}

#[test]
fn new_scopes_start_at_once_and_the_others_within_their_jitter() {
    let mut queue = queue(4);
    queue.set((0..100).map(|n| wanted(n, &pace(300, 30, 3600))), s(10));
    let mut at_once = 0;
    while let Some(scope) = queue.take(s(10)) {
        at_once += 1;
        queue.ended(&scope, true, s(10));
    }
    assert_eq!(at_once, 4, "as many as there are slots");
    let starts: Vec<_> = queue.standings().filter_map(|one| one.next).collect();
    assert_eq!(starts.len(), 96);
    assert!(starts.iter().all(|at| (s(10)..s(40)).contains(at)));
    let early = starts.iter().filter(|at| **at < s(25)).count();
    assert!(
        (30..66).contains(&early),
        "spread evenly: {early} in the first half"
    );
}

#[test]
fn a_tick_makes_due_what_rests_and_nothing_else() {
    let mut queue = rested(2, 3, &pace(300, 0, 3600), true);
    assert_eq!(queue.next_at(), None);
    queue.due("azure", s(300));
    assert_eq!(queue.next_at(), None, "another source");
    queue.due("aws", s(300));
    let first = queue.take(s(300)).unwrap();
    // It takes longer than the interval.
    queue.due("aws", s(600));
    queue.ended(&first, true, s(610));
    let standing = queue.standing(&first).unwrap();
    assert_eq!(
        (standing.next, standing.running, standing.runs),
        (None, false, 2)
    );
    queue.due("aws", s(900));
    let others: Vec<_> = std::iter::from_fn(|| queue.take(s(900))).collect();
    assert!(
        !others.contains(&first),
        "the two that wait since 300 come first"
    );
}

#[test]
fn failures_in_a_row_slow_a_scope_down_and_a_complete_scan_ends_that() {
    let mut queue = rested(1, 1, &pace(300, 0, 3600), true);
    let scope = scope(0);
    let mut now = s(0);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        // The clock ticks every five minutes.
        while queue.take(now).is_none() {
            now = now.plus(Duration::from_secs(300));
            queue.due("aws", now);
        }
        queue.ended(&scope, false, now);
        pauses.push(
            queue
                .standing(&scope)
                .unwrap()
                .back_off
                .unwrap()
                .since(now)
                .as_secs(),
        );
    }
    assert_eq!(pauses, [300, 600, 1200, 2400, 3600, 3600, 3600]);
    assert_eq!(queue.standing(&scope).unwrap().failures, 7);
    now = now.plus(Duration::from_secs(3600));
    queue.due("aws", now);
    queue.take(now).unwrap();
    queue.ended(&scope, true, now);
    let standing = queue.standing(&scope).unwrap();
    assert_eq!((standing.failures, standing.back_off), (0, None));
}

#[test]
fn a_back_off_shorter_than_the_interval_slows_nothing() {
    let mut queue = rested(1, 1, &pace(3600, 0, 60), false);
    queue.due("aws", s(3600));
    assert!(queue.take(s(3600)).is_some());
}

#[test]
fn who_is_asked_for_jumps_the_queue_and_the_back_off() {
    let pace = pace(300, 0, 86_400);
    let mut queue = rested(1, 5, &pace, false);
    queue.due("aws", s(10));
    assert_eq!(queue.take(s(10)), None, "all are in back-off");
    let answer = queue.now(&scope(3), s(10)).unwrap();
    assert_eq!(
        queue.now(&scope(3), s(11)),
        Some(answer),
        "asked for twice is scanned once"
    );
    assert!(queue.standing(&scope(3)).unwrap().asked);
    assert_eq!(queue.take(s(10)), Some(scope(3)));
    assert_eq!(queue.ended(&scope(3), true, s(12)).unwrap().run, answer);
    assert_eq!(queue.now(&scope(77), s(10)), None, "nobody knows it");
}

#[test]
fn a_request_during_a_scan_is_answered_by_the_next_one() {
    let mut queue = rested(2, 1, &pace(300, 0, 3600), true);
    queue.due("aws", s(300));
    let scope = queue.take(s(300)).unwrap();
    let answer = queue.now(&scope, s(301)).unwrap();
    assert_eq!(
        queue.take(s(301)),
        None,
        "never the same scope twice at once"
    );
    let ended = queue.ended(&scope, true, s(302)).unwrap();
    assert!(
        ended.run < answer,
        "what was under way may have read before"
    );
    assert_eq!(queue.take(s(302)), Some(Arc::clone(&scope)), "right after");
    assert_eq!(queue.ended(&scope, true, s(303)).unwrap().run, answer);
    assert_eq!(queue.next_at(), None, "and not once more");
}

#[test]
fn those_that_fail_leave_room_for_the_others() {
    let pace = pace(300, 0, 300);
    let mut queue = rested(4, 8, &pace, false);
    let well = rested(4, 8, &pace, true);
    assert_eq!(well.running(), 0);
    queue.set((0..10).map(|n| wanted(n, &pace)), s(300));
    queue.due("aws", s(300));
    let running: Vec<_> = std::iter::from_fn(|| queue.take(s(300))).collect();
    let failing = running
        .iter()
        .filter(|one| queue.standing(one).unwrap().failures > 0)
        .count();
    assert_eq!(
        (running.len(), failing),
        (4, 2),
        "half of the slots, and the two new ones"
    );
    // They hang. The healthy ones end, and nothing that fails takes their place, except when it is asked for.
    for scope in running
        .iter()
        .filter(|one| queue.standing(one).is_some_and(|one| one.failures == 0))
        .cloned()
        .collect::<Vec<_>>()
    {
        queue.ended(&scope, true, s(301));
    }
    assert_eq!(queue.take(s(301)), None);
    assert_eq!(queue.next_at(), None);
    let waiting = (0..8)
        .map(scope)
        .find(|one| !queue.standing(one).unwrap().running)
        .unwrap();
    queue.now(&waiting, s(301)).unwrap();
    assert_eq!(
        queue.take(s(301)),
        Some(Arc::clone(&waiting)),
        "asked for: all slots but one"
    );
    let another = (0..8)
        .map(scope)
        .find(|one| !queue.standing(one).unwrap().running)
        .unwrap();
    queue.now(&another, s(301)).unwrap();
    assert_eq!(
        queue.take(s(301)),
        None,
        "the last slot is for those that are well"
    );
    queue.now(&scope(9), s(301)).unwrap();
    assert_eq!(queue.take(s(301)), Some(scope(9)));
}

#[test]
fn what_failed_before_the_start_counts_as_failing_and_is_tried_at_once() {
    let mut queue = queue(4);
    let pace = pace(300, 0, 3600);
    let failed = |n| Wanted {
        failures: 5,
        ..wanted(n, &pace)
    };
    queue.set((0..4).map(failed), s(0));
    assert!(queue.take(s(0)).is_some());
    assert!(queue.take(s(0)).is_some());
    assert_eq!(queue.take(s(0)), None, "half of the slots");
}

#[test]
fn a_scope_that_vanished_is_dropped_and_one_that_runs_ends_first() {
    let pace = pace(300, 0, 3600);
    let mut queue = queue(1);
    queue.set((0..3).map(|n| wanted(n, &pace)), s(0));
    let running = queue.take(s(0)).unwrap();
    let others: Vec<_> = (0..3).map(scope).filter(|one| *one != running).collect();
    queue.now(&others[0], s(0)).unwrap();
    queue.now(&running, s(0)).unwrap();
    let mut dropped = queue.set([], s(1));
    dropped.sort();
    assert_eq!(dropped, others);
    assert_eq!(
        queue.now(&running, s(1)),
        None,
        "nobody asks for it any more"
    );
    assert_eq!(queue.take(s(1)), None);
    assert!(queue.standing(&running).unwrap().sources.is_empty());
    assert!(queue.ended(&running, true, s(2)).unwrap().gone);
    assert!(queue.is_empty());
    assert_eq!(queue.next_at(), None, "and does not run again");
    assert_eq!(queue.ended(&running, true, s(2)), None);
}

#[test]
fn a_scope_that_comes_back_while_it_still_runs_is_not_run_beside_itself() {
    let pace = pace(300, 0, 3600);
    let mut queue = queue(2);
    queue.set([wanted(0, &pace)], s(0));
    let running = queue.take(s(0)).unwrap();
    queue.set([], s(1));
    queue.set([wanted(0, &pace)], s(2));
    assert_eq!(queue.take(s(2)), None);
    let ended = queue.ended(&running, true, s(3)).unwrap();
    assert!(!ended.gone);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_new_pace_shortens_a_back_off() {
    let mut queue = rested(1, 1, &pace(3600, 0, 86_400), false);
    queue.due("aws", s(60));
    assert_eq!(queue.next_at(), Some(s(3600)));
    queue.set([wanted(0, &pace(300, 0, 300))], s(100));
    assert_eq!(queue.next_at(), Some(s(300)));
    queue.set([wanted(0, &pace(3600, 0, 86_400))], s(100));
    assert_eq!(
        queue.next_at(),
        Some(s(300)),
        "and never puts off what was due"
    );
}

#[test]
fn a_scope_of_two_sources_is_due_with_each_at_the_shorter_interval() {
    let mut queue = queue(1);
    let often = Wanted {
        source: Arc::from("aws[1]"),
        ..wanted(0, &pace(60, 0, 600))
    };
    queue.set([wanted(0, &pace(300, 0, 600)), often], s(0));
    assert_eq!(queue.len(), 1);
    let standing = queue.standing(&scope(0)).unwrap();
    assert_eq!(standing.sources, [Arc::from("aws"), Arc::from("aws[1]")]);
    for (at, source) in [(100, "aws"), (200, "aws[1]")] {
        let scope = queue.take(s(at)).unwrap();
        queue.ended(&scope, false, s(at));
        let pause = queue
            .standing(&scope)
            .unwrap()
            .back_off
            .unwrap()
            .since(s(at));
        assert_eq!(pause.as_secs() % 60, 0);
        assert!(pause.as_secs() < 300);
        queue.due(source, s(at + 100));
        assert!(queue.next_at().is_some(), "{source}");
    }
}

#[test]
fn a_drained_queue_hands_out_nothing() {
    let pace = pace(300, 0, 3600);
    let mut queue = queue(2);
    queue.set((0..9).map(|n| wanted(n, &pace)), s(0));
    let running = queue.take(s(0)).unwrap();
    queue.drain();
    assert!(!queue.is_drained());
    queue.now(&scope(5), s(1)).unwrap();
    queue.due("aws", s(300));
    assert_eq!((queue.take(s(300)), queue.next_at()), (None, None));
    queue.now(&running, s(300)).unwrap();
    queue.ended(&running, true, s(301)).unwrap();
    assert!(queue.is_drained());
    assert_eq!(
        queue.take(s(301)),
        None,
        "not even one that was asked for meanwhile"
    );
}

#[test]
fn ten_thousand_scopes_are_a_matter_of_milliseconds_each_round() {
    let pace = pace(300, 30, 3600);
    let mut queue = queue(32);
    queue.set((0..10_000).map(|n| wanted(n, &pace)), s(0));
    let started = std::time::Instant::now();
    for round in 1..=10 {
        queue.due("aws", s(300 * round));
        let mut count = 0;
        while let Some(scope) = queue.take(s(300 * round + 30)) {
            queue.ended(&scope, count % 3 != 0, s(300 * round + 30));
            count += 1;
        }
        assert!(count > 6_000);
    }
    // In a debug build on a busy machine; a walk through all of them for each would take minutes.
    assert!(started.elapsed() < Duration::from_secs(20));
}
