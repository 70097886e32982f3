//! The feeder: publishes the targets of the store, and the databases of the configuration and of records, as the catalog.
//!
//! It reads everything once, and then follows the store's log of changes: a change costs what changed, among ten
//! targets as among a million. A store that is gone for a while leaves the last catalog in force: what was enrolled
//! stays reachable.
//!
//! It decides nothing but one thing: who wrote a database down meant its name, so where a target of the store has the
//! same one, the target waits, and the log says so (`named`).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use muster_model::{ResourceId, Target};
use muster_proxy::Catalog;
use muster_store::{Changes, Order, Revision, Store, StoreError, tables};

use super::named;

/// How long the store is waited for at a time; how soon the feeder notices that it is to end.
const WAIT: Duration = Duration::from_millis(500);

/// Publishes a catalog.
pub(super) struct Feeder {
    catalog: Arc<ArcSwap<Catalog>>,
    /// Guards the making of the next catalog: both the store and people have a say in it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Databases of the configuration.
    configured: Vec<Target>,
    /// Databases of records.
    records: Vec<Target>,
    /// What of these is published, by name in lower case.
    by_hand: BTreeMap<String, Arc<Target>>,
    /// Targets of the store that wait for a name that somebody wrote down, by that name.
    waiting: HashMap<String, Arc<Target>>,
}

/// Where the feeder is in a store.
#[derive(Default)]
pub(super) struct Place {
    /// The store that was read, to notice that it is another one.
    store: Option<Arc<dyn Store>>,
    upto: Revision,
}

// === impl Feeder ===

impl Feeder {
    pub(super) fn new() -> Self {
        Self {
            catalog: Arc::new(ArcSwap::from_pointee(Catalog::new())),
            state: Mutex::default(),
        }
    }

    /// What is published.
    pub(super) fn catalog(&self) -> &Arc<ArcSwap<Catalog>> {
        &self.catalog
    }

