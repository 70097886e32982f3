//! [`Keeper`]: the one thread that opens the store, holds the engine, and does what blocks.
//!
//! The loop sends [`Job`]s and goes on; what became of each comes back as a [`Did`], in the same order. When the
//! store fails, or the engine panics, both are let go at once: then every job but opening is answered with that.

mod desk;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use muster_model::{Scan, Scope, ScopeRecord, Timestamp};
use muster_store::{OpenError, Revision, Store};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use self::desk::Desk;
use crate::{
    metrics::Metrics,
    pipeline::run::Writes,
    service::{
        engine::{EngineError, HeldPlan, Setup, Taken},
        handle::{Aside, Refused, RefusedKind, Reloaded, Reply},
        status::Counts,
    },
};

/// What the keeper is asked to do. `T` is handed back with the answer.
pub(super) enum Job<T> {
    /// Opens the store. Only at the start may one be made where there is none.
    Open { make: bool },
    /// Makes an engine for what the store holds.
    Load { setup: Box<Setup>, now: Timestamp },
    /// Takes a scan in.
    Take(Box<Scanned>),
    /// Puts a configuration into force.
    Configure {
        setup: Box<Setup>,
        now: Timestamp,
        by: String,
        then: T,
    },
    /// Finds out what a configuration would change.
    Preview {
        setup: Box<Setup>,
        now: Timestamp,
        then: T,
    },
    /// Writes what somebody's plan came to.
    Apply {
        writes: Box<Writes>,
        expected: Revision,
        by: String,
        now: Timestamp,
        reply: Reply<Revision>,
    },
    /// Approves or rejects a held plan.
    Decide {
        plan: u64,
        approve: bool,
        by: String,
        now: Timestamp,
        reply: Reply<HeldPlan>,
    },
    /// What time alone brings about; and notices that everybody has had are taken away.
    Sweep { now: Timestamp, delivered: u64 },
    /// Asks plugins again about what they left undecided.
    AskAgain { who: Vec<String>, now: Timestamp },
    /// Looks whether the store is still there, and counts.
    Look,
    /// Lets go of the engine and the store.
    Close,
}

/// A scan that has ended.
pub(super) struct Scanned {
    pub(super) scan: Scan,
    /// How long it took.
    pub(super) took: Duration,
    /// When it ended.
    pub(super) now: Timestamp,
    /// The run's name.
    pub(super) run: String,
    /// Which of the queue's runs of its scope it was; none when it was not the queue's.
    pub(super) number: Option<u64>,
}

/// What became of a job.
pub(super) enum Did<T> {
    Opened(Result<Opened, Refused>),
    Loaded(Result<(), Trouble>),
    Took {
        scope: Arc<Scope>,
        complete: bool,
        took: Duration,
        number: Option<u64>,
        aside: Aside,
        outcome: Result<Taken, Trouble>,
    },
    Configured {
        outcome: Result<Taken, Trouble>,
        then: T,
    },
    Previewed {
        outcome: Result<Reloaded, Trouble>,
        then: T,
    },
    /// What a person asked for; they have their answer.
    Served(Result<Taken, Trouble>),
    Swept(Result<Taken, Trouble>),
    AskedAgain(Result<Taken, Trouble>),
    Looked(Result<(), Trouble>),
    Closed,
}

/// A job's answer.
pub(super) struct Answer<T> {
    pub(super) did: Did<T>,
    /// How things stand, when that may have changed.
    pub(super) books: Option<Books>,
}

/// A store that was opened.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    pub(super) revision: Revision,
    /// The revision that it had when it was last open in this process, when that was later.
    pub(super) was_at: Option<Revision>,
    /// How each scope's last scan went.
    pub(super) scopes: BTreeMap<Arc<Scope>, ScopeRecord>,
}

/// How things stand in the store.
pub(super) struct Books {
    pub(super) revision: Revision,
    pub(super) bytes: u64,
    pub(super) plans_waiting: usize,
    /// How many databases each plugin left undecided.
    pub(super) undecided: BTreeMap<String, u64>,
    /// None while they are not known anew: counting looks at every database.
    pub(super) counts: Option<Counts>,
    /// Whether the last counts are still true.
    pub(super) counted: bool,
}

