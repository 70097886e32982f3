//! The files that a configuration names, looked at where they are: so that `config check` says in one run what
//! `run` would say later. Only whoever is about to use the file itself asks for that; a text alone is judged by itself.
//!
//! What keeps the service from starting is an error. What only fails when it is used is a warning: the file may come
//! later, and a password or a key may be for the service's user alone.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use muster_credentials::trust::roots;

use super::Check;

impl Check<'_> {
    /// A file of `proxy.trust`.
    pub(super) fn trusted(&mut self, path: &str, file: &Path) {
        if self.looks_at_files
            && !self.is_wrong(path)
            && let Err(why) = roots::read_file(file)
        {
            let hint = "put a PEM file with certificates there, or take it out".to_owned();
            self.error(path, format!("cannot use {why}"), hint);
        }
    }

    /// A file with a secret, which is read when it is needed.
    pub(super) fn secret(&mut self, path: &str, file: &Path) {
        let looked = || -> io::Result<()> {
            match fs::metadata(file)? {
                found if !found.is_file() => Err(io::Error::other("it is not a file")),
                found if found.len() == 0 => Err(io::Error::other("it is empty")),
                _ => Ok(()),
            }
        };
        self.needed(path, file, looked, "write it before it is needed");
    }

    /// A file with a password of databases: as a secret, and nobody else may read it.
    pub(super) fn password(&mut self, path: &str, file: &Path) {
        let hint = "write it, so that its owner alone may read it: `chmod 600`";
        self.needed(path, file, || unusable(file), hint);
    }

    /// A program that is started.
    pub(super) fn program(&mut self, path: &str, file: &Path) {
        let looked = || -> io::Result<()> {
            let found = fs::metadata(file)?;
            match found.is_file() && found.permissions().mode() & 0o111 != 0 {
                true => Ok(()),
                false => Err(io::Error::other("it is not a program")),
            }
        };
        self.needed(path, file, looked, "name a file that can be executed");
    }

    /// A directory that is made when it is not there.
    pub(super) fn directory(&mut self, path: &str, dir: &Path) {
        if !self.looks_at_files || self.is_wrong(path) {
            return;
        }
        // The first that is there of it and those above it has to be a directory.
        let there = dir
            .ancestors()
            .find_map(|place| Some((place, fs::metadata(place).ok()?)));
        if let Some((place, found)) = there
            && !found.is_dir()
        {
            let message = format!("{} is not a directory", place.display());
            self.error(path, message, "name a directory".to_owned());
        }
    }

    fn needed(
        &mut self,
        path: &str,
        file: &Path,
        looked: impl FnOnce() -> io::Result<()>,
        hint: &str,
    ) {
        if !self.looks_at_files || self.is_wrong(path) {
            return;
        }
        match looked() {
            // It may be for the service's user alone.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                let message = format!("cannot use {}: {error}", file.display());
                self.warn(path, message, hint.to_owned());
            }
            _ => {}
        }
    }

    /// Whether something was said of this place already.
    fn is_wrong(&self, path: &str) -> bool {
        self.problems.iter().any(|problem| problem.path == path)
    }
}

/// Why a file of a password cannot be used. What is in it is not read.
///
/// # Errors
/// That.
pub fn unusable(file: &Path) -> io::Result<()> {
    let found = fs::metadata(file)?;
    if !found.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if found.mode() & 0o004 != 0 {
        let mode = found.mode() & 0o777;
        return Err(io::Error::other(format!(
            "everybody may read it: its mode is {mode:04o}"
        )));
    }
    if found.len() == 0 {
        return Err(io::Error::other("it is empty"));
    }
    fs::File::open(file).map(drop)
}
