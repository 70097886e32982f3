//! The authority: who people are, what they may, and the certificates that say so.
//!
//! | part | what it does |
//! |---|---|
//! | [`journal`] | keeps it all, apart from the store of discovery, through `kill -9` and a cut tail |
//! | [`Command`], [`Answer`] | what is asked of it, by commands and through the control socket |
//! | [`Authority`] | carries that out; one process has it |
//! | [`ca`] | the authorities for certificates: of users, of the proxy, for databases |
//! | [`login`] | passwords, second factors, invitations, and how often somebody may try |
//! | [`Authority::router`] | the API on the proxy's port |
//! | [`chance`] | randomness |
//!
//! Whoever changes something goes through [`Authority::handle`] or the API; whoever only wants to know is given a snapshot
//! that is swapped on change. Nothing here decides who may open what: that is `muster-access`, by the records that are
//! kept here.

mod api;
pub mod ca;
mod certificates;
pub mod chance;
mod command;
pub mod journal;
pub mod login;
mod people;
mod records;
mod settings;
mod tell;
#[cfg(test)]
mod tests;
mod write;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use muster_access::{LockTarget, Policy, Record};
use muster_audit::{Log, Micros};
use muster_model::{Target, Timestamp};
use rustls_pki_types::CertificateDer;
use tokio::sync::broadcast;

pub use self::{
    api::{Behind, Caller, Login, Sessions},
    certificates::{LONGEST, Trust},
    command::{
        Answer, Ca, CaCertificate, CaStatus, Command, Document, How, Invited, Kind, RouteAsked,
        Sensitive, Signed,
    },
    settings::{OpenError, Settings, machine},
    tell::By,
};
use self::{
    certificates::Wanted,
    chance::Chance,
    journal::{Id, Journal, JournalError, Op},
    login::{
        limit::{Failures, Limiter},
        password::Passwords,
        totp::Totp,
    },
    records::{because_of, invalid, refused},
    tell::Teller,
};
use crate::service::handle::{Refused, RefusedKind};

/// The authority's directory in the store's.
pub const DIR: &str = "authority";

/// Changes that a subscriber may be behind. One that is further behind is told so, and looks at everything.
const CHANGES: usize = 1024;

/// Tries from one address: at once, and then one in so many seconds.
const FROM_ADDRESS: (u32, u32) = (30, 2);

/// Tries of one user: at once, and then one in so many seconds.
const OF_USER: (u32, u32) = (10, 10);

/// The time, passed in.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What changed: those who keep sessions judge them anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A role.
    Role(String),
    /// A user.
    User(String),
    /// A lock on this: made, changed or gone.
    Lock(LockTarget),
    /// A database that a person wrote down.
    Target(String),
    /// Authorities for certificates.
    Trust,
}

/// The authority. One process has it at a time.
pub struct Authority {
    settings: Settings,
    cluster: String,
    /// What locks call this machine. Read once: the policy goes by it as it was then.
    node: Option<String>,
    clock: Clock,
    chance: Chance,
    state: Mutex<State>,
    /// The authority of users as it is in `state`, for those who cannot wait for the disk.
    users: ArcSwap<ca::Authority>,
    /// The same of the one for databases.
    databases: ArcSwap<ca::Authority>,
    policy: Arc<ArcSwap<Policy>>,
    changed: broadcast::Sender<Changed>,
    teller: Teller,
    passwords: Passwords,
    /// What codes are checked against when there is nobody of that name.
    nobody: Totp,
    tries: Mutex<Tries>,
    /// Where lists go on.
    places: api::place::Places,
    /// What the proxy was last given: who signed it and is believed, and until when.
    shown: Mutex<(Vec<CertificateDer<'static>>, Timestamp)>,
}

/// What is kept.
struct State {
    journal: Journal,
    /// In the order of [`Ca::ALL`].
    user: ca::Authority,
    host: ca::Authority,
    db: ca::Authority,
    /// When the first of the databases that people wrote down is over, as of the last look.
    first_end: Option<Timestamp>,
}

/// How often who has tried.
struct Tries {
    addresses: Limiter,
    users: Limiter,
    failures: Failures,
}

impl Authority {
    /// Opens the authority of a store's directory, and makes it when there is none.
    ///
    /// # Errors
    /// When another process has it, when its journal is damaged, and those of the file system.
    pub fn open(store: &Path, settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let chance = chance::system();
        let passwords = Passwords::new(Arc::clone(&chance))?;
        Self::open_with(store, settings, clock, chance, passwords)
    }

