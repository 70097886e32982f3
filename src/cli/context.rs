//! What a command works with: the configuration, the store, the clock, and the scans of a run. Where a service
//! holds the store, both come through it.

mod progress;

use std::{
    cell::OnceCell,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use muster_discovery::run as scan_all;
use muster_matchers::{Chain, SourceFilter};
use muster_model::{Scan, Scope, Timestamp};
use muster_plan::OpenScopes;
use muster_store::Store;

use self::progress::Progress;
use super::{
    Common, Failure,
    opened::{Opened, Reached, is_there},
    run_id,
};
use crate::{
    config::{self, Config, Problem, With},
    control::{Loaded, Reading},
    exit::Exit,
    pipeline::{
        matched,
        run::{Ask, Run, remember, run},
        sources::{Elsewhere, Expansion, expand},
        state::State,
    },
    plugins::{
        Loader, Plugins,
        replace::{Replaced, Trial},
    },
    report::advice::advice,
};

/// A checked configuration, with the bytes it came from.
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// The file's bytes, to recognise it again.
    pub bytes: Vec<u8>,
    /// Where the clouds are.
    pub elsewhere: Elsewhere,
    /// What is odd about the configuration.
    pub warnings: Vec<Problem>,
    /// What loads the matchers of one's own that it names.
    pub loader: Arc<Loader>,
    plugins: OnceCell<Arc<Plugins>>,
    quiet: bool,
}

/// The scans of a run, with what is needed to judge them.
pub struct Scanned {
    /// One for each scope.
    pub scans: Vec<Scan>,
    /// The matchers, for what these scopes hold.
    pub chain: Chain,
    /// What tells them from others.
    pub digest: String,
    /// Whether every account, region and subscription that the configuration asks for could be found out.
    pub expanded: bool,
    /// What the configuration asks for by `*`.
    pub open: Vec<OpenScopes>,
    /// Whether all scopes were read, not only named ones.
    pub all: bool,
    /// When they were made.
    pub now: Timestamp,
    /// The run's name.
    pub run: String,
}

