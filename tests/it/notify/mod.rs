//! Sinks are told of what is queued: real receivers on this machine, real programs, real kills.

mod command;
mod deliverer;
mod kill;
pub mod page;
pub mod receiver;
mod webhook;

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use muster::{
    config::{Sink, SinkKind},
    notify::{Deliverer, Options, outbox},
    service::{
        notice::{Notice, NoticeEvent},
        status::SinkStatus,
    },
};
use muster_model::Timestamp;
use muster_store::{Batch, Damaged, Entry, MemoryStore, Order, Store};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use url::Url;

/// The time that everything is said to happen at.
const NOW: i64 = 1_700_000_000;
/// More than anything here should take.
const LONG: Duration = Duration::from_secs(180);

/// A store with an outbox, and its deliverer.
struct World {
    dir: TempDir,
    store: Arc<MemoryStore>,
    stop: CancellationToken,
    deliverer: Deliverer,
}

impl World {
    async fn new(sinks: &[Sink]) -> Self {
        Self::on(
            tempfile::tempdir().unwrap(),
            Arc::new(MemoryStore::new()),
            sinks,
        )
        .await
    }

    async fn on(dir: TempDir, store: Arc<MemoryStore>, sinks: &[Sink]) -> Self {
        let stop = CancellationToken::new();
        let deliverer = start(dir.path(), Arc::clone(&store) as _, &stop, sinks).await;
        Self {
            dir,
            store,
            stop,
            deliverer,
        }
    }

    fn append(&self, notices: &[Notice]) {
        append(&*self.store, notices);
        self.deliverer.wake();
    }

    fn status(&self, name: &str) -> SinkStatus {
        let all = self.deliverer.status();
        all.into_iter().find(|sink| sink.name == name).unwrap()
    }

    /// Waits until the status of a sink is as wanted.
    async fn until(&self, name: &str, wanted: impl Fn(&SinkStatus) -> bool) -> SinkStatus {
        let seen = || Some(self.status(name)).filter(&wanted);
        eventually(seen, || format!("{:?}", self.status(name))).await
    }

    /// Waits until every sink has had everything, and that is remembered.
    async fn told(&self) {
        let mut last = 0;
        let mut look = |entry: Result<Entry<'_>, Damaged>| {
            let key = entry.unwrap().key.strip_prefix("outbox/").unwrap();
            last = u64::from_str_radix(key, 16).unwrap();
            ControlFlow::Break(())
        };
        self.store
            .scan("outbox/", Order::Descending, &mut look)
            .unwrap();
        let seen = || (self.deliverer.trim_to() > last).then_some(());
        eventually(seen, || format!("{:?}", self.deliverer.status())).await;
    }

    /// Waits until a delivery failed, and says how.
    async fn failure(&self, name: &str) -> String {
        let status = self.until(name, |status| status.error.is_some()).await;
        status.error.unwrap()
    }

    /// Ends the deliverer as the service does.
    async fn end(self) -> (TempDir, Arc<MemoryStore>) {
        self.stop.cancel();
        self.deliverer.join(LONG).await;
        (self.dir, self.store)
    }
}

async fn start(
    dir: &Path,
    store: Arc<dyn Store>,
    stop: &CancellationToken,
    sinks: &[Sink],
) -> Deliverer {
    let options = Options {
        dir: dir.to_owned(),
        store: Arc::new(move || Some(Arc::clone(&store))),
        now: Arc::new(|| Timestamp::from_unix(NOW)),
        hears: Arc::new(|_| {}),
        stop: stop.clone(),
    };
    Deliverer::start(options, sinks).await
}

fn append(store: &dyn Store, notices: &[Notice]) {
    let mut batch = Batch::new();
    outbox::append(store, &mut batch, notices).unwrap();
    store.commit(batch).unwrap();
}

/// Looks again and again until there is something to be seen.
async fn eventually<T>(mut seen: impl FnMut() -> Option<T>, else_: impl Fn() -> String) -> T {
    let until = Instant::now() + LONG;
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(Instant::now() < until, "waited for too long: {}", else_());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn notice(event: NoticeEvent, name: &str) -> Notice {
    Notice {
        event,
        at: Timestamp::from_unix(NOW),
        group: "default".to_owned(),
        run: "1700000000-scan".to_owned(),
        id: None,
        name: name.to_owned(),
        reason: "a test".to_owned(),
        would: None,
        safety: None,
        fields: Vec::new(),
    }
}

fn notices(names: std::ops::Range<usize>) -> Vec<Notice> {
    names
        .map(|name| notice(NoticeEvent::Enrolled, &name.to_string()))
        .collect()
}

fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|name| name.to_string()).collect()
}

fn sink(name: &str, how: SinkKind) -> Sink {
    Sink {
        name: name.to_owned(),
        events: NoticeEvent::ALL.iter().copied().collect(),
        how,
        timeout: Duration::from_secs(60),
    }
}

fn webhook(name: &str, url: &Url) -> Sink {
    sink(
        name,
        SinkKind::Webhook {
            url: url.clone(),
            authorization_file: None,
            secret_file: None,
        },
    )
}

fn of_events(mut sink: Sink, events: &[NoticeEvent]) -> Sink {
    sink.events = BTreeSet::from_iter(events.iter().copied());
    sink
}

fn within(mut sink: Sink, timeout: Duration) -> Sink {
    sink.timeout = timeout;
    sink
}
