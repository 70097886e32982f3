//! How a command finds the service that runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Common, Failure,
    context::{Context, config_path},
};
use crate::control;

/// The directory of the store. The configuration is not looked at when the directory is given: who asks a service
/// how it is need not have a configuration that is right.
///
/// # Errors
/// Those of the configuration, unless it still names the directory of a service: that goes on by the one that it has.
pub(super) fn store_dir(common: &Common) -> Result<PathBuf, Failure> {
    match &common.store {
        Some(store) => Ok(store.clone()),
        None => match Context::load(common) {
            Ok(context) => Ok(context.config.store),
            Err(failure) => config_path(common)
                .ok()
                .and_then(|path| served(&path))
                .ok_or(failure),
        },
    }
}

/// The directory that a configuration which cannot be used names for the store, when a service has its socket there.
fn served(config: &Path) -> Option<PathBuf> {
    named(config).filter(|dir| dir.join(control::NAME).exists())
}

/// The directory that a configuration which cannot be used names for the store; none when that cannot be told.
fn named(config: &Path) -> Option<PathBuf> {
    // A pipe has been read already.
    fs::metadata(config).ok().filter(fs::Metadata::is_file)?;
    let text = fs::read_to_string(config).ok()?;
    let document: serde_yaml::Value = serde_yaml::from_str(&text).ok()?;
    let store = document.get("store")?.as_str()?;
    Some(config.parent()?.join(store))
}

/// As [`store_dir`], to have the service read its configuration again.
///
/// # Errors
/// As [`store_dir`]; where the file is so wrong that it does not name the store, with what that means.
pub(super) fn store_dir_to_reload(common: &Common) -> Result<PathBuf, Failure> {
    store_dir(common).map_err(|failure| match config_path(common) {
        Ok(path) if named(&path).is_none() => failure.hint(
            "the service keeps the configuration that it has; SIGHUP or `muster --store DIR reload` has the \
             service itself say what is wrong",
        ),
        _ => failure,
    })
}
