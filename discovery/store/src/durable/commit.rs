//! A commit: what a batch does to the tree, and writing that.

use super::{
    SledStore, State,
    data::Data,
    layout::{self, Head, Raw},
};
use crate::{
    batch::{Batch, Expect, Op, Write},
    error::{Damaged, StoreError, Why},
    key::Key,
    store::Revision,
};

/// A batch in sled's terms.
pub(super) struct Prepared {
    head: Head,
    tree: sled::Batch,
    keys: Vec<Key>,
    live: u64,
}

/// What is there under a key before a write.
enum Old {
    Absent,
    Whole {
        revision: Revision,
        parts: u32,
        weight: u64,
    },
    /// Not even its revision can be read.
    Unreadable(Why),
}

impl SledStore {
    /// What a batch does to the tree: none when it changes nothing.
    pub(super) fn prepare(
        &self,
        batch: Batch,
        state: &State,
    ) -> Result<Option<Prepared>, StoreError> {
        let data = &state.data;
        let (mut head, mut live) = (state.head, state.live);
        let revision = head.revision.next();
        let mut tree = sled::Batch::default();
        let mut keys = Vec::new();
        let mut mended = false;
        for write in batch.into_writes() {
            let old = self.old(data, &write.key)?;
            if !applies(&write, &old)? {
                continue;
            }
            let text = write.key.as_str();
            let had = match old {
                Old::Absent => 0,
                Old::Whole {
                    revision,
                    parts,
                    weight,
                } => {
                    head.remove(text.as_bytes(), revision);
                    live = live.saturating_sub(weight);
                    parts
                }
                Old::Unreadable(why) => {
                    tracing::warn!(key = text, %why, "a record that cannot be read is overwritten");
                    if !mended {
                        let unknown = state.head.digest.wrapping_sub(self.readable(data)?);
                        head.digest = head.digest.wrapping_sub(unknown);
                        mended = true;
                    }
                    head.entries = head.entries.wrapping_sub(1);
                    self.remove_parts(data, text, &mut tree)?;
                    0
                }
            };
            let mut has = 0;
            match &write.op {
                Op::Put(value) => {
                    head.add(text.as_bytes(), revision);
                    live = live.saturating_add(layout::weight(text, value.len()));
                    let (entry, parts) = layout::entry(revision, value);
                    tree.insert(layout::data(text), entry);
                    for part in parts {
                        tree.insert(layout::part(text, has), part);
                        has += 1;
                    }
                }
                Op::Delete => tree.remove(layout::data(text)),
                Op::Check => {}
            }
            for number in has..had {
                tree.remove(layout::part(text, number));
            }
            keys.push(write.key);
        }
        head.revision = revision;
        Ok((!keys.is_empty()).then_some(Prepared {
            head,
            tree,
            keys,
            live,
        }))
    }

    /// Writes a prepared batch, and makes it the present state once it is durable.
    pub(super) fn write(&self, prepared: Prepared, state: &mut State) -> Result<(), StoreError> {
        let Prepared {
            head,
            mut tree,
            keys,
            live,
        } = prepared;
        if let Some(lost) = state.files.lost() {
            return Err(self.fail("write", lost, true, None));
        }
        for (revision, keys) in state.log.push(head.revision, keys) {
            if revision != head.revision {
                for (page, _) in (0..).zip(layout::pack(&keys)) {
                    tree.remove(layout::log(revision, page));
                }
            }
        }
        for (page, bytes) in (0..).zip(layout::pack(state.log.newest().unwrap_or_default())) {
            tree.insert(layout::log(head.revision, page), bytes);
        }
        tree.insert(layout::HEAD, head.encode());
        self.run(&state.data, "write", true, |db| {
            db.apply_batch(tree).and_then(|()| db.flush())
        })?;
        let synced = state.files.sync();
        // It may have gone meanwhile.
        if let Some(lost) = state.files.misplaced() {
            return Err(self.fail("write", lost, true, None));
        }
        let synced = synced.and_then(|()| state.files.acknowledge(head.revision));
        synced
            .map_err(|error| self.fail("sync", "syncing failed".to_owned(), true, Some(error)))?;
        state.head = head;
        state.live = live;
        Ok(())
    }

