//! [`Keeper`]: the one thread that opens the store, holds the engine, and does what blocks.
//!
//! The loop sends [`Job`]s and goes on; what became of each comes back as a [`Did`], in the same order. When the
//! store fails, or the engine panics, both are let go at once: then every job but opening is answered with that.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use muster_model::{Scan, Scope, ScopeRecord, Timestamp};
use muster_store::{OpenError, Revision, SledStore, Store, StoreError, tables};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    measured::Measured,
    place::{Place, must_not_open},
};
use crate::{
    metrics::{Metrics, StoreOp},
    pipeline::{self, run::Writes},
    service::{
        engine::{Engine, EngineError, HeldPlan, Setup, Taken},
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

/// What the thread works with.
struct Desk {
    dir: PathBuf,
    metrics: Arc<Metrics>,
    open: Option<(Arc<Measured>, Place)>,
    engine: Option<Engine>,
    /// The last revision that is known.
    last: Revision,
    /// Whether the counts may have changed.
    uncounted: bool,
    /// How long counting took.
    counting: Duration,
    bytes: u64,
}

/// Counting that takes no longer than this is done at once after each change.
const QUICK: Duration = Duration::from_millis(5);

impl Desk {
    fn work<T>(mut self, jobs: &mpsc::Receiver<Job<T>>, answers: &UnboundedSender<Answer<T>>) {
        while let Ok(job) = jobs.recv() {
            let looks = matches!(job, Job::Look | Job::Load { .. });
            let did = self.job(job);
            let books = self.books(looks);
            if answers.send(Answer { did, books }).is_err() {
                return;
            }
        }
    }

    fn job<T>(&mut self, job: Job<T>) -> Did<T> {
        match job {
            Job::Open { make } => Did::Opened(self.open(make)),
            Job::Load { setup, now } => Did::Loaded(self.load(*setup, now)),
            Job::Take(scanned) => {
                let Scanned {
                    scan,
                    took,
                    now,
                    run,
                    number,
                } = *scanned;
                Did::Took {
                    scope: Arc::clone(&scan.scope),
                    complete: scan.coverage.is_complete(),
                    took,
                    number,
                    aside: Aside::from(&scan),
                    outcome: self.write(|engine| engine.take(&scan, now, &run)),
                }
            }
            Job::Configure {
                setup,
                now,
                by,
                then,
            } => Did::Configured {
                outcome: self.write(|engine| engine.configure(*setup, now, &by)),
                then,
            },
            Job::Preview { setup, now, then } => Did::Previewed {
                outcome: self.with(|engine| engine.preview(&setup, now)),
                then,
            },
            Job::Apply {
                writes,
                expected,
                by,
                now,
                reply,
            } => {
                let outcome = self.write(|engine| engine.apply(&writes, expected, &by, now));
                let answer = outcome.as_ref().map(|taken| taken.revision);
                // Who asked may have gone.
                let _ = reply.send(answer.map_err(|trouble| trouble.refused("apply the plan")));
                Did::Served(outcome)
            }
            Job::Decide {
                plan,
                approve,
                by,
                now,
                reply,
            } => {
                let outcome = self.write(|engine| engine.decide(plan, approve, &by, now));
                let (answer, outcome) = match outcome {
                    Ok((held, taken)) => (Ok(held), Ok(taken)),
                    Err(trouble) => {
                        let what = format!("decide about plan {plan}");
                        (Err(trouble.refused(&what)), Err(trouble))
                    }
                };
                let _ = reply.send(answer);
                Did::Served(outcome)
            }
            Job::Sweep { now, delivered } => Did::Swept(self.sweep(now, delivered)),
            Job::AskAgain { who, now } => {
                let run = pipeline::run_id(now);
                Did::AskedAgain(self.write(|engine| engine.ask_again(&who, now, &run)))
            }
            Job::Look => Did::Looked(self.look()),
            Job::Close => {
                self.let_go();
                Did::Closed
            }
        }
    }

    fn open(&mut self, make: bool) -> Result<Opened, Refused> {
        self.let_go();
        let refused = |why: Vec<String>, hint: Option<String>| Refused {
            kind: RefusedKind::Unavailable,
            what: format!("cannot open the store {}", self.dir.display()),
            why,
            hint,
        };
        if !make && let Some(why) = must_not_open(&self.dir) {
            return Err(refused(vec![why], Some(RESTORE.to_owned())));
        }
        let begun = Instant::now();
        let store = SledStore::open(&self.dir).map_err(|error| {
            self.metrics.store_failed(StoreOp::Open);
            let hint = hint(&error, &self.dir);
            refused(lines(&error), hint)
        })?;
        self.metrics
            .store_op(StoreOp::Open, begun.elapsed(), Ok(()));
        let read = |error: StoreError| refused(lines(&error), None);
        let place = Place::of(&self.dir).map_err(|error| refused(lines(&error), None))?;
        let revision = store.revision().map_err(read)?;
        let scopes = tables::SCOPES.list(&store).map_err(read)?;
        let scopes = scopes.records.into_iter();
        let scopes = scopes
            .map(|(_, record)| (Arc::clone(&record.value.scope), record.value))
            .collect();
        self.bytes = store.size().unwrap_or_default();
        let store = Arc::new(Measured::new(Arc::new(store), Arc::clone(&self.metrics)));
        self.open = Some((Arc::clone(&store), place));
        let was_at = Some(self.last).filter(|last| *last > revision);
        self.last = revision;
        Ok(Opened {
            store,
            revision,
            was_at,
            scopes,
        })
    }

    fn load(&mut self, setup: Setup, now: Timestamp) -> Result<(), Trouble> {
        self.in_place()?;
        let Some((store, _)) = &self.open else {
            return Err(not_open());
        };
        let store: Arc<dyn Store> = Arc::clone(store) as _;
        let made = caught(|| Engine::open(store, setup, now));
        self.engine = Some(self.settle(made)?);
        self.uncounted = true;
        Ok(())
    }

    /// A call of the engine's that writes nothing.
    fn with<R>(
        &mut self,
        call: impl FnOnce(&mut Engine) -> Result<R, EngineError>,
    ) -> Result<R, Trouble> {
        let Some(engine) = &mut self.engine else {
            return Err(not_open());
        };
        let done = caught(|| call(engine));
        self.settle(done)
    }

    /// A call of the engine's that writes.
    fn write<R: Changed>(
        &mut self,
        call: impl FnOnce(&mut Engine) -> Result<R, EngineError>,
    ) -> Result<R, Trouble> {
        self.in_place()?;
        let done = self.with(call)?;
        self.uncounted |= done.changed();
        Ok(done)
    }

    fn sweep(&mut self, now: Timestamp, delivered: u64) -> Result<Taken, Trouble> {
        let taken = self.write(|engine| engine.sweep(now))?;
        self.with(|engine| engine.trim_outbox(delivered))?;
        let Some((measured, _)) = &self.open else {
            return Ok(taken);
        };
        let measured = Arc::clone(measured);
        let due = caught(|| measured.store.compaction_due().map_err(EngineError::Store));
        if self.settle(due)? {
            let begun = Instant::now();
            let compacted = caught(|| Ok(measured.store.compact()));
            let compacted = self.settle(compacted)?;
            let outcome = compacted.as_ref().map(|_| ());
            self.metrics
                .store_op(StoreOp::Compact, begun.elapsed(), outcome);
            match compacted {
                // The store has said how much it was.
                Ok(_) => {}
                // It goes on with its old files.
                Err(error @ StoreError::NotCompacted { .. }) => {
                    tracing::warn!(error = %chain(&error), "the store could not be written anew");
                }
                Err(error) => {
                    let failed = Err(EngineError::Store(error));
                    self.settle::<()>(Ok(failed))?;
                }
            }
        }
        self.bytes = measured.store.size().unwrap_or(self.bytes);
        Ok(taken)
    }

    fn look(&mut self) -> Result<(), Trouble> {
        self.in_place()?;
        let Some((measured, _)) = &self.open else {
            return Err(not_open());
        };
        // A few looks at files; what cannot be measured now is as it was.
        self.bytes = measured.store.size().unwrap_or(self.bytes);
        Ok(())
    }

    /// Lets go of a store whose files are not where they were.
    fn in_place(&mut self) -> Result<(), Trouble> {
        let Some((measured, place)) = &self.open else {
            return Err(not_open());
        };
        match place.lost().or_else(|| measured.store.lost()) {
            None => Ok(()),
            Some(lost) => {
                self.let_go();
                Err(Trouble::Store(vec![lost]))
            }
        }
    }

    /// What a call came to: a failure of the store's, or a panic, ends its use.
    fn settle<R>(&mut self, done: Result<Result<R, EngineError>, String>) -> Result<R, Trouble> {
        let error = match done {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error,
            Err(panic) => {
                tracing::error!(panic, "the engine broke off");
                self.let_go();
                return Err(Trouble::Store(vec![format!(
                    "the engine broke off: {panic}"
                )]));
            }
        };
        let kind = match &error {
            EngineError::Store(error) => {
                // A directory that went in the middle of a write explains the write.
                let lost = self.open.as_ref().and_then(|(_, place)| place.lost());
                let why = lost.into_iter().chain(lines(error)).collect();
                self.let_go();
                return Err(Trouble::Store(why));
            }
            EngineError::Stale { .. } | EngineError::NotWaiting(_) => RefusedKind::Conflict,
            EngineError::NoPlan(_) => RefusedKind::NotFound,
        };
        let hint = matches!(error, EngineError::Stale { .. })
            .then(|| "make the plan again: something has changed since".to_owned());
        Err(Trouble::Refused(Refused {
            kind,
            what: error.to_string(),
            why: Vec::new(),
            hint,
        }))
    }

    fn let_go(&mut self) {
        let closed = caught(|| {
            self.engine = None;
            self.open = None;
            Ok(())
        });
        if let Err(panic) = closed {
            tracing::warn!(panic, "closing the store failed");
        }
    }

    fn books(&mut self, looks: bool) -> Option<Books> {
        let engine = self.engine.as_ref()?;
        self.last = engine.revision();
        let counts = if self.uncounted && (looks || self.counting <= QUICK) {
            let begun = Instant::now();
            let counts = engine.counts();
            self.counting = begun.elapsed();
            self.uncounted = false;
            Some(counts)
        } else {
            None
        };
        Some(Books {
            revision: self.last,
            bytes: self.bytes,
            plans_waiting: engine.waiting(),
            undecided: engine.undecided().clone(),
            counts,
            counted: !self.uncounted,
        })
    }
}

/// Whether what was done may have changed a count.
trait Changed {
    fn changed(&self) -> bool;
}

impl Changed for Taken {
    fn changed(&self) -> bool {
        let Self {
            summary,
            judged,
            written,
            decided,
            notices,
            ..
        } = self;
        *summary != muster_plan::Summary::default()
            || judged.max(written).max(decided) > &0
            || !notices.is_empty()
    }
}

impl Changed for (HeldPlan, Taken) {
    fn changed(&self) -> bool {
        true
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
