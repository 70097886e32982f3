//! [`Policy`]: an immutable snapshot of roles, users and locks, and the decisions that follow from it.

mod decide;
pub mod explain;
mod list;

use std::{sync::Arc, time::Duration};

use muster_model::{Target, Timestamp};
use rpds::HashTrieMapSync;

use crate::{
    denial::Denial,
    identity::{Identity, Usage},
    lock::{Lock, LockTarget},
    role::Role,
    user::User,
};

pub use self::decide::Viewer;

/// An immutable snapshot of roles, users and locks.
///
/// Changing one makes a new snapshot and leaves the old as it is; both share what is the same in them, so that a change
/// costs a few hundred nanoseconds also among a million.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    roles: HashTrieMapSync<String, Arc<Role>>,
    users: HashTrieMapSync<String, Arc<User>>,
    locks: HashTrieMapSync<String, Arc<Lock>>,
    /// The names of the locks by what they lock.
    locked: Locked,
    /// The node that decides by it.
    node: Option<Arc<str>>,
}

/// The locks, by what they lock.
#[derive(Clone, Debug, Default)]
struct Locked {
    users: LocksByName,
    roles: LocksByName,
    targets: LocksByName,
    nodes: LocksByName,
}

type LocksByName = HashTrieMapSync<String, Arc<[Arc<Lock>]>>;

/// What a login of a user gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The roles for the certificate, sorted.
    pub roles: Vec<String>,
    /// The longest time that the certificate may be good for, and the role that says so.
    pub max_ttl: Option<(Duration, String)>,
    /// The role that demands a second factor, if one does.
    pub totp: Option<String>,
}

impl Policy {
    /// A policy of nobody and nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The policy as this node decides by it: a lock on the node keeps everybody out who comes through it.
    #[must_use]
    pub fn at_node(&self, name: &str) -> Self {
        Self {
            node: Some(name.into()),
            ..self.clone()
        }
    }

    /// With this role, in place of one of the same name.
    #[must_use]
    pub fn with_role(&self, role: impl Into<Arc<Role>>) -> Self {
        let role = role.into();
        Self {
            roles: self.roles.insert(role.name.clone(), role),
            ..self.clone()
        }
    }

    /// Without the role of this name.
    #[must_use]
    pub fn without_role(&self, name: &str) -> Self {
        Self {
            roles: self.roles.remove(name),
            ..self.clone()
        }
    }

    /// With this user, in place of one of the same name.
    #[must_use]
    pub fn with_user(&self, user: impl Into<Arc<User>>) -> Self {
        let user = user.into();
        Self {
            users: self.users.insert(user.name.clone(), user),
            ..self.clone()
        }
    }

    /// Without the user of this name.
    #[must_use]
    pub fn without_user(&self, name: &str) -> Self {
        Self {
            users: self.users.remove(name),
            ..self.clone()
        }
    }

    /// With this lock, in place of one of the same name.
    #[must_use]
    pub fn with_lock(&self, lock: impl Into<Arc<Lock>>) -> Self {
        let lock = lock.into();
        let without = self.without_lock(&lock.name);
        Self {
            locked: without.locked.with(&lock),
            locks: without.locks.insert(lock.name.clone(), lock),
            ..without
        }
    }

    /// Without the lock of this name.
    #[must_use]
    pub fn without_lock(&self, name: &str) -> Self {
        let Some(lock) = self.locks.get(name) else {
            return self.clone();
        };
        Self {
            locks: self.locks.remove(name),
            locked: self.locked.without(lock),
            ..self.clone()
        }
    }

    /// The role of this name.
    pub fn role(&self, name: &str) -> Option<&Arc<Role>> {
        self.roles.get(name)
    }

    /// The user of this name.
    pub fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    /// The lock of this name.
    pub fn lock(&self, name: &str) -> Option<&Arc<Lock>> {
        self.locks.get(name)
    }

    /// All roles, in no order.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// All users, in no order.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// All locks, in no order.
    pub fn locks(&self) -> impl Iterator<Item = &Arc<Lock>> {
        self.locks.values()
    }

    /// What a login of this user gets.
    ///
    /// # Errors
    /// When there is no such user, or a lock is on the user or on a role of the user's.
    pub fn terms(&self, user: &str, now: Timestamp) -> Result<Terms, Denial> {
        let user = self.find_user(user, now)?;
        if let Some(lock) = self.lock_on(user, None, now) {
            return Err(locked(lock));
        }
        Ok(self.terms_of(user, now))
    }

