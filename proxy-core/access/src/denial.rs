//! [`Denial`]: why something was not allowed. As a reason for programs, a text for the person, and one for the operator.

use muster_model::Timestamp;

use crate::lock::LockTarget;

/// Why a session is not allowed, or no longer.
///
/// `Display` is the whole, for the operator and the audit log. What the person is told is [`person`](Self::person).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No target has the name that was asked for. Made by who looks targets up; here so that the person is told the
    /// same as for a target that the roles do not show.
    #[error("there is no database `{name}`")]
    UnknownTarget {
        /// The name.
        name: String,
    },
    /// The certificate's user has no record, or one that has expired.
    #[error("user `{user}` does not exist")]
    UnknownUser {
        /// The user.
        user: String,
    },
    /// The certificate is of somebody who had the name before.
    #[error("the certificate is older than the user `{user}`, who is there since {since}")]
    OlderThanUser {
        /// The user.
        user: String,
        /// Since when.
        since: Timestamp,
    },
    /// The certificate is not for opening databases.
    #[error("the certificate of `{user}` is one of a service, which opens no database")]
    WrongUse {
        /// The certificate's holder.
        user: String,
    },
    /// The certificate is no longer good.
    #[error("the certificate expired at {at}")]
    Expired {
        /// Since when.
        at: Timestamp,
    },
    /// The certificate is not yet good.
    #[error("the certificate is from the future: it was made at {at}")]
    NotYet {
        /// When it was made.
        at: Timestamp,
    },
    /// The longest session time of a role is over, counted from login.
    #[error("role `{role}` ends sessions {seconds} s after login, which was at {at}")]
    TooOld {
        /// The role.
        role: String,
        /// Its `max_session_ttl`.
        seconds: u64,
        /// When that was over.
        at: Timestamp,
    },
    /// A lock.
    #[error("lock `{lock}` on {target}{}", with(.message))]
    Locked {
        /// The lock's name.
        lock: String,
        /// What it locks.
        target: LockTarget,
        /// What its maker wants the person to know.
        message: Option<String>,
    },
    /// None of the certificate's roles is one that the user has now.
    #[error("user `{user}` has none of the roles of the certificate any more, or none at all")]
    NoRoles {
        /// The user.
        user: String,
    },
    /// A role demands a second factor, and the login was without.
    #[error("role `{role}` demands a second factor, and the login was without one")]
    SecondFactor {
        /// The role.
        role: String,
    },
    /// The certificate is for another target, database user or database name.
    #[error("the certificate is for {field} `{is}`, and `{asked}` was asked for")]
    Route {
        /// What differs: `target`, `db user`, `db name`.
        field: &'static str,
        /// What it is for.
        is: String,
        /// What was asked for.
        asked: String,
    },
    /// No database user was named.
    #[error("no database user was named")]
    NoDbUser,
    /// A role denies it.
    #[error("role `{role}` denies it by {by}")]
    Denied {
        /// The role.
        role: String,
        /// By what.
        by: DeniedBy,
        /// What was asked for, where the person may know of the target.
        seen: Option<Asked>,
    },
    /// No role allows it.
    #[error("no role allows it: {missing}")]
    NotAllowed {
        /// What no role allows, of what was nearest.
        missing: Missing,
        /// What was asked for.
        asked: Asked,
    },
}

/// What was asked for of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The database user.
    pub db_user: String,
    /// The database name; empty where it is not a single one.
    pub db_name: String,
}

/// By what a role denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeniedBy {
    /// The target's labels.
    Labels,
    /// This entry of `db_users`.
    DbUser(String),
    /// This entry of `db_names`.
    DbName(String),
}

/// How far the role came that came farthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// No role's labels match.
    Labels,
    /// Some role's labels match, and none of these allows the database user.
    DbUser,
    /// Some role allows labels and database user, and none of these the database name.
    DbName,
    /// Some role allows all three, and none of these replication.
    Replication,
}

