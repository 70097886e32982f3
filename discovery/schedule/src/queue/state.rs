//! What the queue knows of one scope.

use std::{sync::Arc, time::Duration};

use muster_model::Scope;

use super::{Standing, lanes::Health};
use crate::{Moment, Pace};

#[derive(Debug)]
pub(super) struct State {
    /// Who asks for it; none when it has vanished and still runs.
    pub(super) sources: Vec<Arc<str>>,
    pub(super) pace: Pace,
    /// Of the pace; worked out once, because for cron it takes a while.
    interval: Duration,
    pub(super) failures: u32,
    pub(super) ended: Option<Moment>,
    pub(super) runs: u64,
    pub(super) place: Place,
    /// As what it was handed out.
    pub(super) ran_as: Health,
}

/// Where a scope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It waits for the clock.
    Rest,
    /// It is due from `at` on.
    Due { at: Moment, order: u64 },
    /// Somebody asked for it at `at`.
    Asked { at: Moment, order: u64 },
    /// It is being scanned; `again` when somebody has asked for it since it began.
    Running { again: bool },
}

// === impl State ===

impl State {
    pub(super) fn new(source: Arc<str>, pace: Pace, failures: u32) -> Self {
        Self {
            sources: vec![source],
            interval: pace.when.interval(),
            pace,
            failures,
            ended: None,
            runs: 0,
            place: Place::Rest,
            ran_as: Health::Well,
        }
    }

    /// Notes that a source asks for it; `first` for the first one of this configuration. Says whether the pace is
    /// another now.
    pub(super) fn want(&mut self, source: &Arc<str>, pace: Pace, first: bool) -> bool {
        if first {
            self.sources.clear();
        }
        if !self.sources.contains(source) {
            self.sources.push(Arc::clone(source));
        }
        if self.pace == pace {
            return false;
        }
        let interval = if self.pace.when == pace.when {
            self.interval
        } else {
            pace.when.interval()
        };
        let replaces = first || interval < self.interval;
        if replaces {
            self.interval = interval;
            self.pace = pace;
        }
        replaces
    }

    /// Whether the configuration asks for it.
    pub(super) const fn wanted(&self) -> bool {
        !self.sources.is_empty()
    }

    pub(super) const fn health(&self) -> Health {
        match self.failures {
            0 => Health::Well,
            _ => Health::Failing,
        }
    }

    /// Until when it is left alone. What failed before this start is no reason to wait.
    pub(super) fn not_before(&self) -> Moment {
        let (Some(ended), Some(doublings)) = (self.ended, self.failures.checked_sub(1)) else {
            return Moment::default();
        };
        let factor = 2_u32.saturating_pow(doublings);
        let pause = self.interval.saturating_mul(factor);
        ended.plus(pause.min(self.pace.backoff_max))
    }

    pub(super) fn standing<'a>(&'a self, scope: &'a Arc<Scope>) -> Standing<'a> {
        let not_before = self.not_before();
        let running = matches!(self.place, Place::Running { .. });
        Standing {
            scope,
            sources: &self.sources,
            next: match self.place {
                Place::Due { at, .. } | Place::Asked { at, .. } => Some(at),
                Place::Rest | Place::Running { .. } => None,
            },
            back_off: (not_before > Moment::default() && !running).then_some(not_before),
            asked: matches!(
                self.place,
                Place::Asked { .. } | Place::Running { again: true }
            ),
            running,
            failures: self.failures,
            runs: self.runs,
        }
    }
}