    /// The same, with chance and hashing of one's own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        store: &Path,
        settings: Settings,
        clock: Clock,
        chance: Chance,
        passwords: Passwords,
    ) -> Result<Self, OpenError> {
        let mut journal = Journal::open(&store.join(DIR))?;
        if let Some(cut) = journal.cut() {
            tracing::warn!(
                journal = %journal.path().display(),
                at = cut.at,
                bytes = cut.bytes,
                "the end of the authority's journal was not whole and was cut off; nobody had been told that it was done"
            );
        }
        let now = clock();
        let mut ca = |ca| authority_for(&mut journal, ca, &settings.cluster_name, now, &chance);
        let (user, host, db) = (ca(Ca::User)?, ca(Ca::Host)?, ca(Ca::Db)?);
        let cluster = user.cluster().to_owned();
        if cluster != settings.cluster_name && !settings.cluster_name.is_empty() {
            tracing::warn!(
                cluster,
                configured = settings.cluster_name,
                "the cluster keeps the name that it was given at its first start"
            );
        }
        let mut policy = records::policy(journal.records(), now)?;
        let node = settings.node();
        if let Some(node) = &node {
            policy = policy.at_node(node);
        }
        let failures = people::restore_silences(&journal);
        let limiter = |(burst, seconds)| Limiter::new(burst, seconds);
        Ok(Self {
            cluster,
            node,
            nobody: Totp::create(&chance)?,
            users: ArcSwap::from_pointee(user.clone()),
            databases: ArcSwap::from_pointee(db.clone()),
            state: Mutex::new(State {
                journal,
                user,
                host,
                db,
                first_end: None,
            }),
            policy: Arc::new(ArcSwap::from_pointee(policy)),
            changed: broadcast::channel(CHANGES).0,
            teller: Teller::default(),
            places: api::place::Places::new(&chance)?,
            tries: Mutex::new(Tries {
                addresses: limiter(FROM_ADDRESS),
                users: limiter(OF_USER),
                failures,
            }),
            shown: Mutex::new((Vec::new(), now)),
            settings,
            clock,
            chance,
            passwords,
        })
    }

