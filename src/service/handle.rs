//! [`Handle`]: what the control socket, the API and the metrics see of the running service, and may ask of it.
//!
//! Reading costs the service nothing: the status is a snapshot that is swapped, and the store is read directly.
//! Whatever changes something is a [`Command`] that the service's one loop carries out, in order.

use std::{
    sync::{Arc, OnceLock, RwLock},
    time::Duration,
};

use muster_matchers::SourceFilter;
use muster_model::{Failure, Scan, Scope, ScopeRecord, Timestamp};
use muster_plan::OpenScopes;
use muster_store::{Revision, Store};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{engine::HeldPlan, status::Status};
use crate::{authority::Authority, config::Config, pipeline::run::Writes, proxy::Proxy};

/// The running service, as others see it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

/// What is swapped as a whole.
struct Shared {
    /// With when it was set, by a clock that does not jump.
    status: RwLock<(Arc<Status>, Instant)>,
    active: RwLock<Arc<Active>>,
    store: RwLock<Result<Arc<dyn Store>, Refused>>,
    authority: OnceLock<Arc<Authority>>,
    proxy: RwLock<Option<Arc<Proxy>>>,
}

/// A configuration that is in force.
#[derive(Clone, Debug)]
pub struct Active {
    /// The configuration.
    pub config: Config,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// When it came into force.
    pub loaded: Timestamp,
}

/// Something that the service is asked for. Who asked has gone when `reply` is closed.
pub enum Command {
    /// Scan these scopes at once, or all of them, and remember what is found; answer when they have ended.
    ScanNow {
        /// None for all.
        scopes: Vec<Scope>,
        /// How each went.
        reply: Reply<Vec<ScopeScan>>,
    },
    /// Read these scopes, or all, and hand over what was found. Nothing is remembered.
    Read {
        /// None for all.
        scopes: Vec<Scope>,
        /// What is needed to judge them, and then the scans, each as it ends.
        reply: Reply<Reading>,
    },
    /// Read the configuration again.
    Reload {
        /// Who asks.
        by: String,
        /// Only say what would change.
        dry_run: bool,
        /// What changed.
        reply: Reply<Reloaded>,
    },
    /// Write what somebody's plan came to.
    Apply {
        /// The writes.
        writes: Box<Writes>,
        /// The revision that they were made from.
        expected: Revision,
        /// Who asks.
        by: String,
        /// The new revision.
        reply: Reply<Revision>,
    },
    /// Approve or reject a plan that the brake held.
    Decide {
        /// The plan's number.
        plan: u64,
        /// Whether it may be carried out.
        approve: bool,
        /// Who says so.
        by: String,
        /// The plan, as it is now.
        reply: Reply<HeldPlan>,
    },
    /// End cleanly.
    Stop,
}

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, Refused>>;

/// How a scan went, for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeScan {
    /// What is remembered of it.
    pub record: ScopeRecord,
    /// What else is worth saying.
    pub aside: Aside,
}

/// What is said of a scan to whoever asked for it, and not remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// How many it found, completely read or not.
    pub found: u64,
    /// Requests sent.
    pub requests: u32,
    /// Calls that failed without costing coverage.
    pub warnings: Vec<Failure>,
}

/// What is needed to judge scans, and the scans.
pub struct Reading {
    /// The first part.
    pub basis: ReadingBasis,
    /// Each scan as it ends; closed after the last.
    pub scans: mpsc::Receiver<Scan>,
}

/// What is needed to judge scans.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadingBasis {
    /// How many scans will follow.
    pub scopes: usize,
    /// What each source selects of what is found.
    pub filters: Vec<SourceFilter>,
    /// What the sources ask for by `*`.
    pub open: Vec<OpenScopes>,
    /// Whether the scopes are all that the configuration asks for.
    pub complete: bool,
}

/// What a reload did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// What is different in the configuration: path, from, to.
    pub changes: Vec<String>,
    /// What is odd about the new configuration.
    pub warnings: Vec<String>,
    /// What differs and stays as it is until the service is restarted: path, and what it stays.
    #[serde(default)]
    pub needs_restart: Vec<String>,
    /// Databases whose decision comes out otherwise, from what is remembered.
    pub judged_otherwise: u64,
    /// Targets that will be added, updated, removed and held by it.
    pub add: u64,
    /// To update.
    pub update: u64,
    /// To remove.
    pub remove: u64,
    /// To be held.
    pub held: u64,
}

/// Why the service did not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{what}{}", why.iter().map(|why| format!(": {why}")).collect::<String>())]
pub struct Refused {
    /// What sort of refusal.
    pub kind: RefusedKind,
    /// What was not done.
    pub what: String,
    /// Why, line by line.
    pub why: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
}

/// What sort of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedKind {
    /// There is no such thing.
    NotFound,
    /// It is not in the state that the caller thinks.
    Conflict,
    /// What was asked for is wrong: a bad configuration.
    Invalid,
    /// It cannot be done now: draining, or the store has failed.
    Unavailable,
    /// It failed.
    Failed,
}

// === impl Refused ===

