//! A scan against what is known: what has to be looked at, and what need not be.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use muster_model::{Database, ResourceId, Scan};

use super::{Index, Standing};
use crate::{Hold, Safety, ScopeLine, planner::NOT_SEEN};

/// What a scan makes it necessary to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// What was found and is new, changed, or there again: places in [`Scan::found`].
    pub touched: Vec<usize>,
    /// What the scan did not find although it saw everything; and what was missing and is there again, in a record
    /// that could not be understood.
    pub vanished: Vec<ResourceId>,
    /// What a safety held that this scan may release.
    pub again: Vec<ResourceId>,
}

impl Index {
    /// Compares a scan with what is known, and notes what it saw. A database that is as it was costs one hash.
    pub fn see(&mut self, scan: &Scan) -> Sighting {
        let mut sighting = Sighting::default();
        let place = self.scope_slot(&scan.scope);
        let complete = scan.coverage.is_complete();
        let stamp = {
            let Some(state) = self.scope_mut(place) else {
                return sighting;
            };
            state.stamp = state.stamp.wrapping_add(1);
            state.line = Some(ScopeLine {
                scope: Arc::clone(&scan.scope),
                coverage: scan.coverage.clone(),
                found: scan.found.len(),
                malformed: scan.malformed.clone(),
                warnings: scan.warnings.clone(),
            });
            state.stamp
        };

        let mut seen = 0_usize;
        let mut again = BTreeSet::new();
        let mut twice: HashSet<&ResourceId> = HashSet::new();
        for (at, database) in scan.found.iter().enumerate() {
            match self.look(database, place, stamp) {
                Look::Same => seen += 1,
                Look::Elsewhere => {}
                Look::Twice => {
                    twice.insert(&database.id);
                }
                Look::Touched => sighting.touched.push(at),
            }
        }
        if !twice.is_empty() {
            // All of them are looked at, so that content decides and not the order.
            let mut touched: BTreeSet<usize> = sighting.touched.into_iter().collect();
            touched.extend(
                scan.found
                    .iter()
                    .enumerate()
                    .filter(|(_, database)| twice.contains(&database.id))
                    .map(|(at, _)| at),
            );
            sighting.touched = touched.into_iter().collect();
        }
        if complete {
            let here = self
                .scope_state(place)
                .map_or(0, |state| state.members.len());
            if seen < here {
                self.unseen(scan, place, stamp, &mut sighting);
            }
            for group in self.groups_of(place) {
                self.unseen(scan, group, stamp, &mut sighting);
            }
            for group in self.groups_of(place) {
                again.extend(self.releasable(group, complete));
            }
        }
        if !complete {
            self.unreadable(scan, place, stamp, &mut sighting);
        }
        again.extend(self.releasable(place, complete));
        sighting.again = again
            .into_iter()
            .filter_map(|slot| self.at(slot))
            .map(|entry| entry.id.clone())
            .collect();
        sighting
    }

    fn look(&mut self, database: &Database, place: u32, stamp: u32) -> Look {
        let hash = self.hash(database);
        let Some(&slot) = self.by_id.get(&database.id) else {
            return Look::Touched;
        };
        let Some(entry) = self.at(slot) else {
            return Look::Touched;
        };
        if entry.scope != place {
            // Where two scopes see one database, the first scope's word counts for as long as it sees it.
            let ours = self.scope_state(place).map(|state| &state.scope);
            let theirs = self.scope_state(entry.scope).map(|state| &state.scope);
            if !self.saw(entry) || theirs >= ours {
                return Look::Touched;
            }
            if let Some(entry) = self.at_mut(slot) {
                entry.also = Some((place, stamp));
            }
            return Look::Elsewhere;
        }
        if entry.stamp == stamp {
            return Look::Twice;
        }
        let same = entry.record && !entry.missing && entry.hash == hash;
        if let Some(entry) = self.at_mut(slot) {
            entry.stamp = stamp;
        }
        if same { Look::Same } else { Look::Touched }
    }

