//! Runs matchers that others wrote, as WebAssembly components, without having to trust them.
//!
//! [`Host::load`] takes the bytes of a component to a [`Plugin`], [`Plugin::configured`] gives it its settings, and
//! [`Configured::evaluate`] takes databases to verdicts. Whatever a plugin does, it ends in a named error about that
//! plugin and those databases, and nothing else.
//!
//! | file | what is in it |
//! |---|---|
//! | `host` | from bytes to a plugin; the one place of unsafe code |
//! | `plugin` | batches, in parallel; failures in halves; spot checks |
//! | `contract` | the versions of `plugins/wit`, each turned into one set of types |
//! | `verdict` | what a plugin may say |
//! | `guest` | what one instance may use |
//! | `engine` | what all of them have in common; the clock |
//! | `compile` | the compiler's own process |
//! | `cache` | compiled plugins on disk |
//! | `preflight` | what is seen without compiling |
//! | `error`, `failure` | what went wrong, by code |
//!
//! It does not find plugins, check signatures, or decide when one that fails is asked again: those who know the
//! configuration do. It knows no network, store or clock on the wall.

mod cache;
pub mod compile;
mod contract;
mod engine;
mod error;
mod failure;
mod guest;
mod host;
mod limits;
mod plugin;
mod preflight;
mod verdict;

pub use self::{
    cache::CacheError,
    compile::Compiler,
    contract::SUPPORTED,
    error::{ConfigureError, Failure, LoadError, PluginError, Problem},
    guest::{Level, Line},
    host::{Host, HostError, Options},
    limits::{Limits, MAX_BATCH},
    plugin::{Candidate, Configured, Cost, Evaluation, Plugin},
    verdict::{Description, Enroll, Verdict},
};
