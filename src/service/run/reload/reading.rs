//! Reading another configuration, and what it asks for, without waiting for ever.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    config::{self, ConfigError, Loaded, With},
    pipeline::sources::{Clouds, Expansion},
    plugins::{Loader, Plugins},
    service::{handle::Active, run::resolve::expand},
};

/// The file, the ways into the clouds by it, and the scopes that it asks for.
pub(super) enum Read {
    File(Box<Loaded>, Arc<Clouds>, Box<Expansion>),
    /// Plugins whose files are others now, by the configuration in force.
    Plugins(Arc<Plugins>),
}

/// Reads the file, and asks which scopes it means. Credentials are looked for again.
pub(super) async fn prepare(
    path: Option<&Path>,
    clouds: &Clouds,
    loader: Arc<Loader>,
    store: PathBuf,
) -> Result<Box<Read>, Vec<String>> {
    let Some(path) = path.map(Path::to_owned) else {
        return Err(vec!["it was not read from a file".to_owned()]);
    };
    let load = move || {
        let (loader, store) = (&*loader, Some(store.as_path()));
        config::load_file(&path, With { loader, store })
    };
    let loaded = read(READ_WITHIN, load).await?;
    let clouds = Arc::new(clouds.anew(&loaded.config));
    let expansion = expand(&clouds, &loaded.config, None).await;
    let expansion = expansion
        .ok_or_else(|| vec!["it took too long to find out which scopes it asks for".to_owned()])?;
    Ok(Box::new(Read::File(
        Box::new(loaded),
        clouds,
        Box::new(expansion),
    )))
}

/// Loads the plugins that the configuration in force names.
pub(super) async fn plugins(
    active: Arc<Active>,
    loader: Arc<Loader>,
    store: PathBuf,
) -> Result<Box<Read>, Vec<String>> {
    let load = move || {
        let text = String::from_utf8_lossy(&active.bytes);
        let (loader, store) = (&*loader, Some(store.as_path()));
        let path = active.config.path.as_deref();
        config::parse_with(&text, path, With { loader, store })
    };
    let loaded = read(READ_WITHIN, load).await?;
    Ok(Box::new(Read::Plugins(loaded.plugins)))
}

/// Reads the file by `load`, but does not wait for ever: a file system may hang, and later reloads are to be had
/// all the same.
pub(super) async fn read(
    limit: Duration,
    load: impl FnOnce() -> Result<Loaded, ConfigError> + Send + 'static,
) -> Result<Loaded, Vec<String>> {
    let loading = tokio::task::spawn_blocking(load);
    match tokio::time::timeout(limit, loading).await {
        Ok(Ok(Ok(loaded))) => Ok(loaded),
        Ok(Ok(Err(mut error))) => {
            // Where only the first is shown, it is to be one that stands in the way.
            error.problems.sort_by_key(|problem| problem.warning);
            Err(error.to_string().lines().map(str::to_owned).collect())
        }
        Ok(Err(error)) => Err(vec![format!("reading it broke off: {error}")]),
        Err(_) => Err(vec!["it took too long to read the file".to_owned()]),
    }
}

/// The longest that reading the file, and compiling plugins that it names, may take.
const READ_WITHIN: Duration = Duration::from_secs(120);
