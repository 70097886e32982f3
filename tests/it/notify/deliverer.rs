use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use muster::{
    notify::{Deliverer, Options, outbox},
    service::notice::NoticeEvent,
};
use muster_model::Timestamp;
use muster_store::{Batch, MemoryStore, Order, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    LONG, NOW, World, append, eventually, names, notice, notices, of_events,
    receiver::{Answer, Receiver},
    start, webhook, within,
};

#[tokio::test]
async fn a_new_sink_is_not_told_the_past() {
    let (old, new) = (Receiver::content().await, Receiver::content().await);
    let world = World::new(&[webhook("old", &old.url)]).await;
    world.append(&notices(0..3));
    old.until(3).await;
    world
        .deliverer
        .set(&[webhook("old", &old.url), webhook("new", &new.url)])
        .await;
    world.append(&notices(3..5));
    old.until(5).await;
    new.until(2).await;
    assert_eq!(new.told(), names(3..5));
    // Nor at the first start of all.
    let first = Receiver::content().await;
    let store = Arc::new(MemoryStore::new());
    append(&*store, &notices(0..3));
    let world = World::on(
        tempfile::tempdir().unwrap(),
        store,
        &[webhook("a", &first.url)],
    )
    .await;
    world.append(&notices(3..4));
    first.until(1).await;
    assert_eq!(first.told(), names(3..4));
}

#[tokio::test]
async fn a_sink_that_is_gone_is_told_no_more_and_new_when_it_comes_back() {
    let receiver = Receiver::content().await;
    let sinks = [webhook("a", &receiver.url)];
    let world = World::new(&sinks).await;
    world.append(&notices(0..3));
    receiver.until(3).await;
    world.deliverer.set(&[]).await;
    assert!(world.deliverer.status().is_empty());
    world.append(&notices(3..6));
    world.deliverer.set(&sinks).await;
    world.append(&notices(6..8));
    receiver.until(5).await;
    let mut expected = names(0..3);
    expected.extend(names(6..8));
    assert_eq!(receiver.told(), expected);
}

#[tokio::test]
async fn a_sink_that_moves_goes_on_where_it_was_without_waiting_for_its_pause() {
    let broken = Receiver::start(|n, _| Answer::Status(if n < 2 { 200 } else { 500 })).await;
    let mended = Receiver::content().await;
    let world = World::new(&[webhook("a", &broken.url)]).await;
    world.append(&notices(0..5));
    // The pauses are growing.
    world
        .until("a", |status| status.failures_in_a_row >= 2)
        .await;
    world.deliverer.set(&[webhook("a", &mended.url)]).await;
    mended.until(3).await;
    assert_eq!(mended.told(), names(2..5));
    assert_eq!(broken.told()[..2], names(0..2));
    assert!(broken.told()[2..].iter().all(|name| name == "2"));
}

#[tokio::test]
async fn a_sink_that_is_as_before_is_not_disturbed() {
    let (release, released) = watch::channel(false);
    let receiver = held_until(released, 1).await;
    let other = Receiver::content().await;
    let world = World::new(&[webhook("a", &receiver.url)]).await;
    world.append(&notices(0..3));
    receiver.until(1).await;
    world
        .deliverer
        .set(&[webhook("b", &other.url), webhook("a", &receiver.url)])
        .await;
    release.send_replace(true);
    receiver.until(3).await;
    assert_eq!(receiver.told(), names(0..3));
    let order: Vec<_> = world
        .deliverer
        .status()
        .into_iter()
        .map(|sink| sink.name)
        .collect();
    assert_eq!(order, ["b", "a"], "as in the configuration");
}

#[tokio::test]
async fn two_with_one_name_are_never_told_at_once() {
    let (release, released) = watch::channel(false);
    let slow = held_until(released, 1).await;
    let next = Receiver::content().await;
    let world = World::new(&[webhook("a", &slow.url)]).await;
    world.append(&notices(0..3));
    slow.until(1).await;
    world.deliverer.set(&[webhook("a", &next.url)]).await;
    world.append(&notices(3..4));
    assert!(next.got().is_empty(), "the first delivery has not ended");
    release.send_replace(true);
    next.until(3).await;
    assert_eq!(slow.told(), names(0..1));
    assert_eq!(next.told(), names(1..4));
}

