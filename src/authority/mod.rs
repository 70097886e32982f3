//! The authority: who people are, what they may, and the certificates that say so.
//!
//! | part | what it does |
//! |---|---|
//! | [`journal`] | keeps it all, apart from the store of discovery, through `kill -9` and a cut tail |
//! | [`Command`], [`Answer`] | what is asked of it, by commands and through the control socket |
//! | [`chance`] | randomness |
//! | [`Authority`] | carries that out; one process has it |
//!
//! Whoever changes something goes through [`Authority::handle`]; whoever only wants to know is given a snapshot that is
//! swapped on change.

pub mod chance;
mod command;
pub mod journal;
mod records;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use muster_model::Timestamp;
use serde_json::Value;
use tokio::sync::broadcast;

pub use self::command::{
    Answer, Ca, CaCertificate, CaStatus, Command, Document, How, Invited, Kind, RouteAsked,
    Sensitive, Signed,
};
use self::{
    journal::{Journal, JournalError, Op},
    records::{Checked, refused},
};
use crate::service::handle::{Refused, RefusedKind};

/// The authority's directory in the store's.
pub const DIR: &str = "authority";

/// Changes that a subscriber may be behind. One that is further behind is told so, and looks at everything.
const CHANGES: usize = 1024;

/// The time, passed in.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What changed: those who keep sessions judge them anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A role.
    Role(String),
    /// A user.
    User(String),
    /// A lock: made, changed or gone.
    Lock(String),
    /// A database that a person wrote down.
    Target(String),
    /// Authorities, or the proxy's own certificate.
    Trust,
}

/// The authority. One process has it at a time.
pub struct Authority {
    clock: Clock,
    journal: Mutex<Journal>,
    changed: broadcast::Sender<Changed>,
}

impl Authority {
    /// Opens the authority of a store's directory, and makes it when there is none.
    ///
    /// # Errors
    /// When another process has it, when its journal is damaged, and those of the file system.
    pub fn open(store: &Path, clock: Clock) -> Result<Self, JournalError> {
        let journal = Journal::open(&store.join(DIR))?;
        if let Some(cut) = journal.cut() {
            tracing::warn!(
                journal = %journal.path().display(),
                at = cut.at,
                bytes = cut.bytes,
                "the end of the authority's journal had not been written whole, and was cut off: \
                 nobody had been told that it was done"
            );
        }
        Ok(Self {
            clock,
            journal: Mutex::new(journal),
            changed: broadcast::channel(CHANGES).0,
        })
    }

    /// Is told of each change after it is in force.
    pub fn subscribe(&self) -> broadcast::Receiver<Changed> {
        self.changed.subscribe()
    }

    /// The time that it goes by.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Carries out what is asked for. Blocks until it is on the disk.
    ///
    /// # Errors
    /// Why it was not done: then nothing has changed.
    pub fn handle(&self, command: Command, by: &str) -> Result<Answer, Refused> {
        match command {
            Command::Put { records, how } => self.put(records, how, by),
            Command::Get { kind, name } => {
                let document = records::find(self.journal().records(), kind, &name)?;
                Ok(documents(vec![document]))
            }
            Command::List { kind } => Ok(documents(self.list(kind))),
            Command::Remove {
                kind,
                name,
                revision,
            } => self.remove(kind, &name, revision, by),
            _ => Err(refused(RefusedKind::Unavailable, "not there yet")),
        }
    }

    fn list(&self, kind: Option<Kind>) -> Vec<Document> {
        let journal = self.journal();
        let kinds = match kind {
            Some(kind) => vec![kind],
            None => Kind::ALL.to_vec(),
        };
        let of = |kind| records::of_kind(journal.records(), kind);
        kinds.into_iter().flat_map(of).collect()
    }

    fn put(&self, bodies: Vec<Value>, how: How, by: &str) -> Result<Answer, Refused> {
        let checked: Vec<Checked> = bodies
            .into_iter()
            .map(records::check)
            .collect::<Result<_, _>>()?;
        let mut journal = self.journal();
        for Checked { kind, name, .. } in &checked {
            let there = journal.records().get(&records::id(*kind, name));
            match (how, there) {
                (How::Create, Some(_)) => {
                    return Err(refused(
                        RefusedKind::Conflict,
                        format!("there is a {kind} `{name}` already"),
                    )
                    .hint("`--force` replaces it, and `muster edit` changes it"));
                }
                (How::Replace { .. }, None) => return Err(records::no_such(*kind, name)),
                (How::Replace { revision }, Some(stored)) if stored.revision != revision => {
                    return Err(changed_meanwhile(*kind, name));
                }
                _ => {}
            }
        }
        let ops = checked.iter().map(|checked| Op::Put {
            id: records::id(checked.kind, &checked.name),
            value: checked.body.clone(),
        });
        let revision = journal.append(ops.collect())?;
        drop(journal);
        let mut written = Vec::new();
        for Checked { kind, name, body } in checked {
            tracing::info!(%kind, name, by, "wrote a record");
            self.tell(kind, &name);
            written.push(Document {
                kind,
                name,
                revision,
                body,
            });
        }
        Ok(documents(written))
    }

    fn remove(
        &self,
        kind: Kind,
        name: &str,
        revision: Option<u64>,
        by: &str,
    ) -> Result<Answer, Refused> {
        let mut journal = self.journal();
        let document = records::find(journal.records(), kind, name)?;
        if revision.is_some_and(|revision| revision != document.revision) {
            return Err(changed_meanwhile(kind, name));
        }
        let id = records::id(kind, name);
        journal.append(vec![Op::Remove { id }])?;
        drop(journal);
        tracing::info!(%kind, name, by, "removed a record");
        self.tell(kind, name);
        Ok(documents(vec![document]))
    }

    fn tell(&self, kind: Kind, name: &str) {
        let name = name.to_owned();
        let changed = match kind {
            Kind::Role => Changed::Role(name),
            Kind::User => Changed::User(name),
            Kind::Lock => Changed::Lock(name),
            Kind::Db => Changed::Target(name),
            Kind::CertAuthority => Changed::Trust,
            Kind::Token => return,
        };
        // Nobody may be listening.
        let _ = self.changed.send(changed);
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        // The journal changes what it holds only after all that can fail.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn documents(documents: Vec<Document>) -> Answer {
    Answer::Documents {
        documents,
        warnings: Vec::new(),
    }
}

fn changed_meanwhile(kind: Kind, name: &str) -> Refused {
    refused(
        RefusedKind::Conflict,
        format!("somebody else has changed the {kind} `{name}` meanwhile"),
    )
    .hint("look at it again, and make the change on what is there now")
}

impl From<JournalError> for Refused {
    fn from(error: JournalError) -> Self {
        let hint = error.hint();
        let kind = match &error {
            JournalError::TooLarge { .. } => RefusedKind::Invalid,
            JournalError::InUse { .. } => RefusedKind::Unavailable,
            _ => RefusedKind::Failed,
        };
        let mut refused = refused(kind, "cannot write what the authority keeps");
        let mut next: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = next {
            refused = refused.because(error.to_string());
            next = error.source();
        }
        refused.hint = hint;
        refused
    }
}
