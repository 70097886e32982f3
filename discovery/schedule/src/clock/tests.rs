//! The real scheduler, with real time: few and short.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Clock, Job};
use crate::When;

const DEADLINE: Duration = Duration::from_secs(30);

fn job(source: &str, when: When) -> Job {
    Job {
        source: Arc::from(source),
        when,
    }
}

fn every(seconds: u64) -> When {
    When::every(Duration::from_secs(seconds)).unwrap()
}

#[tokio::test]
async fn sources_are_due_again_and_again_until_they_are_removed() {
    let (clock, mut due) = Clock::start().await.unwrap();
    let daily = When::cron("@daily", "Europe/Berlin").unwrap();
    let jobs = vec![
        job("often", every(1)),
        job("too", every(1)),
        job("daily", daily.clone()),
    ];
    clock.set(jobs).await.unwrap();
    for _ in 0..3 {
        let ticks = timeout(DEADLINE, due.next()).await.unwrap().unwrap();
        assert_eq!(ticks.due, [Arc::from("often"), Arc::from("too")]);
        assert_eq!(ticks.jumped, None);
    }
    assert!(clock.next("daily").is_some());
    clock
        .set(vec![job("other", every(1)), job("daily", daily)])
        .await
        .unwrap();
    assert_eq!(clock.next("often"), None);
    // What was on its way may still come.
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let ticks = tokio::time::timeout_at(deadline, due.next())
            .await
            .unwrap()
            .unwrap();
        if ticks.due == [Arc::from("other")] {
            break;
        }
    }
    clock.shutdown().await;
    assert_eq!(timeout(DEADLINE, due.next()).await.unwrap(), None);
}

#[tokio::test]
async fn the_scheduler_takes_whatever_the_parser_takes() {
    let (clock, _due) = Clock::start().await.unwrap();
    let expressions = [
        "*/5 * * * *",
        "@hourly",
        "@YEARLY",
        "0 9-17 * * MON-FRI",
        "0 0 L * *",
        "0 0 * * 1#2",
        "30 2 ? JAN 7",
    ];
    let jobs = expressions
        .map(|expression| job(expression, When::cron(expression, "Europe/Berlin").unwrap()));
    clock.set(jobs.to_vec()).await.unwrap();
    for expression in expressions {
        // Once by itself and once by the scheduler.
        let ours = clock.next(expression).unwrap();
        let mut scheduler = clock.inner.scheduler.clone();
        let jobs = clock.inner.jobs.lock().await;
        let when = jobs
            .keys()
            .find(|when| when.to_string().starts_with(&format!("`{expression}`")))
            .unwrap();
        let theirs = scheduler
            .next_tick_for_job(jobs[when].guid())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(theirs.timestamp(), ours.unix(), "{expression}");
    }
}

#[tokio::test]
async fn a_clock_that_is_dropped_ends_what_waits_for_it() {
    let (clock, mut due) = Clock::start().await.unwrap();
    drop(clock);
    assert_eq!(timeout(DEADLINE, due.next()).await.unwrap(), None);
}