#[tokio::test]
async fn at_the_end_the_present_delivery_is_ended_and_the_rest_waits() {
    let (release, released) = watch::channel(false);
    let receiver = held_until(released, 6).await;
    let sinks = [webhook("a", &receiver.url)];
    let world = World::new(&sinks).await;
    world.append(&notices(0..50));
    receiver.until(6).await;
    world.stop.cancel();
    let World {
        dir,
        store,
        deliverer,
        ..
    } = world;
    let ending = tokio::spawn(async move { deliverer.join(LONG).await });
    release.send_replace(true);
    ending.await.unwrap();
    assert_eq!(receiver.told(), names(0..6));
    // Nothing is lost, nothing is repeated.
    let world = World::on(dir, store, &sinks).await;
    world.told().await;
    assert_eq!(receiver.told(), names(0..50));
}

#[tokio::test]
async fn an_end_that_takes_too_long_is_cut_short_and_the_notice_repeated() {
    let hangs = Arc::new(AtomicBool::new(true));
    let receiver = Receiver::start({
        let hangs = Arc::clone(&hangs);
        move |n, _| match n {
            3 if hangs.load(Ordering::SeqCst) => Answer::Hangs,
            _ => Answer::Status(200),
        }
    })
    .await;
    let sinks = [within(webhook("a", &receiver.url), LONG)];
    let world = World::new(&sinks).await;
    world.append(&notices(0..5));
    receiver.until(4).await;
    world.stop.cancel();
    let began = Instant::now();
    world.deliverer.join(Duration::from_millis(100)).await;
    assert!(
        began.elapsed() < Duration::from_secs(45),
        "{:?}",
        began.elapsed()
    );
    hangs.store(false, Ordering::SeqCst);
    let world = World::on(world.dir, world.store, &sinks).await;
    world.told().await;
    assert_eq!(receiver.told(), ["0", "1", "2", "3", "3", "4"]);
}

#[tokio::test]
async fn the_status_says_what_waits_and_what_was_dropped() {
    let works = Arc::new(AtomicBool::new(false));
    let receiver = Receiver::start({
        let (works, told) = (Arc::clone(&works), AtomicBool::new(false));
        // What is under way when notices are dropped has been read before: it is not taken.
        move |_, got| {
            let takes = works.load(Ordering::SeqCst)
                && (got.body().dropped > 0 || told.load(Ordering::SeqCst));
            told.fetch_or(takes, Ordering::SeqCst);
            Answer::Status(if takes { 200 } else { 503 })
        }
    })
    .await;
    let held = of_events(webhook("held", &receiver.url), &[NoticeEvent::Held]);
    let removed = of_events(webhook("removed", &receiver.url), &[NoticeEvent::Removed]);
    let world = World::new(&[held, removed]).await;
    let held = |n: u64| {
        (0..n)
            .map(|_| notice(NoticeEvent::Held, "held"))
            .collect::<Vec<_>>()
    };
    world.append(&held(7));
    let status = world.until("held", |status| status.waiting == 7).await;
    assert_eq!((status.dropped, status.delivered), (0, None));
    let status = world.status("removed");
    assert_eq!((status.waiting, status.failures_in_a_row), (0, 0));
    // So many that the first ones are dropped.
    world.append(&held(outbox::MAX_WAITING - 2));
    let status = world.until("held", |status| status.dropped > 0).await;
    assert_eq!((status.waiting, status.dropped), (outbox::MAX_WAITING, 5));
    works.store(true, Ordering::SeqCst);
    let seen = || {
        receiver
            .got()
            .iter()
            .map(|got| got.body().dropped)
            .find(|n| *n > 0)
    };
    assert_eq!(
        eventually(seen, || "nobody is told of it".to_owned()).await,
        5
    );
    let status = world
        .until("held", |status| status.delivered.is_some())
        .await;
    assert_eq!(status.delivered, Some(Timestamp::from_unix(NOW)));
    assert_eq!(status.dropped, 5);
    assert!(status.waiting < outbox::MAX_WAITING);
}

