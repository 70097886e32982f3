//! What is on this machine: configuration, store, authorities, and the service that runs.

use std::{ops::ControlFlow, path::Path};

use muster_access::Record;
use muster_credentials::Keyring;
use muster_model::{Coverage, Scope, Target};
use muster_store::{Order, SledStore, tables};

use super::{
    super::{
        Common, Failure,
        authority::Reached as Authority,
        context::{Context, config_path, now},
        opened::Opened,
        service,
    },
    Seen,
    network::advisor,
};
use crate::{
    authority::{Answer, CaStatus, Command, DIR, Kind},
    config::AuditSink,
    control::{Client, Loaded},
    doctor::{
        Check,
        evidence::{Audit, Certificates, Clock, Configuration, Permissions, Ports, Store, Trouble},
        gather::{addresses, certificates, copy, denied, files, logins, sample::Sample},
    },
    proxy,
    service::status::Status,
};

/// The most damaged records that are named.
const DAMAGED: usize = 5;

/// What the machine has, for what is to be asked of others.
pub(super) struct Local {
    /// The configuration; none when it cannot be used, or there is none.
    pub context: Option<Context>,
    /// The authorities' certificates.
    pub authorities: Vec<CaStatus>,
    /// What the service that runs says.
    pub status: Option<Status>,
    /// The databases to look at.
    pub targets: Sample,
    /// How muster logs in to databases, counted.
    pub logins: Option<logins::Count>,
    /// Whether the databases could be read.
    pub known: bool,
    /// What says how to mend a login.
    pub advisor: Option<Keyring>,
}

impl Local {
    /// Looks. Makes and changes nothing.
    pub fn look(common: &Common, most: Option<usize>, seen: &mut Seen) -> Result<Self, Failure> {
        let context = configuration(common, seen)?;
        let mut local = Self {
            advisor: context.as_ref().and_then(advisor),
            context,
            authorities: Vec::new(),
            status: None,
            targets: Sample::new(most),
            logins: None,
            known: false,
        };
        let dir = match (&local.context, service::store_dir(common)) {
            (Some(context), _) => context.config.store.clone(),
            (None, Ok(dir)) => dir,
            (None, Err(_)) => {
                for check in Check::ALL
                    .iter()
                    .filter(|check| **check != Check::Configuration)
                {
                    seen.skip(*check, "the configuration cannot be used");
                }
                return Ok(local);
            }
        };
        let client = Client::connect(&dir).map(|(client, _)| client);
        if let Ok(client) = &client {
            local.status = client.wait(client.status()).ok();
            let loaded = client.wait(client.config()).ok();
            differs(&local, loaded, seen);
        }
        // What does not answer is not looked at further: it would be waited for each time.
        let silent = match client {
            Err(error) if !error.is_absent() => Some(Trouble {
                why: error.to_string(),
                hint: error.hint().unwrap_or_default(),
            }),
            _ => None,
        };
        local.store(&dir, silent, seen);
        local.authorities(common, &dir, seen);
        local.audit(&dir, seen);
        local.ports(seen);
        let jumped = local.status.as_ref().and_then(jumped);
        seen.evidence.clock = Some(Clock {
            compared: Vec::new(),
            jumped,
            synchronized: files::synchronized(),
        });
        Ok(local)
    }

    /// The store, and what is in it.
    fn store(&mut self, dir: &Path, silent: Option<Trouble>, seen: &mut Seen) {
        let mut store = Store {
            path: dir.to_owned(),
            user: files::user(),
            disk: files::disk(dir),
            there: SledStore::is_in(dir),
            failure: silent,
            ..Store::default()
        };
        match files::of_store(dir) {
            Ok(places) => store.places = places,
            Err(error) => {
                store.failure = Some(Trouble {
                    why: error.to_string(),
                    hint: "run this as the user whom the store belongs to, or as root: sudo muster doctor"
                        .to_owned(),
                });
            }
        }
        // What a service has is asked of it. One that nobody has is copied: opening it would mend it.
        let copy = match self.status {
            None if store.failure.is_none() && store.there => copy::copy(dir),
            _ => None,
        };
        // Of a directory that others may write to, whoever opens it in place takes that away.
        let mended = store
            .places
            .iter()
            .take(1)
            .any(|place| place.mode & 0o022 != 0);
        let may_open = self.status.is_some() || copy.is_some() || !mended;
        if store.failure.is_none() && store.there && may_open {
            let place = copy.as_ref().map_or(dir, |copy| copy.path());
            let in_place = |text: &str| {
                let (copy, real) = (place.display().to_string(), dir.display().to_string());
                text.replace(&copy, &real)
            };
            match Opened::open(place) {
                Ok(opened) => {
                    self.health(&opened, &mut store);
                    self.read(&opened, seen);
                }
                Err(failure) => {
                    store.failure = Some(Trouble {
                        why: in_place(&failure.reasons().join("; ")),
                        hint: in_place(failure.next().unwrap_or_default()),
                    });
                }
            }
        }
        if let Some(failure) = self.status.as_ref().and_then(|s| s.store.failure.clone()) {
            store.failure.get_or_insert(Trouble {
                why: failure,
                hint: String::new(),
            });
        }
        seen.evidence.store = Some(store);
    }

