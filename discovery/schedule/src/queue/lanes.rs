//! Those who wait, in order: who was asked for before who is due, and those that fail beside the others.

use std::{collections::BTreeSet, sync::Arc};

use muster_model::Scope;

use crate::Moment;

/// Whether a scope's last scan was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It was, or there was none.
    Well,
    /// It was not.
    Failing,
}

/// Everybody who waits.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    asked: Lane<()>,
    due: Lane<Moment>,
    /// Counts up, so that of two with the same moment the earlier comes first.
    order: u64,
}

#[derive(Debug, Default)]
struct Lane<K> {
    well: BTreeSet<(K, u64, Arc<Scope>)>,
    failing: BTreeSet<(K, u64, Arc<Scope>)>,
}

// === impl Lanes ===

impl Lanes {
    /// Puts one in that is due from `at` on; returns what it takes to find it again.
    pub(super) fn put_due(&mut self, health: Health, at: Moment, scope: &Arc<Scope>) -> u64 {
        let order = self.next_order();
        self.due.side(health).insert((at, order, Arc::clone(scope)));
        order
    }

    /// Puts one in that somebody asked for.
    pub(super) fn put_asked(&mut self, health: Health, scope: &Arc<Scope>) -> u64 {
        let order = self.next_order();
        self.asked
            .side(health)
            .insert(((), order, Arc::clone(scope)));
        order
    }

    /// Takes one out that is due.
    pub(super) fn take_out(&mut self, health: Health, at: Moment, order: u64, scope: &Arc<Scope>) {
        self.due
            .side(health)
            .remove(&(at, order, Arc::clone(scope)));
    }

    /// Takes one out that was asked for.
    pub(super) fn take_out_asked(&mut self, health: Health, order: u64, scope: &Arc<Scope>) {
        self.asked
            .side(health)
            .remove(&((), order, Arc::clone(scope)));
    }

    /// Takes out whose turn it is. `asked` and `due` say whether one that fails may go.
    pub(super) fn pop(&mut self, now: Moment, asked: bool, due: bool) -> Option<Arc<Scope>> {
        if let Some((_, _, scope)) = self.asked.pop(asked) {
            return Some(scope);
        }
        let (at, _, _) = self.due.first(due)?;
        if *at > now {
            return None;
        }
        self.due.pop(due).map(|(_, _, scope)| scope)
    }

    /// From when on somebody could go.
    pub(super) fn next_at(&self, asked: bool, due: bool) -> Option<Moment> {
        if self.asked.first(asked).is_some() {
            return Some(Moment::default());
        }
        self.due.first(due).map(|(at, _, _)| *at)
    }

    const fn next_order(&mut self) -> u64 {
        self.order = self.order.wrapping_add(1);
        self.order
    }
}

// === impl Lane ===

impl<K: Ord> Lane<K> {
    const fn side(&mut self, health: Health) -> &mut BTreeSet<(K, u64, Arc<Scope>)> {
        match health {
            Health::Well => &mut self.well,
            Health::Failing => &mut self.failing,
        }
    }

    fn first(&self, failing: bool) -> Option<&(K, u64, Arc<Scope>)> {
        let well = self.well.first();
        let failing = self.failing.first().filter(|_| failing);
        well.into_iter().chain(failing).min()
    }

    fn pop(&mut self, failing: bool) -> Option<(K, u64, Arc<Scope>)> {
        let first = self.first(failing)?;
        if self.well.first() == Some(first) {
            self.well.pop_first()
        } else {
            self.failing.pop_first()
        }
    }
}
