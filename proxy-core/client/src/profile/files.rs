//! Files that nobody else reads, written whole.

use std::{
    fmt::Write as _,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{Error, Result};

/// The most bytes of a file of a login.
const MAX_FILE: u64 = 1 << 20;

/// Tells apart what is written by one process at the same time.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Reads a text, bounded.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is too large to be one of muster's"));
    }
    Ok(text)
}

/// Writes a file beside its place, 0600, and renames it there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Staged::write(path, bytes)?.commit()
}

/// A file that is written, and not yet in its place. Dropped, it is gone.
pub(super) struct Staged {
    partial: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Writes it beside its place, 0600, onto the disk.
    pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<Self> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}-{count}.partial", process::id()));
        let staged = Self {
            partial: PathBuf::from(partial),
            path: path.to_owned(),
        };
        let written = (|| {
            // What a process of the same number left behind is not written into.
            match fs::remove_file(&staged.partial) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&staged.partial)?;
            file.write_all(bytes)?;
            file.sync_all()
        })();
        match written {
            Ok(()) => Ok(staged),
            Err(error) => Err(staged.failed(&error)),
        }
    }

    /// Puts it in its place.
    pub(super) fn commit(self) -> Result<()> {
        fs::rename(&self.partial, &self.path).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::files(format!("cannot write {}", self.path.display()), error)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It is not there any more once it is in its place.
        let _ = fs::remove_file(&self.partial);
    }
}

/// Makes a directory that is one's own, and those above it; one that is there stays as it is.
pub(super) fn make_dir(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        Error::files(
            format!("cannot make the directory {}", path.display()),
            &error,
        )
    })
}

/// The same, and nobody else may enter it, whatever it was before.
pub(super) fn make_private(path: &Path) -> Result<()> {
    make_dir(path)?;
    let set = fs::set_permissions(path, Permissions::from_mode(0o700));
    set.map_err(|error| {
        Error::files(
            format!("cannot keep others out of {}", path.display()),
            &error,
        )
    })
}

/// Removes a directory. Says whether it was there.
pub(super) fn remove_dir(path: &Path) -> Result<bool> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::files(
            format!("cannot remove {}", path.display()),
            &error,
        )),
    }
}

/// The most bytes of a name in a directory before it is cut, far below what file systems take.
const MAX_FILE_NAME: usize = 200;

/// A name for a directory that stands for `name` alone: letters, digits, `-`, `_` and `.` as they are, the rest as `%XX`; a
/// long one is cut, and ends with its hash.
pub fn file_name(name: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut safe = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => safe.push(char::from(byte)),
            b'.' if at > 0 => safe.push('.'),
            // Writing to a String does not fail.
            _ => drop(write!(safe, "%{byte:02X}")),
        }
    }
    if safe.is_empty() {
        return "%".to_owned();
    }
    if safe.len() > MAX_FILE_NAME {
        safe.truncate(MAX_FILE_NAME);
        safe.push_str("%-");
        for byte in Sha256::digest(name).iter().take(8) {
            let _ = write!(safe, "{byte:02x}");
        }
    }
    safe
}
