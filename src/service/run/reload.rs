//! Another configuration: read, checked, asked about, tried on what is remembered, and only then in force. At every
//! step before the last the old one stays, and the status says why.

mod reading;
mod stays;

use std::sync::Arc;

use muster_matchers::Matcher;
use sha2::{Digest, Sha256};
use tokio::task::JoinError;

use self::reading::{Read, plugins, prepare};
use super::{
    Service,
    keeper::{Job, Trouble},
    scopes::{Known, hex, same_reach},
};
use crate::{
    config::{self, Config, Loaded},
    pipeline::sources::Clouds,
    plugins::Plugins,
    service::{
        engine::Taken,
        handle::{Active, Refused, RefusedKind, Reloaded, Reply},
        status::Reloading,
    },
};

/// Somebody asks for the configuration to be read again.
pub(super) struct Request {
    by: String,
    dry_run: bool,
    /// Only the plugins, by the configuration that is in force.
    plugins_only: bool,
    /// None for a signal.
    reply: Option<Reply<Reloaded>>,
}

/// A configuration that was read, and what it asks for.
pub(super) struct Prepared {
    /// None when it broke off: then nobody is left to be told.
    request: Option<Request>,
    outcome: Result<Box<Read>, Vec<String>>,
}

/// A configuration that can come into force.
pub(super) struct Ready {
    request: Request,
    config: Config,
    plugins: Arc<Plugins>,
    bytes: Vec<u8>,
    /// None when only plugins are others.
    reach: Option<(Arc<Clouds>, Known)>,
    reloaded: Reloaded,
}

impl Request {
    pub(super) fn by_signal() -> Self {
        Self {
            by: "SIGHUP".to_owned(),
            dry_run: false,
            plugins_only: false,
            reply: None,
        }
    }

    /// The files of plugins are others now.
    pub(super) fn by_files() -> Self {
        Self {
            by: "another file".to_owned(),
            plugins_only: true,
            ..Self::by_signal()
        }
    }

    pub(super) const fn by_command(by: String, dry_run: bool, reply: Reply<Reloaded>) -> Self {
        Self {
            by,
            dry_run,
            plugins_only: false,
            reply: Some(reply),
        }
    }

    fn answer(self, answer: Result<Reloaded, Refused>) {
        if let Some(reply) = self.reply {
            // Who asked may have gone.
            let _ = reply.send(answer);
        }
    }
}

impl Prepared {
    pub(super) fn broken(error: &JoinError) -> Self {
        Self {
            request: None,
            outcome: Err(vec![format!("reading it broke off: {error}")]),
        }
    }
}

impl Service {
    /// Takes a request. One after the other is carried out; two signals that wait are one.
    pub(super) fn ask_for_reload(&mut self, request: Request) {
        if self.ending.is_some() {
            request.answer(Err(super::failure::ending()));
            return;
        }
        let waits = self.reloads.iter().any(|waiting| waiting.reply.is_none());
        if request.reply.is_some() || !waits {
            self.reloads.push_back(request);
        }
    }

    /// Begins with the next one.
    pub(super) fn start_reload(&mut self) {
        // Who asks while the service starts waits for the moment that it takes.
        let starting = !self.loaded && self.stuck.is_none() && self.ending.is_none();
        if self.reload || starting {
            return;
        }
        let Some(request) = self.reloads.pop_front() else {
            return;
        };
        self.reload = true;
        if !request.dry_run && !request.plugins_only {
            self.systemd.reloading();
        }
        if let Some(refused) = self.not_now() {
            let why = std::iter::once(refused.what.clone())
                .chain(refused.why.iter().cloned())
                .collect();
            self.refuse(request, refused.kind, why);
            return;
        }
        let path = self.config.path.clone();
        let clouds = Arc::clone(&self.clouds);
        let loader = Arc::clone(&self.options.loader);
        let store = self.config.store.clone();
        let active = request.plugins_only.then(|| self.handle.active());
        self.reloading.spawn(async move {
            let outcome = match active {
                Some(active) => plugins(active, loader, store).await,
                None => prepare(path.as_deref(), &clouds, loader, store).await,
            };
            Prepared {
                request: Some(request),
                outcome,
            }
        });
    }

