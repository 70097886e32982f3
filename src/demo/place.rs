//! Where a demo that serves keeps what it needs for its life: a directory of its own, gone afterwards.
//!
//! Whoever is killed cannot tidy up. So each holds a lock in its directory for as long as it lives, and the next one
//! removes what nobody holds any more, with the PostgreSQL in it.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, Signal, geteuid, kill_process, test_kill_process},
};

/// What the directories' names begin with.
const PREFIX: &str = "muster-demo-";
/// The file that is held.
const LOCK: &str = "demo.lock";
/// How long a PostgreSQL that was left behind may take to end.
const LEFT: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// A directory that is gone with this.
pub struct Place {
    path: PathBuf,
    _held: File,
}

impl Place {
    /// Makes one in the directory for temporary files, and removes what others left there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(temporary: &Path) -> io::Result<Self> {
        sweep(temporary);
        let mut number = u64::from(std::process::id());
        for _ in 0..100 {
            let path = temporary.join(format!("{PREFIX}{number}"));
            // Others may pass through it, as the user that PostgreSQL runs as has to, and not see what is in it.
            match DirBuilder::new().mode(0o711).create(&path) {
                Ok(()) => {
                    let held = File::create(path.join(LOCK))?;
                    flock(&held, FlockOperation::NonBlockingLockExclusive)?;
                    return Ok(Self { path, _held: held });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number = number.wrapping_add(7919);
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is only litter in the temporary directory.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the places that nobody holds any more.
fn sweep(temporary: &Path) {
    let Ok(entries) = fs::read_dir(temporary) else {
        return;
    };
    for entry in entries.flatten() {
        let is_one = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Nobody else's, and no link to somewhere else.
        let is_mine = entry
            .path()
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw());
        if is_one && is_mine && is_left(&entry.path()) {
            end_postgres(&entry.path().join(super::postgres::DATA));
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_left(place: &Path) -> bool {
    // A place without the file is of another demo, or is just being made.
    File::open(place.join(LOCK))
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// Ends the PostgreSQL that has its data there, if it still runs.
fn end_postgres(data: &Path) {
    let Some(pid) = fs::read_to_string(data.join("postmaster.pid"))
        .ok()
        .and_then(|text| text.lines().next()?.trim().parse().ok())
        .and_then(Pid::from_raw)
    else {
        return;
    };
    // The number may be somebody else's by now.
    let is_it = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&*data.to_string_lossy()));
    if !is_it || kill_process(pid, Signal::INT).is_err() {
        return;
    }
    let until = Instant::now() + LEFT;
    while test_kill_process(pid).is_ok() && Instant::now() < until {
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_held_stays_and_what_was_left_goes() {
        let dir = tempfile::tempdir().unwrap();
        let held = Place::make(dir.path()).unwrap();
        let left = dir.path().join(format!("{PREFIX}left"));
        fs::create_dir(&left).unwrap();
        File::create(left.join(LOCK)).unwrap();
        let other = dir.path().join(format!("{PREFIX}another-demo"));
        fs::create_dir(&other).unwrap();
        let next = Place::make(dir.path()).unwrap();
        assert_ne!(next.path(), held.path());
        assert!(held.path().exists() && other.exists());
        assert!(!left.exists());
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists());
    }
}
