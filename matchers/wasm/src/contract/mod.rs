//! The contract's versions, each in a module that turns it into the one set of types that the rest knows.
//!
//! To add a version: its WIT beside the others in `plugins/wit`, a module here like [`v0_1`], a variant in [`Bound`],
//! and a line in [`SUPPORTED`]. A version goes when the one after the next comes.

mod v0_1;

use wasmtime::{Engine, Store, component::Component};

use crate::{
    Candidate, LoadError, PluginError, Problem,
    guest::{Guest, clean},
    verdict::{Description, Verdict},
};

/// The interface that a plugin exports.
const PLUGIN: &str = "muster:matcher/plugin@";
/// The package that a plugin may import from.
const PACKAGE: &str = "muster:matcher/";
/// The versions that are run.
pub const SUPPORTED: &[&str] = &["0.1"];

/// Exports of the plugin's interface that are looked at. Nobody has a use for more than two.
const MAX_VERSIONS: usize = 16;

/// A component, bound to the version of the contract that it was built for.
pub(crate) enum Bound {
    V0_1(v0_1::Bound),
}

/// What is kept between two batches of one thread, to save allocations: nothing that a plugin could see.
#[derive(Default)]
pub(crate) struct Scratch {
    v0_1: v0_1::Slots,
}

/// A judged part of a batch.
pub(crate) struct Judged {
    /// How many databases went in.
    pub(crate) taken: usize,
    /// One for each of them.
    pub(crate) verdicts: Vec<Result<Verdict, PluginError>>,
}

/// What configuring came to.
pub(crate) type Configured = Result<(), Vec<Problem>>;

impl Bound {
    /// Looks at what the component exports and imports, and binds it.
    pub(crate) fn new(engine: &Engine, component: &Component) -> Result<Self, LoadError> {
        let types = component.component_type();
        let found: Vec<String> = types
            .exports(engine)
            .filter_map(|(name, _)| name.strip_prefix(PLUGIN))
            .map(|version| clean(version, 64))
            .take(MAX_VERSIONS)
            .collect();
        // The newest that both know would come first.
        if !found.iter().any(|version| is_of(version, "0.1")) {
            return Err(LoadError::Contract {
                found,
                supported: SUPPORTED.iter().map(ToString::to_string).collect(),
            });
        }
        for (name, _) in types.imports(engine) {
            if !name.starts_with(PACKAGE) {
                return Err(LoadError::Import {
                    import: clean(name, 128),
                });
            }
        }
        v0_1::Bound::new(engine, component).map(Self::V0_1)
    }

    /// The version that it is bound to.
    pub(crate) const fn version(&self) -> &'static str {
        match self {
            Self::V0_1(_) => "0.1",
        }
    }

    /// Makes an instance, and no more.
    pub(crate) fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<()> {
        match self {
            Self::V0_1(bound) => bound.instantiate(store),
        }
    }

    /// Asks it what it is.
    pub(crate) fn describe(&self, store: &mut Store<Guest>) -> wasmtime::Result<Description> {
        match self {
            Self::V0_1(bound) => bound.describe(store),
        }
    }

    /// Gives it its settings.
    pub(crate) fn configure(
        &self,
        store: &mut Store<Guest>,
        settings: &str,
    ) -> wasmtime::Result<Configured> {
        match self {
            Self::V0_1(bound) => bound.configure(store, settings),
        }
    }

    /// Gives it its settings and has it judge as many of the databases as make a batch, at least one.
    pub(crate) fn evaluate(
        &self,
        store: &mut Store<Guest>,
        settings: &str,
        candidates: &[Candidate<'_>],
        scratch: &mut Scratch,
    ) -> Result<Judged, PluginError> {
        match self {
            Self::V0_1(bound) => bound.evaluate(store, settings, candidates, &mut scratch.v0_1),
        }
    }
}

/// Whether a version is one of a line: `0.1.7` is of `0.1`.
fn is_of(version: &str, line: &str) -> bool {
    version
        .strip_prefix(line)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}
