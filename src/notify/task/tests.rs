#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::VecDeque;

use muster_store::MemoryStore;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::{
    notify::{
        Body,
        outbox::{
            MAX_WAITING,
            tests::{append_now, damage, notice, notices},
        },
    },
    service::notice::Notice,
};

/// What the receiver was asked, and when.
type Log = Arc<Mutex<Vec<(Duration, Body)>>>;

/// A receiver that answers by a script, and well when that has ended.
struct Scripted {
    script: Arc<Mutex<VecDeque<Result<(), Failure>>>>,
    log: Log,
    began: Instant,
}

impl Transport for Scripted {
    async fn deliver(&mut self, delivery: &Delivery, _: Timestamp) -> Result<(), Failure> {
        let body: Body = serde_json::from_str(&delivery.json).unwrap();
        assert_eq!(body.delivery, delivery.id);
        self.log.lock().unwrap().push((self.began.elapsed(), body));
        self.script.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }
}

/// A store, a sink and its task.
struct World {
    dir: TempDir,
    store: Arc<MemoryStore>,
    places: Arc<Places>,
    health: Arc<Mutex<Health>>,
    ends: watch::Sender<Option<Ends>>,
    script: Arc<Mutex<VecDeque<Result<(), Failure>>>>,
    log: Log,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::new());
        let places = Arc::new(Places::load(dir.path()));
        places.keep(&BTreeSet::from(["a".to_owned()]), Some(&None));
        places.save().unwrap();
        Self {
            dir,
            store,
            places,
            health: Arc::default(),
            ends: watch::Sender::new(None),
            script: Arc::default(),
            log: Arc::default(),
        }
    }

    /// The next answers of the receiver.
    fn answers(&self, answers: impl IntoIterator<Item = Result<(), Failure>>) {
        self.script.lock().unwrap().extend(answers);
    }

    fn append(&self, notices: &[Notice], max: u64) {
        append_now(&self.store, notices, max);
        self.look();
    }

    fn look(&self) {
        self.ends.send_replace(outbox::ends(&*self.store).unwrap());
    }

    fn start(&self, events: &[NoticeEvent], owner: u64) -> (CancellationToken, JoinHandle<()>) {
        let stop = CancellationToken::new();
        let store = Arc::clone(&self.store);
        let task = Task {
            name: "a".to_owned(),
            events: events.iter().copied().collect(),
            transport: Scripted {
                script: Arc::clone(&self.script),
                log: Arc::clone(&self.log),
                began: Instant::now(),
            },
            owner,
            places: Arc::clone(&self.places),
            health: Arc::clone(&self.health),
            store: Arc::new(move || Some(Arc::clone(&store) as Arc<dyn Store>)),
            now: Arc::new(|| Timestamp::from_unix(1_700_000_100)),
            hears: Arc::new(|_| {}),
            ends: self.ends.subscribe(),
            stop: stop.clone(),
        };
        (stop, tokio::spawn(task.run()))
    }

    /// Lets the task work until it is at the end of the queue, or until something took an hour.
    async fn settle(&self) {
        let until = Instant::now() + Duration::from_secs(60 * 60);
        let ends = outbox::ends(&*self.store).unwrap().unwrap();
        while Instant::now() < until {
            if self.places.of("a").unwrap().is_at_end(&ends)
                && self.health.lock().unwrap().failures == 0
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not settled: {:?}", self.places.of("a"));
    }

    fn told(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter()
            .map(|(_, body)| body.notice.name.clone())
            .collect()
    }

    fn dropped(&self) -> Vec<u64> {
        let log = self.log.lock().unwrap();
        log.iter().map(|(_, body)| body.dropped).collect()
    }

    /// The pauses between what the receiver was asked.
    fn pauses(&self) -> Vec<Duration> {
        let log = self.log.lock().unwrap();
        log.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

fn failure(text: &str) -> Result<(), Failure> {
    Err(Failure::new(text))
}

fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|name| name.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn notices_come_in_order_and_once() {
    let world = World::new();
    world.start(&[NoticeEvent::Enrolled], 1);
    world.append(&notices(0..3), MAX_WAITING);
    world.settle().await;
    world.append(&notices(3..200), MAX_WAITING);
    world.settle().await;
    assert_eq!(world.told(), names(0..200));
    let ids: BTreeSet<String> = {
        let log = world.log.lock().unwrap();
        log.iter().map(|(_, body)| body.delivery.clone()).collect()
    };
    assert_eq!(ids.len(), 200, "each under an id of its own");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_that_wait_come_in_order() {
    let world = World::new();
    world.append(&notices(0..10_000), MAX_WAITING);
    world.start(&[NoticeEvent::Enrolled], 1);
    world.settle().await;
    assert_eq!(world.told(), names(0..10_000));
    assert_eq!(world.places.trim_to(1_700_000_000), 10_001);
}

#[tokio::test(start_paused = true)]
async fn the_one_that_fails_is_tried_again_before_any_other_with_longer_and_longer_pauses() {
    let world = World::new();
    world.answers([Ok(())]);
    world.answers((0..12).map(|n| failure(&format!("failure {n}"))));
    world.append(&notices(0..3), MAX_WAITING);
    world.start(&[NoticeEvent::Enrolled], 1);
    world.settle().await;
    let mut expected = names(0..1);
    expected.extend(std::iter::repeat_n("1".to_owned(), 13));
    expected.push("2".to_owned());
    assert_eq!(world.told(), expected);
    let pauses = world.pauses();
    for (failures, pause) in (1..).zip(&pauses[1..13]) {
        let whole = f64::from(2_u32.pow(failures - 1).min(300));
        let pause = pause.as_secs_f64();
        assert!(
            (whole / 2.0..=whole + 0.1).contains(&pause),
            "{pause} s after failure {failures}"
        );
    }
    assert!(pauses[13] < Duration::from_millis(100), "{:?}", pauses[13]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_time_gets_it() {
    let world = World::new();
    world.answers([Err(Failure {
        text: "answered 503".to_owned(),
        asked: Some(Duration::from_secs(77)),
    })]);
    world.append(&notices(0..1), MAX_WAITING);
    world.start(&[NoticeEvent::Enrolled], 1);
    world.settle().await;
    assert_eq!(world.pauses()[0].as_secs(), 77);
}

#[tokio::test(start_paused = true)]
async fn failures_are_shown_until_one_is_delivered() {
    let world = World::new();
    world.answers([failure("first"), failure("second")]);
    world.append(&notices(0..1), MAX_WAITING);
    world.start(&[NoticeEvent::Enrolled], 1);
    let mut seen = BTreeSet::new();
    while world.told().len() < 3 {
        let health = world.health.lock().unwrap().clone();
        if let Some(error) = health.error {
            seen.insert((health.failures, error));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let expected = [(1, "first".to_owned()), (2, "second".to_owned())];
    assert_eq!(seen, BTreeSet::from(expected));
    world.settle().await;
    let health = world.health.lock().unwrap().clone();
    assert_eq!((health.failures, health.error), (0, None));
    let place = world.places.of("a").unwrap();
    assert_eq!(place.delivered, Some(Timestamp::from_unix(1_700_000_100)));
}

#[tokio::test(start_paused = true)]
async fn it_is_told_of_its_events_only() {
    let world = World::new();
    world.append(
        &[
            notice(NoticeEvent::Enrolled, "a"),
            notice(NoticeEvent::Held, "b"),
            notice(NoticeEvent::Removed, "c"),
            notice(NoticeEvent::ScopeFailed, "d"),
        ],
        MAX_WAITING,
    );
    world.start(&[NoticeEvent::Held, NoticeEvent::ScopeFailed], 1);
    world.settle().await;
    assert_eq!(world.told(), ["b", "d"]);
    assert_eq!(world.dropped(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_is_counted_of_its_events_and_told_with_the_next() {
    let world = World::new();
    let all = [
        notice(NoticeEvent::Held, "0"),
        notice(NoticeEvent::Enrolled, "1"),
        notice(NoticeEvent::Held, "2"),
        notice(NoticeEvent::Enrolled, "3"),
        notice(NoticeEvent::Held, "4"),
        notice(NoticeEvent::Held, "5"),
    ];
    world.append(&all, 2);
    // Whoever fails does not count as told.
    world.answers([failure("no"), failure("no")]);
    world.start(&[NoticeEvent::Held], 1);
    world.settle().await;
    assert_eq!(world.told(), ["4", "4", "4", "5"]);
    assert_eq!(world.dropped(), [2, 2, 2, 0]);
    assert_eq!(world.places.of("a").unwrap().dropped, 2);
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_cannot_be_read_counts_as_dropped_and_holds_up_nothing() {
    let world = World::new();
    append_now(&world.store, &notices(0..5), MAX_WAITING);
    damage(&world.store, 2);
    damage(&world.store, 5);
    world.look();
    world.start(&[NoticeEvent::Enrolled], 1);
    world.settle().await;
    assert_eq!(world.told(), ["0", "2", "3"]);
    assert_eq!(world.dropped(), [0, 1, 0]);
    world.append(&notices(5..6), MAX_WAITING);
    world.settle().await;
    assert_eq!(world.dropped(), [0, 1, 0, 1]);
    assert_eq!(world.places.of("a").unwrap().dropped, 2);
}

#[tokio::test(start_paused = true)]
async fn stopped_it_goes_on_where_it_was() {
    let world = World::new();
    world.append(&notices(0..500), MAX_WAITING);
    let mut told = 0;
    for owner in 1.. {
        let (stop, task) = world.start(&[NoticeEvent::Enrolled], owner);
        while world.told().len() < (told + 37).min(500) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        task.await.unwrap();
        told = world.told().len();
        if told == 500 {
            break;
        }
    }
    assert_eq!(world.told(), names(0..500));
}

#[tokio::test(start_paused = true)]
async fn killed_it_repeats_no_more_than_a_group() {
    let mut world = World::new();
    world.append(&notices(0..500), MAX_WAITING);
    for kill in 0.. {
        let (_stop, task) = world.start(&[NoticeEvent::Enrolled], 1);
        let before = world.told().len();
        while world.told().len() < before + 40 + kill % 17
            && world.told().last() != Some(&"499".into())
        {
            tokio::time::sleep(Duration::from_micros(10)).await;
        }
        task.abort();
        let _ = task.await;
        // Only what the file says outlives a kill.
        world.places = Arc::new(Places::load(world.dir.path()));
        world
            .places
            .keep(&BTreeSet::from(["a".to_owned()]), Some(&None));
        if world.told().last() == Some(&"499".into()) {
            break;
        }
    }
    let told: Vec<usize> = world
        .told()
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    let mut next = 0;
    for name in told {
        assert!(name <= next, "{name} came where {next} should have");
        assert!(
            next - name <= GROUP as usize,
            "{name} came again after {next}"
        );
        next = next.max(name + 1);
    }
    assert_eq!(next, 500);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_remembered_little_is_repeated() {
    let world = World::new();
    world.append(&notices(0..500), MAX_WAITING);
    // The file is written under this name first.
    let blocker = world.dir.path().join("notify.json.new");
    std::fs::create_dir(&blocker).unwrap();
    world.start(&[NoticeEvent::Enrolled], 1);
    while world.health.lock().unwrap().failures < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = world.health.lock().unwrap().error.clone().unwrap();
    assert!(
        error.starts_with("cannot remember what was delivered: "),
        "{error}"
    );
    assert!(
        world.told().len() <= 3 * GROUP as usize,
        "{}",
        world.told().len()
    );
    std::fs::remove_dir(&blocker).unwrap();
    world.settle().await;
    assert_eq!(world.told(), names(0..500));
}
