//! Writes what a run came to: of each database all of it, or nothing.

use std::collections::BTreeMap;

use muster_model::{DecisionRecord, HistoryEntry, Record, ResourceId, Timestamp};
use muster_plan::TargetWrite;
use muster_store::{Batch, Changes, Expect, Keep, Op, Revision, Store, StoreError, tables};

use super::{
    held::{RemovedLately, plan_id},
    matched::{self, Matched},
    run::Writes,
};
use crate::{notify::outbox, service::notice::Notice};

/// Why a run could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody wrote since the run began. Nothing was changed.
    #[error("the store is at revision {found}, and the plan was made at {expected}")]
    Stale {
        /// The revision that the run was made from.
        expected: Revision,
        /// The present one.
        found: Revision,
    },
    /// The store failed.
    #[error("cannot write the run to the store")]
    Store(#[from] StoreError),
}

/// The most bytes of one batch, unless one database alone has more. Some forty thousand new databases.
const MAX_BATCH: usize = 128 << 20;

/// Who is to be told of what is written.
#[derive(Clone, Copy, Debug)]
pub struct Tell<'a> {
    /// The discovery group.
    pub group: &'a str,
    /// What else happened, beside what the history says.
    pub also: &'a [Notice],
}

/// Writes everything: in one batch, or where that would be too large, in several, each of which holds all that
/// is written about its databases. A process that is killed between two of them leaves some databases as they
/// were before the run; the next run takes them up. The process holds the store alone, so that the revision it
/// was read at stands for all of its keys.
///
/// `by` says which matchers judged it. Unless they are those that judged everything else, that these did is forgotten with the
/// first batch: as soon as a decision may be of others, or of nobody because a database differs from what was judged.
///
/// Where `tell` is given, the notices of what is written are queued in the same batch.
///
/// # Errors
/// [`CommitError::Stale`] when what the run was made from has changed since `expected`: nothing was changed then.
/// That scopes were read again and all was as before does not count. Those of the store.
pub fn commit(
    store: &dyn Store,
    writes: &Writes,
    expected: Revision,
    by: Matched<'_>,
    tell: Option<Tell<'_>>,
) -> Result<Revision, CommitError> {
    commit_in_batches(store, writes, expected, by, tell, MAX_BATCH)
}

/// Whether what a plan rests on is as it was at a revision: databases, targets, decisions, held plans and what was
/// removed lately. That scopes were read again, and that somebody was told of something, is beside that.
///
/// # Errors
/// When the store cannot be read.
pub fn still_stands(store: &dyn Store, made: Revision) -> Result<bool, StoreError> {
    let rests_on = |key: &str| {
        tables::INVENTORY.id(key).is_some()
            || tables::TARGETS.id(key).is_some()
            || tables::DECISIONS.id(key).is_some()
            || tables::PLANS.id(key).is_some()
            || tables::META.id(key) == Some(RemovedLately::NAME)
    };
    Ok(match store.changes_since(made)? {
        Changes::Known { keys, .. } => !keys.iter().any(|key| rests_on(key.as_str())),
        Changes::TooOld { .. } => false,
    })
}

