//! Compaction: what is alive is written into new files, which take the place of the old ones while the store
//! stays open.
//!
//! sled reuses the space of what was overwritten, and hardly gives any back: after everything was rewritten now
//! and then its files are many times the data. The copy is of sled's keys and values as they are, so that
//! revisions, log and digest, and records that cannot be read, are the same afterwards.

use std::{
    fs::{self, File},
    io, mem,
    path::Path,
    sync::{Arc, PoisonError},
};

use super::{
    SledStore, State,
    data::{Data, Pass},
    fault,
    files::Files,
    generation::{self, Unset},
    open::{OpenError, open_sled},
};
use crate::{error::StoreError, store::Order};

/// Files that are smaller are not worth the work.
const FLOOR: u64 = 32 << 20;

/// How many bytes are copied between two flushes, so that a full disk is noticed soon.
const CHUNK: usize = 4 << 20;

/// The order of all passes here.
const UP: Order = Order::Ascending;

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Bytes on disk before.
    pub before: u64,
    /// Bytes on disk now.
    pub after: u64,
}

/// What was copied, in order.
#[derive(Default)]
struct Sum {
    pairs: u64,
    crc: crc32fast::Hasher,
}

/// The new files, and what belongs to them.
struct New {
    data: Data,
    files: Files,
}

