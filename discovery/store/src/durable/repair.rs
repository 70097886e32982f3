//! Making a whole store of what is left of one.
//!
//! What can be read is copied into new files: a tree in which sled has lost a page cannot be trusted to be
//! mended in place. The old files are kept aside.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    SledStore,
    data::Data,
    files,
    layout::{self, Body, Head, Raw},
    open::{OpenError, Opening, broken, damaged, open_sled},
};
use crate::{
    changes::Log,
    error::{Damaged, Why},
    store::Revision,
};

/// How many entries are copied in one go.
const CHUNK: usize = 1000;

/// What [`SledStore::repair`] found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The last revision that was acknowledged, when that is known.
    pub acknowledged: Option<Revision>,
    /// The revision that the files held; 0 when they did not even hold that.
    pub found: Revision,
    /// The revision that the store has now: greater than both.
    pub revision: Revision,
    /// How many records are left.
    pub records: u64,
    /// Records that could not be read, and are gone.
    pub dropped: Vec<Damaged>,
    /// Where the files are that it found; nothing reads them any more.
    pub aside: PathBuf,
}

impl SledStore {
    /// Opens a store that has lost something ([`OpenError::Lost`]): copies what can be read into a whole store
    /// that takes its place, and goes past every revision that was acknowledged. The records that are left
    /// keep their revisions; the change log begins anew.
    ///
    /// # Errors
    /// As [`Self::open`], without [`OpenError::Lost`]; [`OpenError::Damaged`] when too little can be read.
    pub fn repair(dir: impl AsRef<Path>) -> Result<(Self, Repair), OpenError> {
        let dir = dir.as_ref();
        let failed = |what| move |source| OpenError::io(what, dir, source);
        let old = Opening::start(dir, true)?;
        let new = dir.join(files::REPAIRING);
        if new.exists() {
            fs::remove_dir_all(&new).map_err(failed("remove an unfinished repair in"))?;
        }
        let (head, dropped, found) = old.copy(&new)?;
        let Opening {
            data, mark, lock, ..
        } = old;
        let place = data.dir().to_owned();
        close(dir, data)?;
        let aside = files::swap(dir, &place).map_err(failed("swap the files of"))?;
        let db = open_sled(dir, &place)?;
        let store = Opening {
            dir: dir.to_owned(),
            data: Data::new(db, place),
            mark,
            lock,
        }
        .finish(head, Log::default())?;
        store
            .measure()
            .map_err(|error| damaged(dir, error.to_string()))?;
        store.tidy();
        let repair = Repair {
            acknowledged: mark,
            found,
            revision: head.revision,
            records: head.entries,
            dropped,
            aside,
        };
        Ok((store, repair))
    }
}

impl Opening {
    /// Copies the entries that can be read into a new tree, with a head and without a log. Returns that head,
    /// the entries that cannot be read, and the revision of the old head.
    fn copy(&self, to: &Path) -> Result<(Head, Vec<Damaged>, Revision), OpenError> {
        let found = match self.stored_head()? {
            Some(Ok(head)) => head.revision,
            _ => Revision::default(),
        };
        let new = open_sled(&self.dir, to)?;
        let mut head = Head::default();
        let mut last = found.max(self.mark.unwrap_or_default());
        let mut dropped = Vec::new();
        let mut entries = self.run(|db| Ok(db.scan_prefix(layout::DATA)))?;
        loop {
            let mut batch = sled::Batch::default();
            let mut copied = 0;
            while copied < CHUNK
                && let Some((raw, bytes)) = self.run(|_| entries.next().transpose())?
            {
                copied += 1;
                match self.copy_entry(&raw, &bytes, &mut batch)? {
                    Ok((key, revision)) => {
                        head.add(key.as_bytes(), revision);
                        last = last.max(revision);
                    }
                    Err(damaged) => dropped.push(damaged),
                }
            }
            head.revision = last.next();
            if copied == 0 {
                batch.insert(layout::HEAD, head.encode());
            }
            self.run(|_| new.apply_batch(batch))?;
            if copied == 0 {
                break;
            }
        }
        self.run(|_| new.flush())?;
        close(&self.dir, Data::new(new, to.to_owned()))?;
        Ok((head, dropped, found))
    }

    /// Adds one entry to a batch when it can be read with all its parts.
    fn copy_entry(
        &self,
        raw: &[u8],
        bytes: &[u8],
        batch: &mut sled::Batch,
    ) -> Result<Result<(String, Revision), Damaged>, OpenError> {
        let key = match layout::text(raw) {
            Ok(key) => key,
            Err(damaged) => return Ok(Err(damaged)),
        };
        let wrong = |why| {
            Ok(Err(Damaged {
                key: key.to_owned(),
                why,
            }))
        };
        let entry = match Raw::decode(bytes) {
            Ok(entry) => entry,
            Err(why) => return wrong(why),
        };
        let mut parts = Vec::new();
        if let Body::Parts(count) = entry.body {
            for number in 0..count {
                let name = layout::part(key, number);
                match self.run(|db| db.get(&name))? {
                    Some(part) if layout::fits(&part, number, count) => parts.push((name, part)),
                    _ => return wrong(Why::Part(number)),
                }
            }
        }
        parts
            .into_iter()
            .for_each(|(name, part)| batch.insert(name, part));
        batch.insert(raw, bytes);
        Ok(Ok((key.to_owned(), entry.revision)))
    }
}

/// Closes a tree, and returns when its files may be moved.
fn close(dir: &Path, data: Data) -> Result<(), OpenError> {
    let failed = |source| OpenError::io("close the store in", dir, source);
    let closed = data
        .close()
        .map_err(|broke| broken(dir, "close the store in", broke))?;
    if closed.map_err(failed)? {
        return Ok(());
    }
    Err(OpenError::InUse {
        dir: dir.to_owned(),
        pid: Some(std::process::id()),
        since: None,
    })
}