fn commit_in_batches(
    store: &dyn Store,
    writes: &Writes,
    expected: Revision,
    by: Matched<'_>,
    tell: Option<Tell<'_>>,
    max: usize,
) -> Result<Revision, CommitError> {
    let found = store.revision()?;
    let same = found == expected;
    if !same && !still_stands(store, expected)? {
        return Err(CommitError::Stale { expected, found });
    }
    let judged = !writes.records.is_empty() || !writes.decisions.is_empty();
    let mut otherwise = judged && !matches!(by, Matched::Alike);
    let mut batch = Pending::new(tell);
    if writes.behind {
        // First, so that no part of it is there without.
        batch.put(matched::fall_behind)?;
    }
    for (id, about) in by_database(writes) {
        let id = id.as_str();
        if let Some(record) = about.record {
            batch.put(|batch| tables::INVENTORY.put(batch, id, record, Expect::Any))?;
        }
        match about.target {
            Some(TargetWrite::Put(target)) => {
                batch.put(|batch| tables::TARGETS.put(batch, id, target.as_ref(), Expect::Any))?;
            }
            Some(TargetWrite::Delete(_)) => {
                batch.put(|batch| tables::TARGETS.delete(batch, id, Expect::Any))?;
            }
            None => {}
        }
        if about.forget {
            batch.put(|batch| tables::INVENTORY.delete(batch, id, Expect::Any))?;
            batch.put(|batch| tables::DECISIONS.delete(batch, id, Expect::Any))?;
        } else if let Some(decision) = about.decision {
            batch.put(|batch| tables::DECISIONS.put(batch, id, decision, Expect::Any))?;
        }
        batch.history.extend(about.history.into_iter().cloned());
        if batch.bytes >= max {
            if std::mem::take(&mut otherwise) {
                batch.put(matched::forget)?;
            }
            std::mem::replace(&mut batch, Pending::new(tell)).commit(store, &[])?;
        }
    }
    // Last, so that a scope counts as read when all that was read of it is there.
    for plan in &writes.plans {
        batch.put(|batch| tables::PLANS.put(batch, &plan_id(plan.number), plan, Expect::Any))?;
    }
    if let Some(removed) = &writes.removed {
        let value = serde_json::json!(removed);
        batch.put(|batch| tables::META.put(batch, RemovedLately::NAME, &value, Expect::Any))?;
    }
    match by {
        Matched::All(digest) if judged => batch.put(|batch| matched::put(batch, digest))?,
        _ if otherwise => batch.put(matched::forget)?,
        _ => {}
    }
    for scope in &writes.scopes {
        let id = scope.scope.to_string();
        let newer = !same
            && tables::SCOPES.get(store, &id).is_ok_and(|there| {
                there.is_some_and(|there| there.value.attempted > scope.attempted)
            });
        if newer {
            continue;
        }
        batch.put(|batch| tables::SCOPES.put(batch, &id, scope, Expect::Any))?;
    }
    Ok(batch.commit(store, tell.map_or(&[], |tell| tell.also))?)
}

/// All that is written about one database.
#[derive(Default)]
struct About<'a> {
    record: Option<&'a Record>,
    forget: bool,
    target: Option<&'a TargetWrite>,
    decision: Option<&'a DecisionRecord>,
    history: Vec<&'a HistoryEntry>,
}

fn by_database(writes: &Writes) -> BTreeMap<&ResourceId, About<'_>> {
    let mut all: BTreeMap<&ResourceId, About<'_>> = BTreeMap::new();
    for record in &writes.records {
        all.entry(&record.database.id).or_default().record = Some(record);
    }
    for write in &writes.targets {
        let id = match write {
            TargetWrite::Put(target) => &target.id,
            TargetWrite::Delete(id) => id,
        };
        all.entry(id).or_default().target = Some(write);
    }
    for (id, decision) in &writes.decisions {
        all.entry(id).or_default().decision = Some(decision);
    }
    for id in &writes.forget {
        let about = all.entry(id).or_default();
        about.forget = true;
        about.record = None;
    }
    for entry in &writes.history {
        all.entry(&entry.id).or_default().history.push(entry);
    }
    all
}

/// A batch that is being filled.
struct Pending<'a> {
    batch: Batch,
    history: Vec<HistoryEntry>,
    bytes: usize,
    tell: Option<Tell<'a>>,
}

impl<'a> Pending<'a> {
    fn new(tell: Option<Tell<'a>>) -> Self {
        Self {
            batch: Batch::new(),
            history: Vec::new(),
            bytes: 0,
            tell,
        }
    }

