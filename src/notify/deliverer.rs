//! [`Deliverer`]: the tasks of all sinks, for the service's loop.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use muster_model::Timestamp;
use muster_store::Store;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    command::Command,
    outbox::{self, Ends},
    places::{Place, Places, between},
    task::{Attempt, Clock, Health, Hears, Source, Task, Transport},
    webhook::Webhook,
};
use crate::{
    config::{Sink, SinkKind},
    service::{notice::NoticeEvent, status::SinkStatus},
};

/// How often the queue is looked at when nobody calls.
const LOOK: Duration = Duration::from_secs(60);

/// What a [`Deliverer`] needs.
pub struct Options {
    /// The store's directory: the file [`super::FILE`] is kept there.
    pub dir: PathBuf,
    /// Gives the store, or none while it cannot be used.
    pub store: Arc<dyn Fn() -> Option<Arc<dyn Store>> + Send + Sync>,
    /// Gives the time, for signatures and the status.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Hears of each attempt to deliver a notice: for the metrics.
    pub hears: Arc<dyn Fn(Attempt<'_>) + Send + Sync>,
    /// Ends everything: each sink's present delivery is ended first.
    pub stop: CancellationToken,
}

/// The tasks that tell the sinks of what waits in the store's outbox.
pub struct Deliverer {
    shared: Arc<Shared>,
    sinks: Mutex<Sinks>,
    /// One changes the sinks at a time.
    setting: tokio::sync::Mutex<()>,
    looking: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    store: Source,
    now: Clock,
    hears: Hears,
    stop: CancellationToken,
    places: Arc<Places>,
    news: Notify,
    ends: watch::Sender<Option<Ends>>,
}

#[derive(Default)]
struct Sinks {
    /// In the order of the configuration.
    running: Vec<Running>,
    /// Those that are not configured any more, until their last delivery has ended.
    leaving: Vec<(String, JoinHandle<()>)>,
    /// How many tasks were started.
    started: u64,
}

struct Running {
    sink: Sink,
    health: Arc<Mutex<Health>>,
    gone: CancellationToken,
    task: JoinHandle<()>,
}

impl Deliverer {
    /// Starts a task for each sink. A sink that was not there before is told what is queued from now on: so
    /// call it before anything is appended for it.
    ///
    /// It never fails. A store or a file that cannot be read is said by the log and by the status, and tried
    /// again.
    pub async fn start(options: Options, sinks: &[Sink]) -> Self {
        let dir = options.dir;
        let places = tokio::task::spawn_blocking(move || Places::load(&dir)).await;
        let places = match places {
            Ok(places) => places,
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        };
        let shared = Arc::new(Shared {
            store: options.store,
            now: options.now,
            hears: options.hears,
            stop: options.stop,
            places: Arc::new(places),
            news: Notify::new(),
            ends: watch::Sender::new(None),
        });
        let deliverer = Self {
            sinks: Mutex::default(),
            setting: tokio::sync::Mutex::default(),
            looking: Mutex::new(Some(tokio::spawn(look(Arc::clone(&shared))))),
            shared,
        };
        deliverer.set(sinks).await;
        deliverer
    }

    /// Something was appended to the outbox.
    pub fn wake(&self) {
        self.shared.news.notify_one();
    }

    /// Other sinks from now on. One that is as before is not disturbed; one with the same name that is reached
    /// otherwise goes on where it was, after the delivery that has begun; a new one is told what is queued from
    /// now on; one that is gone is forgotten.
    pub async fn set(&self, sinks: &[Sink]) {
        let _setting = self.setting.lock().await;
        let names: BTreeSet<String> = sinks.iter().map(|sink| sink.name.clone()).collect();
        let shared = Arc::clone(&self.shared);
        let kept = tokio::task::spawn_blocking(move || {
            let ends = shared.read();
            shared.places.keep(&names, ends.as_ref());
            // Each task tries again, and says so when it cannot.
            let _ = shared.places.save();
            if let Some(ends) = ends {
                shared.ends.send_replace(ends);
            }
        });
        // It ends early only when the program does.
        let _ = kept.await;
        let mut state = self.sinks();
        let state = &mut *state;
        state.leaving.retain(|(_, task)| !task.is_finished());
        let mut before = std::mem::take(&mut state.running);
        for sink in sinks {
            let same = before.iter().position(|running| running.sink == *sink);
            if let Some(same) = same {
                state.running.push(before.swap_remove(same));
            } else {
                let named = |running: &Running| running.sink.name == sink.name;
                let mut ending = Vec::new();
                if let Some(old) = before.iter().position(named) {
                    let old = before.swap_remove(old);
                    old.gone.cancel();
                    ending.push(AbortOnDropHandle::new(old.task));
                }
                while let Some(old) = state
                    .leaving
                    .iter()
                    .position(|(name, _)| *name == sink.name)
                {
                    ending.push(AbortOnDropHandle::new(state.leaving.swap_remove(old).1));
                }
                state.started += 1;
                state
                    .running
                    .push(self.shared.begin(sink, state.started, ending));
            }
        }
        for old in before {
            old.gone.cancel();
            state.leaving.push((old.sink.name, old.task));
        }
    }

