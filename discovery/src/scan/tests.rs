#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use muster_model::Service;
use tokio::sync::Barrier;

use super::*;

/// What a scanner in these tests does.
enum Act {
    Find,
    Panic,
    /// Waits until so many scanners wait together.
    Meet(Arc<Barrier>),
    /// Yields a few times, counting how many are under way.
    Count(Arc<AtomicUsize>, Arc<AtomicUsize>),
}

struct Actor(Arc<Scope>, Act);

#[async_trait]
impl Scanner for Actor {
    fn scope(&self) -> &Arc<Scope> {
        &self.0
    }

    async fn scan(&self) -> Scan {
        match &self.1 {
            Act::Find => {}
            Act::Panic => panic!("lost the thread"),
            Act::Meet(barrier) => {
                barrier.wait().await;
            }
            Act::Count(now, most) => {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
            }
        }
        Scan::empty(Arc::clone(&self.0))
    }
}

fn actors(acts: Vec<Act>) -> Vec<Box<dyn Scanner>> {
    acts.into_iter()
        .enumerate()
        .map(|(n, act)| {
            let scope = Arc::new(Scope::aws(
                "111111111111",
                &format!("region-{n}"),
                Service::Rds,
            ));
            Box::new(Actor(scope, act)) as Box<dyn Scanner>
        })
        .collect()
}

#[tokio::test]
async fn a_panicking_scanner_is_an_unread_scope_and_the_others_are_kept_in_order() {
    let mut heard = Vec::new();
    let scans = run(actors(vec![Act::Find, Act::Panic, Act::Find]), 2, |scan| {
        heard.push(scan.scope.region.to_string());
    })
    .await;
    let regions: Vec<_> = scans
        .iter()
        .map(|scan| scan.scope.region.as_str())
        .collect();
    assert_eq!(regions, ["region-0", "region-1", "region-2"]);
    assert!(scans[0].coverage.is_complete() && scans[2].coverage.is_complete());
    let Coverage::Unread(failures) = &scans[1].coverage else {
        panic!("{:?}", scans[1].coverage)
    };
    assert_eq!(failures[0].reason, FailureReason::Internal);
    assert!(
        failures[0].message.contains("lost the thread"),
        "{}",
        failures[0].message
    );
    heard.sort();
    assert_eq!(heard, regions);
}

#[tokio::test]
async fn scanners_run_side_by_side_up_to_the_cap() {
    let barrier = Arc::new(Barrier::new(3));
    let met = actors((0..3).map(|_| Act::Meet(Arc::clone(&barrier))).collect());
    assert_eq!(run(met, 3, |_| ()).await.len(), 3);

    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = actors(
        (0..12)
            .map(|_| Act::Count(Arc::clone(&now), Arc::clone(&most)))
            .collect(),
    );
    assert_eq!(run(counted, 4, |_| ()).await.len(), 12);
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_cap_of_nothing_is_a_cap_of_one() {
    assert_eq!(
        run(actors(vec![Act::Find, Act::Find]), 0, |_| ())
            .await
            .len(),
        2
    );
    assert!(run(Vec::new(), 0, |_| ()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_scanner_is_waited_for_no_longer_than_the_limit() {
    let one = |act| Arc::from(actors(vec![act]).remove(0));
    let limit = Duration::from_secs(60);
    let scan = run_one(one(Act::Find), limit).await;
    assert!(scan.coverage.is_complete());

    // Nobody else ever comes to this barrier.
    let alone = Act::Meet(Arc::new(Barrier::new(2)));
    for (act, says) in [
        (alone, "the scan was not done after 60 s"),
        (Act::Panic, "the scanner panicked: lost the thread"),
    ] {
        let scan = run_one(one(act), limit).await;
        let Coverage::Unread(failures) = &scan.coverage else {
            panic!("{:?}", scan.coverage)
        };
        assert_eq!(failures[0].reason, FailureReason::Internal);
        assert_eq!(failures[0].message, says);
    }
}
