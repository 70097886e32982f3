//! [`Health`]: whether a matcher works. One that fails over everything, again and again, is paused: its databases stay
//! undecided without its being asked, until somebody says that it is time to try again.
//!
//! It knows no clock: when that time is, whoever has one says.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use muster_matchers::Failed;
use muster_model::ResourceId;

/// After so many evaluations in a row in which it failed over everything, a matcher is paused.
pub const PATIENCE: u32 = 3;

/// The code of a verdict that a paused matcher was not asked for.
pub const PAUSED: &str = "paused";

/// Whether a matcher works, as far as is known.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Clone, Debug, Default)]
struct State {
    standing: Standing,
    /// Over which databases it failed in that row: as many as tell one from several.
    over: BTreeSet<ResourceId>,
    /// Whether it is asked although it is paused.
    trying: bool,
}

/// How a matcher does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is not asked any more.
    pub paused: bool,
    /// Evaluations in a row in which it failed over everything.
    pub failures_in_a_row: u32,
    /// The last failure; none since it last answered for all that it was asked.
    pub failure: Option<Failed>,
    /// Verdicts that it gave.
    pub judged: u64,
    /// Databases over which it failed, each time anew.
    pub failed: u64,
}

/// What became of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// Verdicts.
    pub judged: u64,
    /// The databases over which it failed by its own fault.
    pub over: Vec<&'a ResourceId>,
    /// The last of these failures.
    pub failure: Option<Failed>,
}

impl Health {
    /// How it does.
    pub fn standing(&self) -> Standing {
        self.lock().standing.clone()
    }

    /// What to say in place of asking it; none when it is to be asked.
    pub fn paused(&self) -> Option<Failed> {
        let state = self.lock();
        let Standing {
            paused, failure, ..
        } = &state.standing;
        (*paused && !state.trying).then(|| {
            let last = failure.as_ref().map_or("", |failure| failure.code);
            let detail = format!(
                "it is not asked, for it failed again and again, the last time by {last}; it is tried again later"
            );
            Failed::new(PAUSED, detail)
        })
    }

    /// It was asked. Says whether that has paused it, or ended its pause.
    pub fn asked(&self, outcome: &Outcome<'_>) -> bool {
        let mut state = self.lock();
        let State {
            standing,
            over,
            trying,
        } = &mut *state;
        let before = standing.paused;
        let answered = standing.judged > 0 || outcome.judged > 0;
        standing.judged = standing.judged.saturating_add(outcome.judged);
        let failed = u64::try_from(outcome.over.len()).unwrap_or(u64::MAX);
        standing.failed = standing.failed.saturating_add(failed);
        standing.failure.clone_from(&outcome.failure);
        if outcome.judged > 0 {
            standing.paused = false;
            standing.failures_in_a_row = 0;
            over.clear();
        } else if !outcome.over.is_empty() {
            standing.failures_in_a_row = standing.failures_in_a_row.saturating_add(1);
            for id in outcome.over.iter().take(2) {
                if over.len() < 2 {
                    over.insert((*id).clone());
                }
            }
            // One that works for others and fails over this one alone is asked about all others as before.
            let several = over.len() > 1 || !answered;
            standing.paused |= several && standing.failures_in_a_row >= PATIENCE;
        }
        *trying = false;
        before != standing.paused
    }

    /// Has it asked once more, although it is paused.
    pub fn try_again(&self) {
        self.lock().trying = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