    /// These are the databases of records from now on. Returns the targets that are other ones than before, or gone.
    pub(super) fn set_records(&self, records: Vec<Target>) -> Vec<ResourceId> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.records = records;
        self.publish_by_hand(&mut state)
    }

    /// These are the databases of the configuration from now on. Returns the targets that are other ones than before,
    /// or gone.
    pub(super) fn set_configured(&self, configured: Vec<Target>) -> Vec<ResourceId> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.configured = configured;
        self.publish_by_hand(&mut state)
    }

    fn publish_by_hand(&self, state: &mut State) -> Vec<ResourceId> {
        let all = named::by_hand(state.configured.clone(), state.records.clone());
        for record in &all.waiting {
            tracing::warn!(
                name = record.name,
                "a database of a record waits: another one that people wrote down has its name, and the configuration goes before records"
            );
        }
        let targets: BTreeMap<String, Arc<Target>> = all
            .targets
            .into_iter()
            .map(|(name, target)| (name, Arc::new(target)))
            .collect();
        let mut catalog = Catalog::clone(&self.catalog.load());
        let mut touched = Vec::new();
        for (name, old) in &state.by_hand {
            let next = targets.get(name);
            if next.is_none_or(|next| next.id != old.id) {
                catalog = catalog.without(&old.id);
                touched.push(old.id.clone());
            }
            if next.is_none()
                && let Some(next) = state.waiting.get(name)
            {
                catalog = catalog.with(Arc::clone(next));
                touched.push(next.id.clone());
            }
        }
        let State {
            by_hand, waiting, ..
        } = state;
        waiting.retain(|name, _| targets.contains_key(name));
        for (name, target) in &targets {
            if by_hand.get(name) == Some(target) {
                continue;
            }
            if let Ok(other) = catalog.find(name)
                && other.name.eq_ignore_ascii_case(name)
                && other.id != target.id
            {
                let other = Arc::clone(other);
                shadowed(&other);
                catalog = catalog.without(&other.id);
                touched.push(other.id.clone());
                waiting.insert(name.clone(), other);
            }
            catalog = catalog.with(Arc::clone(target));
            touched.push(target.id.clone());
        }
        *by_hand = targets;
        self.catalog.store(Arc::new(catalog));
        touched
    }

    /// Follows a store for a while. Returns the targets that are other ones than before, or gone.
    ///
    /// # Errors
    /// Those of the store: then the catalog is as it was, and the next call begins anew.
    pub(super) fn follow(
        &self,
        store: &Arc<dyn Store>,
        place: &mut Place,
    ) -> Result<Vec<ResourceId>, StoreError> {
        let same = place
            .store
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, store));
        if !same {
            let touched = self.read_all(store, place)?;
            place.store = Some(Arc::clone(store));
            return Ok(touched);
        }
        if store.wait(place.upto, WAIT)? <= place.upto {
            return Ok(Vec::new());
        }
        match store.changes_since(place.upto)? {
            Changes::TooOld { .. } => self.read_all(store, place),
            Changes::Known { keys, upto } => {
                let mut changed = Vec::new();
                for key in &keys {
                    if let Some(id) = tables::TARGETS.id(key.as_str()) {
                        let target = readable(id, tables::TARGETS.get(&**store, id))?;
                        changed.push((ResourceId::new(id), target));
                    }
                }
                place.upto = upto;
                Ok(self.take(changed))
            }
        }
    }

    /// Reads every target, and publishes the difference to what was.
    fn read_all(
        &self,
        store: &Arc<dyn Store>,
        place: &mut Place,
    ) -> Result<Vec<ResourceId>, StoreError> {
        let upto = store.revision()?;
        let before = self.catalog.load_full();
        let mut there = HashMap::new();
        tables::TARGETS.each(&**store, "", Order::Ascending, &mut |id, record| {
            match record {
                Ok(record) => {
                    there.insert(ResourceId::new(id), record.value);
                }
                Err(damaged) => tracing::warn!(id, %damaged, "a target cannot be read"),
            }
            ControlFlow::Continue(())
        })?;
        let mut changed = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let by_hand: HashSet<&ResourceId> =
                state.by_hand.values().map(|target| &target.id).collect();
            let known = before.iter().chain(state.waiting.values());
            known
                .map(|target| &target.id)
                .filter(|id| !there.contains_key(id) && !by_hand.contains(id))
                .map(|id| (id.clone(), None))
                .collect::<Vec<_>>()
        };
        for (id, target) in there {
            if before.get(&id).is_none_or(|known| **known != target) {
                changed.push((id, Some(target)));
            }
        }
        place.upto = upto;
        Ok(self.take(changed))
    }

    /// Publishes changes of the store's targets: another one, or none.
    fn take(&self, changed: Vec<(ResourceId, Option<Target>)>) -> Vec<ResourceId> {
        if changed.is_empty() {
            return Vec::new();
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut catalog = Catalog::clone(&self.catalog.load());
        let mut touched = Vec::new();
        for (id, target) in changed {
            state.waiting.retain(|_, waits| waits.id != id);
            catalog = catalog.without(&id);
            touched.push(id);
            let Some(target) = target else { continue };
            let target = Arc::new(target);
            let name = named::key(&target.name);
            if state.by_hand.contains_key(&name) {
                shadowed(&target);
                state.waiting.insert(name, target);
            } else {
                catalog = catalog.with(target);
            }
        }
        self.catalog.store(Arc::new(catalog));
        touched
    }
}

/// A record that is damaged counts as not there, and is told of.
fn readable(
    id: &str,
    read: Result<Option<muster_store::Versioned<Target>>, StoreError>,
) -> Result<Option<Target>, StoreError> {
    match read {
        Ok(target) => Ok(target.map(|target| target.value)),
        Err(damaged @ StoreError::Damaged(_)) => {
            tracing::warn!(id, %damaged, "a target cannot be read");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn shadowed(target: &Target) {
    tracing::warn!(
        name = target.name,
        id = %target.id,
        "an enrolled database waits: somebody wrote another one down under its name"
    );
}

#[cfg(test)]
mod tests;