    /// Whether every record can be read.
    fn health(&self, opened: &Opened, store: &mut Store) {
        let health = match opened {
            Opened::Own(own) => own
                .check()
                .map(|health| (health.records, health.damaged))
                .ok(),
            Opened::Held(reached) => {
                let client = &reached.client;
                let health = client.wait(client.check()).ok();
                health.map(|health| (health.records, health.damaged))
            }
        };
        let Some((records, damaged)) = health else {
            return;
        };
        store.records = Some(records);
        store.damaged_count = damaged.len() as u64;
        let damaged = damaged.iter().take(DAMAGED);
        store.damaged = damaged.map(ToString::to_string).collect();
    }

    /// Scopes and databases.
    fn read(&mut self, opened: &Opened, seen: &mut Seen) {
        let mut scopes: Vec<(Scope, Coverage)> = Vec::new();
        let read = tables::SCOPES.each(opened, "", Order::Ascending, &mut |_, record| {
            if let Ok(record) = record {
                let record = record.value;
                scopes.push(((*record.scope).clone(), record.coverage));
            }
            ControlFlow::Continue(())
        });
        if read.is_ok() {
            let scopes = || scopes.iter().map(|(scope, coverage)| (scope, coverage));
            let config = self.context.as_ref().map(|context| &context.config);
            seen.evidence.permissions = Some(Permissions {
                denied: denied::denied(scopes()),
                printed: config.map(denied::printed),
            });
            if let Some(config) = config {
                seen.evidence.credentials = Some(denied::without_credentials(scopes(), config));
            }
        }
        let mut count = logins::Count::default();
        let proxy = self
            .context
            .as_ref()
            .and_then(|context| context.config.proxy.as_ref());
        let keyring = self.advisor.as_ref().map(|keyring| keyring as _);
        let read = tables::TARGETS.each(opened, "", Order::Ascending, &mut |_, record| {
            if let Ok(record) = record {
                count.see(&record.value, proxy, keyring);
                self.targets.see(record.value);
            }
            ControlFlow::Continue(())
        });
        self.known = read.is_ok();
        self.logins = Some(count);
    }

    /// Authorities, and databases that people wrote down.
    fn authorities(&mut self, common: &Common, dir: &Path, seen: &mut Seen) {
        let mut certificates = Certificates {
            shown_until: self
                .status
                .as_ref()
                .and_then(|status| status.proxy.as_ref())
                .map(|proxy| proxy.certificate_expires),
            ..Certificates::default()
        };
        if let Some(proxy) = self.context.as_ref().and_then(|c| c.config.proxy.as_ref()) {
            certificates.trusted = certificates::trusted(&proxy.trust);
        }
        let places = seen.evidence.store.iter().flat_map(|store| &store.places);
        let places: Vec<_> = places
            .filter(|place| place.path.starts_with(dir.join(DIR)))
            .cloned()
            .collect();
        // With wrong modes, opening it would mend them; that it is so is told of as it is.
        let may_open = self.status.is_some() || !files::opening_would_mend(&places);
        let hangs = seen
            .evidence
            .store
            .as_ref()
            .is_some_and(|store| store.failure.is_some());
        let configured = self.context.as_ref();
        let configured =
            configured.map(|context| proxy::named::configured(&context.config.databases));
        for target in configured.into_iter().flatten() {
            self.by_hand(target);
        }
        if dir.join(DIR).exists() && may_open && (self.status.is_some() || !hangs) {
            let opened = Authority::look(common);
            let answers = opened.and_then(|opened| {
                Ok((
                    opened.ask(Command::Authorities)?,
                    opened.documents(Command::List {
                        kind: Some(Kind::Db),
                    })?,
                ))
            });
            match answers {
                Ok((Answer::Authorities { authorities, .. }, documents)) => {
                    certificates.authorities = certificates::authorities(&authorities);
                    self.authorities = authorities;
                    let now = now();
                    let records = documents
                        .iter()
                        .map(|document| Record::from_value(&document.body, now));
                    for (record, _) in records.flatten() {
                        if let Record::Db(db) = record {
                            self.by_hand(db.to_target());
                        }
                    }
                }
                Ok(_) => {}
                Err(failure) => {
                    certificates.failure = Some(Trouble {
                        why: failure.in_one_line(),
                        hint: failure.next().unwrap_or_default().to_owned(),
                    });
                }
            }
        }
        seen.evidence.certificates = Some(certificates);
    }

