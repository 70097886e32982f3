//! [`Plugin`]: a component that can be run; [`Configured`]: one that judges.
//!
//! Each batch has an instance of its own, so nothing carries over from one to the next. Within a batch a plugin sees
//! all its databases, and could have one verdict depend on another; some of each batch are therefore judged once more,
//! alone, and a verdict that differs fails the batch.

mod run;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use muster_model::{Database, Labels, Timestamp};

use crate::{
    ConfigureError, Description, Failure, PluginError,
    contract::{Bound, Scratch},
    failure::{caught, failure},
    guest::{Guest, Line},
    host::Shared,
    plugin::run::{Run, differs},
    verdict::Verdict,
};

/// The longest settings, in bytes of JSON.
const MAX_SETTINGS: usize = 1 << 20;
/// A database to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// As its scanner saw it.
    pub database: &'a Database,
    /// Its labels so far.
    pub labels: &'a Labels,
    /// When muster saw it first.
    pub first_seen: Option<Timestamp>,
}

/// A component that keeps to the contract.
#[derive(Clone)]
pub struct Plugin {
    shared: Arc<Shared>,
    loaded: Arc<Loaded>,
}

pub(crate) struct Loaded {
    pub(crate) bound: Bound,
    pub(crate) description: Description,
    pub(crate) imports: Vec<String>,
    pub(crate) digest: String,
    pub(crate) size: usize,
    pub(crate) cached: bool,
    pub(crate) not_kept: Option<String>,
}

/// A plugin with settings that it accepted.
#[derive(Clone)]
pub struct Configured {
    plugin: Plugin,
    settings: Arc<str>,
}

/// What became of a set of databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// One for each database, in the same order. An error decides nothing about it.
    pub verdicts: Vec<Result<Verdict, PluginError>>,
    /// What the plugin logged, in the order of the databases: as many lines of each batch as the
    /// limits say, and sixteen times that in all.
    pub log: Vec<Line>,
    /// Lines that were not kept.
    pub dropped_lines: u64,
    /// What it took.
    pub cost: Cost,
}

/// What an evaluation took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Instances that were made.
    pub instances: u64,
    /// Of them, those that failed.
    pub failed: u64,
    /// The most memory that one had, in bytes.
    pub peak_memory_bytes: usize,
    /// The longest that one computed.
    pub longest: Duration,
    /// What all of them computed.
    pub computed: Duration,
}

impl Plugin {
    pub(crate) fn new(shared: Arc<Shared>, loaded: Loaded) -> Self {
        let loaded = Arc::new(loaded);
        Self { shared, loaded }
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.loaded.description
    }

    /// What it may ask of muster: the interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.loaded.imports
    }

    /// SHA-256 of the component, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.loaded.digest
    }

    /// Size of the component, in bytes.
    pub fn size(&self) -> usize {
        self.loaded.size
    }

    /// The version of the contract that it was built for: `0.1`.
    pub fn contract(&self) -> &'static str {
        self.loaded.bound.version()
    }

    /// Whether its compiled form came from the cache.
    pub fn was_cached(&self) -> bool {
        self.loaded.cached
    }

    /// Why its compiled form could not be kept in the cache; the next start compiles it again.
    pub fn not_kept(&self) -> Option<&str> {
        self.loaded.not_kept.as_deref()
    }

    /// Gives it its settings, as JSON (`null` for none), and has it check them.
    pub fn configured(&self, settings: &str) -> Result<Configured, ConfigureError> {
        if settings.len() > MAX_SETTINGS {
            return Err(ConfigureError::TooLarge {
                size: settings.len(),
                limit: MAX_SETTINGS,
            });
        }
        let Shared {
            engine,
            limits,
            ticker,
        } = &*self.shared;
        let _permit = ticker.permit();
        let mut store = Guest::store(engine, limits, 0)
            .map_err(|error| ConfigureError::Failed(host(&error)))?;
        let configured = caught(|| self.loaded.bound.configure(&mut store, settings))
            .map_err(ConfigureError::Failed)?;
        match configured {
            Ok(Ok(())) => Ok(Configured {
                plugin: self.clone(),
                settings: settings.into(),
            }),
            Ok(Err(problems)) => Err(ConfigureError::Problems(problems)),
            Err(error) => Err(ConfigureError::Failed(failure(&error, store.data()))),
        }
    }
}

impl Configured {
    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Judges databases: one verdict or error for each, in the same order. Batches run on several threads.
    ///
    /// A verdict is the one that the database gets alone, in any order and company. What fails is asked again in
    /// halves, until only those that it fails over are left; after too many failures the rest is not asked.
    pub fn evaluate(&self, candidates: &[Candidate<'_>]) -> Evaluation {
        let limits = &self.plugin.shared.limits;
        let chunks: Vec<_> = candidates.chunks(limits.batch).collect();
        let threads = limits.threads.min(chunks.len());
        let run = Run::new(self, candidates.len());
        let next = AtomicUsize::new(0);
        let work = || {
            let mut scratch = Scratch::default();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = chunks.get(place) else {
                    break;
                };
                run.chunk(place, chunk, &mut scratch);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                let thread = std::thread::Builder::new().name("wasm-judge".to_owned());
                if thread.spawn_scoped(scope, work).is_err() {
                    // As many threads as there may be; this one is enough.
                    break;
                }
            }
            work();
        });
        run.finish()
    }

    /// Judges each database alone and all of them together, forwards and backwards, and names those on which the
    /// verdicts differ. For tests of a plugin: it takes some ten times as long as [`Configured::evaluate`].
    pub fn unstable(&self, candidates: &[Candidate<'_>]) -> Vec<usize> {
        let run = Run::new(self, candidates.len().saturating_mul(4));
        let mut scratch = Scratch::default();
        let mut together = Vec::new();
        for chunk in candidates.chunks(self.plugin.shared.limits.batch) {
            together.extend(run.halves(chunk, &mut scratch, None));
        }
        let reversed: Vec<_> = candidates.iter().rev().copied().collect();
        let mut backwards = Vec::new();
        for chunk in reversed.chunks(self.plugin.shared.limits.batch) {
            backwards.extend(run.halves(chunk, &mut scratch, None));
        }
        let mut differ = Vec::new();
        let both = together.iter().zip(backwards.iter().rev());
        for ((place, candidate), (forwards, backwards)) in candidates.iter().enumerate().zip(both) {
            let alone = run.alone(candidate, &mut scratch, None);
            if differs(&alone, forwards) || differs(&alone, backwards) {
                differ.push(place);
            }
        }
        differ
    }
}

fn host(error: &wasmtime::Error) -> PluginError {
    PluginError::new(Failure::Host, format!("{error:#}"))
}