    /// What a complete scan did not find of one scope's members.
    fn unseen(&mut self, scan: &Scan, place: u32, stamp: u32, sighting: &mut Sighting) {
        let Some(state) = self.scope_state(place) else {
            return;
        };
        let own_stamp = state.stamp;
        let here = *state.scope == *scan.scope;
        let unreadable = provider_ids(scan);
        let found: HashMap<&ResourceId, ()> = if here {
            HashMap::new()
        } else {
            scan.found.iter().map(|d| (&d.id, ())).collect()
        };
        let slots: Vec<u32> = state.members.iter().copied().collect();
        for slot in slots {
            let Some(entry) = self.at(slot) else {
                continue;
            };
            if (here && entry.stamp == stamp) || found.contains_key(&entry.id) {
                continue;
            }
            if !entry.record && !entry.own {
                continue;
            }
            // Where two scopes see one database, it is there for as long as one of them does.
            if !here && self.saw(entry) {
                continue;
            }
            if !entry.missing
                && let Some((scope, stamp)) = self.seen_elsewhere(entry)
            {
                self.hand_over(slot, scope, stamp);
                continue;
            }
            let Some(entry) = self.at_mut(slot) else {
                continue;
            };
            if unreadable.contains(entry.id.provider_id()) {
                entry.stamp = own_stamp;
                if entry.missing {
                    sighting.vanished.push(entry.id.clone());
                }
                continue;
            }
            sighting.vanished.push(entry.id.clone());
        }
    }

    /// From now on another scope's word counts. Its next scan is looked at, whatever it says.
    pub(super) fn hand_over(&mut self, slot: u32, scope: u32, stamp: u32) {
        self.move_to(slot, scope);
        if let Some(entry) = self.at_mut(slot) {
            entry.stamp = stamp;
            entry.also = None;
            entry.hash = !entry.hash;
        }
    }

    /// What an incomplete scan saw of one scope's members and could not understand.
    fn unreadable(&mut self, scan: &Scan, place: u32, stamp: u32, sighting: &mut Sighting) {
        if scan.malformed.is_empty() {
            return;
        }
        let unreadable = provider_ids(scan);
        let slots: Vec<u32> = self
            .scope_state(place)
            .map(|state| state.members.iter().copied().collect())
            .unwrap_or_default();
        for slot in slots {
            let Some(entry) = self.at_mut(slot) else {
                continue;
            };
            if entry.stamp != stamp && unreadable.contains(entry.id.provider_id()) {
                entry.stamp = stamp;
                if entry.missing {
                    sighting.vanished.push(entry.id.clone());
                }
            }
        }
    }

    /// The resource groups' scopes within a whole subscription's.
    fn groups_of(&self, place: u32) -> Vec<u32> {
        let Some(whole) = self
            .scope_state(place)
            .map(|state| Arc::clone(&state.scope))
        else {
            return Vec::new();
        };
        if whole.provider != muster_model::Provider::Azure || whole.resource_group.is_some() {
            return Vec::new();
        }
        (0..)
            .zip(&self.scopes)
            .filter(|(_, state)| {
                let scope = &state.scope;
                scope.resource_group.is_some()
                    && scope.provider == whole.provider
                    && scope.account == whole.account
                    && scope.region == whole.region
                    && scope.service == whole.service
            })
            .map(|(place, _)| place)
            .collect()
    }

    /// What a complete scan of its scope may release, what was seen and never planned, and what was held for not being
    /// seen and is.
    fn releasable(&self, place: u32, complete: bool) -> Vec<u32> {
        let Some(state) = self.scope_state(place) else {
            return Vec::new();
        };
        let releases = |slot: &&u32| {
            self.at(**slot).is_some_and(|entry| match entry.standing {
                Standing::Held(Hold { safety, .. }) => match safety {
                    Safety::Grace | Safety::Brake => complete,
                    Safety::Coverage => complete || self.saw(entry),
                    _ => false,
                },
                Standing::Unplanned => complete || self.saw(entry),
                // Nothing was planned about it, for it was not seen.
                Standing::Skipped(code) => {
                    let code = self.codes.get(usize::from(code));
                    code.is_some_and(|code| **code == *NOT_SEEN) && (complete || self.saw(entry))
                }
                Standing::Kept => false,
            })
        };
        state.members.iter().filter(releases).copied().collect()
    }
}

/// Of the records that could not be understood.
fn provider_ids(scan: &Scan) -> HashSet<&str> {
    let ids = scan.malformed.iter();
    ids.filter_map(|record| record.provider_id.as_deref())
        .collect()
}

/// How a found database compares with what is known.
enum Look {
    Same,
    Touched,
    Twice,
    Elsewhere,
}
