//! sled's tree, and the directory that it lies in.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{
    files,
    guard::{self, Broke},
};

/// How often, and after which pause, it is looked whether sled's threads have let go of closed files.
const CLOSING: (u32, Duration) = (400, Duration::from_millis(5));

/// A tree of sled's that is open. Dropping it closes it, whatever state it is in.
pub(super) struct Data {
    /// None only while it is being closed.
    db: Option<sled::Db>,
    dir: PathBuf,
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
