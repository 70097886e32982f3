//! The store: what was seen, decided, enrolled and changed, kept in revisions.
//!
//! [`Store`] is a small trait: keys and bytes, one counter for the whole store, all-or-nothing batches whose
//! writes may carry an expectation, and a bounded log of what changed. [`SledStore`] keeps it in a directory,
//! [`MemoryStore`] in memory, and [`conformance`] is what both, and any later one, must pass. A
//! [`Collection`] is a typed view of it, [`History`] the append-only one.
//!
//! The rest of muster names only the trait and the collections in [`tables`]: nothing outside this crate
//! knows sled. The crate knows no cloud, no plan and no matcher, and decides nothing: it writes what it is
//! given, so whoever writes compares first.

mod batch;
mod changes;
mod collection;
pub mod conformance;
mod durable;
mod error;
mod history;
mod key;
mod memory;
mod record;
mod store;
pub mod tables;

pub use self::{
    batch::{Batch, Expect, Found, Op, Write},
    changes::{Changes, LOG_KEYS},
    collection::{Collection, Each, Listing},
    durable::{Compaction, FORMAT, Health, OpenError, Repair, SledStore},
    error::{Damaged, StoreError, Why},
    history::{Begin, History, Keep, Lines, Page},
    key::{Key, KeyError, MAX_ID, MAX_KEY},
    memory::MemoryStore,
    record::{Migrate, Schema},
    store::{Entry, MAX_BATCH, MAX_VALUE, Order, Revision, Store, Versioned, Visit},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
