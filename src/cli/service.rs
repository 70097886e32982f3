//! How a command finds the service that runs, and how it ends when there is none.

use std::path::{Path, PathBuf};

use super::{Common, Failure, context::Context};
use crate::control::Client;

/// The directory of the store. The configuration is not looked at when the directory is given: who asks a service
/// how it is need not have a configuration that is right.
///
/// # Errors
/// Those of the configuration.
pub(super) fn store_dir(common: &Common) -> Result<PathBuf, Failure> {
    match &common.store {
        Some(store) => Ok(store.clone()),
        None => Ok(Context::load(common)?.config.store),
    }
}

/// The service that holds this store.
///
/// # Errors
/// When none answers: with code 69.
pub(super) fn connect(dir: &Path) -> Result<Client, Failure> {
    let (client, _) = Client::connect(dir)?;
    Ok(client)
}
