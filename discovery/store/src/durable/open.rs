//! Opening a store: making it, or finding out that it is in use, newer or damaged.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use muster_model::Timestamp;
use rustix::io::Errno;

use super::{
    Parts, SledStore,
    data::Data,
    fault, files,
    files::Files,
    generation,
    guard::{self, Broke},
    layout::{self, BadHead, FORMAT, Head},
    lock::Lock,
    place,
};
use crate::{changes::Log, store::Revision};

/// sled's page cache in bytes; its own default is a gigabyte. What is read often, the operating system has in its
/// cache, too: a larger one makes nothing faster that the store does, see the README.
const CACHE: u64 = 8 << 20;

/// How often, and after which pause, sled is asked again while threads of a store that this process has just
/// closed still hold its file.
const CLOSING: (u32, Duration) = (400, Duration::from_millis(5));

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it, or this one.
    #[error(
        "the store in {dir} is in use by {}{}: wait until it ends, or stop it",
        pid.map_or("another process".to_owned(), |pid| format!("process {pid}")),
        since.map_or(String::new(), |since| format!(" since {since}")),
        dir = dir.display()
    )]
    InUse {
        /// The store's directory.
        dir: PathBuf,
        /// Who has it, when it says so.
        pid: Option<u32>,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// The directory holds files, and none of them is a store's. Nothing was written.
    #[error(
        "{dir} is not empty and holds no store: name an empty or new directory",
        dir = dir.display()
    )]
    Foreign {
        /// The directory.
        dir: PathBuf,
    },
    /// Others can write to the directory, and it is not ours to close it to them. Nothing was written.
    #[error(
        "other users can write to {dir}, and {why}: name a directory of your own",
        dir = dir.display()
    )]
    Shared {
        /// The directory.
        dir: PathBuf,
        /// Why it was not closed to them.
        why: &'static str,
    },
    /// The directory or a file in it cannot be used.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// The operation.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A newer muster made it.
    #[error(
        "the store in {dir} has format {has} and this muster knows formats up to {knows}: upgrade muster",
        dir = dir.display()
    )]
    Newer {
        /// The store's directory.
        dir: PathBuf,
        /// The store's format.
        has: u32,
        /// The newest format that this binary knows.
        knows: u32,
    },
    /// Its files are damaged.
    #[error(
        "the store in {dir} is damaged: {why}; restore the directory from a backup, or move it away and scan \
         again (what is to be enrolled will be enrolled anew, the history is lost)",
        dir = dir.display()
    )]
    Damaged {
        /// The store's directory.
        dir: PathBuf,
        /// What was found.
        why: String,
    },
    /// Its files can be read, and do not hold all that was acknowledged.
    #[error(
        "the store in {dir} has lost something: {why}; restore the directory from a backup, or repair the \
         store to go on with what is left",
        dir = dir.display()
    )]
    Lost {
        /// The store's directory.
        dir: PathBuf,
        /// What is missing.
        why: String,
    },
}

impl OpenError {
    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            what,
            path: path.to_owned(),
            source: fault::plain(source),
        }
    }
}

impl SledStore {
    /// Whether a directory holds a store. Makes and changes nothing.
    pub fn is_in(dir: impl AsRef<Path>) -> bool {
        super::files::are_in(dir.as_ref())
    }

    /// Opens the store in a directory; makes both when they are not there, for their owner alone. A directory
    /// of ours that others can write to is closed to them.
    ///
    /// # Errors
    /// [`OpenError::Foreign`] and [`OpenError::Shared`] when the directory is not one for a store.
    /// [`OpenError::InUse`] when a process has it open. [`OpenError::Damaged`] and [`OpenError::Lost`] when the
    /// files are not as they were left. [`OpenError::Newer`], [`OpenError::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let opening = Opening::start(dir, false)?;
        let head = opening.head()?;
        let log = opening.log(head.revision)?;
        let store = opening.finish(head, log)?;
        // One pass over all entries finds what sled does not miss: see the README for what it costs.
        let health = store
            .measure()
            .map_err(|error| damaged(dir, error.to_string()))?;
        if let Some(why) = health.missing {
            let dir = dir.to_owned();
            return Err(OpenError::Lost { dir, why });
        }
        store.tidy();
        Ok(store)
    }

    /// Removes what compactions have left, once it is known that it is not needed.
    pub(super) fn tidy(&self) {
        if let Ok(state) = self.read() {
            generation::remove_others(&self.dir, state.data.dir());
        }
    }
}