    fn terms_of(&self, user: &User, now: Timestamp) -> Terms {
        let mut terms = Terms {
            roles: Vec::new(),
            max_ttl: None,
            totp: None,
        };
        for role in self.bound(user, now) {
            let options = &role.options;
            if let Some(ttl) = options.max_session_ttl
                && terms
                    .max_ttl
                    .as_ref()
                    .is_none_or(|(least, by)| (ttl, role.name.as_str()) < (*least, by.as_str()))
            {
                terms.max_ttl = Some((ttl, role.name.clone()));
            }
            if options.require_totp && terms.totp.as_ref().is_none_or(|by| role.name < *by) {
                terms.totp = Some(role.name.clone());
            }
            terms.roles.push(role.name.clone());
        }
        terms.roles.sort_unstable();
        terms.roles.dedup();
        terms
    }

    /// The identity that a login of this user would get now, good for `ttl`: for asking what would be. Locks, and the time
    /// that roles allow, are left to the asking, which says which one it is.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn as_if_logged_in(
        &self,
        user: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Identity, Denial> {
        let terms = self.terms_of(self.find_user(user, now)?, now);
        Ok(Identity {
            user: user.to_owned(),
            roles: terms.roles,
            usage: Usage::User,
            route: None,
            cluster: String::new(),
            issued: now,
            expires: now.plus(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)),
            serial: String::new(),
            totp: true,
        })
    }

    /// The lock that keeps this certificate's holder out of everything, if one does.
    pub fn locked_out(&self, who: &Identity, now: Timestamp) -> Option<&Arc<Lock>> {
        if who.usage == Usage::Service {
            return first(&self.locked.nodes, &who.user, now);
        }
        match self.users.get(&who.user) {
            Some(user) => self.lock_on(user, None, now),
            None => first(&self.locked.users, &who.user, now)
                .or_else(|| first(&self.locked.nodes, self.node.as_deref()?, now)),
        }
    }

    fn find_user(&self, name: &str, now: Timestamp) -> Result<&User, Denial> {
        self.users
            .get(name)
            .filter(|user| user.meta.holds(now))
            .map(|user| &**user)
            .ok_or_else(|| Denial::UnknownUser {
                user: name.to_owned(),
            })
    }

    /// The roles that bind a user: all that the user has now.
    fn bound<'p>(&'p self, user: &'p User, now: Timestamp) -> impl Iterator<Item = &'p Role> {
        user.roles
            .iter()
            .filter_map(|name| self.roles.get(name))
            .filter(move |role| role.meta.holds(now))
            .map(|role| &**role)
    }

    fn lock_on(&self, user: &User, target: Option<&Target>, now: Timestamp) -> Option<&Arc<Lock>> {
        if self.locks.is_empty() {
            return None;
        }
        first(&self.locked.users, &user.name, now)
            .or_else(|| {
                user.roles
                    .iter()
                    .find_map(|role| first(&self.locked.roles, role, now))
            })
            .or_else(|| first(&self.locked.nodes, self.node.as_deref()?, now))
            .or_else(|| self.lock_on_target(target?, now))
    }

    fn lock_on_target(&self, target: &Target, now: Timestamp) -> Option<&Arc<Lock>> {
        if self.locked.targets.is_empty() {
            return None;
        }
        LockTarget::names_of(target)
            .into_iter()
            .find_map(|name| first(&self.locked.targets, name, now))
    }
}

fn first<'p>(locks: &'p LocksByName, name: &str, now: Timestamp) -> Option<&'p Arc<Lock>> {
    locks.get(name)?.iter().find(|lock| lock.holds(now))
}

fn locked(lock: &Lock) -> Denial {
    Denial::Locked {
        lock: lock.name.clone(),
        target: lock.target.clone(),
        message: lock.message.clone(),
    }
}

impl Locked {
    fn with(&self, lock: &Arc<Lock>) -> Self {
        self.changed(&lock.target, |locks| {
            let at = locks.partition_point(|other| other.name < lock.name);
            locks.insert(at, Arc::clone(lock));
        })
    }

    fn without(&self, lock: &Lock) -> Self {
        self.changed(&lock.target, |locks| {
            locks.retain(|other| other.name != lock.name);
        })
    }

    fn changed(&self, target: &LockTarget, change: impl FnOnce(&mut Vec<Arc<Lock>>)) -> Self {
        let mut all = self.clone();
        let by_name = match target {
            LockTarget::User(_) => &mut all.users,
            LockTarget::Role(_) => &mut all.roles,
            LockTarget::Target(_) => &mut all.targets,
            LockTarget::Node(_) => &mut all.nodes,
        };
        let mut locks = by_name
            .get(target.name())
            .map(|locks| locks.to_vec())
            .unwrap_or_default();
        change(&mut locks);
        if locks.is_empty() {
            by_name.remove_mut(target.name());
        } else {
            by_name.insert_mut(target.name().to_owned(), locks.into());
        }
        all
    }
}

#[cfg(test)]
mod tests;