    /// A database that somebody wrote down.
    fn by_hand(&mut self, target: Target) {
        let context = self.context.as_ref();
        let proxy = context.and_then(|context| context.config.proxy.as_ref());
        let keyring = self.advisor.as_ref().map(|keyring| keyring as _);
        self.logins
            .get_or_insert_default()
            .see(&target, proxy, keyring);
        self.known = true;
        self.targets.see(target);
    }

    fn audit(&self, dir: &Path, seen: &mut Seen) {
        let running = self
            .status
            .as_ref()
            .and_then(|status| status.proxy.as_ref());
        let config = self.context.as_ref().map(|context| &context.config);
        let settings = config.map(|config| (config.proxy.is_some(), &config.audit));
        let path = match (running, settings) {
            (Some(proxy), _) => proxy.audit.path.clone(),
            (None, Some((true, audit))) if audit.sink == AuditSink::File => {
                Some(proxy::audit_dir(audit, dir))
            }
            (None, Some((true, _))) => None,
            (None, _) => return seen.skip(Check::Audit, "there is no proxy in the configuration"),
        };
        let place = path.as_ref().map(|path| {
            files::place(path).unwrap_or_else(|_| crate::doctor::evidence::Place {
                path: path.clone(),
                ..Default::default()
            })
        });
        let failure = running.and_then(|proxy| proxy.audit.failure.as_ref());
        seen.evidence.audit = Some(Audit {
            place,
            user: files::user(),
            disk: path.as_deref().and_then(files::disk),
            failing: failure.map(|failure| (failure.why.clone(), failure.since)),
            damaged: running.and_then(|proxy| proxy.audit.damage.clone()),
        });
    }

    fn ports(&self, seen: &mut Seen) {
        let Some(context) = &self.context else {
            return seen.skip(Check::Ports, "the configuration cannot be used");
        };
        seen.evidence.ports = Some(Ports {
            service: self.status.as_ref().map(|status| status.pid),
            listen: addresses::listeners(&context.config),
            reach: Vec::new(),
        });
    }
}

/// The configuration, and everything that is wrong with it.
fn configuration(common: &Common, seen: &mut Seen) -> Result<Option<Context>, Failure> {
    let path = match config_path(common) {
        Ok(path) => path,
        Err(_) if common.store.is_some() => {
            seen.skip(Check::Configuration, "none was named, and none is here");
            return Ok(None);
        }
        Err(failure) => return Err(failure),
    };
    let (context, problems, warnings) = match Context::load(common) {
        Ok(context) => {
            let warnings = context.warnings.iter();
            let warnings = warnings.map(|warning| format!("{}: {}", warning.path, warning.message));
            let warnings = warnings.collect();
            (Some(context), Vec::new(), warnings)
        }
        Err(failure) => (None, failure.reasons().to_vec(), Vec::new()),
    };
    seen.evidence.configuration = Some(Configuration {
        path,
        problems,
        warnings,
        differs: None,
        needs_restart: Vec::new(),
    });
    Ok(context)
}

/// Whether the service goes by another configuration.
fn differs(local: &Local, loaded: Option<Loaded>, seen: &mut Seen) {
    if let (Some(context), Some(loaded), Some(configuration)) =
        (&local.context, loaded, &mut seen.evidence.configuration)
    {
        configuration.differs = Some(!context.is_of(&loaded));
        let status = local.status.iter();
        configuration.needs_restart = status
            .flat_map(|status| status.config.needs_restart.clone())
            .collect();
    }
}

/// By how much the service saw the clock jump: all that its status says of it is that it did.
fn jumped(status: &Status) -> Option<i64> {
    let reason = status
        .reasons
        .iter()
        .find(|reason| reason.code == "clock-jumped")?;
    let seconds = reason
        .message
        .split_ascii_whitespace()
        .find_map(|word| word.parse::<i64>().ok())?;
    Some(if reason.message.contains("jumped back") {
        -seconds
    } else {
        seconds
    })
}
