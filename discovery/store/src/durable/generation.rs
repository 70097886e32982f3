//! Which directory holds the data. A compaction writes a new one beside it, and then lets the pointer name
//! that: one rename decides, so that a crash at any moment leaves the one or the other.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::files::{self, DATA, LOG, REPAIRED};

/// The file that names the directory of the data. There is none before the first compaction.
pub(super) const POINTER: &str = "current";
/// Where it is written first.
const NEW_POINTER: &str = "current.new";

/// A pointer that could not be set.
pub(super) enum Unset {
    /// It names what it named before.
    Before(io::Error),
    /// It names the new directory, and it is not known whether it would after a power loss.
    After(io::Error),
}

/// The directory of the data, whether or not it is there.
///
/// # Errors
/// Those of reading; [`io::ErrorKind::InvalidData`] when it is not known which directory it is.
pub(super) fn current(dir: &Path) -> io::Result<PathBuf> {
    match fs::read_to_string(dir.join(POINTER)) {
        Ok(text) => {
            let name = text.trim_end();
            let is_ours = number(name).is_some();
            is_ours.then(|| dir.join(name)).ok_or_else(|| {
                let text = "the file `current` does not name a directory of the store";
                io::Error::new(io::ErrorKind::InvalidData, text)
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => unnamed(dir),
        Err(error) => Err(error),
    }
}

/// The directory of the data where nothing names it: the first one, unless the file was lost later.
fn unnamed(dir: &Path) -> io::Result<PathBuf> {
    let first = dir.join(DATA);
    if first.exists() || dir.join(REPAIRED).exists() || !dir.exists() {
        return Ok(first);
    }
    let mut found = all(dir)?;
    match (found.pop(), found.is_empty()) {
        (None, _) => Ok(first),
        (Some(only), true) => Ok(dir.join(only)),
        (Some(_), false) => {
            let text = "the file `current`, which names the directory of the data, is missing";
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        }
    }
}

/// Whether a pointer names data that is there.
pub(super) fn is_set(dir: &Path) -> bool {
    dir.join(POINTER).is_file() && current(dir).is_ok_and(|data| data.join(LOG).is_file())
}

/// A directory for the data that is not there yet.
pub(super) fn next(dir: &Path) -> io::Result<PathBuf> {
    let last = all(dir)?.iter().filter_map(|name| number(name)).max();
    Ok(dir.join(format!("{DATA}-{}", last.unwrap_or(1).saturating_add(1))))
}

/// Lets the pointer name a directory whose files are synced.
pub(super) fn point(dir: &Path, data: &Path) -> Result<(), Unset> {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    let fresh = dir.join(NEW_POINTER);
    File::create(&fresh)
        .and_then(|mut file| {
            writeln!(file, "{name}")?;
            file.sync_all()
        })
        .and_then(|()| files::sync_dir(dir))
        .and_then(|()| fs::rename(&fresh, dir.join(POINTER)))
        .map_err(Unset::Before)?;
    files::sync_dir(dir).map_err(Unset::After)
}

/// Removes what a compaction that was broken off has left, and what one has replaced. What cannot be removed
/// stays for the next time.
pub(super) fn remove_others(dir: &Path, data: &Path) {
    let others = all(dir).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list the store's directory");
        Vec::new()
    });
    for other in others.into_iter().map(|name| dir.join(name)) {
        if other != data {
            remove(&other);
        }
    }
    let _there_mostly_is_none = fs::remove_file(dir.join(NEW_POINTER));
}

/// Removes one directory of data.
pub(super) fn remove(data: &Path) {
    match fs::remove_dir_all(data) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %data.display(), %error, "cannot remove replaced files of the store");
        }
        _ => {}
    }
}

/// The names of all directories that are or were the data's.
fn all(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && number(&name).is_some()
            && entry.file_type()?.is_dir()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// The number of a directory of data; the first has none in its name.
fn number(name: &str) -> Option<u64> {
    match name.strip_prefix(DATA)? {
        "" => Some(1),
        rest => {
            let digits = rest.strip_prefix('-')?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain)
        }
    }
}