    fn old(&self, data: &Data, key: &Key) -> Result<Old, StoreError> {
        let text = key.as_str();
        let bytes = self.run(data, "read", false, |db| db.get(layout::data(text)))?;
        Ok(match bytes.as_deref().map(Raw::decode) {
            None => Old::Absent,
            Some(Ok(entry)) => Old::Whole {
                revision: entry.revision,
                parts: entry.parts(),
                weight: layout::weight(text, entry.len()),
            },
            Some(Err(why)) => Old::Unreadable(why),
        })
    }

    /// The digest of all entries whose revision can be read. What the head's has beyond it is that of the
    /// others, which cannot be told apart: the head counts them until each is overwritten.
    fn readable(&self, data: &Data) -> Result<u64, StoreError> {
        let mut seen = Head::default();
        let mut entries = self.run(data, "read", false, |db| Ok(db.scan_prefix(layout::DATA)))?;
        while let Some((raw, bytes)) =
            self.run(data, "read", false, |_| entries.next().transpose())?
        {
            if let (Ok(key), Ok(entry)) = (layout::text(&raw), Raw::decode(&bytes)) {
                seen.add(key.as_bytes(), entry.revision);
            }
        }
        Ok(seen.digest)
    }

    /// Removes the parts of an entry that does not say how many it has.
    fn remove_parts(
        &self,
        data: &Data,
        key: &str,
        tree: &mut sled::Batch,
    ) -> Result<(), StoreError> {
        let mut parts = self.run(data, "read", false, |db| {
            Ok(db.scan_prefix(layout::parts_of(key)))
        })?;
        while let Some((part, _)) = self.run(data, "read", false, |_| parts.next().transpose())? {
            tree.remove(part);
        }
        Ok(())
    }
}