impl Refused {
    /// Adds a reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, next: impl Into<String>) -> Self {
        self.hint = Some(next.into());
        self
    }
}

// === impl Aside ===

impl From<&Scan> for Aside {
    fn from(scan: &Scan) -> Self {
        Self {
            found: scan.found.len() as u64,
            requests: scan.requests,
            warnings: scan.warnings.clone(),
        }
    }
}

// === impl Handle ===

impl Handle {
    /// A handle, and the commands that come through it.
    pub fn new(
        status: Status,
        active: Active,
        store: Result<Arc<dyn Store>, Refused>,
    ) -> (Self, mpsc::Receiver<Command>) {
        // A person or a script asks now and then; who asks more waits.
        let (commands, receiver) = mpsc::channel(16);
        let shared = Shared {
            status: RwLock::new((Arc::new(status), Instant::now())),
            active: RwLock::new(Arc::new(active)),
            store: RwLock::new(store),
            authority: OnceLock::new(),
            proxy: RwLock::new(None),
        };
        let shared = Arc::new(shared);
        (Self { shared, commands }, receiver)
    }

    /// What the service knew of itself a moment ago.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&read(&self.shared.status).0)
    }

    /// How long ago the status was last set, by a clock that does not jump: whether the loop still turns.
    pub fn silent(&self) -> Duration {
        read(&self.shared.status).1.elapsed()
    }

    /// The configuration in force.
    pub fn active(&self) -> Arc<Active> {
        Arc::clone(&read(&self.shared.active))
    }

    /// The store, for reading. Only the service's loop commits to it.
    ///
    /// # Errors
    /// While the store cannot be used.
    pub fn store(&self) -> Result<Arc<dyn Store>, Refused> {
        read(&self.shared.store).clone()
    }

    /// The authority, when this service has it.
    pub fn authority(&self) -> Option<Arc<Authority>> {
        self.shared.authority.get().cloned()
    }

    /// The proxy, while there is one.
    pub fn proxy(&self) -> Option<Arc<Proxy>> {
        read(&self.shared.proxy).clone()
    }

    /// Swaps the proxy.
    pub fn set_proxy(&self, proxy: Option<Arc<Proxy>>) {
        *write(&self.shared.proxy) = proxy;
    }

    /// Gives the service its authority, once.
    pub fn set_authority(&self, authority: Arc<Authority>) {
        // A second one could not have been opened.
        let _ = self.shared.authority.set(authority);
    }

    /// Swaps the status.
    pub fn set_status(&self, status: Status) {
        *write(&self.shared.status) = (Arc::new(status), Instant::now());
    }

    /// Swaps the configuration.
    pub fn set_active(&self, active: Active) {
        *write(&self.shared.active) = Arc::new(active);
    }

    /// Swaps the store.
    pub fn set_store(&self, store: Result<Arc<dyn Store>, Refused>) {
        *write(&self.shared.store) = store;
    }

    /// Scans these scopes at once (all when there are none) and says how they went when they have ended.
    ///
    /// # Errors
    /// For a scope that the configuration does not ask for, and while the service is draining.
    pub async fn scan_now(&self, scopes: Vec<Scope>) -> Result<Vec<ScopeScan>, Refused> {
        self.ask(|reply| Command::ScanNow { scopes, reply }).await
    }

    /// Reads these scopes (all when there are none), and remembers nothing.
    ///
    /// # Errors
    /// As [`Self::scan_now`].
    pub async fn read(&self, scopes: Vec<Scope>) -> Result<Reading, Refused> {
        self.ask(|reply| Command::Read { scopes, reply }).await
    }

    /// Reads the configuration again, checks it, and puts it into force unless `dry_run`.
    ///
    /// # Errors
    /// Every problem of the new configuration: then the old one stays in force.
    pub async fn reload(&self, by: String, dry_run: bool) -> Result<Reloaded, Refused> {
        self.ask(|reply| Command::Reload { by, dry_run, reply })
            .await
    }

    /// Writes what somebody's plan came to.
    ///
    /// # Errors
    /// When the store is no longer at `expected`.
    pub async fn apply(
        &self,
        writes: Writes,
        expected: Revision,
        by: String,
    ) -> Result<Revision, Refused> {
        let writes = Box::new(writes);
        self.ask(|reply| Command::Apply {
            writes,
            expected,
            by,
            reply,
        })
        .await
    }

    /// Approves or rejects a plan that the brake held.
    ///
    /// # Errors
    /// When there is no such plan, or when it no longer waits.
    pub async fn decide(&self, plan: u64, approve: bool, by: String) -> Result<HeldPlan, Refused> {
        self.ask(|reply| Command::Decide {
            plan,
            approve,
            by,
            reply,
        })
        .await
    }

    /// Asks the service to end cleanly; returns at once.
    pub async fn stop(&self) {
        // A service that has ended needs no asking.
        let _ = self.commands.send(Command::Stop).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let gone = || Refused {
            kind: RefusedKind::Unavailable,
            what: "the service is ending".to_owned(),
            why: Vec::new(),
            hint: None,
        };
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

// A panic while a lock is held leaves a whole value behind: they only ever swap.
fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
