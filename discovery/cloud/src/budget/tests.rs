#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::{error::Classified, observe::testkit::Recorder};

const CALL: &str = "rds:DescribeDBClusters";

fn config() -> BudgetConfig {
    BudgetConfig {
        per_second: 1e6,
        burst: 1_000_000,
        ..BudgetConfig::default()
    }
}

fn failure(reason: Reason, retry: Retry) -> Classified {
    CallError::new(reason, CALL, "said the provider").retry(retry)
}

/// Answers with `failures` one after the other, then with the number of the attempt.
struct Script {
    failures: Vec<Classified>,
    asked: AtomicUsize,
    at: Mutex<Vec<Duration>>,
    start: Instant,
}

impl Script {
    fn new(failures: impl IntoIterator<Item = Classified>) -> Self {
        Self {
            failures: failures.into_iter().collect(),
            asked: AtomicUsize::new(0),
            at: Mutex::default(),
            start: Instant::now(),
        }
    }

    async fn answer(&self) -> Result<usize, Classified> {
        lock(&self.at).push(self.start.elapsed());
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        self.failures.get(n).cloned().map_or(Ok(n + 1), Err)
    }

    async fn run(&self, budget: &Budget) -> Result<usize, CallError> {
        budget.call(CALL, || self.answer()).await
    }

