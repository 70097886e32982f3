//! The places of entries and scopes: finding one, making one, and moving an entry to another scope.

use std::{collections::BTreeSet, hash::BuildHasher, sync::Arc};

use muster_model::{Database, Kind, ResourceId, Scope};

use super::{Entry, Index, ScopeState, Standing, number};

impl Index {
    pub(super) fn hash(&self, database: &Database) -> u64 {
        self.hasher.hash_one(database)
    }

    pub(super) fn saw(&self, entry: &Entry) -> bool {
        !entry.missing
            && self
                .scope_state(entry.scope)
                .is_some_and(|state| state.configured && state.stamp == entry.stamp)
    }

    /// Whether the configuration asks for its scope.
    pub(super) fn asks(&self, entry: &Entry) -> bool {
        let state = self.scope_state(entry.scope);
        state.is_some_and(|state| state.configured)
    }

    /// Another scope whose last scan saw it, and that scan.
    pub(super) fn seen_elsewhere(&self, entry: &Entry) -> Option<(u32, u32)> {
        entry.also.filter(|(scope, stamp)| {
            *scope != entry.scope
                && self
                    .scope_state(*scope)
                    .is_some_and(|state| state.configured && state.stamp == *stamp)
        })
    }

    pub(super) fn at(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn entry(&self, id: &ResourceId) -> Option<&Entry> {
        self.at(*self.by_id.get(id)?)
    }

    pub(super) fn entry_mut(&mut self, id: &ResourceId) -> Option<&mut Entry> {
        let slot = *self.by_id.get(id)?;
        self.at_mut(slot)
    }

    pub(super) fn scope_state(&self, slot: u32) -> Option<&ScopeState> {
        self.scopes.get(slot as usize)
    }

    pub(super) fn scope_mut(&mut self, slot: u32) -> Option<&mut ScopeState> {
        self.scopes.get_mut(slot as usize)
    }

    pub(super) fn scope_slot(&mut self, scope: &Arc<Scope>) -> u32 {
        if let Some(slot) = self.by_scope.get(scope) {
            return *slot;
        }
        let slot = number(self.scopes.len());
        self.scopes.push(ScopeState {
            scope: Arc::clone(scope),
            line: None,
            configured: false,
            stamp: 1,
            members: BTreeSet::new(),
        });
        self.by_scope.insert(Arc::clone(scope), slot);
        slot
    }

    /// The slot of an id; a new one in this scope when there is none.
    pub(super) fn slot(&mut self, id: &ResourceId, scope: u32, kind: Kind) -> u32 {
        if let Some(slot) = self.by_id.get(id) {
            return *slot;
        }
        let entry = Entry {
            id: id.clone(),
            scope,
            stamp: 0,
            also: None,
            hash: 0,
            kind,
            protocol: None,
            record: false,
            missing: false,
            own: false,
            wants: None,
            holds: None,
            short: None,
            standing: Standing::Unplanned,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.entries.get_mut(slot as usize) {
                    *place = Some(entry);
                }
                slot
            }
            None => {
                self.entries.push(Some(entry));
                number(self.entries.len() - 1)
            }
        };
        self.by_id.insert(id.clone(), slot);
        if let Some(state) = self.scope_mut(scope) {
            state.members.insert(slot);
        }
        slot
    }

    pub(super) fn move_to(&mut self, slot: u32, scope: u32) {
        let Some(entry) = self.at(slot) else {
            return;
        };
        let seen = self.saw(entry).then_some((entry.scope, entry.stamp));
        let Some(entry) = self.at_mut(slot) else {
            return;
        };
        let from = std::mem::replace(&mut entry.scope, scope);
        if from != scope {
            entry.also = seen;
            if let Some(state) = self.scope_mut(from) {
                state.members.remove(&slot);
            }
            if let Some(state) = self.scope_mut(scope) {
                state.members.insert(slot);
            }
        }
    }

    pub(super) fn code(&mut self, code: &str) -> u8 {
        let known = self.codes.iter().position(|known| **known == *code);
        let place = known.unwrap_or_else(|| {
            self.codes.push(code.into());
            self.codes.len() - 1
        });
        // There are a dozen; what is beyond the last number shares it.
        u8::try_from(place).unwrap_or(u8::MAX)
    }
}
