//! The engine: takes one scope's scan in, and makes the store say what follows from it.
//!
//! It keeps of every database what is needed to see that nothing changed, and reads the rest from the store when
//! something did. So an unchanged scan costs a comparison a database and one write, and a changed database costs
//! one judgement, one plan and one write. It is synchronous and takes the time as an argument.

use std::sync::Arc;

use muster_matchers::Chain;
use muster_model::{Scope, ScopeRecord};
pub use muster_model::{HeldPlan, HeldRemoval, Verdict};
use muster_plan::{OpenScopes, Settings, Summary};
use muster_store::Revision;

use super::notice::Notice;

/// What a configuration asks of the engine.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The matchers, for the scopes below.
    pub chain: Chain,
    /// What identifies the matchers: what was judged under another digest is judged again.
    pub digest: String,
    /// What a plan may do.
    pub settings: Settings,
    /// Every scope that the configuration asks for, as far as is known.
    pub scopes: Vec<Arc<Scope>>,
    /// Whether that is all.
    pub scopes_known: bool,
    /// What the configuration asks for by `*`.
    pub open: Vec<OpenScopes>,
}

/// What taking something in came to.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The store's revision after it.
    pub revision: Revision,
    /// How many of each among the databases that were planned: the unchanged ones are not among them.
    pub summary: Summary,
    /// How many databases were judged.
    pub judged: u64,
    /// What happened.
    pub notices: Vec<Notice>,
    /// How the scan went, as it is remembered; none when no scan was taken in.
    pub scope: Option<ScopeRecord>,
}