#[tokio::test]
async fn what_every_sink_has_had_can_be_trimmed_and_nothing_else() {
    let (release, released) = watch::channel(false);
    let slow = held_until(released, 4).await;
    let fast = Receiver::content().await;
    let sinks = [webhook("slow", &slow.url), webhook("fast", &fast.url)];
    let world = World::new(&sinks).await;
    world.append(&notices(0..10));
    fast.until(10).await;
    slow.until(4).await;
    let trim = || {
        let mut batch = Batch::new();
        outbox::trim(&*world.store, &mut batch, world.deliverer.trim_to()).unwrap();
        world.store.commit(batch).unwrap();
    };
    trim();
    release.send_replace(true);
    world.told().await;
    assert_eq!(slow.told(), names(0..10));
    let all_gone = || {
        trim();
        let mut left = 0;
        world
            .store
            .scan("outbox/", Order::Ascending, &mut |_| {
                left += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        (left == 0).then_some(())
    };
    eventually(all_gone, || {
        format!("trimmed to {}", world.deliverer.trim_to())
    })
    .await;
    world.append(&notices(10..12));
    world.told().await;
    assert_eq!(slow.told(), names(0..12));
    assert_eq!(world.status("slow").dropped, 0);
}

#[tokio::test]
async fn a_store_that_cannot_be_used_for_a_while_loses_nothing() {
    let receiver = Receiver::content().await;
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let there: Arc<Mutex<Option<Arc<dyn Store>>>> = Arc::default();
    let options = Options {
        dir: dir.path().to_owned(),
        store: Arc::new({
            let there = Arc::clone(&there);
            move || there.lock().unwrap().clone()
        }),
        now: Arc::new(|| Timestamp::from_unix(NOW)),
        hears: Arc::new(|_| {}),
        stop: CancellationToken::new(),
    };
    let deliverer = Deliverer::start(options, &[webhook("a", &receiver.url)]).await;
    deliverer.wake();
    assert_eq!(deliverer.trim_to(), 0);
    // A new sink begins at the end as it is when the store is back.
    append(&*store, &notices(0..2));
    *there.lock().unwrap() = Some(Arc::clone(&store) as _);
    deliverer.wake();
    eventually(
        || (deliverer.trim_to() == 3).then_some(()),
        || deliverer.trim_to().to_string(),
    )
    .await;
    append(&*store, &notices(2..4));
    deliverer.wake();
    receiver.until(2).await;
    *there.lock().unwrap() = None;
    append(&*store, &notices(4..6));
    deliverer.wake();
    *there.lock().unwrap() = Some(Arc::clone(&store) as _);
    deliverer.wake();
    receiver.until(4).await;
    assert_eq!(receiver.told(), names(2..6));
}

#[tokio::test]
async fn each_attempt_is_heard_of() {
    let receiver = Receiver::start(|n, _| Answer::Status(if n == 0 { 500 } else { 200 })).await;
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let heard: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
    let options = Options {
        dir: dir.path().to_owned(),
        store: Arc::new({
            let store = Arc::clone(&store);
            move || Some(Arc::clone(&store))
        }),
        now: Arc::new(|| Timestamp::from_unix(NOW)),
        hears: Arc::new({
            let heard = Arc::clone(&heard);
            move |attempt| {
                let attempt = (attempt.sink.to_owned(), attempt.delivered);
                heard.lock().unwrap().push(attempt);
            }
        }),
        stop: CancellationToken::new(),
    };
    let deliverer = Deliverer::start(options, &[webhook("a", &receiver.url)]).await;
    append(&*store, &notices(0..1));
    deliverer.wake();
    let seen = || Some(heard.lock().unwrap().clone()).filter(|heard| heard.len() == 2);
    let seen = eventually(seen, || "not two".to_owned()).await;
    assert_eq!(seen, [("a".to_owned(), false), ("a".to_owned(), true)]);
}

#[tokio::test]
async fn another_store_under_the_same_directory_is_told_from_its_beginning() {
    let receiver = Receiver::content().await;
    let sinks = [webhook("a", &receiver.url)];
    let world = World::new(&sinks).await;
    world.append(&notices(0..5));
    receiver.until(5).await;
    let (dir, _) = world.end().await;
    // Its first notice came at another time, and its numbers begin anew.
    let store = Arc::new(MemoryStore::new());
    let mut all = notices(5..8);
    for notice in &mut all {
        notice.at = Timestamp::from_unix(NOW + 1000);
    }
    append(&*store, &all);
    let world = World::on(dir, store, &sinks).await;
    world.told().await;
    assert_eq!(receiver.told(), names(0..8));
    let mut ids: Vec<_> = receiver
        .got()
        .iter()
        .map(|got| got.body().delivery)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 8, "no id is used twice");
}

#[tokio::test]
async fn dropped_it_ends() {
    let receiver = Receiver::content().await;
    let store = Arc::new(MemoryStore::new());
    let dir = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let sinks = [webhook("a", &receiver.url)];
    let deliverer = start(dir.path(), Arc::clone(&store) as _, &stop, &sinks).await;
    drop(deliverer);
    assert!(stop.is_cancelled());
}

/// A receiver whose `n`th answer waits until it is released.
async fn held_until(released: watch::Receiver<bool>, n: usize) -> Receiver {
    Receiver::start(move |request, _| {
        if request + 1 == n {
            Answer::After(released.clone())
        } else {
            Answer::Status(200)
        }
    })
    .await
}