    fn put(
        &mut self,
        write: impl FnOnce(&mut Batch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        write(&mut self.batch)?;
        if let Some(Op::Put(value)) = self.batch.writes().last().map(|write| &write.op) {
            self.bytes = self.bytes.saturating_add(value.len());
        }
        Ok(())
    }

    fn commit(mut self, store: &dyn Store, also: &[Notice]) -> Result<Revision, StoreError> {
        tables::HISTORY.append(store, &mut self.batch, &self.history)?;
        if let Some(tell) = self.tell {
            let mut notices: Vec<Notice> = self
                .history
                .iter()
                .filter_map(|entry| Notice::of(entry, tell.group))
                .collect();
            notices.extend_from_slice(also);
            outbox::append(store, &mut self.batch, &notices)?;
        }
        store.commit(self.batch)
    }
}

/// How much history is kept: thirteen months, and a million entries.
pub const KEEP: Keep = Keep {
    age: 396 * 24 * 60 * 60,
    entries: 1_000_000,
};

/// Takes history away that is older or more than `keep`.
///
/// # Errors
/// Those of the store.
pub fn trim(store: &dyn Store, keep: Keep, now: Timestamp) -> Result<(), StoreError> {
    loop {
        let mut batch = Batch::new();
        if tables::HISTORY.trim(store, &mut batch, keep, now)? == 0 {
            return Ok(());
        }
        store.commit(batch)?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Arc;

    use muster_model::{
        Availability, Database, EndpointRole, Event, Kind, Protocol, Scan, Scope, Service,
        State as DbState,
    };
    use muster_store::MemoryStore;

    use super::*;
    use crate::pipeline::state::State;

    fn writes() -> Writes {
        let scope = Arc::new(Scope::aws("111111111111", "us-east-1", Service::Rds));
        let database = |n: usize| Database {
            id: ResourceId::of(
                &format!("arn:aws:rds:us-east-1:111111111111:db:db{n}"),
                "instance",
            ),
            scope: Arc::clone(&scope),
            kind: Kind::Rds,
            protocol: Some(Protocol::Postgres),
            identifier: format!("db{n}"),
            role: EndpointRole::Instance,
            region: "us-east-1".to_owned(),
            endpoint: None,
            tls_server_name: None,
            engine: "postgres".to_owned(),
            engine_version: "16.4".to_owned(),
            state: DbState {
                name: "available".to_owned(),
                availability: Availability::Available,
            },
            tags: BTreeMap::new(),
            derived: BTreeMap::new(),
            facts: BTreeMap::new(),
            unsupported: None,
            unread: Default::default(),
            notes: Vec::new(),
        };
        let scan = Scan {
            found: (0..50).map(database).collect(),
            ..Scan::empty(scope)
        };
        let mut inventory = muster_plan::Inventory::default();
        let merge = inventory.merge(&[scan], &BTreeMap::new(), Timestamp::from_unix(0), "run", 2);
        Writes {
            records: inventory.iter().cloned().collect(),
            scopes: merge.scopes,
            history: merge.history,
            ..Writes::default()
        }
    }

    #[test]
    fn many_batches_leave_what_one_leaves() {
        let (one, many) = (MemoryStore::new(), MemoryStore::new());
        let writes = writes();
        let by = Matched::Alike;
        commit_in_batches(&one, &writes, Revision(0), by, None, usize::MAX).unwrap();
        commit_in_batches(&many, &writes, Revision(0), by, None, 2_000).unwrap();
        assert_eq!(one.revision().unwrap(), Revision(1));
        assert!(
            many.revision().unwrap() > Revision(5),
            "it was cut into batches"
        );
        let (one_state, many_state) = (State::load(&one).unwrap(), State::load(&many).unwrap());
        assert_eq!(one_state.records, many_state.records);
        assert_eq!(one_state.records.len(), 50);
        assert_eq!(one_state.scopes, many_state.scopes);
        let seen = |store: &MemoryStore| tables::HISTORY.recent(store, 100).unwrap().entries;
        assert_eq!(seen(&one), seen(&many));
        assert!(seen(&one).iter().all(|entry| entry.event == Event::Seen));
    }

    #[test]
    fn who_judged_everything_is_known_again_when_all_batches_are_there() {
        for (by, after) in [
            (Matched::Alike, Some("rules 1")),
            (Matched::All("rules 2"), Some("rules 2")),
            (Matched::Otherwise, None),
        ] {
            for max in [2_000, usize::MAX] {
                let store = MemoryStore::new();
                let mut batch = Batch::new();
                matched::put(&mut batch, "rules 1").unwrap();
                let made = store.commit(batch).unwrap();
                commit_in_batches(&store, &writes(), made, by, None, max).unwrap();
                assert_eq!(matched::known(&store).unwrap().as_deref(), after, "{by:?}");
                let nothing = Writes::default();
                let made = store.revision().unwrap();
                commit_in_batches(&store, &nothing, made, Matched::Otherwise, None, max).unwrap();
                assert_eq!(matched::known(&store).unwrap().as_deref(), after, "{by:?}");
            }
        }
    }

    #[test]
    fn a_run_from_another_revision_writes_nothing() {
        let store = MemoryStore::new();
        commit(&store, &writes(), Revision(0), Matched::Alike, None).unwrap();
        let refused = commit(&store, &writes(), Revision(0), Matched::Alike, None).unwrap_err();
        assert!(matches!(refused, CommitError::Stale { .. }), "{refused}");
        assert_eq!(store.revision().unwrap(), Revision(1));
    }
}
