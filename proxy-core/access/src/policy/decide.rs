//! [`Policy::permit`]: the decision. Every step that can refuse has its own reason.

use std::{sync::Arc, time::Duration};

use muster_model::{Kind, Target, Timestamp};

use super::{Policy, locked};
use crate::{
    denial::{Asked, Denial, DeniedBy, Missing},
    identity::{Identity, Usage},
    permit::{Ask, EndsBy, Name, Permit, Replication, SessionOptions},
    role::{Audit, Role, Rules, Word, Words},
    user::{Traits, User},
};

/// How far the clock of who made a certificate may be ahead.
const SKEW: i64 = 300;

/// What an identity may know of: the identity is looked up once, for many targets.
pub struct Viewer<'p> {
    policy: &'p Policy,
    who: &'p Identity,
    standing: Standing<'p>,
    now: Timestamp,
}

impl Viewer<'_> {
    /// As [`Policy::sees`].
    pub fn sees(&self, target: &Target) -> bool {
        self.standing.shows(self.who, target)
            && self.policy.lock_on_target(target, self.now).is_none()
    }
}

/// A user who may come in, with the roles that count. Looked up once a decision.
pub(super) struct Standing<'p> {
    pub user: &'p User,
    /// What restricts: all roles that the user has now.
    pub bound: Vec<&'p Role>,
    /// What can allow: those of the certificate among them.
    pub carried: Vec<&'p Role>,
}

impl Policy {
    /// Decides whether this identity may open the target so, now.
    ///
    /// # Errors
    /// Why not.
    pub fn permit(
        &self,
        who: &Identity,
        target: &Arc<Target>,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Permit, Denial> {
        let standing = self.admit(who, Some(target), now)?;
        let Standing {
            user,
            bound,
            carried,
        } = &standing;
        let end = end(who, bound, now)?;
        on_route(who, target, ask)?;
        if ask.db_user.is_empty() {
            return Err(Denial::NoDbUser);
        }
        let asked = || Asked {
            db_user: ask.db_user.to_owned(),
            db_name: match ask.name(target.protocol) {
                Name::One(name) => name.to_owned(),
                Name::None | Name::All => String::new(),
            },
        };
        for role in bound {
            if let Some(by) = denies(role, target, ask, &user.traits) {
                let role = role.name.clone();
                let seen = standing.shows(who, target).then(asked);
                return Err(Denial::Denied { role, by, seen });
            }
        }
        let mut missing = Missing::Labels;
        let mut allowing: Vec<&Role> = Vec::new();
        for role in carried {
            match lacks(role, target, ask, &user.traits) {
                None => allowing.push(role),
                Some(lacking) => missing = missing.max(lacking),
            }
        }
        if allowing.is_empty() {
            let asked = asked();
            return Err(Denial::NotAllowed { missing, asked });
        }
        let (ends_at, ends_by) = over(user, &allowing)
            .filter(|(at, _)| *at < end.0)
            .unwrap_or(end);
        let options = SessionOptions {
            ends_at,
            ends_by,
            replication: ask.replication,
            ..options(user, target, &allowing, bound)
        };
        let mut roles: Vec<String> = allowing.iter().map(|role| role.name.clone()).collect();
        let mut db_roles: Vec<String> = allowing
            .iter()
            .flat_map(|role| role.allow.db_roles.values(&user.traits))
            .collect();
        for names in [&mut roles, &mut db_roles] {
            names.sort_unstable();
            names.dedup();
        }
        Ok(Permit::of(
            &user.name,
            target,
            ask,
            (roles, db_roles),
            options,
        ))
    }

    /// The roles that count for this identity now, sorted, whatever it wants to open.
    ///
    /// # Errors
    /// Why it may open nothing.
    pub fn admits(&self, who: &Identity, now: Timestamp) -> Result<Vec<String>, Denial> {
        let standing = self.admit(who, None, now)?;
        let roles = standing.carried.iter().map(|role| role.name.clone());
        let mut roles: Vec<String> = roles.collect();
        roles.sort_unstable();
        roles.dedup();
        Ok(roles)
    }

    /// Whether this identity may know of the target: for lists. It says nothing of database users and names.
    pub fn sees(&self, who: &Identity, target: &Target, now: Timestamp) -> bool {
        self.seen(who, target, now).is_some()
    }

    /// What this identity may know of, for long lists.
    ///
    /// # Errors
    /// Why it may open nothing.
    pub fn viewer<'p>(&'p self, who: &'p Identity, now: Timestamp) -> Result<Viewer<'p>, Denial> {
        Ok(Viewer {
            policy: self,
            who,
            standing: self.admit(who, None, now)?,
            now,
        })
    }

    /// What counts for an identity that may know of the target.
    pub(super) fn seen<'p>(
        &'p self,
        who: &Identity,
        target: &Target,
        now: Timestamp,
    ) -> Option<Standing<'p>> {
        let standing = self.admit(who, Some(target), now).ok()?;
        standing.shows(who, target).then_some(standing)
    }

    /// Whether this identity must not learn that the target exists, though it may come in otherwise. Not the opposite of
    /// [`sees`](Self::sees): whoever may know of a target may know that it is locked, and whoever is not let in at all
    /// is told so whatever was asked for.
    pub fn hides(&self, who: &Identity, target: &Target, now: Timestamp) -> bool {
        self.admit(who, None, now)
            .is_ok_and(|standing| !standing.shows(who, target))
    }

    /// What does not depend on what is asked for: the certificate, the user, locks, the second factor.
    pub(super) fn admit<'p>(
        &'p self,
        who: &Identity,
        target: Option<&Target>,
        now: Timestamp,
    ) -> Result<Standing<'p>, Denial> {
        if who.usage == Usage::Service {
            return Err(Denial::WrongUse {
                user: who.user.clone(),
            });
        }
        if now >= who.expires {
            return Err(Denial::Expired { at: who.expires });
        }
        if who.issued > now.plus(SKEW) {
            return Err(Denial::NotYet { at: who.issued });
        }
        let user = self.find_user(&who.user, now)?;
        if let Some(since) = user.since.filter(|since| who.issued < *since) {
            return Err(Denial::OlderThanUser {
                user: who.user.clone(),
                since,
            });
        }
        if let Some(lock) = self.lock_on(user, target, now) {
            return Err(locked(lock));
        }
        let bound: Vec<&Role> = self.bound(user, now).collect();
        let mut carried = bound.clone();
        carried.retain(|role| who.roles.contains(&role.name));
        if carried.is_empty() {
            return Err(Denial::NoRoles {
                user: who.user.clone(),
            });
        }
        if !who.totp
            && let Some(role) = bound
                .iter()
                .filter(|role| role.options.require_totp)
                .min_by(|one, two| one.name.cmp(&two.name))
        {
            return Err(Denial::SecondFactor {
                role: role.name.clone(),
            });
        }
        Ok(Standing {
            user,
            bound,
            carried,
        })
    }
}

