//! The files beside sled's own, and what makes sled's durable.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::generation;
use crate::store::Revision;

/// Where the last acknowledged revision stands.
const MARK: &str = "acknowledged";
/// The first directory that is sled's; a compaction makes others, see [`super::generation`].
pub(super) const DATA: &str = "data";
/// Where a repair writes.
pub(super) const REPAIRING: &str = "repairing";
/// What a repair has written, before it takes the place of the data.
pub(super) const REPAIRED: &str = "repaired";
/// Where a repair leaves what it found; a number follows.
const DAMAGED: &str = "damaged";
/// sled's log, which holds everything but oversized pages.
pub(super) const LOG: &str = "db";
/// What sled was opened with; it refuses to be opened otherwise.
const PARAMETERS: &str = "conf";
/// How the names of sled's snapshots begin, and how those end that it is still writing.
const SNAPSHOT: &str = "snap.";
const HALF_MADE: &str = ".generating";
/// The oversized pages.
const BLOBS: &str = "blobs";
/// The length of a segment of sled's log, which is sled's own default. sled cuts whole ones off the end of its
/// log, some time after the write that frees them, and leaves the one that it writes to.
const SEGMENT: u64 = 512 << 10;

/// Syncs what sled wrote, and remembers the last acknowledged revision outside of sled.
///
/// `flush` of sled ends in `sync_file_range`, which promises nothing for the time after a power loss.
/// Syncing the same file through a descriptor of our own does.
pub(super) struct Files {
    log: File,
    log_path: PathBuf,
    /// How long the log was after the last write.
    log_len: u64,
    mark: File,
    blobs: PathBuf,
    synced: BTreeSet<OsString>,
}