/// Why a job was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The store cannot be used any more; why, line by line.
    Store(Vec<String>),
    /// It was refused, and nothing was changed.
    Refused(Refused),
}

/// The thread.
pub(super) struct Keeper<T> {
    jobs: Option<mpsc::Sender<Job<T>>>,
    thread: Option<thread::JoinHandle<()>>,
    outstanding: usize,
}

// === impl Keeper ===

impl<T: Send + 'static> Keeper<T> {
    /// Starts the thread for the store in this directory.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        dir: PathBuf,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, UnboundedReceiver<Answer<T>>)> {
        let (jobs, receiver) = mpsc::channel();
        // Each answer is to a job, and the loop sends few jobs at a time.
        let (sender, answers) = unbounded_channel();
        let desk = Desk {
            dir,
            metrics,
            open: None,
            engine: None,
            last: Revision::default(),
            uncounted: true,
            counting: Duration::ZERO,
            bytes: 0,
        };
        let work = move || desk.work(&receiver, &sender);
        let thread = thread::Builder::new()
            .name("engine".to_owned())
            .spawn(work)?;
        let keeper = Self {
            jobs: Some(jobs),
            thread: Some(thread),
            outstanding: 0,
        };
        Ok((keeper, answers))
    }

    /// Sends a job. Its answer comes with those of the thread.
    pub(super) fn send(&mut self, job: Job<T>) {
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_ok()
        {
            self.outstanding = self.outstanding.saturating_add(1);
        }
    }

    /// An answer has come.
    pub(super) const fn answered(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// How many jobs have no answer yet.
    pub(super) const fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Ends the thread after the jobs that it has, and waits until then.
    pub(super) fn join(mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // What a job panics with is caught in the thread.
            let _ = thread.join();
        }
    }
}

// === impl Trouble ===

impl Trouble {
    /// Why, line by line.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Store(why) => why.clone(),
            Self::Refused(refused) => vec![refused.to_string()],
        }
    }

    /// What whoever asked is told.
    pub(super) fn refused(&self, what: &str) -> Refused {
        match self {
            Self::Refused(refused) => Refused {
                what: format!("cannot {what}"),
                why: std::iter::once(refused.what.clone())
                    .chain(refused.why.iter().cloned())
                    .collect(),
                ..refused.clone()
            },
            Self::Store(why) => Refused {
                kind: RefusedKind::Unavailable,
                what: format!("cannot {what}: the store failed"),
                why: why.clone(),
                hint: Some("`muster status` says what is wrong with the store".to_owned()),
            },
        }
    }
}

/// What to do about a store that is not there any more.
pub(super) const RESTORE: &str = "put the directory back, and the service goes on; or restart the service to begin \
     with an empty store: then everything is enrolled anew, and the history is lost";

fn not_open() -> Trouble {
    Trouble::Store(vec!["it is not open".to_owned()])
}

/// Calls, and says what it panicked with.
fn caught<R>(
    call: impl FnOnce() -> Result<R, EngineError>,
) -> Result<Result<R, EngineError>, String> {
    // What a panic leaves behind half done is dropped by whoever hears of it.
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<&'static str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        text.unwrap_or("without a message").to_owned()
    })
}

/// An error and all that stands behind it, each once.
pub(super) fn lines(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if lines.last() != Some(&text) {
            lines.push(text);
        }
        next = error.source();
    }
    lines
}

/// The same in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    lines(error).join(": ")
}

/// What to do about a store that cannot be opened.
fn hint(error: &OpenError, dir: &Path) -> Option<String> {
    match error {
        OpenError::InUse { .. } => Some(
            "one service or command at a time: `muster status` says whether it is a service, and other commands go through it"
                .to_owned(),
        ),
        OpenError::Lost { .. } => Some(
            "stop the service; `muster store repair` goes on with what is left, and keeps the old files aside".to_owned(),
        ),
        OpenError::Io { .. } => Some(format!(
            "look whether {} is mounted, writable, and belongs to the service's user",
            dir.display()
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
