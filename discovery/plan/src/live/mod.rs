//! [`Index`]: what a running service knows of every database, in a hundred-odd bytes each.
//!
//! It holds what is needed to see that nothing changed, and what a plan of *some* databases has to know of all the
//! others: who has and who wants which name, how many targets there are, how many removals are on their way, and
//! how every scope was last read. Records, targets and decisions themselves stay in the store.
//!
//! | part | what |
//! |---|---|
//! | here | the entries, and putting them in and taking them out |
//! | `see` | a scan against what is known: what is to be looked at, and what need not be |
//! | `names` | who has and who wants which name |
//! | `tally` | how many of each |

mod names;
mod see;
mod tally;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use muster_model::{Database, Kind, Protocol, Record, ResourceId, Scope, Target};

use self::names::Names;
pub use self::{see::Sighting, tally::Tally};
use crate::{
    Action, Hold, OpenScopes, Outcome, Safety, ScopeLine, TargetWrite,
    names::{Others, Uses},
};

/// What a running service knows of every database.
#[derive(Clone, Debug)]
pub struct Index {
    group: String,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_id: HashMap<ResourceId, u32>,
    scopes: Vec<ScopeState>,
    by_scope: HashMap<Arc<Scope>, u32>,
    names: Names,
    /// Databases whose claim to a name may come out otherwise than it did.
    stirred: BTreeSet<u32>,
    /// Removals that wait for their grace or for a person.
    waiting: BTreeSet<u32>,
    /// Targets of this group that discovery made.
    own: usize,
    /// The codes of skips, so that an entry holds a number.
    codes: Vec<Box<str>>,
    scopes_known: bool,
    open: Vec<OpenScopes>,
    hasher: RandomState,
}

/// One database, or a target without one.
#[derive(Clone, Debug)]
struct Entry {
    id: ResourceId,
    scope: u32,
    /// The scan of its scope that last saw it.
    stamp: u32,
    /// Another scope that sees it as well, and the scan of that scope that last saw it.
    also: Option<(u32, u32)>,
    /// Of the database as the last scan that saw it found it.
    hash: u64,
    kind: Kind,
    protocol: Option<Protocol>,
    /// Whether the inventory has a record of it.
    record: bool,
    missing: bool,
    own: bool,
    wants: Option<Arc<str>>,
    holds: Option<Arc<str>>,
    short: Option<Arc<str>>,
    standing: Standing,
}

/// What the last plan said of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet.
    #[default]
    Unplanned,
    /// It is enrolled, as it should be.
    Kept,
    /// A safety holds what would be done.
    Held(Hold),
    /// It is not enrolled; the number of the reason's code.
    Skipped(u8),
}

#[derive(Clone, Debug)]
struct ScopeState {
    scope: Arc<Scope>,
    /// How it was read last; none before its first scan since the start.
    line: Option<ScopeLine>,
    /// Whether the configuration asks for it.
    configured: bool,
    /// Counts its scans.
    stamp: u32,
    members: BTreeSet<u32>,
}

impl Index {
    /// An index of nothing, for the targets of a group.
    pub fn new(group: &str) -> Self {
        Self {
            group: group.to_owned(),
            entries: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            scopes: Vec::new(),
            by_scope: HashMap::new(),
            names: Names::default(),
            stirred: BTreeSet::new(),
            waiting: BTreeSet::new(),
            own: 0,
            codes: Vec::new(),
            scopes_known: false,
            open: Vec::new(),
            hasher: RandomState::new(),
        }
    }

    /// How many databases are known, and targets without one.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Every id, in no particular order.
    pub fn ids(&self) -> impl Iterator<Item = &ResourceId> {
        self.by_id.keys()
    }

    /// Whether the inventory has a record of it.
    pub fn has_record(&self, id: &ResourceId) -> bool {
        self.entry(id).is_some_and(|entry| entry.record)
    }

    /// Whether it has a target of this group.
    pub fn is_own(&self, id: &ResourceId) -> bool {
        self.entry(id).is_some_and(|entry| entry.own)
    }

    /// Whether complete scans do not find it.
    pub fn is_missing(&self, id: &ResourceId) -> bool {
        self.entry(id).is_some_and(|entry| entry.missing)
    }

    /// Notes that it is enrolled, as far as is known without a plan.
    pub fn keep(&mut self, id: &ResourceId) {
        self.stand(id, Standing::Kept);
    }

    /// Notes that it is not enrolled, and why, as the last decision says.
    pub fn skip(&mut self, id: &ResourceId, code: &str) {
        let code = self.code(code);
        self.stand(id, Standing::Skipped(code));
    }

