//! [`Place`]: whether the store's directory and its lock are still where they were opened.
//!
//! A directory that is deleted stays usable to whoever has its files open: writes succeed, and are gone with the
//! process. So before each write somebody looks whether the directory and the lock in it are still the same ones.
//! The file of the data, which a compaction replaces, is the store's to look at.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The store's lock file. It is made once, held while the store is open, and never replaced.
const LOCK: &str = "lock";
/// What every store that was ever written has.
const MARK: &str = "acknowledged";

/// Device and number of a file.
type Identity = (u64, u64);

/// Where a store was opened.
#[derive(Clone, Debug)]
pub(super) struct Place {
    dir: PathBuf,
    directory: Identity,
    lock: Identity,
}

impl Place {
    /// Where the store in this directory is now.
    ///
    /// # Errors
    /// When it is not there, or cannot be looked at.
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            directory: identity(dir)?,
            lock: identity(&dir.join(LOCK))?,
        })
    }

    /// Says what became of it, when it is not where it was.
    pub(super) fn lost(&self) -> Option<String> {
        changed("directory", &self.dir, self.directory)
            .or_else(|| changed("file", &self.dir.join(LOCK), self.lock))
    }
}

/// What became of something that was this.
fn changed(what: &str, path: &Path, was: Identity) -> Option<String> {
    let shown = path.display();
    match identity(path) {
        Ok(now) if now == was => None,
        Ok(_) => Some(format!("the {what} {shown} was replaced by another one")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("the {what} {shown} was deleted or moved away"))
        }
        Err(error) => Some(format!("cannot look at the {what} {shown}: {error}")),
    }
}

/// Why a running service must not open the store in this directory: it would make an empty one, in which everything
/// is enrolled anew and nothing is remembered. None when there is a store.
pub(super) fn must_not_open(dir: &Path) -> Option<String> {
    let shown = dir.display();
    match fs::metadata(dir.join(MARK)) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(if dir.exists() {
            format!("there is no store in the directory {shown}")
        } else {
            format!("the directory {shown} is not there")
        }),
        Err(error) => Some(format!("cannot look at the directory {shown}: {error}")),
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use muster_store::SledStore;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_store_that_is_deleted_moved_or_replaced_is_noticed() {
        let root = TempDir::new().unwrap();
        let dir = root.path().join("store");
        drop(SledStore::open(&dir).unwrap());
        let place = Place::of(&dir).unwrap();
        assert_eq!(place.lost(), None);
        assert_eq!(must_not_open(&dir), None);

        let aside = root.path().join("aside");
        fs::rename(&dir, &aside).unwrap();
        assert!(place.lost().unwrap().contains("deleted or moved away"));
        assert!(must_not_open(&dir).unwrap().contains("is not there"));

        fs::create_dir(&dir).unwrap();
        assert!(place.lost().unwrap().contains("was replaced"));
        assert!(must_not_open(&dir).unwrap().contains("there is no store"));

        drop(SledStore::open(&dir).unwrap());
        assert!(place.lost().unwrap().contains("was replaced"));

        fs::remove_dir_all(&dir).unwrap();
        fs::rename(&aside, &dir).unwrap();
        assert_eq!(place.lost(), None, "it is back");

        // The directory is there, and nobody is told otherwise.
        let lock = dir.join(LOCK);
        fs::rename(&lock, root.path().join("lock")).unwrap();
        let lost = format!("the file {} was deleted or moved away", lock.display());
        assert_eq!(place.lost(), Some(lost));
    }
}
