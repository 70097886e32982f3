//! [`Store`]: the trait.

use std::{fmt, ops::ControlFlow, time::Duration};

use crate::{
    batch::Batch,
    changes::Changes,
    error::{Damaged, StoreError},
    key::Key,
};

/// The largest value in bytes.
pub const MAX_VALUE: usize = 8 << 20;

/// The most bytes of keys and values in one batch.
pub const MAX_BATCH: usize = 512 << 20;

/// A state of the whole store. It starts at 0, and grows by one with each batch that changes something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A value and the revision that it was written at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// When it was written: what [`crate::Expect::At`] takes.
    pub revision: Revision,
}

/// One key with its value, lent during a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a str,
    /// The revision that it was written at.
    pub revision: Revision,
    /// The value.
    pub value: &'a [u8],
}

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the smallest key on.
    Ascending,
    /// From the largest key on.
    Descending,
}

/// What a scan shows its entries to: each entry, or what is wrong with it.
pub type Visit<'a> = dyn FnMut(Result<Entry<'_>, Damaged>) -> ControlFlow<()> + 'a;

/// A revisioned store of keys and bytes.
///
/// Calls block: an async caller moves them off its reactor. Every call sees only whole batches, and only
/// batches that have become durable.
pub trait Store: Send + Sync {
    /// The current revision.
    ///
    /// # Errors
    /// When the store cannot be read any more.
    fn revision(&self) -> Result<Revision, StoreError>;

    /// The value under a key; none when there is none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the value is there and unreadable; or when the store cannot be read.
    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError>;

    /// Shows every key that starts with `prefix` and lies behind `after` in the order asked for, until `visit`
    /// breaks off: keys greater than `after` when ascending, smaller ones when descending. `after` need not be
    /// there, nor start with the prefix; without it the scan begins at its beginning. The prefix is compared
    /// byte by byte: `a/` does not start `ab/x`. An empty one means everything.
    ///
    /// What is shown is one state of the store, and its revision is returned. An implementation may keep
    /// writers waiting meanwhile: whoever reads much and slowly reads page by page, each from the last key of
    /// the one before. Two pages with the same revision are of the same state. A page has to end with an entry
    /// whose key is a text: the key in [`Damaged`] may be none ([`crate::Why::KeyBytes`]).
    ///
    /// The visitor must not call the same store: an implementation may answer that with
    /// [`StoreError::InScan`], and never with a deadlock.
    ///
    /// # Errors
    /// When the store cannot be read. A damaged entry is shown to the visitor, and the scan goes on.
    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError>;

    /// Shows every key that starts with `prefix`: [`Self::scan_after`] from the beginning.
    ///
    /// # Errors
    /// As [`Self::scan_after`].
    fn scan(&self, prefix: &str, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.scan_after(prefix, None, order, visit).map(drop)
    }

    /// Makes all changes of a batch, or none, and returns the new revision once they are durable. When the
    /// batch changes nothing (it is empty, holds only checks, or deletes what is not there) nothing is
    /// written and the present revision is returned. Putting the bytes that are there already is a change.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an expectation does not hold, and the errors of [`Batch::validate`]:
    /// nothing was changed. [`StoreError::Backend`] when writing failed: the store then refuses everything
    /// until it is opened again, and the batch may be there whole or not at all.
    fn commit(&self, batch: Batch) -> Result<Revision, StoreError>;

    /// Which keys were put or deleted after the state `since`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError>;

    /// Waits until the revision is greater than `after`, and returns the revision at the end. It is not
    /// greater than `after` when the time was over first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError>;
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Revision {
    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl<T> Versioned<T> {
    /// The same revision with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Versioned<U> {
        Versioned {
            value: change(self.value),
            revision: self.revision,
        }
    }
}
