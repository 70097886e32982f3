//! Random steps against the simplest thing that could be a store: an ordered map and a counter.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use super::{Reopened, Subject, ensure, ensure_eq};
use crate::{
    batch::{Batch, Expect},
    changes::Changes,
    error::StoreError,
    key::Key,
    store::{Order, Revision, Store},
};

/// One batch, and whether the store is closed and opened again after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The batch.
    pub writes: Vec<StepWrite>,
    /// Whether the store is opened again, when it can be.
    pub reopen: bool,
}

/// One write of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepWrite {
    /// Where; a text that can be a key.
    pub key: String,
    /// What.
    pub op: StepOp,
    /// What is expected there.
    pub expected: Expected,
}

/// What a step does to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOp {
    /// Sets its value.
    Put(Vec<u8>),
    /// Takes it away.
    Delete,
    /// Changes nothing.
    Check,
}

/// What a step expects of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything.
    Any,
    /// What is there: the step goes through.
    Right,
    /// That it is absent, whether or not it is.
    Absent,
    /// A revision that it was not written at.
    Wrong,
}

type Entries = BTreeMap<String, (Vec<u8>, u64)>;

#[derive(Default)]
struct Oracle {
    entries: Entries,
    /// What each revision changed, from the first on.
    changed: Vec<BTreeSet<String>>,
}

/// Makes the steps on a fresh store, and compares everything that can be seen after each of them.
///
/// # Errors
/// The first difference.
pub fn replay(subject: &mut dyn Subject, steps: &[Step]) -> Result<(), String> {
    let mut store = subject.fresh()?;
    let mut oracle = Oracle::default();
    for (number, step) in steps.iter().enumerate() {
        let expected = oracle.commit(&step.writes);
        let batch = oracle.batch(&step.writes)?;
        let (expected, next) = match expected {
            Ok(next) => (Ok(next.revision()), Some(next)),
            Err(key) => (Err(key), None),
        };
        let found = match store.commit(batch) {
            Ok(revision) => Ok(revision.0),
            Err(StoreError::Conflict { key, .. } | StoreError::Twice { key }) => {
                Err(key.to_string())
            }
            Err(other) => return Err(format!("step {number}: {other}")),
        };
        ensure_eq!(
            found,
            expected,
            "step {number}: the outcome of {:?}",
            step.writes
        );
        if let Some(next) = next {
            oracle = next;
        }
        if step.reopen {
            store = match subject.reopen(store)? {
                Reopened::Durable(store) => store,
                Reopened::NotDurable => return Ok(()),
            };
        }
        oracle
            .compare(store.as_ref())
            .map_err(|why| format!("after step {number}: {why}"))?;
    }
    Ok(())
}

impl Oracle {
    fn revision(&self) -> u64 {
        self.changed.len() as u64
    }

    /// The state after a batch, or the key that stands against it.
    fn commit(&self, writes: &[StepWrite]) -> Result<Self, String> {
        let mut named = BTreeSet::new();
        if let Some(twice) = writes.iter().find(|write| !named.insert(&write.key)) {
            return Err(twice.key.clone());
        }
        let revision = self.revision() + 1;
        let mut next = Self {
            entries: self.entries.clone(),
            changed: self.changed.clone(),
        };
        let mut changed = BTreeSet::new();
        for write in writes {
            let there = next.entries.contains_key(&write.key);
            if write.expected == Expected::Wrong || (write.expected == Expected::Absent && there) {
                return Err(write.key.clone());
            }
            match &write.op {
                StepOp::Put(value) => {
                    next.entries
                        .insert(write.key.clone(), (value.clone(), revision));
                    changed.insert(write.key.clone());
                }
                StepOp::Delete if there => {
                    next.entries.remove(&write.key);
                    changed.insert(write.key.clone());
                }
                StepOp::Delete | StepOp::Check => {}
            }
        }
        if !changed.is_empty() {
            next.changed.push(changed);
        }
        Ok(next)
    }

    fn batch(&self, writes: &[StepWrite]) -> Result<Batch, String> {
        let mut batch = Batch::new();
        for write in writes {
            let key = Key::new(write.key.as_str()).map_err(|error| error.to_string())?;
            let current = self.entries.get(&write.key).map(|(_, revision)| *revision);
            let expect = match write.expected {
                Expected::Any => Expect::Any,
                Expected::Absent => Expect::Absent,
                Expected::Right => current.map_or(Expect::Absent, |at| Expect::At(Revision(at))),
                Expected::Wrong => Expect::At(Revision(current.unwrap_or(0) + 1)),
            };
            match &write.op {
                StepOp::Put(value) => batch.put(key, value.clone(), expect),
                StepOp::Delete => batch.delete(key, expect),
                StepOp::Check => batch.check(key, expect),
            }
        }
        Ok(batch)
    }

