//! The sessions that are open: a list for people, and indexes so that a change touches only those that it concerns.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
};

use muster_access::{LockTarget, Permit, Policy, SessionOptions};
use muster_model::{Protocol, ResourceId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Changed, reason::Order};
use crate::{
    catalog::Catalog,
    engine::{End, Farewell, Micros},
    trust::{Identified, Trust},
};

/// A session, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// The session's id, as in the record.
    pub id: String,
    /// Who.
    pub user: String,
    /// The roles that allow it.
    pub roles: Vec<String>,
    /// The target's name.
    pub target: String,
    /// The target's identity.
    pub target_id: ResourceId,
    /// The wire protocol.
    pub protocol: Protocol,
    /// The user in the database.
    pub db_user: String,
    /// The database's name.
    pub db_name: String,
    /// Where the client is.
    pub client: SocketAddr,
    /// Where the database is.
    pub upstream: SocketAddr,
    /// When it began, in microseconds since the epoch.
    pub started: i64,
    /// When bytes passed last, in microseconds since the epoch; right to a second.
    pub active: i64,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
    /// Bytes from the client.
    pub from_client: u64,
    /// Bytes to the client.
    pub to_client: u64,
    /// Statements that it has run.
    pub statements: u64,
}

/// What of a session is known outside of its task. The task writes the numbers, others give orders.
pub(crate) struct Live {
    pub(crate) serial: u64,
    pub(crate) id: String,
    pub(crate) who: Identified,
    pub(crate) client: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) started: Micros,
    pub(crate) active: AtomicI64,
    pub(crate) from_client: AtomicU64,
    pub(crate) to_client: AtomicU64,
    pub(crate) statements: AtomicU64,
    /// When the task wants to be woken, in microseconds.
    pub(crate) due: AtomicI64,
    /// Requests to cancel that are to be recorded, and those of them that came to nothing.
    pub(crate) cancels: AtomicU32,
    pub(crate) cancels_failed: AtomicU32,
    /// Whether there is something for the task to look at.
    called: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    permit: Permit,
    roles: Vec<String>,
    order: Option<Order>,
    waker: Option<Waker>,
}

impl Live {
    pub(crate) fn lives(self: &Arc<Self>, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// Wakes the session's task.
    pub(crate) fn wake(&self) {
        let waker = self.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Makes the task look here.
    pub(crate) fn call(&self) {
        self.called.store(true, Relaxed);
        self.wake();
    }

    /// Whether somebody called since the last time. One load, for each time that the task runs.
    pub(crate) fn was_called(&self) -> bool {
        self.called.load(Relaxed) && self.called.swap(false, Relaxed)
    }

    /// The order that was given last.
    pub(crate) fn order(&self) -> Option<Order> {
        self.lock().order.take()
    }

    /// How the session is to be, as of the last judgement.
    pub(crate) fn options(&self) -> SessionOptions {
        self.lock().permit.options().clone()
    }

    pub(crate) fn give(&self, order: Order) {
        let mut inner = self.lock();
        // What ends it at once is not undone by what would let it end later.
        if !matches!(&inner.order, Some(given) if given.when_idle_until.is_none()) {
            inner.order = Some(order);
        }
        drop(inner);
        self.call();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> SessionView {
        let inner = self.lock();
        let permit = &inner.permit;
        SessionView {
            id: self.id.clone(),
            user: permit.user().to_owned(),
            roles: permit.roles().to_vec(),
            target: permit.target().name.clone(),
            target_id: permit.target().id.clone(),
            protocol: permit.target().protocol,
            db_user: permit.db_user().to_owned(),
            db_name: permit.db_name().to_owned(),
            client: self.client,
            upstream: self.upstream,
            started: self.started.0,
            active: self.active.load(Relaxed),
            ends_at: permit.options().ends_at.min(self.who.not_after()),
            from_client: self.from_client.load(Relaxed),
            to_client: self.to_client.load(Relaxed),
            statements: self.statements.load(Relaxed),
        }
    }
}

/// All sessions. Locked when one begins and ends, and when a change is carried out; never for a message.
#[derive(Default)]
pub(crate) struct Registry {
    inner: Mutex<Index>,
    /// Judged one at a time, each by the snapshots of its own moment: whoever has older ones must not come last.
    judging: Mutex<()>,
}

#[derive(Default)]
struct Index {
    next: u64,
    all: HashMap<u64, Arc<Live>>,
    by_user: HashMap<String, HashSet<u64>>,
    by_role: HashMap<String, HashSet<u64>>,
    by_target: HashMap<ResourceId, HashSet<u64>>,
    /// Sessions that are on their way: they count for a user's limit.
    coming: HashMap<String, u32>,
}

/// A place among the sessions of a user, until the session is open or given up.
pub(crate) struct Place {
    registry: Arc<Registry>,
    user: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut index = self.registry.lock();
        if let Some(count) = index.coming.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                index.coming.remove(&self.user);
            }
        }
    }
}

