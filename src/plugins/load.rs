//! [`Loader`]: from the rules of a configuration to matchers, or to all that stands against them.
//!
//! It reads files, starts the compiler and runs the plugins, so it may take seconds: never where others wait.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component as Part, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use muster_matchers::PluginFile;
use muster_wasm::{Compiler, ConfigureError, Host, Limits, LoadError, Options, Plugin};
use sha2::{Digest, Sha256};

use super::{
    Loaded, Own, Plugins, Stamps, Trusted, compiler,
    file::{self, ReadError},
    signature::PublicKey,
    trust::{chain, trust},
};
use crate::config::{Config, Problem};

/// Where compiled plugins are kept, in the store's directory.
const COMPILED: &str = "compiled";
/// What every store has; where it is not, nothing is put beside it.
const STORE: &str = "lock";
/// The most components of one directory.
const MAX_FILES: usize = 64;
/// What their names end with.
const EXTENSION: &str = "wasm";

/// Loads matchers. It keeps what runs them from one time to the next.
pub struct Loader {
    compiler: Compiler,
    host: Mutex<Option<Made>>,
}

struct Made {
    limits: Limits,
    cache: Option<PathBuf>,
    host: Arc<Host>,
}

/// A rule that asks a matcher of one's own.
#[derive(Clone, Debug)]
pub struct Asking<'a> {
    /// Its name.
    pub rule: &'a str,
    /// What it says of the matcher.
    pub plugin: &'a PluginFile,
    /// Where in the configuration it says that.
    pub path: String,
}

/// A component that keeps to the contract.
#[derive(Clone)]
pub(super) struct Component {
    plugin: Plugin,
    sha256: String,
}

/// What is loaded with.
struct Loading<'a> {
    host: &'a Host,
    base: &'a Path,
    keys: Vec<PublicKey>,
    /// What was loaded already, by digest: several rules may ask the same one, with other settings.
    known: BTreeMap<String, Component>,
    plugins: Plugins,
    problems: Vec<Problem>,
}

impl Loader {
    /// One that compiles in a process of its own, which is this very program.
    pub fn new() -> Self {
        let compiler = if cfg!(test) {
            // The process of a test is another program.
            Compiler::InProcess
        } else {
            compiler::this_program()
        };
        Self {
            compiler,
            host: Mutex::new(None),
        }
    }

