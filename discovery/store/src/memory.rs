//! [`MemoryStore`]: the store of tests and of commands that keep nothing.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    batch::{Batch, Op},
    changes::{Changes, Log},
    error::StoreError,
    key::Key,
    store::{Entry, Order, Revision, Store, Versioned, Visit},
};

/// A store in memory: as strict as the durable one, and gone when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    revision: Revision,
    log: Log,
    /// Shared with the scans that are going on; a commit meanwhile copies the map, not the values.
    entries: Arc<BTreeMap<Key, Versioned<Arc<[u8]>>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    // No code that could panic runs under the lock, so a poisoned one still guards a whole state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.state().revision)
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        Ok(self
            .state()
            .entries
            .get(key)
            .map(|entry| entry.clone().map(|value| value.to_vec())))
    }

    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        let (entries, revision) = {
            let state = self.state();
            (Arc::clone(&state.entries), state.revision)
        };
        let mut show = |(key, entry): (&Key, &Versioned<Arc<[u8]>>)| {
            visit(Ok(Entry {
                key: key.as_str(),
                revision: entry.revision,
                value: &entry.value,
            }))
        };
        let successor = successor(prefix);
        let mut start = Bound::Included(prefix);
        let mut end = successor
            .as_deref()
            .map_or(Bound::Unbounded, Bound::Excluded);
        match (order, after.map(Key::as_str)) {
            (_, None) => {}
            (Order::Ascending, Some(after)) => {
                if successor.as_deref().is_some_and(|end| after >= end) {
                    return Ok(revision);
                }
                if after >= prefix {
                    start = Bound::Excluded(after);
                }
            }
            (Order::Descending, Some(after)) => {
                if after <= prefix {
                    return Ok(revision);
                }
                if successor.as_deref().is_none_or(|end| after < end) {
                    end = Bound::Excluded(after);
                }
            }
        }
        let mut range = entries.range::<str, _>((start, end));
        let _: ControlFlow<()> = match order {
            Order::Ascending => range.try_for_each(&mut show),
            Order::Descending => range.rev().try_for_each(&mut show),
        };
        Ok(revision)
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        batch.validate()?;
        let mut guard = self.state();
        let state = &mut *guard;
        let mut effective = Vec::new();
        for write in batch.into_writes() {
            let current = state.entries.get(&write.key).map(|entry| entry.revision);
            write.judge(current)?;
            if write.is_effective(current) {
                effective.push(write);
            }
        }
        if effective.is_empty() {
            return Ok(state.revision);
        }
        let revision = state.revision.next();
        let entries = Arc::make_mut(&mut state.entries);
        let mut keys = Vec::with_capacity(effective.len());
        for write in effective {
            keys.push(write.key.clone());
            match write.op {
                Op::Put(value) => {
                    entries.insert(
                        write.key,
                        Versioned {
                            value: value.into(),
                            revision,
                        },
                    );
                }
                Op::Delete => {
                    entries.remove(&write.key);
                }
                Op::Check => {}
            }
        }
        state.revision = revision;
        state.log.push(revision, keys);
        drop(guard);
        self.changed.notify_all();
        Ok(revision)
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        let state = self.state();
        Ok(state.log.since(since, state.revision))
    }

    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError> {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), timeout, |state| state.revision <= after);
        Ok(waited.unwrap_or_else(PoisonError::into_inner).0.revision)
    }
}

/// The smallest text that is greater than every text with this prefix; none when there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = if last == '\u{D7FF}' {
            Some('\u{E000}')
        } else {
            char::from_u32(last as u32 + 1)
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}