impl Denial {
    /// What the person is told. It does not say whether a target exists that the person may not see, and not which roles
    /// there are.
    pub fn person(&self) -> String {
        match self {
            Self::UnknownUser { .. }
            | Self::OlderThanUser { .. }
            | Self::WrongUse { .. }
            | Self::NoRoles { .. } => {
                "your certificate opens no database here: log in again with `muster login`".to_owned()
            }
            Self::Expired { at } => {
                format!("your certificate expired at {at}: log in again with `muster login`")
            }
            Self::NotYet { at } => format!(
                "your certificate was made at {at}, which is in the future: a clock is wrong, or log in again"
            ),
            Self::TooOld { at, .. } => {
                format!("the longest session that you may have was over at {at}: log in again with `muster login`")
            }
            Self::Locked {
                message: Some(message),
                ..
            } => format!("access is locked: {message}"),
            Self::Locked { .. } => {
                "access is locked: ask whoever administers muster".to_owned()
            }
            Self::SecondFactor { .. } => {
                "a second factor is needed: set one up and log in again with `muster login`".to_owned()
            }
            Self::Route { field, is, .. } => format!(
                "your certificate is for {field} `{is}` only: get another with `muster db login`"
            ),
            Self::NoDbUser => "name the database user to connect as".to_owned(),
            // In the same words: which of the two it is says which roles there are.
            Self::NotAllowed {
                missing: Missing::DbUser,
                asked: Asked { db_user, .. },
            }
            | Self::Denied {
                by: DeniedBy::DbUser(_),
                seen: Some(Asked { db_user, .. }),
                ..
            } => format!("your roles do not allow the database user `{db_user}` on this database"),
            Self::NotAllowed {
                missing: Missing::DbName,
                asked: Asked { db_user, db_name },
            }
            | Self::Denied {
                by: DeniedBy::DbName(_),
                seen: Some(Asked { db_user, db_name }),
                ..
            } if !db_name.is_empty() => format!(
                "your roles do not allow the database name `{db_name}` as database user `{db_user}` here"
            ),
            Self::NotAllowed {
                missing: Missing::Replication | Missing::DbName,
                ..
            } => "your roles do not allow replication of this database".to_owned(),
            Self::UnknownTarget { .. } | Self::Denied { .. } | Self::NotAllowed { .. } => {
                "there is no such database, or your roles do not allow it: `muster db ls` shows those that they allow"
                    .to_owned()
            }
        }
    }

    /// The reason in one word, for logs and tests: `not-allowed`, `locked`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownTarget { .. } => "unknown-target",
            Self::UnknownUser { .. } => "unknown-user",
            Self::OlderThanUser { .. } => "older-than-user",
            Self::WrongUse { .. } => "wrong-use",
            Self::Expired { .. } => "expired",
            Self::NotYet { .. } => "not-yet",
            Self::TooOld { .. } => "too-old",
            Self::Locked { .. } => "locked",
            Self::NoRoles { .. } => "no-roles",
            Self::SecondFactor { .. } => "second-factor",
            Self::Route { .. } => "route",
            Self::NoDbUser => "no-db-user",
            Self::Denied { .. } => "denied",
            Self::NotAllowed { .. } => "not-allowed",
        }
    }
}

impl std::fmt::Display for DeniedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Labels => f.write_str("the database's labels"),
            Self::DbUser(word) => write!(f, "db_users: {word}"),
            Self::DbName(word) => write!(f, "db_names: {word}"),
        }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Labels => "none has labels that match",
            Self::DbUser => "none with labels that match has the database user",
            Self::DbName => "none with labels and database user that match has the database name",
            Self::Replication => "none that allows the rest has `db_replication: true`",
        })
    }
}

fn with(message: &Option<String>) -> String {
    message
        .as_ref()
        .map(|message| format!(": {message}"))
        .unwrap_or_default()
}
