//! sled's tree, and the directory that it lies in.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use sled::IVec;

use super::{
    files,
    guard::{self, Broke},
};
use crate::store::Order;

/// How often, and after which pause, it is looked whether sled's threads have let go of closed files.
const CLOSING: (u32, Duration) = (400, Duration::from_millis(5));

/// A tree of sled's that is open. Dropping it closes it, whatever state it is in.
pub(super) struct Data {
    /// None only while it is being closed.
    db: Option<sled::Db>,
    dir: PathBuf,
}

/// A pass over a tree that keeps sled's page cache within its bounds.
///
/// sled looks for pages to drop from its cache only after 64 uses of pages in one of 256 groups. A pass uses each
/// page once, so that 16,000 pages would stay before the first one goes, whatever the cache's capacity: all of a
/// store of 100,000 databases. Every other entry of a longer pass is therefore used once more by its key.
pub(super) struct Pass {
    entries: sled::Iter,
    shown: u64,
}

impl Pass {
    /// How many entries are shown before it is a longer one.
    const SHORT: u64 = 1000;

    pub(super) fn new(entries: sled::Iter) -> Self {
        Self { entries, shown: 0 }
    }

    pub(super) fn next(
        &mut self,
        db: &sled::Db,
        order: Order,
    ) -> sled::Result<Option<(IVec, IVec)>> {
        let next = match order {
            Order::Ascending => self.entries.next(),
            Order::Descending => self.entries.next_back(),
        };
        let next = next.transpose()?;
        if let Some((key, _)) = &next {
            self.shown += 1;
            if self.shown > Self::SHORT && self.shown.is_multiple_of(2) {
                db.get(key)?;
            }
        }
        Ok(next)
    }
}

impl Data {
    pub(super) fn new(db: sled::Db, dir: PathBuf) -> Self {
        Self { db: Some(db), dir }
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A call of sled's: what it returns, or how it broke off.
    pub(super) fn call<T>(
        &self,
        call: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<sled::Result<T>, Broke> {
        match &self.db {
            Some(db) => guard::catch(|| call(db)),
            None => Err(Broke {
                why: "it is closed".to_owned(),
                system: None,
            }),
        }
    }

    /// Closes the tree, and says whether its files may be moved: sled's threads may still have them for a
    /// moment, which is waited for.
    pub(super) fn close(mut self) -> Result<io::Result<bool>, Broke> {
        if let Some(db) = self.db.take() {
            guard::catch(|| drop(db))?;
        }
        let (tries, pause) = CLOSING;
        for _ in 0..tries {
            match files::is_closed(&self.dir) {
                Ok(false) => thread::sleep(pause),
                closed => return Ok(closed),
            }
        }
        Ok(Ok(false))
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        // sled writes its last state when it is dropped, and may panic there after a failure.
        if let Some(db) = self.db.take()
            && let Err(broke) = guard::catch(|| drop(db))
        {
            tracing::warn!(why = broke.why, "closing the store failed");
        }
    }
}
