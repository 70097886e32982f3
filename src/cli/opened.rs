//! [`Opened`]: the store as a command has it: opened by itself, or reached through the service that holds it.

use std::{io, path::Path, thread, time::Duration};

use muster_store::{
    Batch, Changes, Key, OpenError, Order, Revision, SledStore, Store, StoreError, Versioned, Visit,
};

use super::Failure;
use crate::{
    control::{Client, ClientError, NAME, RemoteStore, Service},
    exit::Exit,
    service::handle::{Refused, RefusedKind},
};

/// How often, and after which pause, a store that somebody holds without a socket is tried again: a service is
/// just starting or ending, or another command is just done.
const AGAIN: (u32, Duration) = (20, Duration::from_millis(50));

/// A store, from wherever it can be had.
pub enum Opened {
    /// This process holds it.
    Own(Box<SledStore>),
    /// A service holds it, and answers for it.
    Held(Box<Reached>),
}

/// A service that was reached.
#[derive(Clone, Debug)]
pub struct Reached {
    /// What can be asked of it.
    pub client: Client,
    /// Who it is.
    pub service: Service,
    store: RemoteStore,
}

// === impl Opened ===

impl Opened {
    /// Opens the store in a directory, or reaches the service that holds it.
    ///
    /// # Errors
    /// When a process holds it that does not answer for it: with which, since when, and what to do. When the
    /// store is damaged, or the directory cannot be written.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        let (tries, pause) = AGAIN;
        let mut tried = 0;
        loop {
            let error = match SledStore::open(dir) {
                Ok(store) => return Ok(Self::Own(Box::new(store))),
                Err(error @ OpenError::InUse { .. }) => error,
                Err(error) => return Err(cannot("open", dir, &error)),
            };
            match Reached::connect(dir) {
                Ok(reached) => return Ok(Self::Held(Box::new(reached))),
                Err(failed) if failed.is_absent() && tried < tries => {
                    tried += 1;
                    thread::sleep(pause);
                }
                Err(failed) if failed.is_absent() => return Err(cannot("open", dir, &error)),
                Err(failed) => return Err(out_of_reach(dir, &error, &failed)),
            }
        }
    }

    /// The service that holds it.
    pub const fn service(&self) -> Option<&Reached> {
        match self {
            Self::Own(_) => None,
            Self::Held(reached) => Some(reached),
        }
    }

    fn store(&self) -> &dyn Store {
        match self {
            Self::Own(store) => store.as_ref(),
            Self::Held(reached) => &reached.store,
        }
    }
}

impl Reached {
    /// Reaches the service that holds the store in a directory.
    ///
    /// # Errors
    /// [`ClientError::is_absent`] when there is none; when it does not answer, or is of another release.
    pub fn connect(dir: &Path) -> Result<Self, ClientError> {
        let (client, service) = Client::connect(dir)?;
        let store = RemoteStore::new(client.clone());
        Ok(Self {
            client,
            service,
            store,
        })
    }
}

impl Store for Opened {
    fn revision(&self) -> Result<Revision, StoreError> {
        self.store().revision()
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        self.store().get(key)
    }

    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        self.store().scan_after(prefix, after, order, visit)
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        self.store().commit(batch)
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        self.store().changes_since(since)
    }

    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError> {
        self.store().wait(after, timeout)
    }
}

/// A store that cannot be opened or repaired.
pub fn cannot(what: &str, dir: &Path, error: &OpenError) -> Failure {
    let failure = Failure::new(format!("cannot {what} the store {}", dir.display()));
    match error {
        OpenError::InUse { pid, .. } => {
            let who = match pid {
                Some(pid) => format!("wait until it ends, or end it with `kill {pid}`"),
                None => "wait until it ends, or end it".to_owned(),
            };
            failure
                .because(holder(error))
                .because(format!(
                    "it does not answer at {}: it is another command, or a service that is just starting or ending",
                    dir.join(NAME).display()
                ))
                .hint(who)
        }
        OpenError::Lost { .. } => failure
            .cause(error)
            .hint("`muster store repair` goes on with what is left, and keeps the old files aside"),
        OpenError::Io { source, .. } => {
            let failure = failure.cause(error);
            match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    failure.hint("run this as the user whom the store belongs to, or as root")
                }
                io::ErrorKind::NotADirectory => failure
                    .hint("`store` in the configuration, or --store, has to name a directory"),
                _ => failure,
            }
        }
        _ => failure.cause(error),
    }
}

/// Whether there is a store, or anything else, at this place.
///
/// # Errors
/// When that cannot be told: what may not be looked at is not nothing.
pub fn is_there(dir: &Path) -> Result<bool, Failure> {
    dir.try_exists().map_err(|error| {
        let failure =
            Failure::new(format!("cannot look at the store {}", dir.display())).cause(&error);
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                failure.hint("run this as the user whom the store belongs to, or as root")
            }
            _ => failure,
        }
    })
}

/// A service holds the store, and cannot be talked to.
fn out_of_reach(dir: &Path, held: &OpenError, error: &ClientError) -> Failure {
    let failure = Failure::new(format!("cannot open the store {}", dir.display()))
        .because(holder(held))
        .cause(error);
    let failure = match error.is_unreachable() {
        true => failure.exits(Exit::Unavailable),
        false => failure,
    };
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Who has a store, and since when.
fn holder(error: &OpenError) -> String {
    let OpenError::InUse { pid, since, .. } = error else {
        return error.to_string();
    };
    let who = match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    };
    match since {
        Some(since) => format!("it is in use by {who} since {since}"),
        None => format!("it is in use by {who}"),
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let Refused {
            kind,
            what,
            why,
            hint,
        } = refused;
        let mut failure = why.into_iter().fold(Self::new(what), Self::because);
        if kind == RefusedKind::Invalid {
            failure = failure.exits(Exit::Config);
        }
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let hint = error.hint();
        let failure = match error {
            ClientError::Refused(refused) => return refused.into(),
            ClientError::Store(error) => Self::new("cannot read the store").cause(&error),
            error => {
                let failure = Self::new("cannot reach the service").cause(&error);
                match error.is_unreachable() {
                    true => failure.exits(Exit::Unavailable),
                    false => failure,
                }
            }
        };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
