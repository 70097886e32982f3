//! The store on sled, compacted again and again while it is used.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use muster_store::{
    Batch, Changes, Expect, Key, Order, Revision, SledStore, Store, StoreError, Versioned, Visit,
    conformance::{Reopened, Subject},
};
use tempfile::TempDir;

/// Stores that are compacted with every few commits, and never closed.
pub struct Compacting;

struct Compacted {
    inner: SledStore,
    commits: AtomicU32,
    _dir: TempDir,
}

impl Subject for Compacting {
    fn fresh(&mut self) -> Result<Box<dyn Store>, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let inner = SledStore::open(dir.path()).map_err(|error| error.to_string())?;
        Ok(Box::new(Compacted {
            inner,
            commits: AtomicU32::new(0),
            _dir: dir,
        }))
    }

    /// The suite opens stores again to see that everything is there: here it must be after a compaction.
    fn reopen(&mut self, store: Box<dyn Store>) -> Result<Reopened, String> {
        let mut compact = Batch::new();
        compact.check(Key::new("compact").unwrap(), Expect::Any);
        store.commit(compact).map_err(|error| error.to_string())?;
        Ok(Reopened::Durable(store))
    }
}

impl Compacted {
    fn compact(&self) -> Result<(), StoreError> {
        let live = self.inner.live()?;
        self.inner.compact()?;
        let health = self.inner.check()?;
        assert_eq!((health.missing, health.damaged), (None, Vec::new()));
        assert_eq!(self.inner.live()?, live);
        Ok(())
    }
}

impl Store for Compacted {
    fn revision(&self) -> Result<Revision, StoreError> {
        self.inner.revision()
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        self.inner.get(key)
    }

    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        self.inner.scan_after(prefix, after, order, visit)
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        let asked = batch
            .writes()
            .iter()
            .any(|write| write.key.as_str() == "compact");
        let revision = self.inner.commit(batch)?;
        if asked || self.commits.fetch_add(1, Ordering::Relaxed) % 16 == 15 {
            self.compact()?;
        }
        Ok(revision)
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        self.inner.changes_since(since)
    }

    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError> {
        self.inner.wait(after, timeout)
    }
}

#[test]
fn a_store_is_the_same_to_everybody_while_it_is_compacted() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(SledStore::open(dir.path()).unwrap());
    let write = |round: u32| {
        let mut batch = Batch::new();
        for number in 0..300 {
            let value = round.to_be_bytes().repeat(200);
            batch.put(
                Key::new(format!("k/{number:03}")).unwrap(),
                value,
                Expect::Any,
            );
        }
        store.commit(batch).unwrap()
    };
    write(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let compacting = scope.spawn(|| {
            let mut compacted = 0;
            while !done.load(Ordering::Relaxed) {
                store.compact().unwrap();
                compacted += 1;
            }
            compacted
        });
        let waiting = scope.spawn(|| {
            let mut seen = Revision(1);
            while seen < Revision(60) {
                let now = store.wait(seen, Duration::from_secs(30)).unwrap();
                assert!(now > seen, "nothing was heard after {seen}");
                let Changes::Known { keys, upto } = store.changes_since(seen).unwrap() else {
                    panic!("the log ends at {seen}")
                };
                assert!(keys.len() == 300 && upto >= now);
                seen = now;
            }
        });
        let reading = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let mut found = Vec::new();
                let shown = store.scan_after("k/", None, Order::Ascending, &mut |entry| {
                    let entry = entry.unwrap();
                    found.push((entry.revision, entry.value.to_vec()));
                    ControlFlow::Continue(())
                });
                let shown = shown.unwrap();
                let value = u32::try_from(shown.0 - 1)
                    .unwrap()
                    .to_be_bytes()
                    .repeat(200);
                assert!(
                    found.len() == 300 && found.iter().all(|one| *one == (shown, value.clone()))
                );
            }
        });
        for round in 1..60 {
            assert_eq!(write(round), Revision(u64::from(round) + 1));
        }
        waiting.join().unwrap();
        done.store(true, Ordering::Relaxed);
        reading.join().unwrap();
        assert!(compacting.join().unwrap() > 2);
    });
    let error = {
        let mut error = None;
        store
            .scan("k/", Order::Ascending, &mut |_| {
                error = store.compact().err();
                ControlFlow::Break(())
            })
            .unwrap();
        error
    };
    assert!(matches!(error, Some(StoreError::InScan)), "{error:?}");
    drop(store);
    let store = SledStore::open(dir.path()).unwrap();
    assert_eq!(store.revision().unwrap(), Revision(60));
    assert_eq!(store.check().unwrap().records, 300);
}
