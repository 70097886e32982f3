//! [`Queue`]: which scope is read next.
//!
//! Pure: time and randomness come from outside. A scope is in one place at a time: at rest, due (perhaps put off by
//! jitter or by back-off), asked for by somebody, or running. The next one to be handed out is the one that was asked
//! for first, and else the one that has been due for longest, so that nobody starves however many there are.
//!
//! A scope whose last scans failed may take a part of the slots only, so that those which hang until their time-out
//! leave room for the others. It does not scan, and it does not know what time of day it is.

mod lanes;
mod random;
mod state;

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
    sync::Arc,
};

use muster_model::Scope;

use self::{
    lanes::{Health, Lanes},
    random::SplitMix64,
    state::{Place, State},
};
use crate::{Moment, Pace, moment::millis};

/// The scopes of a configuration, and whose turn it is.
#[derive(Debug)]
pub struct Queue {
    slots: usize,
    scopes: HashMap<Arc<Scope>, State>,
    sources: HashMap<Arc<str>, Vec<Arc<Scope>>>,
    lanes: Lanes,
    running: usize,
    running_failing: usize,
    draining: bool,
    random: SplitMix64,
}

/// A scope that is to be scanned again and again.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The scope.
    pub scope: Arc<Scope>,
    /// The part of the configuration that asks for it, as [`Queue::due`] will name it.
    pub source: Arc<str>,
    /// How often.
    pub pace: Pace,
    /// Incomplete scans in a row, as is remembered from before this start; 0 when nothing is. Looked at when the
    /// scope is new.
    pub failures: u32,
}

/// How a scope stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The scope.
    pub scope: &'a Arc<Scope>,
    /// The parts of the configuration that ask for it; none when it has vanished and is still running.
    pub sources: &'a [Arc<str>],
    /// From when on it may be handed out; none while it runs, and while it waits for the clock.
    pub next: Option<Moment>,
    /// Until when it is left alone after failures, unless somebody asks for it.
    pub back_off: Option<Moment>,
    /// Whether somebody asked for it and it has not begun since.
    pub asked: bool,
    /// Whether it is being scanned.
    pub running: bool,
    /// Incomplete scans in a row.
    pub failures: u32,
    /// Scans that were begun.
    pub runs: u64,
}

/// What ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The number of the scan, as [`Queue::now`] counts.
    pub run: u64,
    /// Whether the configuration no longer asks for the scope: nothing will follow.
    pub gone: bool,
}

// === impl Queue ===

impl Queue {
    /// An empty queue that lets so many scopes run at once. The seed decides every jitter.
    ///
    /// Of the slots, scopes whose last scan was not complete get half (at least one), and all but one (at least one)
    /// when they were asked for. With a single slot there is nothing to keep free.
    pub fn new(slots: NonZeroUsize, seed: u64) -> Self {
        Self {
            slots: slots.get(),
            scopes: HashMap::new(),
            sources: HashMap::new(),
            lanes: Lanes::default(),
            running: 0,
            running_failing: 0,
            draining: false,
            random: SplitMix64::new(seed),
        }
    }

    /// Makes these the scopes. New ones are due at once: as many as there are slots now, the others put off by up to
    /// their jitter. A scope that is wanted by several sources is due whenever one of them is, at the pace of the
    /// most frequent. Those which vanished are dropped; one that runs ends first.
    ///
    /// Returns those that were dropped, so that whoever asked for one can be told.
    pub fn set(
        &mut self,
        wanted: impl IntoIterator<Item = Wanted>,
        now: Moment,
    ) -> Vec<Arc<Scope>> {
        self.sources.clear();
        let mut seen = HashSet::new();
        let mut new = Vec::new();
        for Wanted {
            scope,
            source,
            pace,
            failures,
        } in wanted
        {
            let first = seen.insert(Arc::clone(&scope));
            match self.scopes.get_mut(&scope) {
                Some(state) => {
                    if state.want(&source, pace, first)
                        && let Place::Due { at, order } = state.place
                    {
                        // At the new pace it may be due earlier.
                        let soonest = now.plus(state.pace.jitter).max(state.not_before());
                        let health = state.health();
                        self.lanes.take_out(health, at, order, &scope);
                        let at = at.min(soonest);
                        let order = self.lanes.put_due(health, at, &scope);
                        state.place = Place::Due { at, order };
                    }
                }
                None => {
                    let jitter = self.random.below(millis(pace.jitter));
                    new.push((jitter, Arc::clone(&scope)));
                    let state = State::new(Arc::clone(&source), pace, failures);
                    self.scopes.insert(Arc::clone(&scope), state);
                }
            }
            let of_source = self.sources.entry(source).or_default();
            if of_source.last() != Some(&scope) {
                of_source.push(scope);
            }
        }
        new.sort_by_key(|(jitter, _)| *jitter);
        let free = self.slots.saturating_sub(self.running);
        for (index, (jitter, scope)) in new.into_iter().enumerate() {
            let jitter = if index < free { 0 } else { jitter };
            if let Some(state) = self.scopes.get_mut(&scope) {
                let at = now.plus(std::time::Duration::from_millis(jitter));
                let order = self.lanes.put_due(state.health(), at, &scope);
                state.place = Place::Due { at, order };
            }
        }
        self.drop_all_but(&seen)
    }

    /// The clock says that this part of the configuration is due. Its scopes become due, each put off by up to its
    /// jitter, and after failures until the back-off is over. One that runs, or is due already, is left as it is: a
    /// scan that is under way is the answer.
    pub fn due(&mut self, source: &str, now: Moment) {
        let Some(scopes) = self.sources.get(source) else {
            return;
        };
        for scope in scopes {
            if let Some(state) = self.scopes.get_mut(scope)
                && state.place == Place::Rest
            {
                let jitter = self.random.below(millis(state.pace.jitter));
                let at = now.plus(std::time::Duration::from_millis(jitter));
                let at = at.max(state.not_before());
                let order = self.lanes.put_due(state.health(), at, scope);
                state.place = Place::Due { at, order };
            }
        }
    }

