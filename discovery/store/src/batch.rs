//! [`Batch`]: writes that happen together or not at all.

use std::{collections::BTreeSet, fmt};

use crate::{
    error::StoreError,
    key::Key,
    store::{MAX_BATCH, MAX_VALUE, Revision},
};

/// Writes that happen together or not at all. Each key may be named once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    writes: Vec<Write>,
}

/// One write, or one mere check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub key: Key,
    /// What is done there.
    pub op: Op,
    /// What must be there before.
    pub expect: Expect,
}

/// What is done to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets its value.
    Put(Vec<u8>),
    /// Takes it away; nothing happens when it is not there.
    Delete,
    /// Changes nothing: only its expectation counts.
    Check,
}

/// What must hold for a key at the moment of the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// The key is not there.
    Absent,
    /// The key was last written at this revision.
    At(Revision),
}

/// What a failed expectation found instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The key is not there.
    Absent,
    /// The key was last written at this revision.
    At(Revision),
}

// === impl Batch ===

impl Batch {
    /// A batch without writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value.
    pub fn put(&mut self, key: Key, value: Vec<u8>, expect: Expect) {
        self.writes.push(Write {
            key,
            op: Op::Put(value),
            expect,
        });
    }

    /// Takes a key away.
    pub fn delete(&mut self, key: Key, expect: Expect) {
        self.writes.push(Write {
            key,
            op: Op::Delete,
            expect,
        });
    }

    /// Writes nothing, and lets the batch fail unless the expectation holds.
    pub fn check(&mut self, key: Key, expect: Expect) {
        self.writes.push(Write {
            key,
            op: Op::Check,
            expect,
        });
    }

    /// The writes, in the order they were added.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The writes themselves.
    pub fn into_writes(self) -> Vec<Write> {
        self.writes
    }

    /// How many writes and checks it holds.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// What every implementation checks before it looks at what is there: that no key is named twice, and
    /// that values and the whole are within bounds.
    ///
    /// # Errors
    /// [`StoreError::Twice`], [`StoreError::ValueTooLarge`] or [`StoreError::BatchTooLarge`].
    pub fn validate(&self) -> Result<(), StoreError> {
        let mut keys = BTreeSet::new();
        let mut total = 0_usize;
        for write in &self.writes {
            if !keys.insert(&write.key) {
                return Err(StoreError::Twice {
                    key: write.key.clone(),
                });
            }
            if let Op::Put(value) = &write.op {
                if value.len() > MAX_VALUE {
                    return Err(StoreError::ValueTooLarge {
                        key: write.key.clone(),
                        len: value.len(),
                        max: MAX_VALUE,
                    });
                }
                total = total.saturating_add(value.len());
            }
            total = total.saturating_add(write.key.as_str().len());
        }
        if total > MAX_BATCH {
            return Err(StoreError::BatchTooLarge {
                len: total,
                max: MAX_BATCH,
            });
        }
        Ok(())
    }
}

// === impl Write ===

impl Write {
    /// Whether the expectation holds where `current` is the revision that the key was written at.
    ///
    /// # Errors
    /// [`StoreError::Conflict`].
    pub fn judge(&self, current: Option<Revision>) -> Result<(), StoreError> {
        let holds = match self.expect {
            Expect::Any => true,
            Expect::Absent => current.is_none(),
            Expect::At(revision) => current == Some(revision),
        };
        if holds {
            return Ok(());
        }
        Err(StoreError::Conflict {
            key: self.key.clone(),
            expected: self.expect,
            found: current.map_or(Found::Absent, Found::At),
        })
    }

    /// Whether it changes anything where `current` is the revision that the key was written at.
    pub fn is_effective(&self, current: Option<Revision>) -> bool {
        match self.op {
            Op::Put(_) => true,
            Op::Delete => current.is_some(),
            Op::Check => false,
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::Absent => f.write_str("nothing"),
            Self::At(revision) => write!(f, "revision {revision}"),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing"),
            Self::At(revision) => write!(f, "revision {revision}"),
        }
    }
}