/// The present time.
pub fn now() -> Timestamp {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    Timestamp::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// The configuration file that was named, else the first that is there; none when there is none.
pub fn config_at_hand(common: &Common) -> Option<PathBuf> {
    let usual = || {
        let usual = ["muster.yaml", "/etc/muster/muster.yaml"].map(PathBuf::from);
        usual.into_iter().find(|path| path.exists())
    };
    common.config.clone().or_else(usual)
}

/// The configuration file that is meant: the one that was named, else the first that is there.
///
/// # Errors
/// When there is none.
pub fn config_path(common: &Common) -> Result<PathBuf, Failure> {
    config_at_hand(common).ok_or_else(|| {
        Failure::new("cannot find a configuration")
            .because("there is no muster.yaml here, no /etc/muster/muster.yaml, and neither --config nor MUSTER_CONFIG names one")
            .hint("write one with `muster config create -o muster.yaml`, or see `muster demo`")
            .exits(Exit::Config)
    })
}

impl Context {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Every problem of the configuration at once.
    pub fn load(common: &Common) -> Result<Self, Failure> {
        let path = config_path(common)?;
        let loaded = config::check::load(&path).map_err(|error| bad_config(&error))?;
        let mut config = loaded.config;
        if let Some(store) = &common.store {
            config.store.clone_from(store);
        }
        Ok(Self {
            config,
            bytes: loaded.bytes,
            elsewhere: Elsewhere::default(),
            warnings: loaded.warnings,
            loader: Arc::default(),
            plugins: OnceCell::new(),
            quiet: common.quiet,
        })
    }

    /// A configuration that was not read from a file.
    pub fn of(config: Config, bytes: Vec<u8>, elsewhere: Elsewhere, quiet: bool) -> Self {
        Self {
            config,
            bytes,
            elsewhere,
            warnings: Vec::new(),
            loader: Arc::default(),
            plugins: OnceCell::new(),
            quiet,
        }
    }

    /// The matchers of one's own that the configuration names. They are loaded when somebody is to be judged by them.
    ///
    /// # Errors
    /// Everything that stands against any of them.
    pub fn plugins(&self) -> Result<&Arc<Plugins>, Failure> {
        if let Some(plugins) = self.plugins.get() {
            return Ok(plugins);
        }
        let mut rules = self.config.rules.iter().flatten();
        let plugins = if rules.any(|rule| rule.plugin.is_some()) {
            let text = String::from_utf8_lossy(&self.bytes);
            let with = With {
                loader: &self.loader,
                store: Some(&self.config.store),
            };
            let loaded = config::parse_with(&text, self.config.path.as_deref(), with);
            loaded.map_err(|error| bad_config(&error))?.plugins
        } else {
            Arc::default()
        };
        Ok(self.plugins.get_or_init(|| plugins))
    }

    /// What a plan was made by, to recognise it again: the file, and the plugins that it names.
    ///
    /// # Errors
    /// As [`Self::plugins`].
    pub fn basis(&self) -> Result<Vec<u8>, Failure> {
        let mut basis = self.bytes.clone();
        basis.extend(self.plugins()?.digest().into_bytes());
        Ok(basis)
    }

    /// Tells a person what is odd about the configuration.
    pub fn warn(&self) {
        let mut out = anstream::stderr().lock();
        for warning in &self.warnings {
            // Nobody reads standard error: nobody is told.
            let _ = writeln!(out, "warning: {}: {}", warning.path, warning.message);
        }
    }

    /// Opens the store, or reaches the service that holds it; makes it when there is none yet.
    ///
    /// # Errors
    /// When a process holds it that does not answer for it, when it is damaged, or when the directory cannot be
    /// written.
    pub fn store(&self) -> Result<Opened, Failure> {
        Opened::open(&self.config.store)
    }

    /// What the store holds, and the store; a store that is not there yet holds nothing, and is not made.
    ///
    /// # Errors
    /// When it is there and cannot be opened or read.
    pub fn state(&self) -> Result<(State, Option<Opened>), Failure> {
        if !is_there(&self.config.store)? {
            return Ok((State::default(), None));
        }
        let store = self.store()?;
        let state = load(&store)?;
        Ok((state, Some(store)))
    }

    /// What the store remembers, judged by the present configuration: no cloud is asked. Every scope counts as
    /// it was when it was last read.
    ///
    /// # Errors
    /// When a rule is wrong.
    pub fn remembered(&self, state: &State) -> Result<Run, Failure> {
        self.remembered_by(state, self.plugins()?)
    }

    /// The same by other plugins than those of the configuration.
    ///
    /// # Errors
    /// When a rule is wrong.
    pub fn remembered_by(&self, state: &State, plugins: &Plugins) -> Result<Run, Failure> {
        let filters = config::check::static_filters(&self.config);
        let chain = self.chain_by(filters, plugins)?;
        Ok(remember(state, &chain, &self.config.settings, now()))
    }

    /// The plugins of the configuration with these in the place of others, and in whose.
    ///
    /// # Errors
    /// Everything that stands against any of them.
    pub fn trying(&self, trials: &[Trial]) -> Result<(Plugins, Vec<Replaced>), Failure> {
        let mut plugins = (**self.plugins()?).clone();
        let mut all = Vec::new();
        for trial in trials {
            let store = &self.config.store;
            let tried = self.loader.trying(&plugins, trial, &self.config, store);
            let (with, replaced) = tried.map_err(|why| {
                let cannot = Failure::new(format!("cannot try {}", trial.file.display()));
                why.into_iter().fold(cannot, Failure::because)
            })?;
            plugins = with;
            all.extend(replaced);
        }
        Ok((plugins, all))
    }

    /// Reads every scope of the configuration, or those that are named.
    ///
    /// # Errors
    /// When a scope is named that the configuration does not ask for, or when a rule is wrong.
    pub async fn scan(&self, only: &[Scope]) -> Result<Scanned, Failure> {
        let Expansion {
            mut scanners,
            mut unread,
            filters,
            open,
            complete,
            ..
        } = expand(&self.config, &self.elsewhere).await;
        if !only.is_empty() {
            for scope in only {
                let known = scanners.iter().any(|scanner| **scanner.scope() == *scope)
                    || unread.iter().any(|scan| *scan.scope == *scope);
                if !known {
                    return Err(Failure::new(format!("cannot scan {scope}"))
                        .because("no source of the configuration asks for it")
                        .hint("list the scopes with `muster scope ls`"));
                }
            }
            scanners.retain(|scanner| only.contains(scanner.scope()));
            unread.retain(|scan| only.contains(&scan.scope));
        }
        let (chain, digest) = self.chain(filters)?;
        let now = now();
        let progress = Progress::start(scanners.len(), self.quiet);
        let mut scans = scan_all(scanners, self.config.requests.scopes_at_once, |scan| {
            progress.ended(scan)
        })
        .await;
        progress.finish();
        scans.append(&mut unread);
        scans.sort_by(|a, b| a.scope.cmp(&b.scope));
        Ok(Scanned {
            scans,
            chain,
            digest,
            expanded: complete,
            open,
            all: only.is_empty(),
            now,
            run: run_id(now),
        })
    }

    /// The same through the service that holds the store, where there is one: it has the credentials, and one
    /// budget for all requests. Where it goes by another configuration, this process reads, and says so.
    ///
    /// # Errors
    /// As [`Self::scan`]; when the service does not answer, or not to the end.
    pub async fn scan_through(
        &self,
        service: Option<&Reached>,
        only: &[Scope],
    ) -> Result<Scanned, Failure> {
        let Some(Reached { client, .. }) = service else {
            return self.scan(only).await;
        };
        let loaded = client.config().await?;
        if !self.is_of(&loaded) {
            self.warn_of(&loaded, "this command reads the clouds itself, by its own");
            return self.scan(only).await;
        }
        let now = now();
        let mut progress = Progress(None);
        let read = client.read(only.to_vec(), |reading| match reading {
            Reading::Begun(basis) => progress = Progress::start(basis.scopes, self.quiet),
            Reading::Ended(scan) => progress.ended(scan),
        });
        let read = read.await;
        progress.finish();
        let (basis, mut scans) = read?;
        let (chain, digest) = self.chain(basis.filters)?;
        scans.sort_by(|a, b| a.scope.cmp(&b.scope));
        Ok(Scanned {
            scans,
            chain,
            digest,
            expanded: basis.complete,
            open: basis.open,
            all: only.is_empty(),
            now,
            run: run_id(now),
        })
    }

    /// Whether the service goes by the very configuration of this command.
    pub fn is_of(&self, loaded: &Loaded) -> bool {
        loaded.text.as_bytes() == self.bytes
    }

    /// Says that the service goes by another configuration, and what follows.
    pub fn warn_of(&self, loaded: &Loaded, what_follows: &str) {
        let full = |path: &Path| fs::canonicalize(path).ok();
        let (own, theirs) = (self.config.path.as_deref(), loaded.path.as_deref());
        let same_file = own
            .and_then(full)
            .is_some_and(|own| theirs.and_then(full) == Some(own));
        let theirs = theirs.map_or("none".into(), Path::to_string_lossy);
        let mut out = anstream::stderr().lock();
        // Nobody reads standard error: nobody is told.
        let _ = writeln!(
            out,
            "warning: the service runs another configuration ({theirs}, loaded at {}): {what_follows}{}",
            loaded.loaded,
            if same_file {
                "; `muster reload` loads it"
            } else {
                ""
            }
        );
    }

    /// The matchers, and what tells them from others.
    fn chain(&self, filters: Vec<SourceFilter>) -> Result<(Chain, String), Failure> {
        let plugins = self.plugins()?;
        let digest = matched::digest(&filters, &self.config, plugins);
        Ok((self.chain_by(filters, plugins)?, digest))
    }

    fn chain_by(&self, filters: Vec<SourceFilter>, plugins: &Plugins) -> Result<Chain, Failure> {
        let matchers = plugins.matchers();
        Chain::build(filters, self.config.rules.as_deref(), &matchers)
            .map(|(chain, _)| chain)
            .map_err(|problems| bad_rules(&problems))
    }
}

/// What the store holds.
///
/// # Errors
/// When it cannot be read.
pub fn load(store: &dyn Store) -> Result<State, Failure> {
    State::load(store).map_err(|error| Failure::new("cannot read the store").cause(&error))
}

impl Scanned {
    /// Judges and plans.
    pub fn plan(&self, state: &State, settings: &muster_plan::Settings) -> Run {
        let ask = Ask {
            chain: &self.chain,
            settings,
            scopes_known: self.expanded && self.all,
            open: &self.open,
            now: self.now,
            run: &self.run,
        };
        run(state, &self.scans, &ask)
    }

    /// Whether every scope that was asked for was read completely.
    pub fn is_complete(&self) -> bool {
        (self.expanded || !self.all) && self.scans.iter().all(|scan| scan.coverage.is_complete())
    }

    /// When nothing at all could be read, there is nothing to show but why.
    ///
    /// # Errors
    /// That.
    pub fn something(&self) -> Result<(), Failure> {
        let unread = |scan: &Scan| matches!(scan.coverage, muster_model::Coverage::Unread(_));
        if self.scans.is_empty() || !self.scans.iter().all(unread) {
            return Ok(());
        }
        let mut failure = Failure::new("cannot read any scope");
        let mut told = std::collections::BTreeSet::new();
        let mut next = vec!["nothing was changed".to_owned()];
        for scan in &self.scans {
            for reason in scan.coverage.failures() {
                if told.insert(reason.to_string()) && told.len() <= 5 {
                    failure = failure.because(format!("{}: {reason}", scan.scope));
                    let advice = advice(reason, &scan.scope);
                    if !next.contains(&advice) {
                        next.push(advice);
                    }
                }
            }
        }
        if told.len() > 5 {
            failure = failure.because(format!("and {} other reasons", told.len() - 5));
        }
        Err(failure.hint(next.join("; ")))
    }
}

/// A configuration with problems.
pub fn bad_config(error: &config::check::ConfigError) -> Failure {
    let mut failure = Failure::new(format!(
        "the configuration {} is wrong",
        error.path.display()
    ))
    .exits(Exit::Config);
    for line in error.to_string().lines() {
        failure = failure.because(line);
    }
    failure.hint("every setting is described by `muster config schema`, and an example is written by `muster config create`")
}

fn bad_rules(problems: &[muster_matchers::Problem]) -> Failure {
    let mut failure = Failure::new("the rules of the configuration are wrong").exits(Exit::Config);
    for problem in problems {
        failure = failure.because(format!("{}: {}", problem.path, problem.message));
    }
    failure
}

/// Writes a file next to where it belongs and moves it there, so that it is whole or not there. A device or a
/// pipe is written to as it is, and a link's target is what is replaced.
///
/// # Errors
/// Those of the file system.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(bytes);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let written = fs::File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&partial, path))
        .inspect_err(|_| {
            // What is left of a failed write is of no use; that it cannot be removed changes nothing.
            let _ = fs::remove_file(&partial);
        })
}
