//! What can go wrong, and what stays usable after it.

use std::{fmt, io, path::PathBuf, sync::Arc};

use crate::{
    batch::{Expect, Found},
    key::{Key, KeyError},
};

/// Why a call of the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// An expectation did not hold: somebody else wrote meanwhile. Nothing was changed; read again.
    #[error("cannot write {key}: expected {expected} there, found {found}")]
    Conflict {
        /// Where.
        key: Key,
        /// What was expected.
        expected: Expect,
        /// What was there.
        found: Found,
    },
    /// One batch names a key twice. Nothing was changed.
    #[error("cannot write {key}: one batch names it twice")]
    Twice {
        /// The key.
        key: Key,
    },
    /// A value is too large. Nothing was changed.
    #[error("cannot write {key}: its value has {len} bytes, at most {max} are allowed")]
    ValueTooLarge {
        /// The key.
        key: Key,
        /// The value's length in bytes.
        len: usize,
        /// How long it may be.
        max: usize,
    },
    /// A batch is too large. Nothing was changed.
    #[error("cannot write a batch of {len} bytes: at most {max} are allowed")]
    BatchTooLarge {
        /// The batch's length in bytes.
        len: usize,
        /// How long it may be.
        max: usize,
    },
    /// An id cannot be part of a key.
    #[error("cannot use `{id}` as an id in {collection}")]
    Id {
        /// The collection.
        collection: &'static str,
        /// The id, shortened.
        id: String,
        /// Why not.
        #[source]
        source: KeyError,
    },
    /// A record could not be turned into bytes.
    #[error("cannot encode {key}")]
    Encode {
        /// Where it was to be written.
        key: Key,
        /// Why.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// A record is there and cannot be read. Other records can.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// A record was written by a newer muster. Nothing of its collection is shown, because acting on a part
    /// of it would be wrong.
    #[error(
        "{key} has schema {has} of its collection and this muster knows schemas up to {knows}: upgrade muster"
    )]
    Newer {
        /// The key.
        key: String,
        /// The record's schema.
        has: u16,
        /// The newest schema that this binary knows.
        knows: u16,
    },
    /// The visitor of a scan called the store that is being scanned.
    #[error("cannot call the store from the visitor of its own scan")]
    InScan,
    /// The store could not be compacted. It goes on with the files that it has; try again later.
    #[error("cannot compact the store in {dir}: {why}", dir = dir.display())]
    NotCompacted {
        /// The store's directory.
        dir: PathBuf,
        /// What failed.
        why: String,
        /// The operating system's error, where there is one.
        #[source]
        source: Option<Arc<io::Error>>,
    },
    /// The files or the disk behind the store failed. The store refuses everything until it is opened again.
    #[error("cannot {what} the store: {why}")]
    Backend {
        /// The operation.
        what: &'static str,
        /// What the backend said.
        why: String,
        /// The operating system's error, where there is one.
        #[source]
        source: Option<Arc<io::Error>>,
    },
}

/// A record that is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {key}: {why}")]
pub struct Damaged {
    /// Its key.
    pub key: String,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It ends too early.
    Torn {
        /// The bytes that are there.
        len: usize,
        /// The bytes that should be, at least.
        need: usize,
    },
    /// It does not begin like a record.
    NotARecord,
    /// Its envelope has a format that this binary does not know.
    Format(u8),
    /// Its checksum does not fit.
    Checksum,
    /// It has an older schema, and could not be migrated.
    Migration {
        /// The record's schema.
        from: u16,
        /// The schema that was to be reached.
        to: u16,
        /// Why not.
        message: String,
    },
    /// It is whole, but not what its collection holds.
    Content(String),
    /// Its key is no text.
    KeyBytes,
    /// It is kept in parts, and one of them is not there.
    Part(u32),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn { len, need } => write!(f, "torn: {len} bytes, at least {need} are needed"),
            Self::NotARecord => f.write_str("it does not begin like a record"),
            Self::Format(format) => write!(f, "its envelope has the unknown format {format}"),
            Self::Checksum => f.write_str("its checksum does not fit"),
            Self::Migration { from, to, message } => {
                write!(
                    f,
                    "it could not be migrated from schema {from} to {to}: {message}"
                )
            }
            Self::Content(message) => write!(f, "its content is not understood: {message}"),
            Self::KeyBytes => f.write_str("its key is no text"),
            Self::Part(part) => write!(f, "part {part} of it is missing or torn"),
        }
    }
}