    /// How each sink does, in the order of the configuration.
    pub fn status(&self) -> Vec<SinkStatus> {
        let ends = self.shared.ends.borrow().clone();
        let state = self.sinks();
        let of = |running: &Running| {
            let sink = &running.sink;
            let place = self.shared.places.of(&sink.name);
            let health = lock(&running.health).clone();
            let (waiting, lost) = match (&place, &ends) {
                (Some(place), Some(ends)) => waiting(place, ends, &sink.events),
                _ => (0, 0),
            };
            let place = place.unwrap_or_default();
            SinkStatus {
                name: sink.name.clone(),
                waiting,
                dropped: place.dropped.saturating_add(lost),
                delivered: place.delivered,
                failures_in_a_row: health.failures,
                error: health.error,
            }
        };
        state.running.iter().map(of).collect()
    }

    /// The number for [`outbox::trim`]: no sink needs a notice before it any more, not even after a kill.
    /// Without sinks nobody needs any.
    pub fn trim_to(&self) -> u64 {
        match &*self.shared.ends.borrow() {
            Some(ends) => self.shared.places.trim_to(ends.tail.epoch),
            None => 0,
        }
    }

    /// Waits until every task has ended, after `stop` was cancelled; those that are not ready within the limit
    /// are broken off, and what they were delivering is delivered again at the next start.
    pub async fn join(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let mut tasks: Vec<JoinHandle<()>> = {
            let mut state = self.sinks();
            let running = std::mem::take(&mut state.running);
            let leaving = std::mem::take(&mut state.leaving);
            let tasks = running.into_iter().map(|running| running.task);
            tasks
                .chain(leaving.into_iter().map(|(_, task)| task))
                .collect()
        };
        tasks.extend(lock(&self.looking).take());
        for mut task in tasks {
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                task.abort();
                // So that what it started is gone, too.
                let _ = task.await;
            }
        }
        let places = Arc::clone(&self.shared.places);
        // What cannot be remembered is repeated.
        let _ = tokio::task::spawn_blocking(move || places.save()).await;
    }

    fn sinks(&self) -> MutexGuard<'_, Sinks> {
        lock(&self.sinks)
    }
}

impl Drop for Deliverer {
    /// Without its loop nobody hears of the tasks: they end as with `stop`.
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    /// The queue's ends; none while they cannot be read. It blocks.
    fn read(&self) -> Option<Option<Ends>> {
        let store = (self.store)()?;
        outbox::ends(&*store)
            .inspect_err(|error| {
                tracing::debug!(%error, "cannot read the ends of the queue of notices");
            })
            .ok()
    }

    fn begin(
        self: &Arc<Self>,
        sink: &Sink,
        owner: u64,
        after: Vec<AbortOnDropHandle<()>>,
    ) -> Running {
        let health = Arc::default();
        let gone = self.stop.child_token();
        let task = match &sink.how {
            SinkKind::Webhook {
                url,
                authorization_file,
                secret_file,
            } => {
                let webhook = Webhook::new(
                    url.clone(),
                    authorization_file.clone(),
                    secret_file.clone(),
                    sink.timeout,
                );
                self.spawn(sink, webhook, owner, &health, &gone, after)
            }
            SinkKind::Command { argv } => {
                let command = Command::new(argv.clone(), sink.timeout);
                self.spawn(sink, command, owner, &health, &gone, after)
            }
        };
        Running {
            sink: sink.clone(),
            health,
            gone,
            task,
        }
    }

    fn spawn(
        self: &Arc<Self>,
        sink: &Sink,
        transport: impl Transport,
        owner: u64,
        health: &Arc<Mutex<Health>>,
        gone: &CancellationToken,
        after: Vec<AbortOnDropHandle<()>>,
    ) -> JoinHandle<()> {
        let task = Task {
            name: sink.name.clone(),
            events: sink.events.clone(),
            transport,
            owner,
            places: Arc::clone(&self.places),
            health: Arc::clone(health),
            store: Arc::clone(&self.store),
            now: Arc::clone(&self.now),
            hears: Arc::clone(&self.hears),
            ends: self.ends.subscribe(),
            stop: gone.clone(),
        };
        tokio::spawn(async move {
            // One sink is told one thing at a time, also by two tasks. When this one is broken off, so are they.
            for before in after {
                let _ = before.await;
            }
            task.run().await;
        })
    }
}

/// How many notices wait for a sink, and how many it has lost and does not know of yet.
fn waiting(place: &Place, ends: &Ends, events: &BTreeSet<NoticeEvent>) -> (u64, u64) {
    let mut place = place.clone();
    // The ends may have been read before the place moved on.
    if place.epoch == ends.tail.epoch && place.next > ends.tail.next {
        return (0, 0);
    }
    place.fit(ends);
    let all = between(&place.seen, &ends.tail.counts, events);
    let lost = between(&place.seen, &ends.before, events);
    (all.saturating_sub(lost), lost)
}

/// Looks at the ends of the queue whenever somebody calls, and tells the tasks.
async fn look(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.news.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        let again = Arc::clone(&shared);
        let read = tokio::task::spawn_blocking(move || again.read()).await;
        if let Ok(Some(ends)) = read {
            shared.ends.send_replace(ends);
        }
    }
}

// No code that could panic runs under these locks, so a poisoned one still guards a whole value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