impl Standing<'_> {
    /// Whether the roles let it know of the target.
    fn shows(&self, who: &Identity, target: &Target) -> bool {
        let (labels, traits) = (&target.labels, &self.user.traits);
        let is_on_route = who
            .route
            .as_ref()
            .is_none_or(|route| route.target == target.name);
        is_on_route
            && !self
                .bound
                .iter()
                .any(|role| role.deny.labels.is_match_or_broken(labels, traits))
            && self
                .carried
                .iter()
                .any(|role| role.allow.labels.is_match(labels, traits))
    }
}

/// When a session ends at the latest, and why then.
fn end(who: &Identity, bound: &[&Role], now: Timestamp) -> Result<(Timestamp, EndsBy), Denial> {
    let least = bound
        .iter()
        .filter_map(|role| Some((role.options.max_session_ttl?, &role.name)))
        .min();
    let Some((ttl, role)) = least else {
        return Ok((who.expires, EndsBy::Certificate));
    };
    let at = who.issued.plus(seconds(ttl));
    if now >= at {
        return Err(Denial::TooOld {
            role: role.clone(),
            seconds: ttl.as_secs(),
            at,
        });
    }
    if at < who.expires {
        Ok((at, EndsBy::Role(role.clone())))
    } else {
        Ok((who.expires, EndsBy::Certificate))
    }
}

/// When it is no longer allowed because records are over by themselves: the user's, or the last of the roles that allow it.
/// Nobody announces that, so the permit says it beforehand. A role that ends before takes nothing away with it but what it
/// denied and limited.
fn over(user: &User, allowing: &[&Role]) -> Option<(Timestamp, EndsBy)> {
    let roles = allowing
        .iter()
        .map(|role| Some((role.meta.expires?, &role.name)));
    let roles: Option<Vec<_>> = roles.collect();
    let last = roles.and_then(|roles| roles.into_iter().max());
    let last = last.map(|(at, role)| (at, EndsBy::RoleExpires(role.clone())));
    let user = user
        .meta
        .expires
        .map(|at| (at, EndsBy::UserExpires(user.name.clone())));
    user.into_iter().chain(last).min_by_key(|(at, _)| *at)
}

fn options(user: &User, target: &Target, allowing: &[&Role], bound: &[&Role]) -> SessionOptions {
    let (mut idle, mut max_connections) = (None::<Duration>, None::<u32>);
    let mut audit = Audit::Strict;
    if allowing
        .iter()
        .all(|role| role.options.audit == Some(Audit::BestEffort))
    {
        audit = Audit::BestEffort;
    }
    for role in bound {
        let options = &role.options;
        if let Some(most) = options.max_connections {
            max_connections = Some(max_connections.map_or(most, |least| least.min(most)));
        }
        if (options.client_idle_timeout.is_none() && options.audit != Some(Audit::Strict))
            || !role.allow.labels.is_match(&target.labels, &user.traits)
        {
            continue;
        }
        if let Some(timeout) = options.client_idle_timeout {
            idle = Some(idle.map_or(timeout, |least| least.min(timeout)));
        }
        if options.audit == Some(Audit::Strict) {
            audit = Audit::Strict;
        }
    }
    SessionOptions {
        ends_at: Timestamp::default(),
        ends_by: EndsBy::Certificate,
        idle,
        max_connections,
        audit,
        replication: Replication::No,
    }
}

