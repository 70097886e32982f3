//! Writes what a run came to, all or nothing.

use std::collections::HashSet;

use muster_model::Timestamp;
use muster_plan::TargetWrite;
use muster_store::{Batch, Expect, Keep, Revision, Store, StoreError, tables};

use super::run::Writes;

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

/// Writes everything in one batch. The process holds the store alone, so that the revision it was read at
/// stands for all of its keys.
///
/// # Errors
/// [`CommitError::Stale`] when the store is not at `expected`; those of the store. Nothing was changed then.
pub fn commit(
    store: &dyn Store,
    writes: &Writes,
    expected: Revision,
) -> Result<Revision, CommitError> {
    let found = store.revision()?;
    if found != expected {
        return Err(CommitError::Stale { expected, found });
    }
    let mut batch = Batch::new();
    for record in &writes.records {
        tables::INVENTORY.put(&mut batch, record.database.id.as_str(), record, Expect::Any)?;
    }
    for scope in &writes.scopes {
        tables::SCOPES.put(&mut batch, &scope.scope.to_string(), scope, Expect::Any)?;
    }
    for write in &writes.targets {
        match write {
            TargetWrite::Put(target) => {
                tables::TARGETS.put(
                    &mut batch,
                    target.id.as_str(),
                    target.as_ref(),
                    Expect::Any,
                )?;
            }
            TargetWrite::Delete(id) => {
                tables::TARGETS.delete(&mut batch, id.as_str(), Expect::Any)?
            }
        }
    }
    let forgotten: HashSet<_> = writes.forget.iter().collect();
    for (id, decision) in writes
        .decisions
        .iter()
        .filter(|(id, _)| !forgotten.contains(id))
    {
        tables::DECISIONS.put(&mut batch, id.as_str(), decision, Expect::Any)?;
    }
    for id in &writes.forget {
        tables::INVENTORY.delete(&mut batch, id.as_str(), Expect::Any)?;
        tables::DECISIONS.delete(&mut batch, id.as_str(), Expect::Any)?;
    }
    tables::HISTORY.append(store, &mut batch, &writes.history)?;
    Ok(store.commit(batch)?)
}

/// How much history is kept: thirteen months, and a million entries.
pub const KEEP: Keep = Keep {
    age: 396 * 24 * 60 * 60,
    entries: 1_000_000,
};

/// Takes history away that is older or more than [`KEEP`].
///
/// # Errors
/// Those of the store.
pub fn trim(store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
    loop {
        let mut batch = Batch::new();
        if tables::HISTORY.trim(store, &mut batch, KEEP, now)? == 0 {
            return Ok(());
        }
        store.commit(batch)?;
    }
}
