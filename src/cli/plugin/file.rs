//! From the name of a file to a plugin that can be asked: read, checked, compiled by a process with limits, kept.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use muster_wasm::{Host, HostError, Limits, LoadError, Options, Plugin};

use crate::{
    cli::Failure,
    plugins::{compiler, file},
};

/// The largest file that is read at all, in bytes; what a component may have is [`Limits::component_bytes`].
const MAX_FILE: u64 = 256 << 20;

/// A plugin that was loaded.
pub(super) struct Loaded {
    /// It.
    pub plugin: Plugin,
    /// How long that took.
    pub took: Duration,
}

/// The content of a plugin's file.
///
/// # Errors
/// When it cannot be read, or is no regular file of a sensible size.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    file::read(path, MAX_FILE)
        .map(|(bytes, _)| bytes)
        .map_err(|error| {
            let failure = Failure::new(format!("cannot read the plugin {}", path.display()));
            match &error {
                file::ReadError::Io(io) if io.kind() == std::io::ErrorKind::NotFound => failure
                    .cause(&error)
                    .hint("`muster plugin build` writes it"),
                file::ReadError::Kind("a directory") => failure
                    .cause(&error)
                    .hint("name the `.wasm` file in it; `muster plugin build` says where it is"),
                _ => failure.cause(&error),
            }
        })
}

/// What runs plugins, with limits of these; compiled plugins are kept in the user's own cache.
///
/// # Errors
/// When this machine runs none.
pub(super) fn host(limits: Limits) -> Result<Host, Failure> {
    let options = Options {
        limits,
        compiler: compiler::this_program(),
        cache: cache(),
    };
    let made = match Host::new(options.clone()) {
        Err(HostError::Cache(error)) => {
            // Without it everything takes a little longer, and that is all.
            let mut out = anstream::stderr().lock();
            let _untold = writeln!(out, "warning: {error}; nothing is kept");
            Host::new(Options {
                cache: None,
                ..options
            })
        }
        made => made,
    };
    made.map_err(|error| Failure::new("cannot run plugins").cause(&error))
}

/// Loads a plugin; `path` is only named.
///
/// # Errors
/// What is wrong with it.
pub(super) fn load(host: &Host, path: &Path, bytes: &[u8]) -> Result<Loaded, Failure> {
    let since = Instant::now();
    let loaded = host.load(bytes);
    let took = since.elapsed();
    match loaded {
        Ok(plugin) => Ok(Loaded { plugin, took }),
        Err(error) => Err(refused(path, &error)),
    }
}

/// What a plugin that cannot be loaded means for a person.
pub(super) fn refused(path: &Path, error: &LoadError) -> Failure {
    let failure = Failure::new(format!(
        "cannot load the plugin {} ({})",
        path.display(),
        error.code()
    ))
    .cause(error);
    match error {
        LoadError::TooLarge { .. } => failure.hint(
            "leave out what is only for debugging: `strip = true` in a Cargo profile, `wasm-tools strip`, `-s` for C",
        ),
        LoadError::NotWasm | LoadError::Precompiled => {
            failure.hint("`muster plugin build` makes a component from the plugin's sources")
        }
        LoadError::Truncated { .. } => failure.hint("copy it again, or build it again"),
        LoadError::Import { .. } => failure.hint(
            "build it without WASI: `muster plugin build` knows how; what a database is comes with the call, and \
             nothing else can be asked",
        ),
        LoadError::Contract { .. } | LoadError::Mismatch { .. } => failure.hint(
            "build it with the contract that is in the `wit` folder of a project that `muster plugin new` writes",
        ),
        LoadError::CompileTime { .. } | LoadError::CompileMemory { .. } => {
            failure.hint("a plugin for one job is compiled in a second, one in Python in five to twenty: look for generated code, and leave it out")
        }
        LoadError::Describe(_) => failure.hint(
            "`describe` is asked without settings and may do nothing but say what it is; what runs at the start of a \
             component (constructors, static initialisers) counts too",
        ),
        _ => failure,
    }
}

/// Where compiled plugins are kept: `$XDG_CACHE_HOME/muster/plugins`, else `~/.cache/muster/plugins`. None where
/// neither is known.
fn cache() -> Option<PathBuf> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Some(base?.join("muster").join("plugins"))
}
