//! The batches that crash tests write: batch N is the same wherever it is computed, so that the state after any
//! revision is known without having seen it written.

use std::{collections::BTreeMap, ops::ControlFlow};

use muster_store::{Batch, Expect, Key, Order, Revision, SledStore, Store};

/// What random choices start from: another one each time, unless the environment names one.
pub fn seed() -> u64 {
    std::env::var("MUSTER_STORE_TEST_SEED").map_or_else(
        |_| (u64::from(std::process::id()) << 20) | 0x5EED,
        |seed| seed.parse().unwrap(),
    )
}

/// SplitMix64.
pub struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Key, value (none: deleted) of what batch `number` does.
fn writes(seed: u64, number: u64) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut draw = Draw(seed ^ number.wrapping_mul(0x1234_5678_9ABC_DEF1));
    let keys = match draw.below(10) {
        0 => 400,
        1..=3 => 60,
        _ => 1 + draw.below(12),
    };
    // Always one key that every batch writes, so that no batch is without a trace.
    let mut writes = BTreeMap::from([("last".to_owned(), Some(number.to_be_bytes().to_vec()))]);
    for _ in 0..keys {
        let key = format!("k/{:03}", draw.below(600));
        let len = match draw.below(40) {
            0 => 20_000,
            1..=8 => 2_000,
            _ => 100,
        };
        // The batch's number all over: a part of another batch would show.
        let value = number
            .to_be_bytes()
            .repeat(1 + usize::try_from(draw.below(len) / 8).unwrap());
        writes.insert(key, (draw.below(6) != 0).then_some(value));
    }
    writes
}

/// Commits the batch that comes next.
pub fn commit(store: &SledStore, seed: u64) -> Revision {
    let number = store.revision().unwrap().next();
    let mut batch = Batch::new();
    for (key, value) in writes(seed, number.0) {
        let key = Key::new(key).unwrap();
        match value {
            Some(value) => batch.put(key, value, Expect::Any),
            None => batch.delete(key, Expect::Any),
        }
    }
    let committed = store.commit(batch).unwrap();
    assert_eq!(committed, number);
    committed
}

/// The entries that a store has to hold, with the revision of each, kept up as revisions go by.
#[derive(Default)]
pub struct Expected {
    revision: u64,
    entries: BTreeMap<String, (Vec<u8>, u64)>,
}

impl Expected {
    /// Goes on to a revision.
    pub fn upto(&mut self, seed: u64, revision: Revision) -> &BTreeMap<String, (Vec<u8>, u64)> {
        assert!(
            revision.0 >= self.revision,
            "revision {revision} after {}",
            self.revision
        );
        while self.revision < revision.0 {
            self.revision += 1;
            for (key, value) in writes(seed, self.revision) {
                match value {
                    Some(value) => self.entries.insert(key, (value, self.revision)),
                    None => self.entries.remove(&key),
                };
            }
        }
        &self.entries
    }
}

/// Everything that a store holds.
pub fn entries(store: &SledStore) -> BTreeMap<String, (Vec<u8>, u64)> {
    let mut entries = BTreeMap::new();
    store
        .scan("", Order::Ascending, &mut |entry| {
            let entry = entry.unwrap();
            entries.insert(
                entry.key.to_owned(),
                (entry.value.to_vec(), entry.revision.0),
            );
            ControlFlow::Continue(())
        })
        .unwrap();
    entries
}
