//! [`Ask`] and [`Permit`]: what somebody wants, and the proof that it was allowed.

use std::{sync::Arc, time::Duration};

use muster_model::{Protocol, Target, Timestamp};

use crate::role::Audit;

/// What somebody wants of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The database user.
    pub db_user: &'a str,
    /// The database name; empty where the client names none. For PostgreSQL that is the database user's name.
    pub db_name: &'a str,
    /// Whether it is to be a replication connection.
    pub replication: Replication,
}

/// Whether a connection is for replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Replication {
    /// It is an ordinary one.
    #[default]
    No,
    /// `replication=database`: logical, of one database.
    Logical,
    /// `replication=true`: physical, of all databases of the server at once. So all names have to be allowed.
    Physical,
}

/// Proof that an identity may open this target as this database user on this database name.
///
/// Only [`Policy::permit`](crate::Policy::permit) makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    user: String,
    target: Arc<Target>,
    db_user: String,
    db_name: String,
    roles: Vec<String>,
    db_roles: Vec<String>,
    options: SessionOptions,
}

/// How a session is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// When it ends at the latest.
    pub ends_at: Timestamp,
    /// Why then.
    pub ends_by: EndsBy,
    /// How long it may be idle; none: for as long as it likes.
    pub idle: Option<Duration>,
    /// The most sessions that the user may have at the same time; none: any number.
    pub max_connections: Option<u32>,
    /// What happens when an audit event cannot be written.
    pub audit: Audit,
    /// The replication that was asked for and is allowed.
    pub replication: Replication,
}

/// What sets the end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndsBy {
    /// The certificate is no longer good then.
    Certificate,
    /// The `max_session_ttl` of this role, counted from when the certificate was made.
    Role(String),
    /// The user's record is over by itself then.
    UserExpires(String),
    /// This role's record is over by itself then, and no other that allows it lasts longer.
    RoleExpires(String),
}

impl<'a> Ask<'a> {
    /// An ordinary connection.
    pub const fn new(db_user: &'a str, db_name: &'a str) -> Self {
        Self {
            db_user,
            db_name,
            replication: Replication::No,
        }
    }

    /// The name that it means, by the protocol.
    pub(crate) fn name(&self, protocol: Protocol) -> Name<'a> {
        match protocol {
            Protocol::Postgres if self.replication == Replication::Physical => Name::All,
            Protocol::Postgres if self.db_name.is_empty() => Name::One(self.db_user),
            Protocol::Redis => Name::None,
            _ if self.db_name.is_empty() => Name::None,
            _ => Name::One(self.db_name),
        }
    }
}

/// Which database names are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// The protocol has none, or none is asked for yet.
    None,
    /// This one.
    One(&'a str),
    /// All that there are.
    All,
}

impl Permit {
    pub(crate) fn of(
        user: &str,
        target: &Arc<Target>,
        ask: &Ask<'_>,
        (roles, db_roles): (Vec<String>, Vec<String>),
        options: SessionOptions,
    ) -> Self {
        let db_name = match ask.name(target.protocol) {
            Name::One(name) => name,
            Name::None | Name::All => "",
        };
        Self {
            user: user.to_owned(),
            target: Arc::clone(target),
            db_user: ask.db_user.to_owned(),
            db_name: db_name.to_owned(),
            roles,
            db_roles,
            options,
        }
    }

    /// Who may.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What may be opened.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// As which database user.
    pub fn db_user(&self) -> &str {
        &self.db_user
    }

    /// On which database name, the protocol's default filled in; empty where there is none.
    pub fn db_name(&self) -> &str {
        &self.db_name
    }

    /// The roles that allow it, sorted.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The roles inside of the database that those roles name, sorted. For the record: nothing grants them.
    pub fn db_roles(&self) -> &[String] {
        &self.db_roles
    }

    /// How the session is to be.
    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// The same question again: for judging it anew after a change.
    pub fn ask(&self) -> Ask<'_> {
        Ask {
            db_user: &self.db_user,
            db_name: &self.db_name,
            replication: self.options.replication,
        }
    }
}