    /// Loads the matchers of all these rules, and says everything that is wrong with any of them. Lines are not known
    /// here. Compiled plugins are kept in the store's directory, where there is one.
    pub fn load(
        &self,
        config: &Config,
        store: &Path,
        asking: &[Asking<'_>],
    ) -> (Plugins, Vec<Problem>) {
        let base = config.path.as_deref().and_then(Path::parent);
        let base = base.unwrap_or(Path::new(""));
        // Keys are looked at also where nobody needs them: whoever lists one means it.
        let (keys, mut problems) = keys(&config.plugins.keys, base);
        let Some(first) = asking.first() else {
            return (Plugins::default(), problems);
        };
        let places: Vec<PathBuf> = asking
            .iter()
            .map(|asking| beside(base, &asking.plugin.path))
            .collect();
        // Before they are read: what changes meanwhile is seen afterwards.
        let stamps = Stamps::look(&places);
        let host = match self.host_of(config, store) {
            Ok(host) => host,
            Err(message) => {
                problems.push(Problem::error(&first.path, message));
                return (Plugins::default(), problems);
            }
        };
        let mut loading = Loading {
            host: &host,
            base,
            keys,
            known: BTreeMap::new(),
            plugins: Plugins {
                places,
                stamps,
                ..Plugins::default()
            },
            problems,
        };
        for asking in asking {
            loading.rule(asking);
        }
        (loading.plugins, loading.problems)
    }

    /// What a file is, whoever's it may be.
    pub(super) fn component(
        &self,
        config: &Config,
        store: &Path,
        file: &Path,
    ) -> Result<Component, Problem> {
        let host = self.host_of(config, store);
        let host = host.map_err(|message| Problem::error("", message))?;
        let bytes = read(&host, "", file).map_err(|problem| Problem {
            // It is not in the configuration that it is named.
            hint: None,
            ..problem
        })?;
        let sha256 = hex(&Sha256::digest(&bytes));
        Component::load(&host, "", file, &bytes, sha256)
    }

    /// What runs the plugins of a configuration.
    fn host_of(&self, config: &Config, store: &Path) -> Result<Arc<Host>, String> {
        let limits = Limits {
            time: config.plugins.time,
            memory_bytes: usize::try_from(config.plugins.memory_mib << 20).unwrap_or(usize::MAX),
            batch: config.plugins.batch,
            ..Limits::default()
        };
        let cache = store.join(STORE).exists().then(|| store.join(COMPILED));
        self.host(limits, cache)
    }

    /// What runs them: the one that is there, unless it is to be another.
    fn host(&self, limits: Limits, cache: Option<PathBuf>) -> Result<Arc<Host>, String> {
        let mut made = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made
            .as_ref()
            .filter(|made| made.limits == limits && made.cache == cache)
        {
            return Ok(Arc::clone(&made.host));
        }
        let options = |cache: Option<PathBuf>| Options {
            limits: limits.clone(),
            compiler: self.compiler.clone(),
            cache,
        };
        let host = match Host::new(options(cache.clone())) {
            Err(muster_wasm::HostError::Cache(error)) => {
                // Another user's, perhaps: then everything is compiled each time.
                tracing::warn!(error = chain(&error), "compiled plugins cannot be kept");
                Host::new(options(None))
            }
            made => made,
        };
        let host =
            Arc::new(host.map_err(|error| format!("plugins cannot be run: {}", chain(&error)))?);
        *made = Some(Made {
            limits,
            cache,
            host: Arc::clone(&host),
        });
        Ok(host)
    }
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

impl Loading<'_> {
    /// All matchers of a rule.
    fn rule(&mut self, asking: &Asking<'_>) {
        let Asking { plugin, path, .. } = asking;
        if plugin.path.trim().is_empty() {
            // That is said where rules are checked.
            return;
        }
        let at = format!("{path}.path");
        if let Some(problem) = not_expanded(&at, &plugin.path) {
            self.problems.push(problem);
            return;
        }
        let place = beside(self.base, &plugin.path);
        let is_folder = match fs::metadata(&place) {
            Ok(found) => found.is_dir(),
            Err(error) => {
                self.problems.push(unreadable(&at, &place, &error));
                return;
            }
        };
        if !is_folder {
            self.file(asking, &place);
            return;
        }
        if plugin.sha256.is_some() {
            let problem = Problem::error(
                format!("{path}.sha256"),
                format!(
                    "a pin is for one file, and {} is a directory",
                    place.display()
                ),
            );
            let hint = "make a rule for each file in it, or have the files signed";
            self.problems.push(problem.hint(hint));
            return;
        }
        match components(&place) {
            Err(error) => self.problems.push(unreadable(&at, &place, &error)),
            Ok(files) if files.is_empty() => {
                let message = format!("there is no `*.wasm` in {}", place.display());
                let hint = "`muster plugin build` makes one";
                self.problems.push(Problem::error(at, message).hint(hint));
            }
            Ok(files) if files.len() > MAX_FILES => {
                let message = format!(
                    "there are {} plugins in {}, and {MAX_FILES} are allowed",
                    files.len(),
                    place.display()
                );
                self.problems.push(Problem::error(at, message));
            }
            Ok(files) => {
                for file in files {
                    self.file(asking, &file);
                }
            }
        }
    }

    /// One matcher of a rule.
    fn file(&mut self, asking: &Asking<'_>, place: &Path) {
        match self.loaded(asking, place) {
            Ok(loaded) => self.plugins.push(loaded),
            Err(problems) => self.problems.extend(problems),
        }
    }

    fn loaded(&mut self, asking: &Asking<'_>, place: &Path) -> Result<Loaded, Vec<Problem>> {
        let Asking { plugin, path, .. } = asking;
        let at = format!("{path}.path");
        let bytes = read(self.host, &at, place).map_err(|problem| vec![problem])?;
        let sha256 = hex(&Sha256::digest(&bytes));
        let trusted = trust(place, &bytes, &sha256, plugin, &self.keys).map_err(|distrusted| {
            let at = match distrusted.place {
                "" => path.clone(),
                place => format!("{path}.{place}"),
            };
            vec![Problem::error(at, distrusted.message).hint(distrusted.hint)]
        })?;
        let component = match self.known.get(&sha256) {
            Some(known) => known.clone(),
            None => Component::load(self.host, &at, place, &bytes, sha256.clone())
                .map_err(|problem| vec![problem])?,
        };
        self.known.insert(sha256, component.clone());
        component.configured(asking, place, trusted)
    }
}

impl Component {
    fn load(
        host: &Host,
        at: &str,
        place: &Path,
        bytes: &[u8],
        sha256: String,
    ) -> Result<Self, Problem> {
        let plugin = host.load(bytes).map_err(|error| {
            let problem = Problem::error(at, format!("{}: {error}", place.display()));
            match remedy(&error) {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
        })?;
        if let Some(why) = plugin.not_kept() {
            tracing::warn!(plugin = %place.display(), why, "what was compiled could not be kept");
        }
        Ok(Self { plugin, sha256 })
    }

    /// What it calls itself.
    pub(super) fn name(&self) -> &str {
        &self.plugin.description().name
    }

    /// As the matcher of a rule, with the settings that this has for it.
    pub(super) fn configured(
        &self,
        asking: &Asking<'_>,
        place: &Path,
        trusted: Trusted,
    ) -> Result<Loaded, Vec<Problem>> {
        let settings = asking.plugin.settings.as_ref();
        let settings = settings.map_or_else(|| "null".to_owned(), ToString::to_string);
        let configured = self.plugin.configured(&settings);
        Ok(Loaded {
            rule: asking.rule.to_owned(),
            path: place.to_owned(),
            sha256: self.sha256.clone(),
            trusted,
            matcher: Arc::new(Own::new(configured.map_err(|e| self.refused(asking, e))?)),
        })
    }

    /// It does not take its settings.
    fn refused(&self, asking: &Asking<'_>, error: ConfigureError) -> Vec<Problem> {
        let description = self.plugin.description();
        let who = format!("{} {}", description.name, description.version);
        let at = match asking.plugin.settings {
            Some(_) => format!("{}.settings", asking.path),
            None => asking.path.clone(),
        };
        let ConfigureError::Problems(problems) = error else {
            let message = format!("{who} does not take the settings: {error}");
            return vec![Problem::error(at, message)];
        };
        if problems.is_empty() {
            let message = format!("{who} refuses the settings, and does not say why");
            return vec![Problem::error(at, message)];
        }
        let problems = problems.into_iter().map(|problem| {
            let at = match problem.path.as_str() {
                "" => at.clone(),
                // Also where there are none: that is where they would be.
                path if path.starts_with('[') => format!("{}.settings{path}", asking.path),
                path => format!("{}.settings.{path}", asking.path),
            };
            Problem::error(at, problem.message).hint(format!(
                "so says {who}; `muster plugin inspect` shows what it takes"
            ))
        });
        problems.collect()
    }
}

/// The whole of a file that may be a component.
fn read(host: &Host, at: &str, place: &Path) -> Result<Vec<u8>, Problem> {
    let limit = u64::try_from(host.limits().component_bytes).unwrap_or(u64::MAX);
    match file::read(place, limit) {
        Ok((bytes, _)) => Ok(bytes),
        Err(ReadError::Io(error)) => Err(unreadable(at, place, &error)),
        Err(error) => {
            let message = format!("{} cannot be a plugin: {error}", place.display());
            Err(Problem::error(at, message))
        }
    }
}

/// The public keys whose signatures a configuration trusts, and what is wrong with those that it lists.
pub fn trusted_keys(config: &Config) -> (Vec<PublicKey>, Vec<Problem>) {
    let base = config.path.as_deref().and_then(Path::parent);
    keys(&config.plugins.keys, base.unwrap_or(Path::new("")))
}

/// The public keys of a configuration.
fn keys(listed: &[String], base: &Path) -> (Vec<PublicKey>, Vec<Problem>) {
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for (index, text) in listed.iter().enumerate() {
        let at = format!("plugins.keys[{index}]");
        if text.trim().is_empty() {
            continue;
        }
        // A file whose name is the base64 of 32 bytes can be written as `./NAME`.
        if let Ok(key) = PublicKey::parse(text) {
            keys.push(key);
            continue;
        }
        if let Some(problem) = not_expanded(&at, text) {
            problems.push(problem);
            continue;
        }
        match PublicKey::read(&beside(base, text)) {
            Ok(key) => keys.push(key),
            Err(error) => {
                let hint = "a public Ed25519 key, as `openssl pkey -pubout` writes it";
                problems.push(Problem::error(at, chain(&error)).hint(hint));
            }
        }
    }
    (keys, problems)
}

/// The components in a folder, in the order of their names. Hidden ones are those that somebody is just writing.
pub(super) fn components(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension().is_some_and(|end| end == EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A path of the configuration; a relative one begins at the directory of the file.
pub(crate) fn beside(base: &Path, text: &str) -> PathBuf {
    let path = base.join(text);
    let parts = path.components();
    parts.filter(|part| *part != Part::CurDir).collect()
}

fn not_expanded(at: &str, text: &str) -> Option<Problem> {
    let what = if text.starts_with('~') {
        "`~` is"
    } else if text.contains("${") {
        "variables are"
    } else {
        return None;
    };
    let problem = Problem::error(at, format!("{what} not expanded here"));
    Some(problem.hint("write the whole path"))
}

fn unreadable(at: &str, place: &Path, error: &io::Error) -> Problem {
    let shown = place.display();
    match error.kind() {
        io::ErrorKind::NotFound => Problem::error(at, format!("there is no {shown}"))
            .hint("a relative path begins at the directory of the configuration"),
        _ => Problem::error(at, format!("cannot read {shown}: {error}")),
    }
}

/// What to do about a file that is no plugin.
fn remedy(error: &LoadError) -> Option<&'static str> {
    match error {
        LoadError::Contract { .. } | LoadError::Mismatch { .. } => {
            Some("build it anew with the SDK of this muster: `muster plugin build`")
        }
        LoadError::NotWasm | LoadError::Truncated { .. } => {
            Some("copy the file again, as a whole; `muster plugin inspect` says what it is")
        }
        _ => None,
    }
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
