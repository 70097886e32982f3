//! The directory of a store: made, or found fit to hold one. Nothing is written among files of others, nor
//! where others could change what is written.

use std::{
    fs::{self, DirBuilder, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::Path,
};

use super::{files, lock, open::OpenError};

/// What a file system makes in its topmost directory by itself.
const OF_FILE_SYSTEM: &str = "lost+found";

/// What other parts of muster keep in the store's directory, and may have made before there was a store: users and roles are
/// often written first.
const OF_MUSTER: [&str; 2] = ["authority", "audit"];

/// Makes the directory for its owner alone, or looks whether the one that is there may be used.
///
/// # Errors
/// [`OpenError::Foreign`], [`OpenError::Shared`], [`OpenError::Io`].
pub(super) fn prepare(dir: &Path) -> Result<(), OpenError> {
    let failed = |what| move |source| OpenError::io(what, dir, source);
    let found = match fs::metadata(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return make(dir).map_err(failed("create the store's directory"));
        }
        Err(error) => return Err(failed("look at")(error)),
    };
    if !found.is_dir() {
        let error = io::ErrorKind::NotADirectory.into();
        return Err(failed("create the store's directory")(error));
    }
    if !may_hold_store(dir).map_err(failed("list"))? {
        return Err(OpenError::Foreign {
            dir: dir.to_owned(),
        });
    }
    if found.mode() & 0o022 != 0 {
        if let Some(why) = not_ours_alone(&found) {
            return Err(OpenError::Shared {
                dir: dir.to_owned(),
                why,
            });
        }
        fs::set_permissions(dir, Permissions::from_mode(0o700))
            .map_err(failed("take others' write permission from"))?;
        tracing::warn!(
            dir = %dir.display(),
            "other users could write to the store's directory, and cannot any more"
        );
    } else if found.mode() & 0o055 != 0 {
        tracing::warn!(dir = %dir.display(), "the store's directory is open to other users");
    }
    Ok(())
}

fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => files::sync_dir(parent),
        _ => Ok(()),
    }
}

/// Whether there is a store, one that was only begun, or nothing at all.
fn may_hold_store(dir: &Path) -> io::Result<bool> {
    if files::are_in(dir) {
        return Ok(true);
    }
    let begun = dir.join(lock::NAME).is_file();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let begins_store = name == lock::NAME || name == files::DATA;
        let is_ours = OF_MUSTER.iter().any(|known| name == *known) && entry.file_type()?.is_dir();
        if name != OF_FILE_SYSTEM && !is_ours && !(begun && begins_store) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Why a directory that others can write to may not be closed to them; none when it may.
fn not_ours_alone(found: &Metadata) -> Option<&'static str> {
    if found.uid() != rustix::process::geteuid().as_raw() {
        Some("it belongs to another user")
    } else if found.mode() & 0o1000 != 0 {
        Some("its sticky bit says that it is there for all")
    } else {
        None
    }
}
