//! A copy of a store, to be opened in its place: opening one mends what it can, and whoever only looks must not.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::files;

/// The most bytes that are copied.
const MOST: u64 = 1 << 30;

/// What is in the store's directory and no part of the store.
const OTHERS: [&str; 3] = ["authority", "audit", crate::control::NAME];

/// A copy in the directory for temporary files; none when somebody has the store, or when it is too large for that.
pub fn copy(store: &Path) -> Option<TempDir> {
    // Held while it is copied, so that nobody begins to write meanwhile. Others may look as well.
    let lock = File::open(store.join("lock")).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockShared).ok()?;
    let bytes = size(store).ok()?;
    let copy = tempfile::Builder::new()
        .prefix("muster-doctor-")
        .tempdir()
        .ok()?;
    let free = files::disk(copy.path())?.free;
    if bytes > MOST || bytes.saturating_mul(2) > free {
        return None;
    }
    let copied = each(
        store,
        &mut |from, name| match fs::metadata(&from)?.is_dir() {
            true => tree(&from, &copy.path().join(name)),
            false => fs::copy(&from, copy.path().join(name)).map(drop),
        },
    );
    copied.ok()?;
    Some(copy)
}

/// Everything in the store's directory that belongs to the store.
fn each(
    store: &Path,
    with: &mut dyn FnMut(std::path::PathBuf, std::ffi::OsString) -> io::Result<()>,
) -> io::Result<()> {
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let name = entry.file_name();
        if !OTHERS.iter().any(|other| name == *other) {
            with(entry.path(), name)?;
        }
    }
    Ok(())
}

fn tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()?.is_dir() {
            true => tree(&path, &to)?,
            false => drop(fs::copy(&path, to)?),
        }
    }
    Ok(())
}

fn size(store: &Path) -> io::Result<u64> {
    fn of(path: &Path) -> io::Result<u64> {
        let found = fs::metadata(path)?;
        if !found.is_dir() {
            return Ok(found.len());
        }
        let entries = fs::read_dir(path)?;
        entries.map(|entry| of(&entry?.path())).sum()
    }
    let mut all = 0;
    each(store, &mut |path, _| {
        all += of(&path)?;
        Ok(())
    })?;
    Ok(all)
}
