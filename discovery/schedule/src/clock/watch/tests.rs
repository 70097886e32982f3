#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{sync::Arc, time::Duration};

use muster_model::Timestamp;

use super::{Look, Watch};
use crate::{Moment, When, clock::Job};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn up(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

fn every(seconds: u64) -> When {
    When::every(Duration::from_secs(seconds)).unwrap()
}

fn berlin(expression: &str) -> When {
    When::cron(expression, "Europe/Berlin").unwrap()
}

fn job(source: &str, when: &When) -> Job {
    Job {
        source: Arc::from(source),
        when: when.clone(),
    }
}

/// Looks every second from `from` for so long, with a scheduler that never says anything; every tenth of a run that
/// is not set reads the same on both clocks.
fn silent(watch: &mut Watch, from: Timestamp, seconds: u64) -> Vec<Timestamp> {
    let mut due = Vec::new();
    for second in 0..seconds {
        let wall = from.plus(i64::try_from(second).unwrap());
        let look = watch.look(wall, up(second));
        assert_eq!(look.jumped, None);
        if !look.due.is_empty() {
            due.push(wall);
        }
    }
    due
}

#[test]
fn a_scheduler_that_says_nothing_costs_seconds_only() {
    let mut watch = Watch::default();
    let start = at("2025-06-01T12:00:30Z");
    watch.set(vec![job("a", &every(300))], start, up(0));
    let due = silent(&mut watch, start, 1000);
    assert_eq!(due.len(), 3);
    assert_eq!(due[0], start.plus(303));

    let mut watch = Watch::default();
    watch.set(vec![job("a", &berlin("*/5 * * * *"))], start, up(0));
    let due = silent(&mut watch, start, 1000);
    assert_eq!(
        due,
        [
            at("2025-06-01T12:05:03Z"),
            at("2025-06-01T12:10:03Z"),
            at("2025-06-01T12:15:03Z")
        ]
    );
}

#[test]
fn what_the_scheduler_says_is_not_said_again() {
    let mut watch = Watch::default();
    let start = at("2025-06-01T12:00:30Z");
    let when = every(300);
    watch.set(vec![job("a", &when), job("b", &when)], start, up(0));
    assert_eq!(
        watch.ticked(&when, start.plus(300), up(300)),
        [Arc::from("a"), Arc::from("b")]
    );
    for second in 300..600 {
        assert_eq!(
            watch.look(start.plus(i64::try_from(second).unwrap()), up(second)),
            Look::default()
        );
    }
    assert_eq!(
        watch.ticked(&every(60), start, up(300)),
        Vec::<Arc<str>>::new(),
        "a job that was removed"
    );
}

#[test]
fn a_clock_that_is_set_back_stalls_nothing() {
    let (often, daily) = (every(300), berlin("0 14 * * *"));
    let mut watch = Watch::default();
    let start = at("2025-06-01T12:00:30Z");
    watch.set(vec![job("a", &often), job("b", &daily)], start, up(0));
    assert_eq!(watch.look(start, up(0)), Look::default());
    // A day back.
    let look = watch.look(start.plus(1 - 86_400), up(1));
    assert_eq!(
        (look.jumped, look.due.len(), look.remake.len()),
        (Some(-86_400), 0, 2)
    );
    assert_eq!(
        watch.next("b", start.plus(1 - 86_400), up(1)),
        None.or(Some(at("2025-06-01T12:00:00Z")))
    );
    let look = watch.look(start.plus(303 - 86_400), up(303));
    assert_eq!(look.due, [Arc::from("a")], "the interval goes on");
}

#[test]
fn a_clock_that_is_set_forward_makes_everything_due_once() {
    let (often, daily, later) = (every(300), berlin("0 15 * * *"), berlin("0 18 * * *"));
    let mut watch = Watch::default();
    let start = at("2025-06-01T12:00:30Z");
    watch.set(
        vec![job("a", &often), job("b", &daily), job("c", &later)],
        start,
        up(0),
    );
    watch.look(start, up(0));
    // Two hours forward: 16:00 in Berlin.
    let look = watch.look(start.plus(7200), up(0));
    let mut due = look.due;
    due.sort();
    assert_eq!(
        (look.jumped, due),
        (Some(7200), vec![Arc::from("a"), Arc::from("b")])
    );
    assert_eq!(look.remake.len(), 3);
    for second in 1..300 {
        let look = watch.look(
            start.plus(7200 + i64::try_from(second).unwrap()),
            up(second),
        );
        assert_eq!(look, Look::default(), "{second}");
    }
}

#[test]
fn clocks_that_differ_by_a_second_are_not_set() {
    let mut watch = Watch::default();
    let start = at("2025-06-01T12:00:30Z");
    watch.set(vec![job("a", &every(300))], start, up(0));
    watch.look(start, up(0));
    for (wall, passed) in [(2, 1), (2, 2), (4, 3), (3, 4)] {
        assert_eq!(watch.look(start.plus(wall), up(passed)).jumped, None);
    }
}

#[test]
fn no_day_is_missed_when_daylight_saving_time_begins_and_the_job_is_made_anew() {
    let daily = berlin("30 2 * * *");
    let mut watch = Watch::default();
    // 2025-03-30, 01:00 UTC: from 02:00 to 03:00. The scheduler's job would tick at 03:30 with the old offset.
    let start = at("2025-03-30T00:59:50Z");
    watch.set(vec![job("a", &daily)], start, up(0));
    let mut remade = Vec::new();
    let mut due = Vec::new();
    for second in 0..60 {
        let wall = start.plus(second);
        let look = watch.look(wall, up(second.unsigned_abs()));
        if !look.remake.is_empty() {
            remade.push(wall.to_string());
        }
        if !look.due.is_empty() {
            due.push(wall.to_string());
        }
    }
    assert_eq!(due, ["2025-03-30T01:00:03Z"]);
    assert_eq!(remade, ["2025-03-30T01:00:00Z", "2025-03-30T01:00:03Z"]);
    assert_eq!(
        watch.next("a", start, up(60)),
        Some(at("2025-03-31T00:30:00Z"))
    );
}

#[test]
fn a_scheduler_with_the_old_offset_makes_no_day_missing_when_daylight_saving_time_ends() {
    // Days on end with a scheduler whose job keeps summer time: an hour early in winter, every day.
    let daily = berlin("30 4 * * *");
    let mut watch = Watch::default();
    let start = at("2025-10-25T00:00:00Z");
    watch.set(vec![job("a", &daily)], start, up(0));
    let mut right = Vec::new();
    for minute in 0..3 * 24 * 60 {
        let wall = start.plus(minute * 60);
        let passed = up(minute.unsigned_abs() * 60);
        if wall.unix() % 86_400 == 2 * 3600 + 1800 {
            watch.ticked(&daily, wall, passed);
        }
        if !watch.look(wall, passed).due.is_empty() {
            right.push(wall.to_string());
        }
    }
    assert_eq!(
        right,
        ["2025-10-26T03:31:00Z", "2025-10-27T03:31:00Z"],
        "beside the ticks that come early"
    );
}

#[test]
fn what_stays_in_the_configuration_keeps_its_beat() {
    let (often, other) = (every(300), every(60));
    let mut watch = Watch::default();
    let start = at("2025-06-01T12:00:30Z");
    watch.set(vec![job("a", &often)], start, up(0));
    watch.set(
        vec![job("b", &often), job("a", &other)],
        start.plus(200),
        up(200),
    );
    assert_eq!(
        watch.next("b", start.plus(200), up(200)),
        Some(start.plus(300))
    );
    assert_eq!(
        watch.next("a", start.plus(200), up(200)),
        Some(start.plus(260))
    );
    assert_eq!(watch.whens().len(), 2);
    watch.set(Vec::new(), start.plus(200), up(200));
    assert!(watch.whens().is_empty());
    assert_eq!(watch.next("a", start, up(0)), None);
}
