//! One process at a time: a lock file that says who has the store.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::UNIX_EPOCH,
};

use muster_model::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::open::OpenError;

/// The lock's name in the store's directory.
pub(super) const NAME: &str = "lock";

/// An advisory lock, held until it is dropped or its process ends, however it ends.
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of a directory, without waiting.
    pub(super) fn acquire(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(NAME);
        let failed = |source| OpenError::io("lock", &path, source);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(OpenError::InUse {
                    dir: dir.to_owned(),
                    pid: holder(&mut file),
                    since: since(&file),
                });
            }
            Err(error) => return Err(failed(error.into())),
        }
        // The file's time is when the holder took the store: nobody else writes to it.
        let written = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough while a child that is just being started still has it, too.
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::debug!(%error, "cannot unlock the store");
        }
    }
}

/// The holder's process id; none in the moment before it is written.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn since(file: &File) -> Option<Timestamp> {
    let age = |file: &File| -> io::Result<_> { file.metadata()?.modified() };
    let seconds = age(file).ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok().map(Timestamp::from_unix)
}