    /// Somebody asks for a scan now: it jumps the queue, and runs in spite of a back-off. One that runs already runs
    /// again right after, because what is under way may have read before whatever the caller wants to see.
    ///
    /// Returns the number of the scan that answers: the request is fulfilled when [`Self::ended`] returns it, or a
    /// higher one. None when the configuration does not ask for this scope.
    pub fn now(&mut self, scope: &Scope, now: Moment) -> Option<u64> {
        let (scope, state) = self.scopes.get_key_value(scope)?;
        if !state.wanted() {
            return None;
        }
        let scope = Arc::clone(scope);
        let state = self.scopes.get_mut(&scope)?;
        match &mut state.place {
            Place::Running { again } => *again = true,
            Place::Asked { .. } => {}
            &mut Place::Due { at, order } => {
                self.lanes.take_out(state.health(), at, order, &scope);
                let order = self.lanes.put_asked(state.health(), &scope);
                state.place = Place::Asked { at: now, order };
            }
            Place::Rest => {
                let order = self.lanes.put_asked(state.health(), &scope);
                state.place = Place::Asked { at: now, order };
            }
        }
        Some(state.runs.saturating_add(1))
    }

    /// Hands out the scope whose turn it is, if there is one and a slot for it. It counts as running until
    /// [`Self::ended`].
    pub fn take(&mut self, now: Moment) -> Option<Arc<Scope>> {
        if !self.has_slot() {
            return None;
        }
        let (asked, due) = (self.may_ask(), self.may_be_due());
        let scope = self.lanes.pop(now, asked, due)?;
        let state = self.scopes.get_mut(&scope)?;
        state.place = Place::Running { again: false };
        state.runs = state.runs.saturating_add(1);
        state.ran_as = state.health();
        self.running = self.running.saturating_add(1);
        if state.ran_as == Health::Failing {
            self.running_failing = self.running_failing.saturating_add(1);
        }
        Some(scope)
    }

    /// A scan ended. A complete one ends the back-off, another lengthens it: from the interval, twice as long with
    /// every failure in a row, up to the pace's longest.
    ///
    /// None when it was not running.
    pub fn ended(&mut self, scope: &Scope, complete: bool, now: Moment) -> Option<Ended> {
        let (scope, state) = self.scopes.get_key_value(scope)?;
        let Place::Running { again } = state.place else {
            return None;
        };
        let scope = Arc::clone(scope);
        let state = self.scopes.get_mut(&scope)?;
        self.running = self.running.saturating_sub(1);
        if state.ran_as == Health::Failing {
            self.running_failing = self.running_failing.saturating_sub(1);
        }
        state.failures = match complete {
            true => 0,
            false => state.failures.saturating_add(1),
        };
        state.ended = Some(now);
        let run = state.runs;
        let gone = !state.wanted();
        if gone {
            self.scopes.remove(&scope);
        } else if again {
            let order = self.lanes.put_asked(state.health(), &scope);
            state.place = Place::Asked { at: now, order };
        } else {
            state.place = Place::Rest;
        }
        Some(Ended { run, gone })
    }

    /// When [`Self::take`] can next hand something out, which may be in the past. None when it cannot before a scan
    /// has ended, the clock has ticked or somebody has asked.
    pub fn next_at(&self) -> Option<Moment> {
        if !self.has_slot() {
            return None;
        }
        self.lanes.next_at(self.may_ask(), self.may_be_due())
    }

    /// From now on nothing is handed out. What runs may end.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether it was drained and nothing runs any more.
    pub const fn is_drained(&self) -> bool {
        self.draining && self.running == 0
    }

    /// How many scopes run.
    pub const fn running(&self) -> usize {
        self.running
    }

    /// How many scopes there are, with those that vanished and still run.
    pub fn len(&self) -> usize {
        self.scopes.len()
    }

    /// Whether there is no scope.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// How every scope stands, in no particular order.
    pub fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.scopes
            .iter()
            .map(|(scope, state)| state.standing(scope))
    }

    /// How one scope stands.
    pub fn standing(&self, scope: &Scope) -> Option<Standing<'_>> {
        let (scope, state) = self.scopes.get_key_value(scope)?;
        Some(state.standing(scope))
    }

    fn drop_all_but(&mut self, seen: &HashSet<Arc<Scope>>) -> Vec<Arc<Scope>> {
        let lanes = &mut self.lanes;
        let mut dropped = Vec::new();
        self.scopes.retain(|scope, state| {
            if seen.contains(scope) {
                return true;
            }
            match state.place {
                Place::Running { .. } => {
                    state.sources.clear();
                    return true;
                }
                Place::Due { at, order } => lanes.take_out(state.health(), at, order, scope),
                Place::Asked { order, .. } => lanes.take_out_asked(state.health(), order, scope),
                Place::Rest => {}
            }
            dropped.push(Arc::clone(scope));
            false
        });
        dropped
    }

    const fn has_slot(&self) -> bool {
        !self.draining && self.running < self.slots
    }

    /// Whether one more failing scope may run because somebody asked for it.
    const fn may_ask(&self) -> bool {
        let most = self.slots.saturating_sub(1);
        self.running_failing < if most == 0 { 1 } else { most }
    }

    /// Whether one more failing scope may run because it is due.
    const fn may_be_due(&self) -> bool {
        let most = self.slots / 2;
        self.running_failing < if most == 0 { 1 } else { most }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
