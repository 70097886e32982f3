//! [`Clock`]: says which sources are due, by the time of day.
//!
//! `tokio-cron-scheduler` ticks; all its jobs do is to note what is due, so it does not matter that they overlap when
//! slow, know no jitter and are not waited for. Two things do matter, because it looks at nothing but the time of day:
//!
//! - A clock that is set back stalls it until the old time comes round again, and one that is set forward makes it
//!   catch up interval by interval.
//! - A cron job keeps the offset that its time zone had when it was made. After a change of daylight saving time it is
//!   an hour off.
//!
//! So a [`Watch`](watch::Watch) looks every second: it makes jobs anew after either, and says "due" itself for
//! whatever should have been and was not. Nothing is missed; a tick too many is harmless, because the queue leaves a
//! scope alone that is due already or running.

mod watch;

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use muster_model::Timestamp;
use tokio::{sync::Notify, task::JoinHandle, time::MissedTickBehavior};
use tokio_cron_scheduler::{Job as CronJob, JobScheduler, JobSchedulerError};

use self::watch::Watch;
use crate::{Uptime, When};

/// Ticks until it is shut down.
#[derive(Debug)]
pub struct Clock {
    inner: Arc<Inner>,
    watching: JoinHandle<()>,
}

/// Where a [`Clock`] says what is due.
#[derive(Debug)]
pub struct Due(Arc<Shared>);

/// When one source is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What the queue knows it by.
    pub source: Arc<str>,
    /// When.
    pub when: When,
}

/// What has happened since the last time one asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    /// The sources that are due, each once.
    pub due: Vec<Arc<str>>,
    /// By how many seconds the time of day was set forward (or back, when negative); none when it was not.
    pub jumped: Option<i64>,
}

/// The scheduler did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// It cannot be started.
    #[error("cannot start the scheduler")]
    Start(#[source] JobSchedulerError),
    /// It does not take a job. The source will be due nevertheless, some seconds late.
    #[error("cannot schedule {when}")]
    Job {
        /// When it should have been due.
        when: When,
        /// Why not; none when the scheduler does not answer.
        #[source]
        source: Option<JobSchedulerError>,
    },
}

struct Inner {
    scheduler: JobScheduler,
    /// The scheduler's jobs, one for each distinct [`When`]: most sources share one.
    jobs: tokio::sync::Mutex<HashMap<When, CronJob>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    uptime: Uptime,
    watch: Mutex<Watch>,
    pending: Mutex<Pending>,
    bell: Notify,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Pending {
    due: BTreeSet<Arc<str>>,
    jumped: Option<i64>,
}

// === impl Clock ===

impl Clock {
    /// Starts a clock without jobs, on the current tokio runtime.
    ///
    /// # Errors
    /// When the scheduler cannot be started.
    pub async fn start() -> Result<(Self, Due), ClockError> {
        let scheduler = JobScheduler::new().await.map_err(ClockError::Start)?;
        scheduler.start().await.map_err(ClockError::Start)?;
        let shared = Arc::new(Shared {
            uptime: Uptime::start(),
            watch: Mutex::default(),
            pending: Mutex::default(),
            bell: Notify::new(),
            closed: AtomicBool::new(false),
        });
        let inner = Arc::new(Inner {
            scheduler,
            jobs: tokio::sync::Mutex::default(),
            shared: Arc::clone(&shared),
        });
        let watching = tokio::spawn(watching(Arc::clone(&inner)));
        Ok((Self { inner, watching }, Due(shared)))
    }

    /// Makes these the jobs. What was and still is keeps its beat; an interval that is new begins now.
    ///
    /// # Errors
    /// When the scheduler does not take one; the others are set, and this one is watched over, so the error is worth
    /// a line in the log and nothing more.
    pub async fn set(&self, jobs: Vec<Job>) -> Result<(), ClockError> {
        let inner = &self.inner;
        let (wall, up) = (now(), inner.shared.uptime.now());
        lock(&inner.shared.watch).set(jobs, wall, up);
        let wanted = lock(&inner.shared.watch).whens();
        let mut made = inner.jobs.lock().await;
        let gone: Vec<_> = made
            .keys()
            .filter(|when| !wanted.contains(when))
            .cloned()
            .collect();
        for when in gone {
            if let Some(job) = made.remove(&when) {
                inner.remove(&job).await;
            }
        }
        let mut problem = Ok(());
        for when in wanted {
            if let Entry::Vacant(place) = made.entry(when) {
                match inner.add(place.key()).await {
                    Ok(job) => {
                        place.insert(job);
                    }
                    Err(error) => problem = Err(error),
                }
            }
        }
        problem
    }