/// What is known of a session when it begins.
pub(crate) struct Begin {
    pub(crate) id: String,
    pub(crate) who: Identified,
    pub(crate) permit: Permit,
    pub(crate) client: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) started: Micros,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Index> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for one more session of the user, or says how many there are.
    pub(crate) fn reserve(self: &Arc<Self>, user: &str, most: Option<u32>) -> Result<Place, usize> {
        let mut index = self.lock();
        let open = index.by_user.get(user).map_or(0, HashSet::len)
            + index.coming.get(user).map_or(0, |count| *count as usize);
        if most.is_some_and(|most| open >= most as usize) {
            return Err(open);
        }
        *index.coming.entry(user.to_owned()).or_default() += 1;
        drop(index);
        Ok(Place {
            registry: Arc::clone(self),
            user: user.to_owned(),
        })
    }

    /// Takes a session in. Its place is given up.
    pub(crate) fn add(&self, begin: Begin, policy: &Policy, place: Place) -> Arc<Live> {
        let roles = concerned(&begin.who, policy);
        let mut index = self.lock();
        index.next += 1;
        let serial = index.next;
        let live = Arc::new(Live {
            serial,
            id: begin.id,
            client: begin.client,
            upstream: begin.upstream,
            started: begin.started,
            active: AtomicI64::new(begin.started.0),
            from_client: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            statements: AtomicU64::new(0),
            due: AtomicI64::new(i64::MAX),
            cancels: AtomicU32::new(0),
            cancels_failed: AtomicU32::new(0),
            called: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                permit: begin.permit,
                roles: Vec::new(),
                order: None,
                waker: None,
            }),
            who: begin.who,
        });
        let (user, target) = {
            let inner = live.lock();
            (
                inner.permit.user().to_owned(),
                inner.permit.target().id.clone(),
            )
        };
        index.by_user.entry(user).or_default().insert(serial);
        index.by_target.entry(target).or_default().insert(serial);
        index.file_roles(&live, roles);
        index.all.insert(serial, Arc::clone(&live));
        drop(index);
        drop(place);
        live
    }

    /// Judges a session that was just taken in: what changed before it was here found nobody to judge.
    pub(crate) fn look_again(shared: &super::Shared, live: &Arc<Live>) {
        shared
            .registry
            .judge_these(shared, || vec![Arc::clone(live)]);
    }

    /// Forgets a session that has ended.
    pub(crate) fn remove(&self, live: &Live) {
        let (user, target) = {
            let inner = live.lock();
            (
                inner.permit.user().to_owned(),
                inner.permit.target().id.clone(),
            )
        };
        let mut index = self.lock();
        index.all.remove(&live.serial);
        index.file_roles(live, Vec::new());
        forget(&mut index.by_user, &user, live.serial);
        forget(&mut index.by_target, &target, live.serial);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().all.len()
    }

    pub(crate) fn views(&self) -> Vec<SessionView> {
        let mut all: Vec<_> = self.lock().all.values().cloned().collect();
        all.sort_unstable_by_key(|live| live.serial);
        all.iter().map(|live| live.view()).collect()
    }

    pub(crate) fn views_of(&self, user: &str) -> Vec<SessionView> {
        let mut all = self.concerned(&Changed::User(user.to_owned()));
        all.sort_unstable_by_key(|live| live.serial);
        all.iter().map(|live| live.view()).collect()
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Live>> {
        self.lock().all.values().find(|live| live.id == id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        self.lock().all.values().cloned().collect()
    }

    /// The sessions that a change may concern.
    fn concerned(&self, changed: &Changed) -> Vec<Arc<Live>> {
        let index = self.lock();
        let pick = |serials: Option<&HashSet<u64>>| -> Vec<Arc<Live>> {
            let serials = serials.into_iter().flatten();
            serials
                .filter_map(|serial| index.all.get(serial).cloned())
                .collect()
        };
        match changed {
            Changed::User(user) | Changed::Lock(LockTarget::User(user)) => {
                pick(index.by_user.get(user))
            }
            Changed::Role(role) | Changed::Lock(LockTarget::Role(role)) => {
                pick(index.by_role.get(role))
            }
            Changed::Target(id) => pick(index.by_target.get(id)),
            Changed::Lock(LockTarget::Target(name)) => {
                let is_meant = |live: &&Arc<Live>| {
                    let inner = live.lock();
                    LockTarget::names_of(inner.permit.target()).contains(&&**name)
                };
                index.all.values().filter(is_meant).cloned().collect()
            }
            Changed::Lock(LockTarget::Node(_)) | Changed::Trust | Changed::All => {
                index.all.values().cloned().collect()
            }
        }
    }

    /// Judges again what a change concerns, and ends what is no longer allowed. Says how many it ended.
    pub(crate) fn judge(&self, shared: &super::Shared, changed: &Changed) -> usize {
        self.judge_these(shared, || self.concerned(changed))
    }

    fn judge_these(&self, shared: &super::Shared, which: impl FnOnce() -> Vec<Arc<Live>>) -> usize {
        let _turn = self.judging.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = &shared.parts;
        let (policy, catalog, trust) = (
            parts.policy.load(),
            parts.catalog.load(),
            parts.trust.load(),
        );
        let now = shared.timestamp();
        let mut ended = 0;
        for live in which() {
            match live.judge(&policy, &catalog, &trust, now) {
                Ok(permit) => {
                    let roles = concerned(&live.who, &policy);
                    let mut index = self.lock();
                    // It may have ended meanwhile.
                    if index.all.contains_key(&live.serial) {
                        index.file_roles(&live, roles);
                    }
                    drop(index);
                    live.lock().permit = permit;
                    live.call();
                }
                Err((farewell, reason)) => {
                    ended += 1;
                    live.give(Order::now(farewell, reason));
                }
            }
        }
        ended
    }
}

impl Live {
    fn judge(
        &self,
        policy: &Policy,
        catalog: &Catalog,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Permit, (Farewell, String)> {
        let permit = self.lock().permit.clone();
        let revoked =
            |message: String, reason: String| (Farewell::new(End::Revoked, message), reason);
        if !trust.still_believes(&self.who) {
            return Err(revoked(
                "the authority that made your certificate is no longer trusted: log in again with `muster login`"
                    .to_owned(),
                "the authority of the certificate is no longer trusted".to_owned(),
            ));
        }
        let Some(target) = catalog.get(&permit.target().id) else {
            let name = &permit.target().name;
            return Err(revoked(
                format!("the database `{name}` is no longer served here"),
                format!("the target `{name}` was removed"),
            ));
        };
        policy
            .permit(self.who.identity(), target, &permit.ask(), now)
            .map_err(|denial| revoked(denial.person(), denial.to_string()))
    }
}

impl Index {
    /// Puts a session under these roles in place of those that it was under.
    fn file_roles(&mut self, live: &Live, roles: Vec<String>) {
        let old = std::mem::replace(&mut live.lock().roles, roles.clone());
        for role in old {
            forget(&mut self.by_role, &role, live.serial);
        }
        for role in roles {
            self.by_role.entry(role).or_default().insert(live.serial);
        }
    }
}

/// The roles that may decide about somebody: those of the certificate allow, those that the user has now deny.
fn concerned(who: &Identified, policy: &Policy) -> Vec<String> {
    let identity = who.identity();
    let mut roles = identity.roles.clone();
    if let Some(user) = policy.user(&identity.user) {
        roles.extend(user.roles.iter().cloned());
    }
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn forget<K: std::hash::Hash + Eq>(map: &mut HashMap<K, HashSet<u64>>, key: &K, serial: u64) {
    if let Some(set) = map.get_mut(key) {
        set.remove(&serial);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
