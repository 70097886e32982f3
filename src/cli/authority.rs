//! The authority as a command has it: opened by itself, or reached through the service that holds it.

use std::{
    cell::OnceCell,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use muster_audit::{Ended, Log, Micros};
use muster_model::Timestamp;
use serde_json::Value;

use super::{
    Common, Failure,
    context::{Context, now},
    service,
};
use crate::{
    authority::{Answer, Authority, Command, DIR, Document, OpenError, Settings},
    config::{AuditSettings, AuditSink, CLUSTER, words},
    control::{Client, own_name},
    proxy,
    report::escape::shown,
    service::handle::Refused,
};

/// How often, and after which pause, an authority that somebody holds without a socket is tried again: a service is just
/// starting or ending, or another command is just done.
const AGAIN: (u32, Duration) = (20, Duration::from_millis(50));

/// How long a command waits until what it has done is written to the audit log, and how long it tries again where that cannot be
/// written: nobody makes room on a disk meanwhile.
const LAST_EVENTS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(500));

/// The authority, from wherever it can be had.
pub enum Reached {
    /// This process has it.
    Own(Box<Own>),
    /// A service has it, and answers for it.
    Held(Client),
}

/// An authority that this process has.
pub struct Own {
    authority: Authority,
    audit: AuditSettings,
    store: PathBuf,
    /// Where what is done is written: opened by the first command that changes something.
    log: OnceCell<Log>,
}

impl Own {
    fn ask(&self, command: Command) -> Result<Answer, Failure> {
        if !command.only_reads() && self.log.get().is_none() {
            let cluster = self.authority.cluster_name();
            let log = proxy::open_log(&self.audit, &self.store, cluster)?;
            self.authority.record(log.clone(), Micros::now);
            // It was looked at above.
            let _ = self.log.set(log);
        }
        Ok(self.authority.handle(command, &own_name())?)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let (limit, again) = LAST_EVENTS;
        let ended = self.log.get().map(|log| log.close_trying(limit, again));
        if let Some(Ended::Lost(_) | Ended::Unknown) = ended {
            let warning = "what was done could not be written to the audit log".to_owned();
            warn_of(&[warning]);
        }
    }
}

impl Reached {
    /// Opens the authority of the store, or reaches the service that holds it. Makes it when there is none.
    ///
    /// # Errors
    /// When a process has it that does not answer for it, or when it is damaged.
    pub fn open(common: &Common) -> Result<Self, Failure> {
        Self::open_in(common, &service::store_dir(common)?)
    }

    /// As [`Self::open`], for what only reads: makes nothing.
    ///
    /// # Errors
    /// Also when there is none.
    pub fn look(common: &Common) -> Result<Self, Failure> {
        let store = service::store_dir(common)?;
        let there = store.join(DIR).try_exists().map_err(|error| {
            let what = format!(
                "cannot look for the authority in the store {}",
                store.display()
            );
            Failure::new(what)
                .cause(&error)
                .hint("run this as the user whom the store belongs to, or as root")
        })?;
        if !there {
            return Err(Failure::new(format!(
                "there is no authority in the store {}",
                store.display()
            ))
            .hint("`muster run` with a proxy, `muster user add` and `muster create` make it"));
        }
        Self::open_in(common, &store)
    }

    fn open_in(common: &Common, store: &Path) -> Result<Self, Failure> {
        let (settings, audit) = settings(common);
        let (tries, pause) = AGAIN;
        let mut tried = 0;
        loop {
            let error = match Authority::open(store, settings.clone(), Arc::new(now)) {
                Ok(authority) => {
                    return Ok(Self::Own(Box::new(Own {
                        authority,
                        audit,
                        store: store.to_owned(),
                        log: OnceCell::new(),
                    })));
                }
                Err(error) if error.is_in_use() => error,
                Err(error) => return Err(Refused::from(error).into()),
            };
            match Client::connect(store) {
                Ok((client, _)) => return Ok(Self::Held(client)),
                Err(failed) if failed.is_absent() && tried < tries => {
                    tried += 1;
                    thread::sleep(pause);
                }
                Err(failed) if failed.is_absent() => return Err(in_use(error)),
                Err(failed) => return Err(failed.into()),
            }
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn ask(&self, command: Command) -> Result<Answer, Failure> {
        match self {
            Self::Own(own) => own.ask(command),
            Self::Held(client) => Ok(client.wait(client.authority(&command))?),
        }
    }

    /// Asks for what is answered by records.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn documents(&self, command: Command) -> Result<Vec<Document>, Failure> {
        match self.ask(command)? {
            Answer::Documents { documents, .. } => Ok(documents),
            _ => Err(nonsense()),
        }
    }
}

/// An answer that does not belong to its question: a fault of muster's own.
pub(super) fn nonsense() -> Failure {
    Failure::new("the authority's answer makes no sense")
}

fn in_use(error: OpenError) -> Failure {
    Failure::from(Refused::from(error)).hint(
        "it is another command, or a service that is just starting or ending: try again when it is done",
    )
}

/// What locks call the machine that the configuration is for.
pub(super) fn node_name(common: &Common) -> Option<String> {
    settings(common).0.node()
}

/// What the configuration says of the authority and of the audit log. Where there is none that can be used, and the store
/// is named, the authority is as it was made, and the log in the store's directory.
///
/// What a command prints nobody collects: a log for standard output goes to files here.
fn settings(common: &Common) -> (Settings, AuditSettings) {
    let Ok(Context { config, .. }) = Context::load(common) else {
        let settings = Settings {
            cluster_name: CLUSTER.to_owned(),
            ..Settings::default()
        };
        return (settings, AuditSettings::default());
    };
    let proxy = config.proxy;
    let settings = Settings {
        cluster_name: proxy
            .as_ref()
            .map_or_else(|| CLUSTER.to_owned(), |proxy| proxy.cluster_name.clone()),
        node_name: proxy.as_ref().and_then(|proxy| proxy.node_name.clone()),
        public: proxy.map(|proxy| proxy.public).unwrap_or_default(),
    };
    let audit = AuditSettings {
        sink: AuditSink::File,
        ..config.audit
    };
    (settings, audit)
}

/// A length of time on the command line, in seconds: `90m`, `1d12h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life(pub u64);

impl Life {
    /// When it is over.
    pub fn from(self, now: Timestamp) -> Timestamp {
        now.plus(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl std::str::FromStr for Life {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        words::seconds(text).map(Self)
    }
}

/// The text at a place of a record; nothing when there is none.
pub(super) fn text_at<'b>(body: &'b Value, pointer: &str) -> &'b str {
    body.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The texts at a place of a record, with commas.
pub(super) fn texts_at(body: &Value, pointer: &str) -> String {
    let texts = body.pointer(pointer).and_then(Value::as_array);
    let texts = texts.into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(", ")
}

/// Says what is odd about what was done all the same.
pub(super) fn warn_of(warnings: &[String]) {
    let mut out = anstream::stderr().lock();
    for warning in warnings {
        // Nobody reads standard error: nobody is told.
        let _ = writeln!(out, "warning: {}", shown(warning));
    }
}