/// A store whose files are open, and whose content has not been looked at.
pub(super) struct Opening {
    pub(super) dir: PathBuf,
    pub(super) data: Data,
    pub(super) mark: Option<Revision>,
    pub(super) lock: Lock,
}

impl Opening {
    pub(super) fn start(dir: &Path, repairing: bool) -> Result<Self, OpenError> {
        let failed = |what| move |source| OpenError::io(what, dir, source);
        place::prepare(dir)?;
        let lock = Lock::acquire(dir)?;
        let data = match generation::current(dir) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(damaged(dir, error.to_string()));
            }
            data => data.map_err(failed("find the data in"))?,
        };
        files::finish_swap(dir, &data).map_err(failed("finish the repair of"))?;
        let mark = files::mark(dir).map_err(failed("read the last acknowledged revision in"))?;
        // Nothing is made in its place: whoever puts it back must find the place free.
        let was = dir.join(generation::POINTER).exists() || mark > Some(Revision::default());
        if !repairing && was && !data.join(files::LOG).exists() {
            let name = data.file_name().unwrap_or_default().to_string_lossy();
            let why = if data.exists() {
                format!("its file {name}/{} is missing", files::LOG)
            } else {
                format!("its directory {name} is missing")
            };
            let dir = dir.to_owned();
            return Err(OpenError::Lost { dir, why });
        }
        let db = open_sled(dir, &data)?;
        Ok(Self {
            dir: dir.to_owned(),
            data: Data::new(db, data),
            mark,
            lock,
        })
    }

    /// A read or write of sled's, with its failure in our words.
    pub(super) fn run<T>(
        &self,
        call: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, OpenError> {
        match self.data.call(call) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(failed(&self.dir, "use the store in", error)),
            Err(broke) => Err(broken(&self.dir, "use the store in", broke)),
        }
    }

    /// The head; a new one, written at once, where there is nothing at all.
    pub(super) fn head(&self) -> Result<Head, OpenError> {
        let head = match self.stored_head()? {
            Some(head) => head.map_err(|why| damaged(&self.dir, why))?,
            None => {
                let empty = self.run(|db| db.first())?.is_none();
                if !empty {
                    return Err(damaged(&self.dir, "its head is missing".to_owned()));
                }
                Head::default()
            }
        };
        if let Some(mark) = self.mark.filter(|mark| *mark > head.revision) {
            let why = format!(
                "revision {mark} was acknowledged, and the files end at revision {}",
                head.revision
            );
            return Err(OpenError::Lost {
                dir: self.dir.clone(),
                why,
            });
        }
        self.run(|db| match db.contains_key(layout::HEAD)? {
            true => Ok(()),
            false => {
                db.insert(layout::HEAD, head.encode())?;
                db.flush().map(drop)
            }
        })?;
        Ok(head)
    }

    /// The head as it is stored: none, one that can be used, or what is wrong with it.
    pub(super) fn stored_head(&self) -> Result<Option<Result<Head, String>>, OpenError> {
        let Some(bytes) = self.run(|db| db.get(layout::HEAD))? else {
            return Ok(None);
        };
        Ok(Some(match Head::decode(&bytes) {
            Ok(head) => Ok(head),
            Err(BadHead::Newer(has)) => {
                return Err(OpenError::Newer {
                    dir: self.dir.clone(),
                    has,
                    knows: FORMAT,
                });
            }
            Err(BadHead::Torn) => Err("its head is torn".to_owned()),
            Err(BadHead::Checksum) => Err("the checksum of its head does not fit".to_owned()),
        }))
    }

    /// The change log, which has to lead up to the head without a gap.
    pub(super) fn log(&self, upto: Revision) -> Result<Log, OpenError> {
        let broken = || OpenError::Lost {
            dir: self.dir.clone(),
            why: "its change log has a gap".to_owned(),
        };
        let mut log = Log::default();
        let mut batch: Option<(Revision, Vec<_>)> = None;
        let mut pages = self.run(|db| Ok(db.scan_prefix(layout::LOG)))?;
        while let Some((raw, page)) = self.run(|_| pages.next().transpose())? {
            let revision = layout::log_revision(&raw).ok_or_else(broken)?;
            let keys = layout::unpack(&page).ok_or_else(broken)?;
            match &mut batch {
                Some((present, all)) if *present == revision => all.extend(keys),
                Some((present, all)) if present.next() == revision => {
                    log.push(*present, std::mem::replace(all, keys));
                    *present = revision;
                }
                None => batch = Some((revision, keys)),
                Some(_) => return Err(broken()),
            }
        }
        if let Some((last, keys)) = batch {
            if last != upto {
                return Err(broken());
            }
            log.push(last, keys);
        }
        Ok(log)
    }

    pub(super) fn finish(self, head: Head, log: Log) -> Result<SledStore, OpenError> {
        let Self {
            dir, data, lock, ..
        } = self;
        let failed = |source| OpenError::io("sync", &dir, source);
        let mut files = Files::open(&dir, data.dir()).map_err(failed)?;
        files.acknowledge(head.revision).map_err(failed)?;
        Ok(SledStore::assemble(Parts {
            dir,
            data,
            files,
            lock,
            head,
            log,
        }))
    }
}

