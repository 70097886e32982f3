//! A judging of everything that breaks off in the middle.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use muster_model::Timestamp;
use muster_store::{
    Batch, Changes, Key, MemoryStore, Order, Revision, Store, StoreError, Versioned, Visit, tables,
};

use super::{
    super::{Engine, EngineError, Setup, configure::CHUNK},
    kit::{REGIONS, chain, complete, fleet, setup},
};

/// As many may be removed as are to be.
fn unbraked() -> Setup {
    let mut setup = setup();
    setup.settings.brake.released = true;
    setup
}

/// A store that fails when targets are to be written once too often.
struct Fails {
    store: Arc<MemoryStore>,
    /// How often they may be.
    left: AtomicUsize,
}

impl Store for Fails {
    fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision()
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        self.store.get(key)
    }

    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        self.store.scan_after(prefix, after, order, visit)
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        let mut keys = batch.writes().iter().map(|write| write.key.as_str());
        if keys.any(|key| tables::TARGETS.id(key).is_some()) {
            let left = self.left.load(Ordering::SeqCst).checked_sub(1);
            let left = left.ok_or_else(|| StoreError::Backend {
                what: "write",
                why: "the disk is full".to_owned(),
                source: None,
            })?;
            self.left.store(left, Ordering::SeqCst);
        }
        self.store.commit(batch)
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        self.store.changes_since(since)
    }

    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError> {
        self.store.wait(after, timeout)
    }
}

#[test]
fn what_was_judged_by_rules_that_then_were_refused_is_judged_again() {
    let store = Arc::new(MemoryStore::new());
    let fails = Arc::new(Fails {
        store: store.clone(),
        left: AtomicUsize::new(2),
    });
    let now = Timestamp::from_unix(1_800_000_000);
    let many = CHUNK + 100;
    let enrolled = || tables::TARGETS.list(&*store).unwrap().records.len();
    let mut engine = Engine::open(fails, unbraked(), now).unwrap();
    let scan = complete(REGIONS[0], fleet(REGIONS[0], many));
    engine.take(&scan, now, "run").unwrap();
    let others = Setup {
        chain: chain("[{ name: none, match: { '*': '*' }, skip: nobody gets anything }]"),
        digest: "rules 2".to_owned(),
        ..unbraked()
    };
    let refused = engine.configure(others, now, "reload").unwrap_err();
    assert!(matches!(refused, EngineError::Store(_)), "{refused}");
    assert_eq!(enrolled(), many - CHUNK);

    // The old configuration stays in force.
    let mut engine = Engine::open(store.clone(), unbraked(), now).unwrap();
    engine.take(&scan, now, "run").unwrap();
    assert_eq!(enrolled(), many);
}