    /// When this source is due next, as far as the clock goes: jitter and back-off come on top.
    pub fn next(&self, source: &str) -> Option<Timestamp> {
        let shared = &self.inner.shared;
        lock(&shared.watch).next(source, now(), shared.uptime.now())
    }

    /// Stops. [`Due::next`] ends.
    pub async fn shutdown(self) {
        self.close();
        // It says that it is done and ends within half a second; nothing depends on when.
        if let Err(error) = self.inner.scheduler.clone().shutdown().await {
            tracing::debug!(%error, "the scheduler does not shut down");
        }
    }

    fn close(&self) {
        self.watching.abort();
        self.inner.shared.closed.store(true, Ordering::Release);
        self.inner.shared.bell.notify_one();
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.close();
    }
}

// === impl Due ===

impl Due {
    /// What is due, as soon as something is; none after the clock has shut down. Ticks that nobody has taken yet are
    /// merged. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Ticks> {
        loop {
            if self.0.closed.load(Ordering::Acquire) {
                return None;
            }
            let Pending { due, jumped } = std::mem::take(&mut *lock(&self.0.pending));
            if !due.is_empty() || jumped.is_some() {
                let due = due.into_iter().collect();
                return Some(Ticks { due, jumped });
            }
            self.0.bell.notified().await;
        }
    }
}

// === impl Inner ===

impl Inner {
    async fn add(&self, when: &When) -> Result<CronJob, ClockError> {
        let refused = |source| ClockError::Job {
            when: when.clone(),
            source,
        };
        let shared = Arc::clone(&self.shared);
        let tick = when.clone();
        let tick =
            move |_, _: JobScheduler| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
                shared.tick(&tick);
                Box::pin(std::future::ready(()))
            };
        let job = match when {
            When::Every(interval) => CronJob::new_repeated_async(*interval, tick),
            When::Cron {
                expression,
                time_zone,
            } => CronJob::new_async_tz(When::with_seconds(expression), *time_zone, tick),
        };
        let job = job.map_err(|error| refused(Some(error)))?;
        // It hands jobs to a task of its own and waits for a word from there.
        match tokio::time::timeout(PATIENCE, self.scheduler.add(job.clone())).await {
            Ok(added) => added.map(|_| job).map_err(|error| refused(Some(error))),
            Err(_) => Err(refused(None)),
        }
    }

    async fn remove(&self, job: &CronJob) {
        // A job that stays behind says "due" for something that nobody knows any more.
        match tokio::time::timeout(PATIENCE, self.scheduler.remove(&job.guid())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the scheduler does not remove a job"),
            Err(_) => tracing::debug!("the scheduler does not answer"),
        }
    }

    async fn remake(&self, when: When) {
        let mut made = self.jobs.lock().await;
        let Some(job) = made.remove(&when) else {
            return;
        };
        self.remove(&job).await;
        match self.add(&when).await {
            Ok(job) => {
                made.insert(when, job);
            }
            Err(error) => {
                // The watch goes on saying when it is due.
                tracing::warn!(%error, "a schedule could not be made anew");
            }
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    /// One of these is due.
    fn tick(&self, when: &When) {
        let sources = lock(&self.watch).ticked(when, now(), self.uptime.now());
        self.ring(sources, None);
    }

    fn ring(&self, due: Vec<Arc<str>>, jumped: Option<i64>) {
        if due.is_empty() && jumped.is_none() {
            return;
        }
        let mut pending = lock(&self.pending);
        pending.due.extend(due);
        if let Some(seconds) = jumped {
            pending.jumped = Some(pending.jumped.unwrap_or(0).saturating_add(seconds));
        }
        drop(pending);
        self.bell.notify_one();
    }
}

/// Looks after the scheduler until it is aborted.
async fn watching(inner: Arc<Inner>) {
    let mut every = tokio::time::interval(LOOK);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let shared = &inner.shared;
        let look = lock(&shared.watch).look(now(), shared.uptime.now());
        if let Some(seconds) = look.jumped {
            tracing::warn!(seconds, "the time of day was set; schedules are made anew");
        }
        shared.ring(look.due, look.jumped);
        for when in look.remake {
            inner.remake(when).await;
        }
    }
}

fn now() -> Timestamp {
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since(SystemTime::now()).map_or(0, |span| span.as_secs());
    Timestamp::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
}

// A panic while a lock is held leaves whole values behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often the scheduler is looked after.
const LOOK: Duration = Duration::from_secs(1);
/// How long the scheduler may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
