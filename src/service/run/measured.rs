//! [`Measured`]: a store whose reads and writes are counted and timed.

use std::{sync::Arc, time::Instant};

use muster_store::{
    Batch, Changes, Key, Order, Revision, SledStore, Store, StoreError, Versioned, Visit,
};

use crate::metrics::{Metrics, StoreOp};

/// A store, and who is told how long it takes.
pub(super) struct Measured {
    /// The store itself.
    pub(super) store: Arc<SledStore>,
    metrics: Arc<Metrics>,
}

impl Measured {
    pub(super) const fn new(store: Arc<SledStore>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics }
    }

    fn timed<T>(
        &self,
        op: StoreOp,
        call: impl FnOnce(&SledStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let done = call(&self.store);
        let outcome = done.as_ref().map(|_| ());
        self.metrics.store_op(op, begun.elapsed(), outcome);
        done
    }
}

impl Store for Measured {
    fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision()
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        self.timed(StoreOp::Read, |store| store.get(key))
    }

    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        self.timed(StoreOp::Read, |store| {
            store.scan_after(prefix, after, order, visit)
        })
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        self.timed(StoreOp::Commit, |store| store.commit(batch))
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        self.timed(StoreOp::Read, |store| store.changes_since(since))
    }

    fn wait(&self, after: Revision, timeout: std::time::Duration) -> Result<Revision, StoreError> {
        self.store.wait(after, timeout)
    }
}
