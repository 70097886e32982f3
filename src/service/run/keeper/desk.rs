//! [`Desk`]: what the engine's thread works with, and how each job is done.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use muster_model::Timestamp;
use muster_store::{Revision, SledStore, Store, StoreError, tables};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    Answer, Books, Did, Job, Opened, RESTORE, Scanned, Trouble, caught, chain, hint, lines,
    not_open,
};
use crate::{
    metrics::{Metrics, StoreOp},
    pipeline::{self},
    service::{
        engine::{Engine, EngineError, HeldPlan, Setup, Taken},
        handle::{Aside, Refused, RefusedKind},
        run::{
            measured::Measured,
            place::{Place, must_not_open},
        },
    },
};

/// What the thread works with.
pub(super) struct Desk {
    pub(super) dir: PathBuf,
    pub(super) metrics: Arc<Metrics>,
    pub(super) open: Option<(Arc<Measured>, Place)>,
    pub(super) engine: Option<Engine>,
    /// The last revision that is known.
    pub(super) last: Revision,
    /// Whether the counts may have changed.
    pub(super) uncounted: bool,
    /// How long counting took.
    pub(super) counting: Duration,
    pub(super) bytes: u64,
}

/// Counting that takes no longer than this is done at once after each change.
const QUICK: Duration = Duration::from_millis(5);

impl Desk {
    pub(super) fn work<T>(
        mut self,
        jobs: &mpsc::Receiver<Job<T>>,
        answers: &UnboundedSender<Answer<T>>,
    ) {
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
            } => {
                let outcome = self.write(|engine| engine.configure(*setup, now, &by));
                // What is not asked for any more is not seen any more.
                self.uncounted = true;
                Did::Configured { outcome, then }
            }
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
                // What it says of databases counts also where it changes no target.
                self.uncounted = true;
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
            sighted,
            notices,
            ..
        } = self;
        *sighted
            || *summary != muster_plan::Summary::default()
            || judged.max(written).max(decided) > &0
            || !notices.is_empty()
    }
}

impl Changed for (HeldPlan, Taken) {
    fn changed(&self) -> bool {
        true
    }
}