impl SledStore {
    /// Bytes on disk of the data, without what a repair has put aside.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn size(&self) -> Result<u64, StoreError> {
        let state = self.read()?;
        size_of(state.data.dir()).map_err(|error| StoreError::Backend {
            what: "measure",
            why: "reading its directory failed".to_owned(),
            source: Some(Arc::new(fault::plain(error))),
        })
    }

    /// Bytes of the keys and values that are alive. A value of more than 4 KiB counts as the next multiple of
    /// that.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn live(&self) -> Result<u64, StoreError> {
        Ok(self.read()?.live)
    }

    /// Whether a compaction is worth its work: the files are larger than 32 MiB, than two and a half times what
    /// is alive, and than one and a half times what the last compaction left. Cheap: ask every minute.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn compaction_due(&self) -> Result<bool, StoreError> {
        let size = self.size()?;
        let state = self.read()?;
        let twice = size.saturating_mul(2);
        Ok(size > FLOOR
            && twice > state.live.saturating_mul(5)
            && twice > state.compacted.saturating_mul(3))
    }

    /// Writes what is alive into new files and goes on with them. Readers read on meanwhile; commits wait.
    /// Revisions, the change log and expectations are as before. The old and the new files are on the disk
    /// together until the end, and two page caches in memory.
    ///
    /// Killed at any moment, the store opens with all that was acknowledged, and what is left over is removed
    /// then.
    ///
    /// # Errors
    /// [`StoreError::NotCompacted`] when it could not be done: the store goes on with its old files.
    /// [`StoreError::Backend`] when the old files cannot be read, or when it is not known which files are in
    /// use: the store has to be opened again. [`StoreError::InScan`].
    pub fn compact(&self) -> Result<Compaction, StoreError> {
        self.usable("compact")?;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, new) = {
            let state = self.read()?;
            let failed = |error| self.not_compacted("looking at its directory failed", error);
            let before = size_of(state.data.dir()).map_err(failed)?;
            let to = generation::next(&self.dir).map_err(failed)?;
            let written = self.rewrite(&state, &to);
            match written.and_then(|new| self.point_to(new)) {
                Ok(new) => (before, new),
                Err(error) => {
                    // When it is not known which files are in use, the next opening tells, and removes the rest.
                    if matches!(error, StoreError::NotCompacted { .. })
                        || self.broken.get().is_none()
                    {
                        generation::remove(&to);
                    }
                    return Err(error);
                }
            }
        };
        let after = size_of(new.data.dir()).unwrap_or_default();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let old = mem::replace(&mut state.data, new.data);
        state.files = new.files;
        state.compacted = after;
        drop(state);
        let old_dir = old.dir().to_owned();
        match old.close() {
            Ok(Ok(true)) => generation::remove(&old_dir),
            Ok(_) | Err(_) => {
                tracing::warn!(
                    "the files that were replaced are still in use, and stay until the next time"
                );
            }
        }
        tracing::info!(before, after, "the store was compacted");
        Ok(Compaction { before, after })
    }

    /// Copies everything into new files, reads it back, and syncs it.
    ///
    /// The keys are written first, without values. sled writes a page anew each time it is split and with each
    /// few changes, which would leave files of two and a half times the data; pages that are there already
    /// take their values in one go, which leaves half of that.
    fn rewrite(&self, state: &State, to: &Path) -> Result<New, StoreError> {
        let db = open_sled(&self.dir, to).map_err(|error| self.not_opened(error))?;
        let new = Data::new(db, to.to_owned());
        let old = &state.data;
        let first = |db: &sled::Db| Ok(Pass::new(db.iter()));
        let mut entries = self.run(old, "read", false, first)?;
        while let Some((key, _)) = self.run(old, "read", false, |db| entries.next(db, UP))? {
            self.on_new(&new, |db| db.insert(key, &[]).map(drop))?;
        }
        let mut written = Sum::default();
        let mut entries = self.run(old, "read", false, first)?;
        let mut copied = 0;
        while let Some((key, value)) = self.run(old, "read", false, |db| entries.next(db, UP))? {
            written.add(&key, &value);
            copied += key.len() + value.len();
            self.on_new(&new, |db| db.insert(key, value).map(drop))?;
            if copied >= CHUNK {
                copied = 0;
                self.on_new(&new, |db| db.flush().map(drop))?;
            }
        }
        self.on_new(&new, |db| db.flush().map(drop))?;
        let mut read = Sum::default();
        let mut entries = self.on_new(&new, first)?;
        while let Some((key, value)) = self.on_new(&new, |db| entries.next(db, UP))? {
            read.add(&key, &value);
        }
        if written.finish() != read.finish() {
            return Err(StoreError::NotCompacted {
                dir: self.dir.clone(),
                why: "what was written does not read back".to_owned(),
                source: None,
            });
        }
        let files = Files::open(&self.dir, to)
            .and_then(|files| sync_all(to).map(|()| files))
            .map_err(|error| self.not_compacted("syncing the new files failed", error))?;
        Ok(New { data: new, files })
    }

    /// Lets the new files be those that are opened the next time.
    fn point_to(&self, new: New) -> Result<New, StoreError> {
        match generation::point(&self.dir, new.data.dir()) {
            Ok(()) => Ok(new),
            Err(Unset::Before(error)) => {
                Err(self.not_compacted("naming the new files failed", error))
            }
            // Whoever wrote into either now might find the other one after a power loss.
            Err(Unset::After(error)) => {
                let why = "syncing its directory failed".to_owned();
                Err(self.fail("compact", why, true, Some(error)))
            }
        }
    }

    /// A call on the new files, whose failure is none of the store.
    fn on_new<T>(
        &self,
        new: &Data,
        call: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        match new.call(call) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(sled::Error::Io(error))) => {
                Err(self.not_compacted("writing the new files failed", error))
            }
            Ok(Err(error)) => Err(StoreError::NotCompacted {
                dir: self.dir.clone(),
                why: fault::of_sled(error),
                source: None,
            }),
            Err(broke) => Err(StoreError::NotCompacted {
                dir: self.dir.clone(),
                why: broke.why,
                source: broke.system.map(|error| Arc::new(fault::plain(error))),
            }),
        }
    }

    fn not_compacted(&self, why: &str, error: io::Error) -> StoreError {
        StoreError::NotCompacted {
            dir: self.dir.clone(),
            why: why.to_owned(),
            source: Some(Arc::new(fault::plain(error))),
        }
    }

    fn not_opened(&self, error: OpenError) -> StoreError {
        match error {
            OpenError::Io { source, .. } => {
                self.not_compacted("making the new files failed", source)
            }
            other => StoreError::NotCompacted {
                dir: self.dir.clone(),
                why: other.to_string(),
                source: None,
            },
        }
    }
}

impl Sum {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.pairs += 1;
        // The length keeps the end of the key and the beginning of the value apart.
        self.crc.update(&key.len().to_be_bytes());
        self.crc.update(key);
        self.crc.update(value);
    }

    fn finish(self) -> (u64, u32) {
        (self.pairs, self.crc.finalize())
    }
}

/// Bytes of all files in a directory of data.
pub(super) fn size_of(data: &Path) -> io::Result<u64> {
    let mut size = 0;
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => size += found.len(),
                // sled removes its own whenever it likes.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(size)
}

/// Syncs what sled keeps beside its log, too: it is small, and sled does so for some only.
fn sync_all(data: &Path) -> io::Result<()> {
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            match File::open(entry.path()) {
                Ok(file) => file.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    super::files::sync_dir(data)
}
