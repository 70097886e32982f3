//! Compiled plugins on disk, by the digest of the component and the engine that compiled them.
//!
//! What is read from here is run as machine code. So the folder must be ours alone: it belongs to this user, nobody
//! else may read or write it, and it is opened once and never looked up by name again. Each file carries a digest of
//! its key and its content, which tells a damaged file, and one that got under the name of another, from a good one; it
//! does not tell a forged one, and need not.
//!
//! Several processes may share a folder, also from containers whose process numbers are the same.

use std::{
    fs::{DirBuilder, File},
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT},
    io::Errno,
};
use sha2::{Digest, Sha256};

use crate::compile::MAX_ARTIFACT;

/// What a file begins with; then a digest of its key and the rest, then the rest.
const MAGIC: &[u8; 8] = b"mustrwc2";
const DIGEST: usize = 32;
/// What the names of our files end with.
const SUFFIX: &str = ".compiled";
/// And of those that are not whole yet.
const UNFINISHED: &str = ".new";
/// How many files are kept, and how many bytes in all; what was used last in any case.
const MAX_FILES: usize = 64;
const MAX_BYTES: u64 = 1 << 30;
/// Seconds after which a file that was begun and not finished is one that nobody will finish.
const ABANDONED: i64 = 3600;

/// A folder of compiled plugins.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: OwnedFd,
}

/// Why a folder cannot be the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or opened.
    #[error("the folder for compiled plugins, {path}, cannot be opened")]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody else could put machine code into it.
    #[error(
        "the folder for compiled plugins, {path}, is not this user's alone ({detail}): what it holds is run as machine \
         code; give it to user {uid} with mode 0700"
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        detail: String,
        /// Who runs.
        uid: u32,
    },
}

impl Cache {
    /// Opens the folder, and makes it where it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        let failed = |source: std::io::Error| CacheError::Open {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let folder = File::from(folder);
        let found = folder.metadata().map_err(failed)?;
        let uid = rustix::process::geteuid().as_raw();
        let detail = if found.uid() != uid {
            Some(format!("it belongs to user {}", found.uid()))
        } else if found.mode() & 0o077 != 0 {
            Some(format!("its mode is {:04o}", found.mode() & 0o7777))
        } else {
            None
        };
        match detail {
            Some(detail) => Err(CacheError::NotOurs {
                path: path.to_owned(),
                detail,
                uid,
            }),
            None => Ok(Self {
                folder: folder.into(),
            }),
        }
    }

    /// The compiled form, if it is here and undamaged.
    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, name(key), flags, Mode::empty()).ok()?;
        let file = File::from(file);
        let mut bytes = Vec::new();
        let most = MAX_ARTIFACT + (MAGIC.len() + DIGEST) as u64;
        (&file).take(most).read_to_end(&mut bytes).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (digest, artifact) = rest.split_at_checked(DIGEST)?;
        if sum(key, artifact).as_slice() != digest {
            return None;
        }
        // So that what is used stays. Where it cannot be noted, the oldest goes first.
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let used = Timestamps {
            last_access: time(UTIME_OMIT),
            last_modification: time(UTIME_NOW),
        };
        let _noted = rustix::fs::futimens(&file, &used);
        bytes.drain(..MAGIC.len() + DIGEST);
        Some(bytes)
    }

    /// Keeps a compiled form: beside its place first, and then there by one rename.
    pub(crate) fn put(&self, key: &str, artifact: &[u8]) -> std::io::Result<()> {
        let (beside, mut file) = self.beside()?;
        let written = file
            .write_all(MAGIC)
            .and_then(|()| file.write_all(&sum(key, artifact)))
            .and_then(|()| file.write_all(artifact))
            .and_then(|()| file.sync_data())
            .and_then(|()| {
                rustix::fs::renameat(&self.folder, &beside, &self.folder, name(key))
                    .map_err(Into::into)
            });
        if written.is_err() {
            let _gone = rustix::fs::unlinkat(&self.folder, &beside, AtFlags::empty());
        }
        written?;
        self.prune();
        Ok(())
    }

    /// A new file that no other process writes to.
    fn beside(&self) -> std::io::Result<(String, File)> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        loop {
            let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
            let beside = format!(".{}.{serial}{UNFINISHED}", std::process::id());
            match rustix::fs::openat(&self.folder, &beside, flags, mode) {
                Ok(file) => return Ok((beside, file.into())),
                // Of a process with our number, in another container or before us. It may still be at it.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes a file away that could not be used.
    pub(crate) fn forget(&self, key: &str) {
        let _gone = rustix::fs::unlinkat(&self.folder, name(key), AtFlags::empty());
    }

    /// Takes away what was used longest ago where there is too much, and what was begun and never finished.
    fn prune(&self) {
        let Ok(entries) = Dir::read_from(&self.folder) else {
            return;
        };
        let (mut files, mut unfinished) = (Vec::new(), Vec::new());
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let kept = match name {
                name if name.ends_with(SUFFIX) => &mut files,
                name if name.starts_with('.') && name.ends_with(UNFINISHED) => &mut unfinished,
                _ => continue,
            };
            if let Ok(found) = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                let used = (found.st_mtime, found.st_mtime_nsec);
                let size = u64::try_from(found.st_size).unwrap_or(0);
                kept.push((used, size, name.to_owned()));
            }
        }
        files.sort_by(|one, other| other.cmp(one));
        // The clock is the folder's: the newest was written just now.
        let now = files.first().map_or(0, |((seconds, _), ..)| *seconds);
        let mut bytes = 0;
        let surplus = files.iter().enumerate().filter(|(place, (_, size, _))| {
            bytes += size;
            *place > 0 && (*place >= MAX_FILES || bytes > MAX_BYTES)
        });
        let abandoned = unfinished
            .iter()
            .filter(|((seconds, _), ..)| *seconds < now - ABANDONED);
        for (.., name) in surplus.map(|(_, file)| file).chain(abandoned) {
            let _gone = rustix::fs::unlinkat(&self.folder, name.as_str(), AtFlags::empty());
        }
    }
}

fn sum(key: &str, artifact: &[u8]) -> [u8; DIGEST] {
    let mut sum = Sha256::new();
    sum.update((key.len() as u64).to_le_bytes());
    sum.update(key);
    sum.update(artifact);
    sum.finalize().into()
}

fn name(key: &str) -> String {
    format!("{key}{SUFFIX}")
}
