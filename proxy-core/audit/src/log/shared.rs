//! What the log's threads, its pens and those who ask about it have in common.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering, fence},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use rtrb::Consumer;

use super::{Health, NotWritten};
use crate::{scribe::Scribe, time::Micros};

/// Bytes of events from outside of sessions that may wait.
pub(super) const ADMIN_QUEUE: usize = 16 << 20;

pub(super) struct Shared {
    pub(super) clock: Clock,
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
    failing: AtomicBool,
    why: Mutex<Option<(Arc<str>, Micros)>>,
    /// What is not as it should be, while events are written all the same.
    pub(super) warning: Mutex<Option<String>>,
    /// The first damage that was found since the log was opened.
    pub(super) damage: Mutex<Option<String>>,
    /// Queues that the writer has not yet seen.
    pub(super) new_pens: Mutex<Vec<Consumer<u8>>>,
    pub(super) admin: Mutex<Admin>,
    /// Somebody may write an event from outside of sessions again.
    pub(super) room: Condvar,
    pub(super) skipped: AtomicU64,
    pub(super) tally: Counts,
    progress: Mutex<Progress>,
    moved: Condvar,
    pub(super) asked: AtomicU64,
}

/// Where the time comes from.
pub(super) type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// Events from outside of sessions that wait.
pub(super) struct Admin {
    pub(super) scribe: Scribe,
    pub(super) waiting: Vec<u8>,
    /// There is no writer any more.
    pub(super) over: bool,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) events: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) syncs: AtomicU64,
}

#[derive(Default)]
pub(super) struct Progress {
    /// The last question to which all that was queued before is written.
    pub(super) answered: u64,
    /// When to end.
    pub(super) stop: Option<Stop>,
    /// It has ended, and so many events could not be written.
    pub(super) ended: Option<u64>,
}

/// When to end: at the latest, and how long a log that cannot be written is tried again.
#[derive(Clone, Copy)]
pub(super) struct Stop {
    pub(super) until: Instant,
    pub(super) again: Duration,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these hold is whole at every moment, whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(clock: Clock, scribe: Scribe) -> Self {
        Self {
            clock,
            asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
            failing: AtomicBool::new(false),
            why: Mutex::new(None),
            warning: Mutex::new(None),
            damage: Mutex::new(None),
            new_pens: Mutex::new(Vec::new()),
            admin: Mutex::new(Admin {
                scribe,
                waiting: Vec::new(),
                over: false,
            }),
            room: Condvar::new(),
            skipped: AtomicU64::new(0),
            tally: Counts::default(),
            progress: Mutex::new(Progress::default()),
            moved: Condvar::new(),
            asked: AtomicU64::new(0),
        }
    }

    pub(super) fn now(&self) -> Micros {
        (self.clock)()
    }

    // === sleep ===

    pub(super) fn is_written_by(&self, thread: Thread) {
        let _ = self.thread.set(thread);
    }

    /// To be called after something was queued: wakes the writer when it sleeps, which is once a burst.
    pub(super) fn wake(&self) {
        // Either the writer sees what was queued before this, or this sees that it is about to sleep.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.unpark();
        }
    }

    pub(super) fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The writer says that it goes to sleep; it must look once more whether something is queued after that.
    pub(super) fn falls_asleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(super) fn is_awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    // === health ===

    pub(super) fn health(&self) -> Health {
        if !self.failing.load(Ordering::Acquire) {
            return Health::Ok;
        }
        match &*lock(&self.why) {
            Some((why, since)) => Health::Failing {
                why: why.clone(),
                since: *since,
            },
            None => Health::Ok,
        }
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    pub(super) fn failing(&self, kept: bool) -> NotWritten {
        let why = lock(&self.why).as_ref().map(|(why, _)| why.clone());
        NotWritten::Failing {
            why: why.unwrap_or_else(|| Arc::from("the log has ended")),
            kept,
        }
    }

    /// Says how it is. Answers why and since when it was failing, when that is over.
    pub(super) fn is(&self, trouble: Option<&str>) -> Option<(Arc<str>, Micros)> {
        let mut why = lock(&self.why);
        match (trouble, &mut *why) {
            (None, _) => {
                self.failing.store(false, Ordering::Release);
                why.take()
            }
            (Some(text), Some((known, _))) if **known == *text => None,
            (Some(text), Some((known, _))) => {
                *known = Arc::from(text);
                None
            }
            (Some(text), none) => {
                *none = Some((Arc::from(text), self.now()));
                self.failing.store(true, Ordering::Release);
                None
            }
        }
    }

    // === progress ===

    /// Waits until all that is queued now is written: false when that takes longer than `limit`.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.is_awake();
        self.unpark();
        let reached =
            |progress: &mut Progress| progress.answered < mine && progress.ended.is_none();
        let progress = lock(&self.progress);
        let waited = self.moved.wait_timeout_while(progress, limit, reached);
        let (progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        progress.answered >= mine
    }

    pub(super) fn answer(&self, question: u64) {
        lock(&self.progress).answered = question;
        self.moved.notify_all();
    }

    /// Has the writer end, and waits for it: how many events could not be written, if it ended in time.
    pub(super) fn end(&self, limit: Duration, again: Duration) -> Option<u64> {
        self.ask_to_end(limit, again);
        let progress = lock(&self.progress);
        let waited = self.moved.wait_timeout_while(
            progress,
            limit + Duration::from_millis(500),
            |progress| progress.ended.is_none(),
        );
        let (progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        progress.ended
    }

    pub(super) fn ask_to_end(&self, limit: Duration, again: Duration) {
        let until = Instant::now() + limit;
        lock(&self.progress)
            .stop
            .get_or_insert(Stop { until, again });
        self.is_awake();
        self.unpark();
    }

    pub(super) fn stop(&self) -> Option<Stop> {
        lock(&self.progress).stop
    }

    pub(super) fn has_ended(&self, lost: u64) {
        lock(&self.admin).over = true;
        self.room.notify_all();
        lock(&self.progress).ended = Some(lost);
        self.moved.notify_all();
    }
}