fn on_route(who: &Identity, target: &Target, ask: &Ask<'_>) -> Result<(), Denial> {
    let Some(route) = &who.route else {
        return Ok(());
    };
    let differs = |field, is: &str, asked: &str| {
        Err(Denial::Route {
            field,
            is: is.to_owned(),
            asked: asked.to_owned(),
        })
    };
    if route.target != target.name {
        return differs("database", &route.target, &target.name);
    }
    if let Some(user) = &route.db_user
        && user != ask.db_user
    {
        return differs("database user", user, ask.db_user);
    }
    if let Some(name) = &route.db_name {
        match ask.name(target.protocol) {
            Name::One(asked) if asked == name => {}
            Name::One(asked) => return differs("database name", name, asked),
            Name::All => return differs("database name", name, "all"),
            Name::None => {}
        }
    }
    Ok(())
}

/// By what the role denies it, if it does.
pub(super) fn denies(
    role: &Role,
    target: &Target,
    ask: &Ask<'_>,
    traits: &Traits,
) -> Option<DeniedBy> {
    let deny = &role.deny;
    if deny.is_empty() {
        return None;
    }
    if deny.labels.is_match_or_broken(&target.labels, traits) {
        return Some(DeniedBy::Labels);
    }
    if let Some(word) = denied_user(&deny.db_users, target.kind, ask.db_user, traits) {
        return Some(DeniedBy::DbUser(word.to_owned()));
    }
    let word = match ask.name(target.protocol) {
        Name::One(name) => deny.db_names.find(name, traits),
        // `*` denies every name, and with it none.
        Name::None => deny.db_names.find_any(traits),
        // All names at once: any that is denied is among them.
        Name::All => deny
            .db_names
            .iter()
            .find(|word| !word.values(traits).is_empty()),
    };
    word.map(|word| DeniedBy::DbName(word.as_str().to_owned()))
}

/// The entry that denies the database user: also under the other spellings that mean the same login.
fn denied_user<'r>(
    words: &'r Words,
    kind: Kind,
    db_user: &str,
    traits: &Traits,
) -> Option<&'r str> {
    let find = |name: &str| words.find(name, traits).map(Word::as_str);
    if let Some(word) = find(db_user) {
        return Some(word);
    }
    match kind {
        // `user@server` is how single servers have their users log in; a user's own name may have an `@` in it as well.
        Kind::AzurePostgresql | Kind::AzureMysql => {
            let without = |parts: Option<(&str, &str)>| find(parts?.0);
            without(db_user.rsplit_once('@'))
                .or_else(|| without(db_user.split_once('@')))
                // The server's name is put behind that of the user, who is meant without it too. It has no dot, unlike a domain.
                .or_else(|| {
                    denied_as(words, traits, |text| {
                        text.rsplit_once('@')
                            .is_some_and(|(user, server)| user == db_user && !server.contains('.'))
                    })
                })
        }
        // The name of an IAM role, and its ARN.
        Kind::Docdb => denied_as(words, traits, |text| role_name(text) == role_name(db_user)),
        _ => None,
    }
}

/// The entry that means this in other words.
fn denied_as<'r>(
    words: &'r Words,
    traits: &Traits,
    means: impl Fn(&str) -> bool,
) -> Option<&'r str> {
    words.iter().find_map(|word| {
        let is_meant = word.values(traits).iter().any(|text| means(text));
        is_meant.then_some(word.as_str())
    })
}

fn role_name(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// What the role does not allow of it; none when it allows all of it.
pub(super) fn lacks(
    role: &Role,
    target: &Target,
    ask: &Ask<'_>,
    traits: &Traits,
) -> Option<Missing> {
    let Rules {
        labels,
        db_users,
        db_names,
        ..
    } = &role.allow;
    if !labels.is_match(&target.labels, traits) {
        return Some(Missing::Labels);
    }
    if db_users.find(ask.db_user, traits).is_none() {
        return Some(Missing::DbUser);
    }
    let has_name = match ask.name(target.protocol) {
        Name::One(name) => db_names.find(name, traits).is_some(),
        Name::All => db_names.find_any(traits).is_some(),
        Name::None => true,
    };
    if !has_name {
        return Some(Missing::DbName);
    }
    if ask.replication != Replication::No && !role.options.db_replication {
        return Some(Missing::Replication);
    }
    None
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}
