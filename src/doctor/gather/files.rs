//! What the file system says: whose something is, its mode, and how much room there is.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::doctor::evidence::{Disk, Place};

/// This process's user.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// What is at a path.
///
/// # Errors
/// When that cannot be told: what may not be looked at is not nothing.
pub fn place(path: &Path) -> io::Result<Place> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Place {
                path: path.to_owned(),
                ..Place::default()
            });
        }
        Err(error) => return Err(error),
    };
    Ok(Place {
        path: path.to_owned(),
        uid: Some(found.uid()),
        mode: found.permissions().mode() & 0o7777,
        dir: found.is_dir(),
    })
}

/// The disk that a path is on, or would be on; none when that cannot be told.
pub fn disk(path: &Path) -> Option<Disk> {
    let absolute = std::path::absolute(path).ok()?;
    let there = absolute.ancestors().find(|path| path.exists())?;
    let found = statvfs(there).ok()?;
    // Some file systems do not count files.
    let files = (found.f_files > 0).then_some(found.f_favail);
    Some(Disk {
        path: path.to_owned(),
        free: found.f_bavail.saturating_mul(found.f_frsize),
        total: found.f_blocks.saturating_mul(found.f_frsize),
        files,
        read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

/// The directory of a store, and what in it is to be its owner's alone.
///
/// # Errors
/// When the directory may not be looked at.
pub fn of_store(dir: &Path) -> io::Result<Vec<Place>> {
    let mut places = vec![place(dir)?];
    for name in ["authority", crate::control::NAME] {
        // What may not be looked at, below a directory that may, is told of by whoever opens it.
        if let Ok(found) = place(&dir.join(name))
            && found.uid.is_some()
        {
            places.push(found);
        }
    }
    places.extend(keys(&dir.join("authority")));
    Ok(places)
}

/// The files of the authority: keys are in them.
fn keys(dir: &Path) -> Vec<Place> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file());
    let mut files: Vec<PathBuf> = files.take(16).collect();
    files.sort();
    files.iter().filter_map(|file| place(file).ok()).collect()
}

/// Whether opening what is in these places would change their modes: whoever changes nothing does not open it.
pub fn opening_would_mend(places: &[Place]) -> bool {
    places.iter().any(|place| place.mode & 0o077 != 0)
}

/// Whether the machine says that a time server keeps its clock; none when it does not say.
pub fn synchronized() -> Option<bool> {
    let dir = Path::new("/run/systemd/timesync");
    dir.is_dir().then(|| dir.join("synchronized").exists())
}