/// Whether a write changes anything, where its expectation holds.
fn applies(write: &Write, old: &Old) -> Result<bool, StoreError> {
    let current = match old {
        Old::Absent => None,
        Old::Whole { revision, .. } => Some(*revision),
        Old::Unreadable(_) if write.expect == Expect::Any => return Ok(write.op != Op::Check),
        Old::Unreadable(why) => {
            return Err(StoreError::Damaged(Damaged {
                key: write.key.to_string(),
                why: why.clone(),
            }));
        }
    };
    write.judge(current)?;
    Ok(write.is_effective(current))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tempfile::TempDir;

    use super::*;
    use crate::store::Store;

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    fn put(
        store: &SledStore,
        name: &str,
        value: &[u8],
        expect: Expect,
    ) -> Result<Revision, StoreError> {
        let mut batch = Batch::new();
        batch.put(key(name), value.to_vec(), expect);
        store.commit(batch)
    }

    /// Something done behind the store's back.
    fn tamper<T>(store: &SledStore, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> T {
        let state = store.read().unwrap();
        store.run(&state.data, "damage", true, call).unwrap()
    }

    /// A store with three entries, one of them large, and with damage done while it is open.
    fn damaged(root: &TempDir, bytes: &[u8], names: &[&str]) -> SledStore {
        let store = SledStore::open(root.path()).unwrap();
        put(&store, "a", b"one", Expect::Absent).unwrap();
        put(&store, "b", &[2; 20_000], Expect::Absent).unwrap();
        put(&store, "c", b"three", Expect::Absent).unwrap();
        for name in names {
            tamper(&store, |db| db.insert(layout::data(name), bytes));
        }
        store
    }

    /// Bytes without a revision, with one that nobody knows what follows, and with more parts than there can be.
    const BAD: [&[u8]; 4] = [
        b"",
        b"torn",
        b"\0\0\0\0\0\0\0\x02\x09rest",
        b"\0\0\0\0\0\0\0\x02\x01\xff\xff\xff\xff",
    ];

    fn value(store: &SledStore, name: &str) -> Option<Vec<u8>> {
        store.get(&key(name)).unwrap().map(|found| found.value)
    }

    #[test]
    fn a_record_that_cannot_be_read_is_mended_by_writing_it() {
        for bytes in BAD {
            for length in [3, 6000] {
                let root = TempDir::new().unwrap();
                let store = damaged(&root, bytes, &["b"]);
                store.get(&key("b")).unwrap_err();
                // Beside others, before and after it.
                let mut batch = Batch::new();
                batch.put(key("a"), b"new".to_vec(), Expect::Any);
                batch.put(key("b"), vec![7; length], Expect::Any);
                batch.delete(key("c"), Expect::Any);
                store.commit(batch).unwrap();
                let health = store.check().unwrap();
                assert_eq!((health.records, health.missing), (2, None));
                drop(store);
                let store = SledStore::open(root.path()).unwrap();
                assert_eq!(value(&store, "b"), Some(vec![7; length]));
                assert_eq!(value(&store, "c"), None);
                // Nothing of the old value is left, either.
                let parts = tamper(&store, |db| {
                    Ok(db.scan_prefix(layout::parts_of("b")).count())
                });
                assert_eq!(parts, if length > layout::PART { 2 } else { 0 });
            }
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_can_be_taken_away() {
        let root = TempDir::new().unwrap();
        let store = damaged(&root, b"torn", &["b"]);
        let mut batch = Batch::new();
        batch.delete(key("b"), Expect::Any);
        store.commit(batch).unwrap();
        drop(store);
        let store = SledStore::open(root.path()).unwrap();
        assert_eq!(value(&store, "b"), None);
        assert_eq!(store.check().unwrap().records, 2);
    }

    #[test]
    fn who_expects_something_of_a_record_that_cannot_be_read_is_refused() {
        let root = TempDir::new().unwrap();
        let store = damaged(&root, b"torn", &["b"]);
        let before = store.revision().unwrap();
        for expect in [Expect::Absent, Expect::At(Revision(2))] {
            let error = put(&store, "b", b"new", expect).unwrap_err();
            assert_eq!(
                error.to_string(),
                "cannot read b: torn: 4 bytes, at least 9 are needed"
            );
            let mut batch = Batch::new();
            batch.put(key("a"), b"new".to_vec(), Expect::Any);
            batch.check(key("b"), expect);
            store.commit(batch).unwrap_err();
        }
        // Who expects nothing and does nothing is not in its way.
        let mut batch = Batch::new();
        batch.check(key("b"), Expect::Any);
        assert_eq!(store.commit(batch).unwrap(), before);
        assert_eq!(value(&store, "a"), Some(b"one".to_vec()));
    }

    #[test]
    fn mending_one_record_does_not_hide_that_another_is_damaged_or_lost() {
        let root = TempDir::new().unwrap();
        let store = damaged(&root, b"torn", &["a", "b"]);
        put(&store, "b", b"new", Expect::Any).unwrap();
        let health = store.check().unwrap();
        assert_eq!((health.records, health.damaged.len()), (2, 1));
        assert_eq!(
            health.missing.as_deref(),
            Some("it should hold 3 records, and 2 can be read")
        );
        put(&store, "a", b"new", Expect::Any).unwrap();
        assert_eq!(store.check().unwrap().missing, None);

        let root = TempDir::new().unwrap();
        let store = damaged(&root, b"torn", &["a"]);
        tamper(&store, |db| db.remove(layout::data("c")));
        put(&store, "a", b"new", Expect::Any).unwrap();
        assert_eq!(
            store.check().unwrap().missing.as_deref(),
            Some("it should hold 3 records, and 2 can be read")
        );
    }
}
