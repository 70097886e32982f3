//! One sink's task: takes notice after notice from the queue, and tries again until it is delivered.
//!
//! The queue is in order and the task does one thing at a time, so the deliveries are in order. What was
//! delivered is remembered after a group of notices, or sooner when the task pauses: a process that is killed
//! repeats at most the last group.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use muster_model::Timestamp;
use muster_store::Store;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    backoff,
    body::Delivery,
    outbox::{self, Ends, Queued},
    places::{Place, Places},
};
use crate::service::notice::NoticeEvent;

/// How many notices are read at once.
const PAGE: usize = 64;
/// How many are delivered before that is remembered.
pub(super) const GROUP: u32 = 32;
/// The longest that a delivery waits to be remembered while others follow.
const UNSAVED: Duration = Duration::from_secs(1);

/// A way to tell somebody.
pub(super) trait Transport: Send + Sync + 'static {
    /// Hands over one notice. It takes as long as it takes, within the sink's time-out, and may be dropped
    /// half way.
    fn deliver(
        &mut self,
        delivery: &Delivery,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Why a notice was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// In words, without secrets.
    pub(super) text: String,
    /// How long the receiver asks to be left alone.
    pub(super) asked: Option<Duration>,
}

/// How a sink does, as others see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    pub(super) failures: u32,
    pub(super) error: Option<String>,
}

/// One attempt to deliver a notice, that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The sink's name.
    pub sink: &'a str,
    /// Whether it was delivered. Otherwise it will be tried again.
    pub delivered: bool,
    /// How long it took.
    pub took: Duration,
}

/// Hears of each attempt.
pub(super) type Hears = Arc<dyn Fn(Attempt<'_>) + Send + Sync>;
/// Gives the store, while there is one.
pub(super) type Source = Arc<dyn Fn() -> Option<Arc<dyn Store>> + Send + Sync>;
/// Gives the time.
pub(super) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One sink's task.
pub(super) struct Task<T> {
    pub(super) name: String,
    pub(super) events: BTreeSet<NoticeEvent>,
    pub(super) transport: T,
    /// Under which it moves its place.
    pub(super) owner: u64,
    pub(super) places: Arc<Places>,
    pub(super) health: Arc<Mutex<Health>>,
    pub(super) store: Source,
    pub(super) now: Clock,
    pub(super) hears: Hears,
    pub(super) ends: watch::Receiver<Option<Ends>>,
    pub(super) stop: CancellationToken,
}

/// What the task waits for next.
enum Next {
    /// Nothing: there may be more.
    More,
    /// Something new in the queue.
    News,
    /// The end of a pause.
    Pause(Duration),
}

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            asked: None,
        }
    }
}