    /// What locks call this machine, where it had a name when this was opened.
    pub fn node_name(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// The cluster's name, as it was at the first start.
    pub fn cluster_name(&self) -> &str {
        &self.cluster
    }

    /// Roles, users and locks: a snapshot that is swapped on change.
    pub const fn policy(&self) -> &Arc<ArcSwap<Policy>> {
        &self.policy
    }

    /// The databases that people wrote down, but those that are over.
    pub fn databases(&self) -> Vec<Target> {
        let now = self.now();
        let mut state = self.state();
        let documents: Vec<_> = records::of_kind(state.journal.records(), Kind::Db).collect();
        let ends = documents
            .iter()
            .filter_map(|document| write::end_of(&document.body, "/metadata/expires"));
        state.first_end = ends.filter(|end| *end > now).min();
        drop(state);
        let targets = documents
            .iter()
            .filter_map(|document| match records::read(document, now) {
                Ok(Record::Db(db)) => db.meta.holds(now).then(|| db.to_target()),
                // It was read when the authority was opened, or when it was written.
                _ => None,
            });
        targets.collect()
    }

    /// Whether a database that people wrote down is over, which was not when [`Self::databases`] was asked last.
    pub fn databases_ended(&self) -> bool {
        let end = self.state().first_end;
        end.is_some_and(|end| end <= self.now())
    }

    /// Is told of each change after it is in force.
    pub fn subscribe(&self) -> broadcast::Receiver<Changed> {
        self.changed.subscribe()
    }

    /// Has what it does written to the audit log from now on, with the time as exactly as this clock tells it.
    pub fn record(&self, log: Log, exact: fn() -> Micros) {
        self.teller.begin(log, exact);
    }

    /// The time that it goes by.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Carries out what somebody at this machine asks for. Blocks until it is on the disk.
    ///
    /// # Errors
    /// Why it was not done: then nothing has changed.
    pub fn handle(&self, command: Command, who: &str) -> Result<Answer, Refused> {
        let by = By { who, from: None };
        match command {
            Command::Put { records, how } => self.put(&records, how, by),
            Command::Get { kind, name } => Ok(documents(vec![self.get(kind, &name)?])),
            Command::List { kind } => Ok(documents(self.list(kind))),
            Command::Remove {
                kind,
                name,
                revision,
            } => self.remove(kind, &name, revision, by),
            Command::AddUser { record, seconds } => self.add_user(&record, seconds, by),
            Command::Reset { user, seconds } => self.reset(&user, seconds, by),
            Command::AddToken { record } => self.add_token(&record, by),
            Command::Sign {
                user,
                key,
                seconds,
                route,
            } => {
                let key = ca::ClientKey::from_pem(&key);
                let key = key.map_err(|error| invalid(error.to_string()))?;
                let wanted = Wanted {
                    user: &user,
                    key: &key,
                    seconds,
                    route,
                    // Whoever is at this machine could say so anyway.
                    totp: true,
                    within: None,
                };
                self.sign(wanted, by, self.now()).map(Answer::Signed)
            }
            Command::Authorities => Ok(self.authorities()),
            Command::Rotate { ca, grace } => self.rotate(ca, grace, by),
            Command::RollBack { ca } => self.roll_back(ca, by),
        }
    }

    /// Looks after what is over: to be called now and then.
    pub fn tick(&self) {
        let now = self.now();
        if let Err(refused) = self.settle(now).and_then(|()| self.sweep(now)) {
            tracing::warn!(why = %refused, "cannot put away what is over");
        }
    }

    fn announce(&self, changed: Changed) {
        // Nobody may be listening.
        let _ = self.changed.send(changed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is kept changes only after all that can fail.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, (Vec<CertificateDer<'static>>, Timestamp)> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn ca(&self, ca: Ca) -> &ca::Authority {
        match ca {
            Ca::User => &self.user,
            Ca::Host => &self.host,
            Ca::Db => &self.db,
        }
    }

    const fn ca_mut(&mut self, ca: Ca) -> &mut ca::Authority {
        match ca {
            Ca::User => &mut self.user,
            Ca::Host => &mut self.host,
            Ca::Db => &mut self.db,
        }
    }

    /// Who is believed by the proxy, and who signs its certificate.
    fn believed(&self, now: Timestamp) -> Vec<CertificateDer<'static>> {
        let mut believed = self.user.trusted(now);
        believed.extend(self.host.signing(now));
        believed
    }
}

/// The authority that is kept, or a new one that is kept from now on.
fn authority_for(
    journal: &mut Journal,
    ca: Ca,
    cluster: &str,
    now: Timestamp,
    chance: &Chance,
) -> Result<ca::Authority, OpenError> {
    let id = Id::new(certificates::TABLE, ca.as_str());
    if let Some(stored) = journal.records().get(&id) {
        return Ok(ca::Authority::restore(ca, &stored.value)?);
    }
    let made = ca::Authority::create(ca, cluster, now, chance)?;
    let value = made.store()?;
    journal.append(vec![Op::Put { id, value }])?;
    Ok(made)
}

const fn documents(documents: Vec<Document>) -> Answer {
    Answer::Documents {
        documents,
        warnings: Vec::new(),
    }
}

impl From<JournalError> for Refused {
    fn from(error: JournalError) -> Self {
        let kind = match &error {
            JournalError::TooLarge { .. } => RefusedKind::Invalid,
            JournalError::InUse { .. } => RefusedKind::Unavailable,
            _ => RefusedKind::Failed,
        };
        let mut refused = because_of(
            refused(kind, "cannot write what the authority keeps"),
            &error,
        );
        refused.hint = error.hint();
        refused
    }
}

impl From<chance::NoChance> for Refused {
    fn from(error: chance::NoChance) -> Self {
        refused(RefusedKind::Failed, "cannot make a secret").because(error.to_string())
    }
}
