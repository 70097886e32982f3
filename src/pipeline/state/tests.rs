//! Reading while somebody else writes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{sync::Mutex, time::Duration};

use muster_model::{Coverage, Service, Timestamp};
use muster_store::{Batch, Expect, LOG_KEYS, MemoryStore, Visit};

use super::*;

/// A store that somebody else writes to, each time that it is read.
struct Busy<F> {
    store: MemoryStore,
    /// Called with the number of reads so far.
    meanwhile: Mutex<(usize, F)>,
}

impl<F: FnMut(usize, &MemoryStore) + Send> Busy<F> {
    fn new(store: MemoryStore, meanwhile: F) -> Self {
        let meanwhile = Mutex::new((0, meanwhile));
        Self { store, meanwhile }
    }

    fn read(&self) {
        let mut meanwhile = self.meanwhile.lock().unwrap();
        meanwhile.0 += 1;
        let reads = meanwhile.0;
        meanwhile.1(reads, &self.store);
    }
}

impl<F: FnMut(usize, &MemoryStore) + Send> Store for Busy<F> {
    fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision()
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        let found = self.store.get(key);
        self.read();
        found
    }

    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        let scanned = self.store.scan_after(prefix, after, order, visit);
        self.read();
        scanned
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        self.store.commit(batch)
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        self.store.changes_since(since)
    }

    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError> {
        self.store.wait(after, timeout)
    }
}

fn scope(n: usize) -> ScopeRecord {
    let scope = Scope::aws("111111111111", &format!("region-{n:05}"), Service::Rds);
    ScopeRecord {
        scope: Arc::new(scope),
        attempted: Timestamp::from_unix(0),
        coverage: Coverage::Complete,
        complete: None,
        found: 0,
        failures_in_a_row: 0,
        malformed: Vec::new(),
    }
}

/// A plan and a scope that always change together, to the same number.
fn write(store: &MemoryStore, number: u64) {
    let mut batch = Batch::new();
    let record = ScopeRecord {
        found: number,
        ..scope(0)
    };
    let id = record.scope.to_string();
    tables::SCOPES
        .put(&mut batch, &id, &record, Expect::Any)
        .unwrap();
    let plan = HeldPlan {
        number,
        made: Timestamp::from_unix(0),
        group: String::new(),
        removals: Vec::new(),
        targets: 0,
        allowance: 0,
        verdict: muster_model::Verdict::Waiting,
    };
    tables::PLANS
        .put(&mut batch, "000001", &plan, Expect::Any)
        .unwrap();
    store.commit(batch).unwrap();
}

fn numbers(state: &State) -> (u64, u64) {
    (
        state.scopes.values().next().unwrap().found,
        state.plans[0].number,
    )
}

#[test]
fn what_is_read_while_others_write_is_of_one_state() {
    let store = MemoryStore::new();
    write(&store, 1);
    let busy = Busy::new(store, |reads, store| {
        if reads < 30 {
            write(store, reads as u64 + 1);
        }
    });
    let state = State::load(&busy).unwrap();
    let (scope, plan) = numbers(&state);
    assert_eq!(scope, plan);
    assert!(scope > 5, "it changed while it was read: {scope}");
    assert_eq!(state.revision, busy.store.revision().unwrap());
    assert!(state.damaged.is_empty());
}

#[test]
fn what_comes_goes_and_breaks_meanwhile_is_seen_so() {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    for n in 0..3 {
        let record = scope(n);
        let id = record.scope.to_string();
        tables::SCOPES
            .put(&mut batch, &id, &record, Expect::Any)
            .unwrap();
    }
    store.commit(batch).unwrap();
    let id = |n| scope(n).scope.to_string();
    // After the scopes have been read.
    let busy = Busy::new(store, |reads, store| {
        if reads == 5 {
            let mut batch = Batch::new();
            tables::SCOPES
                .delete(&mut batch, &id(0), Expect::Any)
                .unwrap();
            tables::SCOPES
                .put(&mut batch, &id(7), &scope(7), Expect::Any)
                .unwrap();
            let key = tables::SCOPES.key(&id(1)).unwrap();
            batch.put(key, b"nonsense".to_vec(), Expect::Any);
            store.commit(batch).unwrap();
        }
    });
    let state = State::load(&busy).unwrap();
    let scopes: Vec<String> = state.scopes.keys().map(ToString::to_string).collect();
    assert_eq!(scopes, [id(2), id(7)]);
    assert_eq!(state.damaged.len(), 1);
    assert!(state.damaged[0].key.ends_with(&id(1)));
}

#[test]
fn many_pages_hold_everything_once() {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    let count = 2 * PAGE + 1;
    for n in 0..count {
        let record = scope(n);
        let id = record.scope.to_string();
        tables::SCOPES
            .put(&mut batch, &id, &record, Expect::Any)
            .unwrap();
    }
    // Damaged ones at the very ends of pages.
    for n in [PAGE - 1, 2 * PAGE - 1, count] {
        let key = tables::SCOPES.key(&scope(n).scope.to_string()).unwrap();
        if n == count {
            batch.put(key, b"nonsense".to_vec(), Expect::Any);
        } else {
            let mut other = Batch::new();
            other.put(key, b"nonsense".to_vec(), Expect::Any);
            store.commit(std::mem::take(&mut batch)).unwrap();
            store.commit(other).unwrap();
        }
    }
    store.commit(batch).unwrap();
    let state = State::load(&store).unwrap();
    assert_eq!(state.scopes.len(), count - 2);
    assert_eq!(state.damaged.len(), 3);
}

#[test]
fn a_store_that_never_comes_to_rest_is_an_error_and_one_that_does_is_read() {
    let flood = |store: &MemoryStore| {
        let mut batch = Batch::new();
        for n in 0..=LOG_KEYS {
            batch.put(Key::new(format!("x/{n}")).unwrap(), Vec::new(), Expect::Any);
        }
        store.commit(batch).unwrap();
    };
    let store = MemoryStore::new();
    write(&store, 1);
    let busy = Busy::new(store, |reads, store| {
        if reads % 6 == 1 {
            flood(store);
        }
    });
    let error = State::load(&busy).unwrap_err();
    assert!(error.to_string().contains("changes faster"), "{error}");

    let store = MemoryStore::new();
    write(&store, 1);
    let busy = Busy::new(store, |reads, store| {
        if reads == 3 {
            flood(store);
            write(store, 2);
        }
    });
    assert_eq!(numbers(&State::load(&busy).unwrap()), (2, 2));
}