    /// Whether it has the name that it wants, as a target of this group.
    pub fn has_its_name(&self, id: &ResourceId) -> bool {
        self.entry(id)
            .is_some_and(|entry| entry.own && entry.holds.is_some() && entry.holds == entry.wants)
    }

    /// Notes that a safety held it before the start.
    pub fn hold(&mut self, id: &ResourceId, hold: Hold) {
        self.stand(id, Standing::Held(hold));
    }

    /// Notes that nothing is known of it without a plan: the next scan that sees it makes one.
    pub fn unplan(&mut self, id: &ResourceId) {
        self.stand(id, Standing::Unplanned);
    }

    /// What the last plan said of it.
    pub fn standing(&self, id: &ResourceId) -> Standing {
        self.entry(id)
            .map_or(Standing::Unplanned, |entry| entry.standing)
    }

    /// Databases whose change, or removal, a safety holds.
    pub fn held(&self) -> impl Iterator<Item = (&ResourceId, Hold)> {
        self.entries
            .iter()
            .flatten()
            .filter_map(|entry| match entry.standing {
                Standing::Held(hold) => Some((&entry.id, hold)),
                _ => None,
            })
    }

    /// What the configuration asks for: every scope, whether that is all, and what it asks for by `*`.
    pub fn configure(&mut self, scopes: &[Arc<Scope>], scopes_known: bool, open: Vec<OpenScopes>) {
        let before: Vec<bool> = self.scopes.iter().map(|state| state.configured).collect();
        for state in &mut self.scopes {
            state.configured = false;
        }
        for scope in scopes {
            let slot = self.scope_slot(scope);
            if let Some(state) = self.scope_mut(slot) {
                state.configured = true;
            }
        }
        // What is asked for again was last read long ago: that proves nothing, and nothing counts as seen by it.
        for (state, before) in self.scopes.iter_mut().zip(before) {
            if state.configured && !before {
                state.line = None;
                state.stamp = state.stamp.wrapping_add(1);
            }
        }
        self.scopes_known = scopes_known;
        self.open = open;
        // What another scope sees as well is that one's now, and waits for its next scan: what is remembered of it is
        // what the scope before it said.
        let left = self.scopes.iter().filter(|state| !state.configured);
        let slots: Vec<u32> = left.flat_map(|state| &state.members).copied().collect();
        for slot in slots {
            let entry = self.at(slot).filter(|entry| !entry.missing);
            if let Some((scope, stamp)) = entry.and_then(|entry| self.seen_elsewhere(entry)) {
                self.hand_over(slot, scope, stamp.wrapping_sub(1));
            }
        }
    }

    /// The scope whose word on it counts. Its record may still name the one before.
    pub fn scope_of(&self, id: &ResourceId) -> Option<&Arc<Scope>> {
        let state = self.scope_state(self.entry(id)?.scope)?;
        Some(&state.scope)
    }

    /// Whether the configured scopes are all that the configuration asks for.
    pub fn scopes_known(&self) -> bool {
        self.scopes_known
    }

    /// What the configuration asks for by `*`.
    pub fn open_scopes(&self) -> &[OpenScopes] {
        &self.open
    }

    /// How a configured scope was last read; none also before its first scan.
    pub fn line(&self, scope: &Scope) -> Option<&ScopeLine> {
        let slot = *self.by_scope.get(scope)?;
        let state = self.scope_state(slot)?;
        state.line.as_ref().filter(|_| state.configured)
    }

    /// Sets how a scope was read, without a scan: at the start, when it was not read yet.
    pub fn set_line(&mut self, line: ScopeLine) {
        let slot = self.scope_slot(&Arc::clone(&line.scope));
        if let Some(state) = self.scope_mut(slot) {
            state.line = Some(line);
        }
    }

    /// Notes that the last scan of a scope saw none of its databases, as far as is known: which ones an incomplete scan
    /// saw is not remembered over a start.
    pub fn unsee(&mut self, scope: &Scope) {
        let Some(&slot) = self.by_scope.get(scope) else {
            return;
        };
        if let Some(state) = self.scope_mut(slot) {
            state.stamp = state.stamp.wrapping_add(1);
        }
    }

    /// Databases and targets in scopes that the configuration does not ask for any more.
    pub fn unconfigured(&self) -> Vec<ResourceId> {
        self.scopes
            .iter()
            .filter(|state| !state.configured)
            .flat_map(|state| &state.members)
            .filter_map(|slot| self.at(*slot))
            .map(|entry| entry.id.clone())
            .collect()
    }

    /// Whether the last scan of its scope saw it.
    pub fn is_seen(&self, id: &ResourceId) -> bool {
        self.entry(id).is_some_and(|entry| self.saw(entry))
    }

