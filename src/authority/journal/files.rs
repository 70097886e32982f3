//! The journal's directory and files: for their owner alone, and for one process.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

use super::JournalError;

/// The file whose lock says who works with the journal.
pub(super) const LOCK: &str = "lock";

/// Makes a directory that only its owner can look into, or sees to it that an old one is so.
pub(super) fn private_dir(dir: &Path) -> Result<(), JournalError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(JournalError::io("create", dir))?;
    narrow(dir, 0o700)
}

/// Takes from a file or directory what others may do with it.
fn narrow(path: &Path, mode: u32) -> Result<(), JournalError> {
    let metadata = fs::metadata(path).map_err(JournalError::io("look at", path))?;
    if metadata.permissions().mode() & 0o777 & !mode != 0 {
        tracing::warn!(path = %path.display(), "others could read the authority's files: no longer");
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(JournalError::io("protect", path))?;
    }
    Ok(())
}

pub(super) fn open_file(path: &Path) -> Result<File, JournalError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(JournalError::io("open", path))?;
    narrow(path, 0o600)?;
    Ok(file)
}

pub(super) fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join(LOCK);
    let file = open_file(&path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::InUse {
            dir: dir.to_owned(),
        }),
        Err(errno) => Err(JournalError::io("lock", &path)(errno.into())),
    }
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(JournalError::io("sync", dir))
}

/// Lets others have the lock, whoever has the file open still.
pub(super) fn unlock(file: &File) {
    if let Err(error) = flock(file, FlockOperation::Unlock) {
        tracing::debug!(%error, "cannot unlock the authority's journal");
    }
}
