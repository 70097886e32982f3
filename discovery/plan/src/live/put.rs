//! Putting in what the store holds and what a plan came to, and taking out what is gone.

use std::collections::HashSet;

use muster_model::{Database, Record, ResourceId, Target};

use super::{Index, Standing};
use crate::{Action, Hold, Outcome, Safety, TargetWrite};

impl Index {
    /// A record as the store has it. It counts as seen, unless it is missing.
    pub fn put_record(&mut self, record: &Record) {
        let hash = self.hash(&record.database);
        self.put_database(&record.database, record.missing.is_some(), hash);
    }

    pub(crate) fn put_database(&mut self, database: &Database, missing: bool, hash: u64) {
        let scope = self.scope_slot(&database.scope);
        let stamp = self.scope_state(scope).map_or(0, |state| state.stamp);
        let slot = self.slot(&database.id, scope, database.kind);
        self.move_to(slot, scope);
        if let Some(entry) = self.at_mut(slot) {
            entry.record = true;
            entry.missing = missing;
            entry.kind = database.kind;
            entry.protocol = database.protocol;
            entry.hash = hash;
            if missing {
                entry.stamp = stamp.wrapping_sub(1);
            } else {
                entry.stamp = stamp;
            }
        }
        if missing {
            self.want(&database.id, None);
        }
    }

    /// What a database was found as, when its record came out otherwise: by what it is recognised the next time.
    pub fn recognise(&mut self, database: &Database) {
        let hash = self.hash(database);
        if let Some(entry) = self.entry_mut(&database.id) {
            entry.hash = hash;
        }
    }

    /// The name that the matchers want a database to have; none when they do not enroll it.
    pub fn want(&mut self, id: &ResourceId, name: Option<&str>) {
        let Some(&slot) = self.by_id.get(id) else {
            return;
        };
        let Some(entry) = self.entries.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        self.names
            .want(slot, &mut entry.wants, name, &mut self.stirred);
    }

    /// A target as the store has it.
    pub fn put_target(&mut self, target: &Target) {
        let scope = self.scope_slot(&target.scope);
        let slot = self.slot(&target.id, scope, target.kind);
        let own = target.owner.by == crate::planner::DISCOVERY && target.owner.group == self.group;
        let Some(entry) = self.entries.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        self.own = self.own + usize::from(own) - usize::from(entry.own);
        entry.own = own;
        entry.protocol = Some(target.protocol);
        self.names
            .hold(slot, entry, Some(target), &mut self.stirred);
        self.file(slot);
    }

    /// A target that is no more.
    pub fn delete_target(&mut self, id: &ResourceId) {
        let Some(&slot) = self.by_id.get(id) else {
            return;
        };
        let Some(entry) = self.entries.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        self.own -= usize::from(entry.own);
        entry.own = false;
        self.names.hold(slot, entry, None, &mut self.stirred);
        let forgotten = !entry.record;
        self.file(slot);
        if forgotten {
            self.forget(id);
        }
    }

    /// A record that is no more. A target of it stays.
    pub fn forget(&mut self, id: &ResourceId) {
        let Some(&slot) = self.by_id.get(id) else {
            return;
        };
        self.want(id, None);
        let Some(entry) = self.at_mut(slot) else {
            return;
        };
        entry.record = false;
        if entry.holds.is_some() {
            return;
        }
        let scope = entry.scope;
        if let Some(state) = self.scope_mut(scope) {
            state.members.remove(&slot);
        }
        self.by_id.remove(id);
        self.waiting.remove(&slot);
        self.behind.remove(&slot);
        self.unsure.remove(&slot);
        self.stirred.remove(&slot);
        if let Some(place) = self.entries.get_mut(slot as usize) {
            *place = None;
        }
        self.free.push(slot);
    }

    /// Takes in what a plan of these databases came to.
    pub fn settle(&mut self, outcome: &Outcome) {
        for change in &outcome.plan.changes {
            let standing = match (change.action, change.hold) {
                (Action::Add | Action::Update | Action::Keep, _) => Standing::Kept,
                (Action::Held, Some(hold)) => Standing::Held(hold),
                (Action::Held | Action::Remove, _) => Standing::Unplanned,
            };
            self.stand(&change.id, standing);
        }
        // Who is skipped and has a target as well is also in the changes, which say more.
        let told: HashSet<&ResourceId> = outcome
            .plan
            .changes
            .iter()
            .filter(|change| change.action != Action::Remove)
            .map(|change| &change.id)
            .collect();
        let skipped = outcome.plan.skipped.iter();
        for line in skipped.filter(|line| !told.contains(&line.id)) {
            let code = self.code(&line.code);
            self.stand(&line.id, Standing::Skipped(code));
        }
        for write in &outcome.writes {
            match write {
                TargetWrite::Put(target) => {
                    self.put_target(target);
                    // Updated in all but the name, which it cannot have: the next plan says only that.
                    if !self.has_its_name(&target.id) && self.wants_a_name(&target.id) {
                        self.stand(
                            &target.id,
                            Standing::Held(Hold {
                                would: Action::Update,
                                safety: Safety::Name,
                            }),
                        );
                    }
                }
                TargetWrite::Delete(id) => self.delete_target(id),
            }
        }
        for id in &outcome.forget {
            self.forget(id);
        }
    }

    pub(super) fn wants_a_name(&self, id: &ResourceId) -> bool {
        self.entry(id).is_some_and(|entry| entry.wants.is_some())
    }

    pub(super) fn stand(&mut self, id: &ResourceId, standing: Standing) {
        let Some(&slot) = self.by_id.get(id) else {
            return;
        };
        let waits = matches!(
            standing,
            Standing::Held(Hold {
                would: Action::Remove,
                safety: Safety::Grace | Safety::Brake,
            })
        );
        if waits {
            self.waiting.insert(slot);
        } else {
            self.waiting.remove(&slot);
        }
        if let Some(entry) = self.at_mut(slot) {
            entry.standing = standing;
        }
        self.file(slot);
    }

    /// Puts a target of this group among those that are not known to be as they should be, or takes it out.
    fn file(&mut self, slot: u32) {
        let own = self.at(slot).filter(|entry| entry.own);
        let (behind, unsure) = match own.map(|entry| entry.standing) {
            None | Some(Standing::Kept) => (false, false),
            Some(Standing::Held(hold)) if hold.would == Action::Update => {
                let is_behind = hold.safety != Safety::Name;
                (is_behind, is_behind)
            }
            // What waits to be removed may have been held as it was before that.
            Some(Standing::Held(_) | Standing::Unplanned | Standing::Skipped(_)) => (false, true),
        };
        for (are, is) in [(&mut self.behind, behind), (&mut self.unsure, unsure)] {
            if is {
                are.insert(slot);
            } else {
                are.remove(&slot);
            }
        }
    }
}
