//! [`Index`]: what a running service knows of every database, in a hundred-odd bytes each.
//!
//! It holds what is needed to see that nothing changed, and what a plan of *some* databases has to know of all the
//! others: who has and who wants which name, how many targets there are, how many removals are on their way, and
//! how every scope was last read. Records, targets and decisions themselves stay in the store.
//!
//! | part | what |
//! |---|---|
//! | here | the entries, and what is asked of them |
//! | `put` | putting them in and taking them out |
//! | `slots` | their places |
//! | `see` | a scan against what is known: what is to be looked at, and what need not be |
//! | `names` | who has and who wants which name |
//! | `tally` | how many of each |

mod names;
mod put;
mod see;
mod slots;
mod tally;

use std::{
    collections::{BTreeSet, HashMap},
    hash::RandomState,
    sync::Arc,
};

use muster_model::{Kind, Protocol, ResourceId, Scope};

use self::names::Names;
pub use self::{see::Sighting, tally::Tally};
use crate::{
    Hold, OpenScopes, ScopeLine,
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
    /// Targets of this group that differ from what they should be, and are held so; but for names, which every start compares.
    behind: BTreeSet<u32>,
    /// Those that the last plan did not find to be as they should be, whatever it said of them; again but for names.
    unsure: BTreeSet<u32>,
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
            behind: BTreeSet::new(),
            unsure: BTreeSet::new(),
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

    /// Whether the configuration asks for its scope.
    pub fn is_asked_for(&self, id: &ResourceId) -> bool {
        self.entry(id).is_some_and(|entry| self.asks(entry))
    }

    /// Whether the last scan of its scope saw it.
    pub fn is_seen(&self, id: &ResourceId) -> bool {
        self.entry(id).is_some_and(|entry| self.saw(entry))
    }

    /// Whether a target of this group is held as it was, and not as it should be.
    pub fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Whether every target of this group is known to be as it should be, but for its name.
    pub fn is_up_to_date(&self) -> bool {
        self.unsure.is_empty()
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