    /// The new configuration was read, or cannot be used.
    pub(super) fn prepared(&mut self, prepared: Prepared) {
        let Prepared { request, outcome } = prepared;
        if self.ending.is_some() {
            return;
        }
        let request = request.unwrap_or_else(Request::by_signal);
        if let Some(refused) = self.not_now() {
            self.refuse(request, refused.kind, vec![refused.to_string()]);
            return;
        }
        let (loaded, clouds, expansion) = match outcome.map(|read| *read) {
            Ok(Read::File(loaded, clouds, expansion)) => (*loaded, clouds, *expansion),
            Ok(Read::Plugins(plugins)) => {
                self.try_plugins(request, plugins);
                return;
            }
            Err(problems) => {
                self.refuse(request, RefusedKind::Invalid, problems);
                return;
            }
        };
        let Loaded {
            mut config,
            bytes,
            warnings,
            plugins,
            ..
        } = loaded;
        let warnings: Vec<String> = warnings.iter().map(crate::config::Problem::plain).collect();
        let needs_restart = self.keep_what_needs_a_restart(&mut config);
        let before = same_reach(&self.config, &config).then_some(&self.known);
        let known = Known::settle(expansion, before, self.board.remembered());
        let same = config.rules == self.config.rules && config.plugins == self.config.plugins;
        let plugins = match same {
            true => Arc::new((*plugins).clone().keeping(&self.plugins)),
            false => plugins,
        };
        let setup = match known.setup(&config, &plugins) {
            Ok(setup) => Box::new(setup),
            Err(problems) => {
                self.refuse(request, RefusedKind::Invalid, problems);
                return;
            }
        };
        let reloaded = Reloaded {
            changes: config::diff(&self.config, &config),
            warnings,
            needs_restart,
            ..Reloaded::default()
        };
        let ready = Box::new(Ready {
            request,
            config,
            plugins,
            bytes,
            reach: Some((clouds, known)),
            reloaded,
        });
        let now = self.now();
        self.keeper.send(Job::Preview {
            setup,
            now,
            then: Some(ready),
        });
    }

    /// Plugins were loaded whose files are others now: they are tried on what is remembered.
    fn try_plugins(&mut self, request: Request, plugins: Arc<Plugins>) {
        let plugins = (*plugins).clone().keeping(&self.plugins);
        if plugins.digest() == self.plugins.digest() {
            // Somebody put the same content there again, or another signature.
            self.watch.tried(plugins.stamps());
            self.plugins = Arc::new(plugins);
            self.board.rejected = None;
            self.reload = false;
            self.news = true;
            request.answer(Ok(Reloaded::default()));
            return;
        }
        let plugins = Arc::new(plugins);
        let setup = match self.known.setup(&self.config, &plugins) {
            Ok(setup) => Box::new(setup),
            Err(problems) => {
                self.refuse(request, RefusedKind::Invalid, problems);
                return;
            }
        };
        let ready = Box::new(Ready {
            request,
            config: self.config.clone(),
            plugins,
            bytes: Vec::new(),
            reach: None,
            reloaded: Reloaded::default(),
        });
        let now = self.now();
        self.keeper.send(Job::Preview {
            setup,
            now,
            then: Some(ready),
        });
    }

    /// It is known what the new configuration would change.
    pub(super) fn previewed(
        &mut self,
        outcome: Result<Reloaded, Trouble>,
        then: Option<Box<Ready>>,
    ) {
        let Some(mut ready) = then else { return };
        let found = match outcome {
            Ok(found) => found,
            Err(trouble) => {
                self.refuse_for(ready.request, trouble);
                return;
            }
        };
        ready.reloaded = Reloaded {
            changes: std::mem::take(&mut ready.reloaded.changes),
            warnings: std::mem::take(&mut ready.reloaded.warnings),
            needs_restart: std::mem::take(&mut ready.reloaded.needs_restart),
            ..found
        };
        if ready.request.dry_run {
            self.reload = false;
            ready.request.answer(Ok(ready.reloaded));
            return;
        }
        let known = ready.reach.as_ref().map_or(&self.known, |(_, known)| known);
        match known.setup(&ready.config, &ready.plugins) {
            Ok(setup) => self.keeper.send(Job::Configure {
                setup: Box::new(setup),
                now: self.now(),
                by: format!("reload by {}", ready.request.by),
                then: Some(ready),
            }),
            Err(problems) => self.refuse(ready.request, RefusedKind::Invalid, problems),
        }
    }