    fn times(&self) -> Vec<Duration> {
        lock(&self.at).clone()
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_to_the_rate_after_the_burst() {
    let budget = Budget::new(
        BudgetConfig {
            per_second: 5.0,
            burst: 3,
            concurrency: 100,
            ..BudgetConfig::default()
        },
        1,
    );
    let script = Script::new([]);
    futures::future::join_all((0..13).map(|_| script.run(&budget))).await;
    let times = script.times();
    assert!(times[..3].iter().all(Duration::is_zero), "{times:?}");
    // Ten more, one every 200 ms; tokio's timer is good to a millisecond.
    for (n, at) in times[3..].iter().enumerate() {
        let want = Duration::from_millis(200 * (n as u64 + 1));
        assert!(
            *at >= want && *at <= want + Duration::from_millis(2),
            "{n}: {at:?}"
        );
    }
    assert_eq!(budget.requests(), 13);
}

#[tokio::test(start_paused = true)]
async fn a_rest_saves_up_no_more_than_the_burst() {
    let budget = Budget::new(
        BudgetConfig {
            per_second: 1.0,
            burst: 2,
            concurrency: 100,
            ..BudgetConfig::default()
        },
        1,
    );
    tokio::time::advance(Duration::from_secs(3600)).await;
    let script = Script::new([]);
    futures::future::join_all((0..4).map(|_| script.run(&budget))).await;
    assert!(
        script.times()[3] >= Duration::from_secs(2),
        "{:?}",
        script.times()
    );
}

#[tokio::test(start_paused = true)]
async fn has_no_more_under_way_than_allowed() {
    let budget = Budget::new(
        BudgetConfig {
            concurrency: 3,
            ..config()
        },
        1,
    );
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let send = || async {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(10)).await;
        now.fetch_sub(1, Ordering::SeqCst);
        Ok::<_, Classified>(())
    };
    futures::future::join_all((0..20).map(|_| budget.call(CALL, send))).await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_backs_off_lends_its_slot() {
    let budget = Budget::new(
        BudgetConfig {
            concurrency: 1,
            ..config()
        },
        1,
    );
    let failing = Script::new([failure(
        Reason::Unreachable,
        Retry::After(Duration::from_secs(60)),
    )]);
    let quick = Script::new([]);
    let (first, second) = tokio::join!(failing.run(&budget), quick.run(&budget));
    assert_eq!((first.unwrap(), second.unwrap()), (2, 1));
    assert_eq!(quick.times(), [Duration::ZERO]);
}

#[tokio::test(start_paused = true)]
async fn backs_off_longer_each_time_with_jitter() {
    let config = BudgetConfig {
        attempts: 5,
        ..config()
    };
    let mut seen = Vec::new();
    for seed in [1, 2] {
        let budget = Budget::new(config.clone(), seed);
        let script = Script::new((0..4).map(|_| failure(Reason::Server, Retry::Yes)));
        assert_eq!(script.run(&budget).await.unwrap(), 5);
        let times = script.times();
        for (n, ceiling) in [500, 1000, 2000, 4000].into_iter().enumerate() {
            let gap = times[n + 1] - times[n];
            let ceiling = Duration::from_millis(ceiling);
            assert!(
                gap >= ceiling / 2 && gap <= ceiling + Duration::from_millis(2),
                "{n}: {gap:?}"
            );
        }
        seen.push(times);
    }
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test(start_paused = true)]
async fn honours_what_the_provider_asks_for() {
    let budget = Budget::new(config(), 1);
    let asked = Duration::from_secs(45);
    let script = Script::new([failure(Reason::Throttled, Retry::After(asked))]);
    assert_eq!(script.run(&budget).await.unwrap(), 2);
    let waited = script.times()[1];
    assert!(
        waited >= asked && waited <= asked + Duration::from_secs(1),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn throttling_slows_all_who_share_the_budget_and_nobody_else() {
    let budgets = Budgets::new(config(), 1);
    let (here, there) = (
        budgets.of("1", "eu-west-1", "rds"),
        budgets.of("1", "eu-west-2", "rds"),
    );
    let throttled = Script::new([failure(
        Reason::Throttled,
        Retry::After(Duration::from_secs(30)),
    )]);
    let (later, elsewhere) = (Script::new([]), Script::new([]));
    let again = budgets.of("1", "eu-west-1", "rds");
    let (first, second, third) = tokio::join!(
        throttled.run(&here),
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            later.run(&again).await
        },
        elsewhere.run(&there),
    );
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert!(
        later.times()[0] >= Duration::from_secs(30),
        "{:?}",
        later.times()
    );
    assert_eq!(elsewhere.times(), [Duration::ZERO]);
    assert_eq!((here.requests(), there.requests()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn gives_up_when_patience_ends() {
    let budget = Budget::new(
        BudgetConfig {
            attempts: 100,
            ..config()
        },
        1,
    );
    let script = Script::new((0..99).map(|_| failure(Reason::Throttled, Retry::Yes)));
    let start = Instant::now();
    let error = script.run(&budget).await.unwrap_err();
    assert_eq!(error.reason, Reason::Throttled);
    assert!(
        error
            .message
            .starts_with("said the provider (gave up waiting"),
        "{error}"
    );
    assert!(
        start.elapsed() <= Duration::from_secs(120),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn does_not_begin_a_wait_that_patience_would_not_outlast() {
    let budget = Budget::new(config(), 1);
    let script = Script::new([failure(
        Reason::Throttled,
        Retry::After(Duration::from_secs(3600)),
    )]);
    let start = Instant::now();
    let error = script.run(&budget).await.unwrap_err();
    assert_eq!((error.reason, budget.requests()), (Reason::Throttled, 1));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn says_how_long_the_provider_asked_to_wait() {
    let budget = Budget::new(config(), 1);
    let asked = Duration::from_secs(86_400);
    let script = Script::new([failure(Reason::Throttled, Retry::After(asked))]);
    let error = script.run(&budget).await.unwrap_err();
    assert_eq!(
        error.message,
        "said the provider (gave up waiting, after 1 attempt; the provider asked to wait 86400 s)"
    );
    // Those who come after it are not sent, and not for the budget's sake.
    let error = Script::new([]).run(&budget).await.unwrap_err();
    assert_eq!((error.reason, budget.requests()), (Reason::Throttled, 1));
    let start = "not sent: the provider throttled another call, and nothing may be sent for 8640";
    assert!(error.message.starts_with(start), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_longer_than_patience_is_throttling_of_our_own() {
    let budget = Budget::new(
        BudgetConfig {
            per_second: 0.1,
            burst: 1,
            patience: Duration::from_secs(15),
            ..BudgetConfig::default()
        },
        1,
    );
    let script = Script::new([]);
    let results = futures::future::join_all((0..3).map(|_| script.run(&budget))).await;
    let refused = results
        .iter()
        .filter_map(|r| r.as_ref().err())
        .collect::<Vec<_>>();
    assert_eq!(refused.len(), 1, "{results:?}");
    assert_eq!(refused[0].reason, Reason::Throttled);
    assert_eq!(budget.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn does_not_repeat_what_cannot_succeed() {
    for reason in [
        Reason::Denied,
        Reason::NoCredentials,
        Reason::Malformed,
        Reason::Rejected,
    ] {
        let budget = Budget::new(config(), 1);
        let script = Script::new([failure(reason, Retry::No)]);
        let error = script.run(&budget).await.unwrap_err();
        assert_eq!(
            (error.reason, error.message.as_str()),
            (reason, "said the provider")
        );
        assert_eq!(budget.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_unreachable() {
    let budget = Budget::new(
        BudgetConfig {
            attempts: 2,
            ..config()
        },
        1,
    );
    let error = budget
        .call(CALL, std::future::pending::<Result<(), Classified>>)
        .await
        .unwrap_err();
    assert_eq!((error.reason, budget.requests()), (Reason::Unreachable, 2));
    assert_eq!(error.message, "no answer within 30s (after 2 attempts)");
}

#[tokio::test(start_paused = true)]
async fn counts_every_attempt_once() {
    let budget = Budget::new(config(), 1);
    let script = Script::new((0..3).map(|_| failure(Reason::Server, Retry::Yes)));
    assert_eq!(script.run(&budget).await.unwrap(), 4);
    assert_eq!(budget.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn survives_nonsense_in_its_configuration() {
    let odd = BudgetConfig {
        per_second: 0.0,
        burst: 0,
        concurrency: 0,
        attempts: 0,
        ..BudgetConfig::default()
    };
    let budget = Budget::new(odd, 1);
    assert_eq!(Script::new([]).run(&budget).await.unwrap(), 1);
    let nan = Budget::new(
        BudgetConfig {
            per_second: f64::NAN,
            ..BudgetConfig::default()
        },
        1,
    );
    assert_eq!(Script::new([]).run(&nan).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_any_clock_ends_the_call_and_nothing_else() {
    for told in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        let budget = Budget::new(config(), 1);
        let script = Script::new([failure(Reason::Throttled, Retry::After(told))]);
        let error = script.run(&budget).await.unwrap_err();
        assert_eq!(error.reason, Reason::Throttled);
    }
}

/// The time is that of the request alone: neither of the queue nor of the pause between two attempts.
#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_every_attempt() {
    let (recorder, observer) = Recorder::new();
    let config = BudgetConfig {
        observer,
        attempt_timeout: Duration::from_secs(30),
        concurrency: 1,
        ..config()
    };
    let budget = Budget::new(config, 1);
    let asked = AtomicUsize::new(0);
    let answer = || async {
        let attempt = asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs([2, 100, 3][attempt])).await;
        match attempt {
            0 => Err(failure(Reason::Throttled, Retry::Yes)),
            _ => Ok(attempt),
        }
    };
    assert_eq!(budget.call(CALL, answer).await, Ok(2));
    let fatal = Script::new([failure(Reason::Denied, Retry::No)]);
    fatal.run(&budget).await.unwrap_err();
    assert_eq!(
        recorder.told(),
        [
            "rds:DescribeDBClusters throttled 2s",
            "rds:DescribeDBClusters unreachable 30s",
            "rds:DescribeDBClusters ok 3s",
            "rds:DescribeDBClusters denied 0ns",
        ]
    );
}