impl<T: Transport> Task<T> {
    /// Delivers until it is told to stop; then a delivery that has begun is ended first.
    pub(super) async fn run(mut self) {
        let mut place = self.places.own(&self.name, self.owner);
        while !self.stop.is_cancelled() {
            // Before it looks, so that what comes meanwhile is seen.
            self.ends.mark_unchanged();
            match self.round(&mut place).await {
                Next::More => {}
                Next::News => {
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        Ok(()) = self.ends.changed() => {}
                    }
                }
                Next::Pause(pause) => {
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    /// Delivers a page of notices, as far as it gets.
    async fn round(&mut self, place: &mut Option<Place>) -> Next {
        let at_end = match (&*place, &*self.ends.borrow()) {
            (Some(place), Some(ends)) => place.is_at_end(ends),
            (_, None) => place.is_some(),
            (None, Some(_)) => false,
        };
        if at_end {
            return Next::News;
        }
        let Some(store) = (self.store)() else {
            return Next::News;
        };
        // While nothing can be remembered nothing is delivered: each kill would repeat all of it.
        if let Err(failure) = self.save().await {
            return self.failed(failure);
        }
        let (before, events) = (place.clone(), self.events.clone());
        let read = blocking(move || read(&*store, before, &events)).await;
        let (mut at, notices) = match read {
            Ok(read) => read,
            Err(failure) => return self.failed(failure),
        };
        let end = notices.is_empty();
        let delivered = self.deliver_all(&mut at, notices).await;
        self.places.put(&self.name, self.owner, &at);
        *place = Some(at);
        let saved = self.save().await;
        match delivered.and(saved) {
            Err(failure) => self.failed(failure),
            Ok(()) if end => {
                // Whatever failed: nothing waits any more.
                self.succeeded();
                Next::News
            }
            Ok(()) => Next::More,
        }
    }

    async fn deliver_all(
        &mut self,
        place: &mut Place,
        notices: Vec<(u64, Queued)>,
    ) -> Result<(), Failure> {
        let mut unsaved = 0;
        let mut saved = Instant::now();
        for (seq, queued) in notices {
            place.come_to(seq, &queued.before, &self.events);
            if self.events.contains(&queued.notice.event) {
                if self.stop.is_cancelled() {
                    return Ok(());
                }
                let at = (self.now)();
                let delivery = Delivery::new(place.epoch, seq, place.untold, queued.notice.clone())
                    .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?;
                let began = Instant::now();
                let delivered = self.transport.deliver(&delivery, at).await;
                (self.hears)(Attempt {
                    sink: &self.name,
                    delivered: delivered.is_ok(),
                    took: began.elapsed(),
                });
                delivered?;
                place.untold = 0;
                place.delivered = Some(at);
                self.succeeded();
                unsaved += 1;
            }
            place.pass(seq, &queued);
            self.places.put(&self.name, self.owner, place);
            if unsaved >= GROUP || unsaved > 0 && saved.elapsed() >= UNSAVED {
                self.save().await?;
                (unsaved, saved) = (0, Instant::now());
            }
        }
        Ok(())
    }

    async fn save(&self) -> Result<(), Failure> {
        let places = Arc::clone(&self.places);
        blocking(move || {
            places.save().map_err(|error| {
                Failure::new(format!("cannot remember what was delivered: {error}"))
            })
        })
        .await
    }

    fn succeeded(&self) {
        let before = std::mem::take(&mut *self.health());
        if before.failures > 0 {
            tracing::info!(
                sink = self.name,
                failures = before.failures,
                "notices are delivered again"
            );
        }
    }

    fn failed(&self, failure: Failure) -> Next {
        let mut health = self.health();
        health.failures = health.failures.saturating_add(1);
        let pause = backoff::pause(health.failures, failure.asked, random());
        tracing::warn!(
            sink = self.name,
            error = failure.text,
            failures = health.failures,
            pause_seconds = pause.as_secs(),
            "a notice was not delivered"
        );
        health.error = Some(failure.text);
        Next::Pause(pause)
    }

    // No code that could panic runs under the lock, so a poisoned one still guards a whole value.
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a sink is in the queue as it is now, and what comes next. A sink without a place begins at the end.
fn read(
    store: &dyn Store,
    place: Option<Place>,
    events: &BTreeSet<NoticeEvent>,
) -> Result<(Place, Vec<(u64, Queued)>), Failure> {
    let failed = |error| Failure::new(format!("cannot read the queue of notices: {error}"));
    let ends = outbox::ends(store).map_err(failed)?;
    let Some(mut place) = place else {
        return Ok((Place::at_end(ends.as_ref()), Vec::new()));
    };
    let Some(ends) = ends else {
        return Ok((place, Vec::new()));
    };
    place.fit(&ends);
    let notices = outbox::page(store, place.next, PAGE).map_err(failed)?;
    if notices.is_empty() {
        // Read after the tail: what it counts and is not there is gone.
        place.come_to(ends.tail.next, &ends.tail.counts, events);
    }
    Ok((place, notices))
}

/// Does what blocks, on a thread that may be blocked.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Failure> + Send + 'static,
) -> Result<R, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Failure::new("the work was broken off")))
}

/// Fair enough to spread those who wait.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests;