    /// How many targets of this group there are.
    pub fn own_targets(&self) -> usize {
        self.own
    }

    /// How many removals wait, beside those of databases that are planned now.
    pub(crate) fn removals_beside(&self, planned: impl Fn(&ResourceId) -> bool) -> usize {
        self.waiting
            .iter()
            .filter_map(|slot| self.at(*slot))
            .filter(|entry| !planned(&entry.id))
            .count()
    }

    /// How a name is used by others than `id`.
    pub(crate) fn uses(&self, id: &ResourceId, name: &str) -> Uses<'_> {
        let Some(used) = self.names.get(name) else {
            return Uses {
                holder: None,
                others: None,
                holder_wants: false,
                short: None,
            };
        };
        let ids = |slots: &'_ [u32]| -> Vec<&ResourceId> {
            slots
                .iter()
                .filter_map(|slot| self.at(*slot))
                .map(|entry| &entry.id)
                .collect()
        };
        let holder = used
            .holder
            .and_then(|slot| self.at(slot))
            .map(|entry| &entry.id);
        let wanted = ids(&used.wanted);
        let holder_wants = holder.is_some_and(|holder| wanted.contains(&holder));
        let mut others = wanted.into_iter().filter(|other| *other != id);
        let others = others.next().map(|first| {
            others.fold(Others { first, more: 0 }, |others, other| Others {
                first: others.first.min(other),
                more: others.more + 1,
            })
        });
        Uses {
            holder,
            others,
            holder_wants,
            short: match ids(&used.short).as_slice() {
                [only] => Some(*only),
                _ => None,
            },
        }
    }

    /// Takes the databases whose claim to a name may come out otherwise than it did.
    pub fn take_stirred(&mut self) -> Vec<ResourceId> {
        let stirred = std::mem::take(&mut self.stirred);
        stirred
            .into_iter()
            .filter_map(|slot| self.at(slot))
            .map(|entry| entry.id.clone())
            .collect()
    }

    // === putting in and taking out ===

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
        if !entry.record {
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

    fn wants_a_name(&self, id: &ResourceId) -> bool {
        self.entry(id).is_some_and(|entry| entry.wants.is_some())
    }

    fn stand(&mut self, id: &ResourceId, standing: Standing) {
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
    }

    // === slots ===

    fn hash(&self, database: &Database) -> u64 {
        self.hasher.hash_one(database)
    }

    fn saw(&self, entry: &Entry) -> bool {
        !entry.missing
            && self
                .scope_state(entry.scope)
                .is_some_and(|state| state.configured && state.stamp == entry.stamp)
    }

    /// Another scope whose last scan saw it, and that scan.
    fn seen_elsewhere(&self, entry: &Entry) -> Option<(u32, u32)> {
        entry.also.filter(|(scope, stamp)| {
            *scope != entry.scope
                && self
                    .scope_state(*scope)
                    .is_some_and(|state| state.configured && state.stamp == *stamp)
        })
    }

    fn at(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    fn at_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    fn entry(&self, id: &ResourceId) -> Option<&Entry> {
        self.at(*self.by_id.get(id)?)
    }

    fn entry_mut(&mut self, id: &ResourceId) -> Option<&mut Entry> {
        let slot = *self.by_id.get(id)?;
        self.at_mut(slot)
    }

    fn scope_state(&self, slot: u32) -> Option<&ScopeState> {
        self.scopes.get(slot as usize)
    }

    fn scope_mut(&mut self, slot: u32) -> Option<&mut ScopeState> {
        self.scopes.get_mut(slot as usize)
    }

    fn scope_slot(&mut self, scope: &Arc<Scope>) -> u32 {
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
    fn slot(&mut self, id: &ResourceId, scope: u32, kind: Kind) -> u32 {
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

    fn move_to(&mut self, slot: u32, scope: u32) {
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

    fn code(&mut self, code: &str) -> u8 {
        let known = self.codes.iter().position(|known| **known == *code);
        let place = known.unwrap_or_else(|| {
            self.codes.push(code.into());
            self.codes.len() - 1
        });
        // There are a dozen; what is beyond the last number shares it.
        u8::try_from(place).unwrap_or(u8::MAX)
    }
}

/// Four thousand million databases are enough: what is beyond shares the last slot's number and is never found.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// The line of a scope that was not read since the start: it proves nothing yet.
pub fn unread_line(scope: &Arc<Scope>) -> ScopeLine {
    ScopeLine {
        scope: Arc::clone(scope),
        coverage: muster_model::Coverage::Unread(Vec::new()),
        found: 0,
        malformed: Vec::new(),
        warnings: Vec::new(),
    }
}
