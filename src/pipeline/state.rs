//! What the store holds, read once at the start of a run.
//!
//! Another process may be writing meanwhile. So everything is read page by page, and what changed since the
//! reading began is read again, until nothing did: then all of it is of one state of the store.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use muster_model::{DecisionRecord, HeldPlan, Record, ResourceId, Scope, ScopeRecord, Target};
use muster_store::{
    Changes, Collection, Damaged, Key, Order, Revision, Store, StoreError, Versioned, Why, tables,
};
use serde::de::DeserializeOwned;

use super::held::RemovedLately;

/// How many records are read at once. A store at the other end of a socket hands out as many.
const PAGE: usize = 1024;

/// How often the reading begins again when more changed meanwhile than the store remembers.
const TRIES: u32 = 5;

/// Everything that a run builds on.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The store's revision when it was read.
    pub revision: Revision,
    /// Databases as last seen.
    pub records: BTreeMap<ResourceId, Record>,
    /// What is enrolled.
    pub targets: BTreeMap<ResourceId, Target>,
    /// The last decision about each database.
    pub decisions: BTreeMap<ResourceId, DecisionRecord>,
    /// How each scope's last scans went.
    pub scopes: BTreeMap<Arc<Scope>, ScopeRecord>,
    /// Plans that the brake held, by number.
    pub plans: Vec<HeldPlan>,
    /// How many targets were removed when.
    pub removed: RemovedLately,
    /// Records that are there and cannot be read.
    pub damaged: Vec<Damaged>,
}

impl State {
    /// Reads everything, as it is at one moment.
    ///
    /// # Errors
    /// When the store cannot be read, was written by a newer muster, or changes faster than it can be read. A
    /// damaged record is in [`State::damaged`] and stops nothing.
    pub fn load(store: &dyn Store) -> Result<Self, StoreError> {
        for _ in 0..TRIES {
            if let Some(state) = Self::try_load(store)? {
                return Ok(state);
            }
        }
        Err(StoreError::Backend {
            what: "read",
            why: "it changes faster than it can be read; try again".to_owned(),
            source: None,
        })
    }

    /// None when more changed meanwhile than the store remembers.
    fn try_load(store: &dyn Store) -> Result<Option<Self>, StoreError> {
        let mut upto = store.revision()?;
        let mut records = Rows::read(tables::INVENTORY, store)?;
        let mut targets = Rows::read(tables::TARGETS, store)?;
        let mut decisions = Rows::read(tables::DECISIONS, store)?;
        let mut scopes = Rows::read(tables::SCOPES, store)?;
        let mut plans = Rows::read(tables::PLANS, store)?;
        let mut removed = removed_lately(store)?;
        loop {
            let (keys, now) = match store.changes_since(upto)? {
                Changes::TooOld { .. } => return Ok(None),
                Changes::Known { upto: now, .. } if now == upto => break,
                Changes::Known { keys, upto } => (keys, upto),
            };
            for key in &keys {
                records.again(key, store)?;
                targets.again(key, store)?;
                decisions.again(key, store)?;
                scopes.again(key, store)?;
                plans.again(key, store)?;
                if tables::META.id(key.as_str()) == Some(RemovedLately::NAME) {
                    removed = removed_lately(store)?;
                }
            }
            upto = now;
        }
        let mut damaged = Vec::new();
        Ok(Some(Self {
            revision: upto,
            records: records.by(&mut damaged, |_, record| record.database.id.clone()),
            targets: targets.by(&mut damaged, |_, target| target.id.clone()),
            decisions: decisions.by(&mut damaged, |id, _| ResourceId::new(id)),
            scopes: scopes.by(&mut damaged, |_, scope| Arc::clone(&scope.scope)),
            plans: plans
                .by(&mut damaged, |id, _| id.to_owned())
                .into_values()
                .collect(),
            removed,
            damaged,
        }))
    }
}

/// The records of a collection, by id, and those that cannot be read.
struct Rows<T> {
    collection: Collection<T>,
    records: BTreeMap<String, T>,
    damaged: Vec<Damaged>,
}

impl<T: DeserializeOwned> Rows<T> {
    /// Reads all of them; what changes meanwhile is to be read [`Self::again`].
    fn read(collection: Collection<T>, store: &dyn Store) -> Result<Self, StoreError> {
        let mut rows = Self {
            collection,
            records: BTreeMap::new(),
            damaged: Vec::new(),
        };
        let mut after: Option<String> = None;
        loop {
            let (mut last, mut count) = (None, 0);
            let visit = &mut |id: &str, record: Result<Versioned<T>, Damaged>| {
                count += 1;
                let is_text = !matches!(&record, Err(damaged) if damaged.why == Why::KeyBytes);
                match record {
                    Ok(record) => drop(rows.records.insert(id.to_owned(), record.value)),
                    Err(damaged) => rows.damaged.push(damaged),
                }
                // The next page begins behind a key, so that has to be a text.
                if count >= PAGE && is_text {
                    last = Some(id.to_owned());
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            collection.each_after(store, "", after.as_deref(), Order::Ascending, visit)?;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(rows),
            }
        }
    }

    /// Reads one again, if it is of this collection.
    fn again(&mut self, key: &Key, store: &dyn Store) -> Result<(), StoreError> {
        let Some(id) = self.collection.id(key.as_str()) else {
            return Ok(());
        };
        self.records.remove(id);
        self.damaged.retain(|damaged| damaged.key != key.as_str());
        match self.collection.get(store, id) {
            Ok(Some(record)) => drop(self.records.insert(id.to_owned(), record.value)),
            Ok(None) => {}
            Err(StoreError::Damaged(damaged)) => self.damaged.push(damaged),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn by<K: Ord>(self, damaged: &mut Vec<Damaged>, key: impl Fn(&str, &T) -> K) -> BTreeMap<K, T> {
        damaged.extend(self.damaged);
        let keyed = |(id, record): (String, T)| (key(&id, &record), record);
        self.records.into_iter().map(keyed).collect()
    }
}

/// How many targets were removed when. What cannot be read counts as nothing: it is an hour's worth.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn removed_lately(store: &dyn Store) -> Result<RemovedLately, StoreError> {
    match tables::META.get(store, RemovedLately::NAME) {
        Ok(found) => Ok(found
            .and_then(|found| serde_json::from_value(found.value).ok())
            .unwrap_or_default()),
        Err(StoreError::Damaged(_)) => Ok(RemovedLately::default()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