/// Opens sled in a directory of the store in `dir`, whose lock is held.
pub(super) fn open_sled(dir: &Path, data: &Path) -> Result<sled::Db, OpenError> {
    let config = sled::Config::new()
        .path(data)
        .cache_capacity(CACHE)
        // Every commit flushes; nothing is left for a thread to do.
        .flush_every_ms(None);
    files::forget_half_made(data)
        .map_err(|source| OpenError::io("make the data of", dir, source))?;
    let (tries, pause) = CLOSING;
    for _ in 0..tries {
        match guard::catch(|| config.open()) {
            Ok(Ok(db)) => return Ok(db),
            // Our lock is held, so whoever holds sled's is this process, about to let go.
            Ok(Err(sled::Error::Io(error))) if is_locked(&error) => thread::sleep(pause),
            Ok(Err(error)) => return Err(failed(dir, "open the store in", error)),
            Err(broke) => return Err(broken(dir, "open the store in", broke)),
        }
    }
    Err(OpenError::InUse {
        dir: dir.to_owned(),
        pid: None,
        since: None,
    })
}

pub(super) fn damaged(dir: &Path, why: String) -> OpenError {
    OpenError::Damaged {
        dir: dir.to_owned(),
        why,
    }
}

/// An error of sled's: the disk's, or of what is on it.
fn failed(dir: &Path, what: &'static str, error: sled::Error) -> OpenError {
    match error {
        sled::Error::Io(error) => of_io(dir, what, error),
        error => damaged(dir, fault::of_sled(error)),
    }
}

/// A panic of sled's: the disk's, or of what is on it.
pub(super) fn broken(dir: &Path, what: &'static str, broke: Broke) -> OpenError {
    match broke.system {
        Some(error) => of_io(dir, what, error),
        None => damaged(dir, broke.why),
    }
}

fn of_io(dir: &Path, what: &'static str, error: io::Error) -> OpenError {
    let error = fault::found(error);
    if is_of_disk(&error) {
        OpenError::io(what, dir, error)
    } else {
        damaged(dir, fault::advised(error).to_string())
    }
}

/// Whether it is sled's own lock that failed; it says so only in words.
fn is_locked(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// Whether the fault is the disk's, the permissions' or the process's limits', and not the files' content: nobody is
/// to restore a backup because of it.
fn is_of_disk(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    let system = error.raw_os_error().map(Errno::from_raw_os_error);
    if let Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::IO) = system {
        return true;
    }
    matches!(
        error.kind(),
        Kind::PermissionDenied
            | Kind::StorageFull
            | Kind::FileTooLarge
            | Kind::ReadOnlyFilesystem
            | Kind::QuotaExceeded
            | Kind::NotADirectory
            | Kind::IsADirectory
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn nobody_is_told_to_restore_a_backup_for_want_of_room_or_descriptors() {
        for code in [5, 12, 13, 23, 24, 27, 28, 30] {
            // As sled hands it on, and as it copies it.
            for error in [
                sled::Error::Io(io::Error::from_raw_os_error(code)),
                sled::Error::Io(io::Error::from_raw_os_error(code)).clone(),
            ] {
                let error = failed(Path::new("/store"), "open", error);
                assert!(matches!(error, OpenError::Io { .. }), "{code}: {error}");
            }
        }
        let torn = sled::Error::Io(io::ErrorKind::UnexpectedEof.into());
        let error = failed(Path::new("/store"), "open", torn);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    }
}