/// Whether a directory holds files that only a store has.
pub(super) fn are_in(dir: &Path) -> bool {
    dir.join(MARK).is_file()
        || generation::is_set(dir)
        || [DATA, REPAIRED]
            .iter()
            .any(|data| dir.join(data).join(LOG).is_file())
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The revision that was acknowledged last; none when none was, or when the mark was torn by a power loss.
pub(super) fn mark(dir: &Path) -> io::Result<Option<Revision>> {
    let bytes = match File::open(dir.join(MARK)) {
        Ok(file) => {
            let mut bytes = [0; 12];
            match file.read_exact_at(&mut bytes, 0) {
                Ok(()) => bytes,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let [r0, r1, r2, r3, r4, r5, r6, r7, crc @ ..] = bytes;
    let revision = [r0, r1, r2, r3, r4, r5, r6, r7];
    let whole = crc32fast::hash(&revision) == u32::from_be_bytes(crc);
    Ok(whole.then(|| Revision(u64::from_be_bytes(revision))))
}

/// Lets what a repair has written take the place of the data, which is kept beside it.
pub(super) fn swap(dir: &Path, data: &Path) -> io::Result<PathBuf> {
    let repairing = dir.join(REPAIRING);
    File::open(repairing.join(LOG))?.sync_all()?;
    sync_dir(&repairing)?;
    let aside = (1_u32..)
        .map(|number| dir.join(format!("{DAMAGED}-{number}")))
        .find(|path| !path.exists())
        .ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(&repairing, dir.join(REPAIRED))?;
    sync_dir(dir)?;
    fs::rename(data, &aside)?;
    sync_dir(dir)?;
    finish_swap(dir, data)?;
    Ok(aside)
}

/// Ends a [`swap`] that was broken off after the data had been put aside.
pub(super) fn finish_swap(dir: &Path, data: &Path) -> io::Result<()> {
    let repaired = dir.join(REPAIRED);
    if repaired.exists() {
        if data.exists() {
            // Broken off before: the data is still there, and a repair can be asked for again.
            return fs::remove_dir_all(repaired);
        }
        fs::rename(repaired, data)?;
        sync_dir(dir)?;
    }
    Ok(())
}

/// Takes away what a process left that was killed while sled opened its files. To be called under the store's lock, before
/// sled opens them.
///
/// sled writes its parameters in two goes, without their checksum at first, and its log only afterwards. Half of them it
/// would take for corrupt ever after; where there is no log they are of no use.
///
/// It writes a snapshot of its page table under a name that it then changes, and reads the one whose name sorts last,
/// which a half written one's does: it would take the whole log for corrupt (`Config::get_snapshot_files` of 0.34.7 looks
/// for an older ending). A snapshot only says how far the log has been read; the one before, and the log, are still there.
pub(super) fn forget_half_made(data: &Path) -> io::Result<()> {
    if !data.join(LOG).try_exists()? {
        match fs::remove_file(data.join(PARAMETERS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let entries = match fs::read_dir(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(SNAPSHOT) && name.ends_with(HALF_MADE) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether nobody holds the lock of sled's in a directory any more.
pub(super) fn is_closed(data: &Path) -> io::Result<bool> {
    let file = File::open(data.join(LOG))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Files {
    /// Opens them in the store's directory and in the one of its data, which sled has opened.
    pub(super) fn open(dir: &Path, data: &Path) -> io::Result<Self> {
        let mark = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(MARK))?;
        let log_path = data.join(LOG);
        let log = File::options().read(true).write(true).open(&log_path)?;
        let mut files = Self {
            log,
            log_path,
            log_len: 0,
            mark,
            blobs: data.join(BLOBS),
            synced: BTreeSet::new(),
        };
        files.sync()?;
        files.log_len = files.log.metadata()?.len();
        sync_dir(data)?;
        sync_dir(dir)?;
        Ok(files)
    }

    /// Returns when all that sled has written would survive a power loss.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let mut present = BTreeSet::new();
        let mut fresh = false;
        for blob in fs::read_dir(&self.blobs)? {
            let name = blob?.file_name();
            if !self.synced.contains(&name) {
                fresh = true;
                match File::open(self.blobs.join(&name)) {
                    Ok(file) => file.sync_all()?,
                    // sled removes those that it no longer needs whenever it likes.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
            }
            present.insert(name);
        }
        self.synced = present;
        if fresh {
            sync_dir(&self.blobs)?;
        }
        self.log.sync_data()
    }

    /// Notes that a revision is durable. The note itself is not synced: after a power loss it may be older
    /// than the store, and never newer.
    pub(super) fn acknowledge(&mut self, revision: Revision) -> io::Result<()> {
        let revision = revision.0.to_be_bytes();
        let crc = crc32fast::hash(&revision).to_be_bytes();
        let mut bytes = [0; 12];
        for (to, from) in bytes.iter_mut().zip(revision.into_iter().chain(crc)) {
            *to = from;
        }
        self.mark.write_all_at(&bytes, 0)?;
        self.log_len = self.log.metadata()?.len();
        Ok(())
    }

    /// What became of sled's log, when what is written to it now would be gone with this process: a file that was
    /// deleted stays usable to whoever has it open.
    pub(super) fn misplaced(&self) -> Option<String> {
        let path = self.log_path.display();
        let ours = self.log.metadata();
        match fs::metadata(&self.log_path).and_then(|there| Ok((there, ours?))) {
            Ok((there, ours)) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => None,
            Ok(_) => Some(format!("the file {path} was replaced by another one")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(match self.log_path.parent().filter(|data| !data.exists()) {
                    Some(data) => {
                        format!("the directory {} was deleted or moved away", data.display())
                    }
                    None => format!("the file {path} was deleted or moved away"),
                })
            }
            Err(error) => Some(format!("cannot look at the file {path}: {error}")),
        }
    }

    /// The same, or that somebody has cut it off since the last write. Whoever overwrites it with something longer
    /// is not noticed until the store is opened again.
    pub(super) fn lost(&self) -> Option<String> {
        let misplaced = self.misplaced();
        if misplaced.is_some() {
            return misplaced;
        }
        let len = self.log.metadata().map_or(0, |found| found.len());
        let by_sled = len >= SEGMENT && len.is_multiple_of(SEGMENT);
        (len < self.log_len && !by_sled).then(|| {
            format!(
                "the file {} was cut off: it has {len} bytes, and had {}",
                self.log_path.display(),
                self.log_len
            )
        })
    }
}
