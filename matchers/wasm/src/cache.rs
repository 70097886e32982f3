//! Compiled plugins on disk, by the digest of the component and the engine that compiled them.
//!
//! What is read from here is run as machine code. So the folder must be ours alone: it belongs to this user, nobody
//! else may read or write it, and it is opened once and never looked up by name again. Each file carries a digest of
//! its content, which tells a damaged file from a good one; it does not tell a forged one, and need not.

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

use rustix::fs::{AtFlags, Mode, OFlags};
use sha2::{Digest, Sha256};

/// What a file begins with; then the digest of the rest, then the rest.
const MAGIC: &[u8; 8] = b"mustrwc1";
const DIGEST: usize = 32;
/// What the names of our files end with.
const SUFFIX: &str = ".compiled";
/// The largest file that is read. A plugin in Python is 60 MB.
const MAX_FILE: u64 = 512 << 20;
/// How many files are kept.
const MAX_FILES: usize = 64;

/// A folder of compiled plugins.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: OwnedFd,
    path: PathBuf,
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
                path: path.to_owned(),
            }),
        }
    }

    /// The compiled form, if it is here and undamaged.
    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, name(key), flags, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        File::from(file)
            .take(MAX_FILE)
            .read_to_end(&mut bytes)
            .ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (digest, artifact) = rest.split_at_checked(DIGEST)?;
        (Sha256::digest(artifact).as_slice() == digest).then(|| {
            bytes.drain(..MAGIC.len() + DIGEST);
            bytes
        })
    }

    /// Keeps a compiled form: beside its place first, and then there by one rename.
    pub(crate) fn put(&self, key: &str, artifact: &[u8]) -> std::io::Result<()> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let beside = format!(".{}.{serial}.new", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        // A file of that name is what a process with our number left behind when it was killed.
        let _absent = rustix::fs::unlinkat(&self.folder, &beside, AtFlags::empty());
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(rustix::fs::openat(&self.folder, &beside, flags, mode)?);
        let written = file
            .write_all(MAGIC)
            .and_then(|()| file.write_all(&Sha256::digest(artifact)))
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

    /// Takes a file away that could not be used.
    pub(crate) fn forget(&self, key: &str) {
        let _gone = rustix::fs::unlinkat(&self.folder, name(key), AtFlags::empty());
    }

    /// Takes the oldest away where there are too many.
    fn prune(&self) {
        let Ok(entries) = std::fs::read_dir(&self.path) else {
            return;
        };
        let mut files: Vec<_> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let written = entry.metadata().ok()?.modified().ok()?;
                name.ends_with(SUFFIX).then_some((written, name))
            })
            .collect();
        files.sort();
        let surplus = files.len().saturating_sub(MAX_FILES);
        for (_, name) in files.iter().take(surplus) {
            let _gone = rustix::fs::unlinkat(&self.folder, name.as_str(), AtFlags::empty());
        }
    }
}

fn name(key: &str) -> String {
    format!("{key}{SUFFIX}")
}