    /// The engine works by another setup: that of other scopes, or of another configuration.
    pub(super) fn configured(&mut self, outcome: Result<Taken, Trouble>, then: Option<Box<Ready>>) {
        let Some(ready) = then else {
            self.done(outcome);
            return;
        };
        let taken = match outcome {
            Ok(taken) => taken,
            Err(trouble) => {
                self.refuse_for(ready.request, trouble);
                return;
            }
        };
        self.tell_of(&taken);
        let Ready {
            request,
            config,
            plugins,
            bytes,
            reach,
            reloaded,
        } = *ready;
        let now = self.now();
        self.watch.tried(plugins.stamps());
        self.board.rejected = None;
        if plugins.digest() != self.plugins.digest() {
            // Others have not failed yet.
            self.retries.clear();
            let now = self.uptime.now();
            self.retries.know(self.board.undecided.keys(), now);
        }
        let Some((clouds, known)) = reach else {
            self.plugins = plugins;
            self.metrics.plugins_reloaded(true);
            for plugin in self.plugins.all() {
                tracing::info!(
                    plugin = plugin.matcher.name(),
                    version = plugin.matcher.version(),
                    sha256 = plugin.sha256,
                    path = %plugin.path.display(),
                    "in force"
                );
            }
            tracing::info!(
                judged_otherwise = reloaded.judged_otherwise,
                add = reloaded.add,
                update = reloaded.update,
                remove = reloaded.remove,
                held = reloaded.held,
                "other versions of plugins are in force"
            );
            self.reload = false;
            self.show_now();
            request.answer(Ok(reloaded));
            return;
        };
        self.board.config.digest = hex(&Sha256::digest(&bytes));
        self.board.config.loaded = now;
        self.board
            .config
            .needs_restart
            .clone_from(&reloaded.needs_restart);
        self.board.config.last_reload = Some(Reloading {
            at: now,
            accepted: true,
            messages: reloaded
                .changes
                .iter()
                .chain(&reloaded.warnings)
                .chain(&reloaded.needs_restart)
                .cloned()
                .collect(),
        });
        self.handle.set_active(Active {
            config: config.clone(),
            bytes,
            loaded: now,
        });
        if let Some(proxy) = &self.proxy {
            proxy.set_databases(&config.databases);
            proxy.set_sources(&config);
        }
        self.config = config;
        self.configurations = self.configurations.saturating_add(1);
        self.plugins = plugins;
        self.clouds = clouds;
        self.adopt(known, false);
        self.resolve_at = None;
        self.resolve_pause = super::resolve::FIRST_PAUSE;
        self.plan_resolution();
        self.set_clock();
        let (deliverer, sinks) = (Arc::clone(&self.deliverer), self.config.notify.clone());
        self.setting
            .spawn(async move { deliverer.set(&sinks).await });
        self.metrics.reloaded(true);
        tracing::info!(
            by = request.by,
            changes = reloaded.changes.len(),
            judged_otherwise = reloaded.judged_otherwise,
            add = reloaded.add,
            update = reloaded.update,
            remove = reloaded.remove,
            held = reloaded.held,
            "the new configuration is in force"
        );
        for warning in &reloaded.warnings {
            tracing::warn!(warning, "the configuration has something odd");
        }
        for stays in &reloaded.needs_restart {
            tracing::warn!(stays, "the configuration differs in what needs a restart");
        }
        self.reload = false;
        self.systemd.ready();
        self.show_now();
        request.answer(Ok(reloaded));
    }

    fn refuse_for(&mut self, request: Request, trouble: Trouble) {
        let refused = trouble.refused("try the new configuration");
        if let Trouble::Store(why) = &trouble {
            self.store_failed(why);
        }
        let why = std::iter::once(refused.what).chain(refused.why).collect();
        self.refuse(request, refused.kind, why);
    }

    /// The old configuration stays in force.
    fn refuse(&mut self, request: Request, kind: RefusedKind, why: Vec<String>) {
        self.reload = false;
        if request.plugins_only {
            self.metrics.plugins_reloaded(false);
            tracing::error!(
                problems = why.join("; "),
                "files of plugins are others now and were refused, and those before stay in force"
            );
            self.board.rejected = Some((self.now(), why));
            self.show_now();
            return;
        }
        if !request.dry_run {
            self.metrics.reloaded(false);
            tracing::error!(
                by = request.by,
                problems = why.join("; "),
                "the new configuration was refused, and the old one stays in force"
            );
            self.board.config.last_reload = Some(Reloading {
                at: self.now(),
                accepted: false,
                messages: why.clone(),
            });
            self.systemd.ready();
            self.show_now();
        }
        let path = self.config.path.as_deref();
        let shown = path.map_or_else(String::new, |path| format!(" {}", path.display()));
        request.answer(Err(Refused {
            kind,
            what: format!("the configuration{shown} was refused, and the old one stays in force"),
            why,
            hint: (kind == RefusedKind::Invalid)
                .then(|| "every setting is described by `muster config schema`".to_owned()),
        }));
    }

    /// Whoever waits for a reload is told that it will not come.
    pub(super) fn give_up_reloads(&mut self, refused: &Refused) {
        for request in std::mem::take(&mut self.reloads) {
            request.answer(Err(refused.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
