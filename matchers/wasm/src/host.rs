//! [`Host`]: turns the bytes of a component into a [`Plugin`].

use std::{
    collections::hash_map::DefaultHasher,
    fmt::Write as _,
    hash::{Hash, Hasher},
    path::PathBuf,
    sync::Arc,
    thread::available_parallelism,
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use crate::{
    CacheError, Description, Failure, LoadError, Plugin,
    cache::Cache,
    compile::{self, Compiler},
    contract::Bound,
    engine::{self, Ticker, Use},
    failure::{caught, failure},
    guest::{Guest, clean},
    limits::{Limits, MAX_BATCH},
    plugin::Loaded,
    preflight,
};

/// How plugins are run, and where their compiled forms are kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// What each may use.
    pub limits: Limits,
    /// Where they are compiled.
    pub compiler: Compiler,
    /// Where compiled plugins are kept; none to compile every time. The folder must be this user's alone: what it
    /// holds is run as machine code. It is made where it is not there.
    pub cache: Option<PathBuf>,
}

/// Why no plugin at all can be run.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The folder for compiled plugins.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The engine does not run on this machine. It reserves some hundred gigabytes of address space (not of memory), so
    /// a limit on that stands against it.
    #[error("webassembly cannot be run on this machine (is its address space limited?): {0}")]
    Engine(String),
    /// No thread for the clock that ends what does not end.
    #[error("no thread can be started for webassembly's clock")]
    Clock(#[source] std::io::Error),
}

/// Loads plugins. All that it loads share its engine, its limits and its places for instances.
pub struct Host {
    shared: Arc<Shared>,
    compiler: Compiler,
    cache: Option<Cache>,
    /// What of a compiled form must be the same for it to run here.
    compatible: String,
}

/// What plugins need of their host.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) ticker: Ticker,
}

impl Host {
    /// Makes the engine and opens the cache.
    pub fn new(options: Options) -> Result<Self, HostError> {
        let Options {
            mut limits,
            compiler,
            cache,
        } = options;
        let cores = available_parallelism().map_or(1, Into::into);
        limits.threads = limits.threads.clamp(1, cores);
        limits.batch = limits.batch.clamp(1, MAX_BATCH);
        // One more than the threads of one call, so that loading a plugin does not wait for a scan.
        let slots = limits.threads + 1;
        let engine = engine::engine(&limits, Use::Run { slots })
            .map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(engine.weak(), slots).map_err(HostError::Clock)?;
        let cache = cache.as_deref().map(Cache::open).transpose()?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            compatible: format!("{:016x}", hasher.finish()),
            shared: Arc::new(Shared {
                engine,
                limits,
                ticker,
            }),
            compiler,
            cache,
        })
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Checks, compiles (or takes from the cache) and binds a component, and asks it what it is.
    ///
    /// It may take as long as [`Limits::compile_seconds`] allows: never call it on a thread that others wait for.
    pub fn load(&self, component: &[u8]) -> Result<Plugin, LoadError> {
        caught(|| self.loaded(component)).unwrap_or_else(|error| {
            Err(LoadError::CompileFailed {
                detail: error.to_string(),
            })
        })
    }

    fn loaded(&self, component: &[u8]) -> Result<Plugin, LoadError> {
        let Shared { engine, limits, .. } = &*self.shared;
        preflight::check(component, limits)?;
        let digest = hex(&Sha256::digest(component));
        let key = format!("{digest}-{}", self.compatible);
        let kept = self.cache.as_ref().and_then(|cache| {
            let compiled = trusted(engine, &cache.get(&key)?);
            if compiled.is_err() {
                cache.forget(&key);
            }
            compiled.ok()
        });
        let cached = kept.is_some();
        let mut not_kept = None;
        let compiled = match kept {
            Some(compiled) => compiled,
            None => {
                let artifact = compile::compile(component, engine, &self.compiler, limits)?;
                let compiled =
                    trusted(engine, &artifact).map_err(|error| LoadError::TooDemanding {
                        detail: clean(&format!("{error:#}"), 512),
                    })?;
                if let Some(Err(error)) =
                    self.cache.as_ref().map(|cache| cache.put(&key, &artifact))
                {
                    // A full disk costs the next start some time, and nothing else.
                    not_kept = Some(error.to_string());
                }
                compiled
            }
        };
        let bound = Bound::new(engine, &compiled)?;
        let imports = compiled
            .component_type()
            .imports(engine)
            .map(|(name, _)| clean(name, 128))
            .collect();
        let description = self.describe(&bound)?;
        let loaded = Loaded {
            bound,
            description,
            imports,
            digest,
            size: component.len(),
            cached,
            not_kept,
        };
        Ok(Plugin::new(Arc::clone(&self.shared), loaded))
    }

    /// Makes an instance, which compares the types of the contract, and asks another one what it is.
    fn describe(&self, bound: &Bound) -> Result<Description, LoadError> {
        let Shared {
            engine,
            limits,
            ticker,
        } = &*self.shared;
        let _permit = ticker.permit();
        let store = || {
            Guest::store(engine, limits, 0).map_err(|error| LoadError::CompileFailed {
                detail: clean(&format!("{error:#}"), 512),
            })
        };
        let mut first = store()?;
        if let Err(error) = bound.instantiate(&mut first) {
            return Err(match failure(&error, first.data()) {
                failed if failed.code == Failure::Malformed => LoadError::Mismatch {
                    detail: clean(&format!("{error:#}"), 512),
                },
                failed => LoadError::Describe(failed),
            });
        }
        drop(first);
        let mut second = store()?;
        let described = bound.describe(&mut second);
        described
            .map_err(|error| LoadError::Describe(failure(&error, second.data())))
            .and_then(Description::check)
    }
}

/// Loads machine code.
///
/// It is the one place where this crate trusts bytes with more than being read.
#[allow(unsafe_code)]
fn trusted(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` runs what it is given, so it must be given nothing but what an engine of ours serialized.
    // There are two callers' sources. One is `compile::compile`: this process, or a child that is this same program and
    // whose standard output nobody else can write to. The other is `Cache::get`: a folder that belongs to this user
    // with mode 0700 (checked on the open descriptor that is read from), into which only `Cache::put` writes, of the
    // first kind only, and whose files carry a digest against damage. A user's file never reaches it: `preflight`
    // refuses precompiled ones. Another version or other settings of the engine are refused by wasmtime itself.
    unsafe { Component::deserialize(engine, artifact) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a text does not fail.
        let _written = write!(out, "{byte:02x}");
        out
    })
}