    fn compare(&self, store: &dyn Store) -> Result<(), String> {
        let text = |error: StoreError| error.to_string();
        ensure_eq!(
            store.revision().map_err(text)?.0,
            self.revision(),
            "the revision"
        );
        let prefixes: BTreeSet<&str> = self
            .entries
            .keys()
            .filter_map(|key| key.split('/').next())
            .chain([""])
            .collect();
        for prefix in prefixes {
            let mut expected: Vec<_> = self
                .entries
                .iter()
                .filter(|(key, _)| key.starts_with(prefix))
                .collect();
            for order in [Order::Ascending, Order::Descending] {
                let found = entries(store, prefix, order)?;
                let found: Vec<_> = found.iter().map(|(key, value)| (key, value)).collect();
                ensure_eq!(found, expected, "a scan of `{prefix}`, {order:?}");
                let paged = in_pages(store, prefix, order, 2)?;
                let paged: Vec<_> = paged.iter().map(|(key, value)| (key, value)).collect();
                ensure_eq!(paged, expected, "`{prefix}` in pages, {order:?}");
                expected.reverse();
            }
        }
        for (key, (value, revision)) in &self.entries {
            let key = Key::new(key.as_str()).map_err(|error| error.to_string())?;
            let found = store.get(&key).map_err(text)?;
            let found = found.map(|found| (found.value, found.revision.0));
            ensure_eq!(
                found,
                Some((value.clone(), *revision)),
                "the value of {key}"
            );
        }
        for since in 0..=self.changed.len() {
            let expected: BTreeSet<_> = self
                .changed
                .iter()
                .skip(since)
                .flatten()
                .map(String::as_str)
                .collect();
            let found = store.changes_since(Revision(since as u64)).map_err(text)?;
            let Changes::Known { keys, upto } = found else {
                return Err(format!("the changes since {since} are not known"));
            };
            let found: BTreeSet<_> = keys.iter().map(Key::as_str).collect();
            ensure_eq!(found, expected, "the changes since {since}");
            ensure_eq!(
                upto.0,
                self.revision(),
                "where the changes since {since} lead"
            );
        }
        Ok(())
    }
}

/// A key with its value and revision.
pub(super) type Shown = (String, (Vec<u8>, u64));

/// What a scan shows.
pub(super) fn entries(store: &dyn Store, prefix: &str, order: Order) -> Result<Vec<Shown>, String> {
    let mut found = Vec::new();
    collect(store, prefix, None, order, &mut |shown| {
        found.push(shown);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// What scans of a few entries each show, one after the other.
fn in_pages(
    store: &dyn Store,
    prefix: &str,
    order: Order,
    limit: usize,
) -> Result<Vec<Shown>, String> {
    let mut found: Vec<Shown> = Vec::new();
    loop {
        let after = found.last().map(|(key, _)| Key::new(key.as_str()));
        let after = after.transpose().map_err(|error| error.to_string())?;
        let before = found.len();
        collect(store, prefix, after.as_ref(), order, &mut |shown| {
            found.push(shown);
            if found.len() - before < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        if found.len() - before < limit {
            return Ok(found);
        }
    }
}

fn collect(
    store: &dyn Store,
    prefix: &str,
    after: Option<&Key>,
    order: Order,
    add: &mut dyn FnMut(Shown) -> ControlFlow<()>,
) -> Result<(), String> {
    let mut wrong = None;
    let scanned = store.scan_after(prefix, after, order, &mut |entry| match entry {
        Ok(entry) => add((
            entry.key.to_owned(),
            (entry.value.to_vec(), entry.revision.0),
        )),
        Err(damaged) => {
            wrong = Some(damaged.to_string());
            ControlFlow::Break(())
        }
    });
    scanned.map_err(|error| error.to_string())?;
    ensure!(
        wrong.is_none(),
        "a scan of `{prefix}` shows damage: {wrong:?}"
    );
    Ok(())
}

/// Steps drawn from a seed, always the same for the same seed.
pub fn random_steps(seed: u64, count: usize) -> Vec<Step> {
    let mut draw = Draw(seed);
    let mut step = || Step {
        writes: (0..draw.below(6)).map(|_| write(&mut draw)).collect(),
        reopen: draw.below(12) == 0,
    };
    (0..count).map(|_| step()).collect()
}

fn write(draw: &mut Draw) -> StepWrite {
    let collection = ["a", "ab", "b", "ü", "a\u{0}"];
    let name = collection
        .get(draw.index(collection.len()))
        .copied()
        .unwrap_or("a");
    let op = match draw.below(8) {
        0 | 1 => StepOp::Delete,
        2 => StepOp::Check,
        // Around the lengths at which an implementation may begin to split.
        3 => StepOp::Put(vec![draw.byte(); 4090 + draw.index(12)]),
        4 => StepOp::Put(vec![draw.byte(); draw.index(40_000)]),
        _ => StepOp::Put(vec![draw.byte(); draw.index(60)]),
    };
    let expected = match draw.below(12) {
        0 => Expected::Wrong,
        1 | 2 => Expected::Absent,
        3..=6 => Expected::Right,
        _ => Expected::Any,
    };
    StepWrite {
        key: format!("{name}/{}", draw.below(5)),
        op,
        expected,
    }
}

/// SplitMix64: good enough to draw tests from, and no dependency.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
