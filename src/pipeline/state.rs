//! What the store holds, read once at the start of a run.

use std::{collections::BTreeMap, sync::Arc};

use muster_model::{DecisionRecord, HeldPlan, Record, ResourceId, Scope, ScopeRecord, Target};
use muster_store::{Damaged, Listing, Revision, Store, StoreError, tables};

use super::held::RemovedLately;

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
    /// Reads everything.
    ///
    /// # Errors
    /// When the store cannot be read, or was written by a newer muster. A damaged record is in
    /// [`State::damaged`] and stops nothing.
    pub fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let revision = store.revision()?;
        let mut damaged = Vec::new();
        let mut keep = |found: Vec<Damaged>| damaged.extend(found);
        let Listing {
            records,
            damaged: bad,
        } = tables::INVENTORY.list(store)?;
        keep(bad);
        let Listing {
            records: targets,
            damaged: bad,
        } = tables::TARGETS.list(store)?;
        keep(bad);
        let Listing {
            records: decisions,
            damaged: bad,
        } = tables::DECISIONS.list(store)?;
        keep(bad);
        let Listing {
            records: scopes,
            damaged: bad,
        } = tables::SCOPES.list(store)?;
        keep(bad);
        let Listing {
            records: plans,
            damaged: bad,
        } = tables::PLANS.list(store)?;
        keep(bad);
        Ok(Self {
            revision,
            records: records
                .into_iter()
                .map(|(_, r)| (r.value.database.id.clone(), r.value))
                .collect(),
            targets: targets
                .into_iter()
                .map(|(_, t)| (t.value.id.clone(), t.value))
                .collect(),
            decisions: decisions
                .into_iter()
                .map(|(id, d)| (ResourceId::new(id), d.value))
                .collect(),
            scopes: scopes
                .into_iter()
                .map(|(_, s)| (s.value.scope.clone(), s.value))
                .collect(),
            plans: plans.into_iter().map(|(_, plan)| plan.value).collect(),
            removed: removed_lately(store)?,
            damaged,
        })
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
