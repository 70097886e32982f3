//! [`Role`]: what it allows and denies, and how sessions under it are.

pub mod labels;
mod words;

use std::{fmt, str::FromStr, time::Duration};

pub use self::{
    labels::LabelRules,
    words::{Word, WordError, Words},
};
use crate::user::Meta;

/// A role.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// Its unique name.
    pub name: String,
    /// As the record says.
    pub version: RoleVersion,
    /// What it allows: all three of labels, database user and database name have to match.
    pub allow: Rules,
    /// What it denies: any of the three that matches.
    pub deny: Rules,
    /// How sessions are.
    pub options: Options,
    /// What else the record says.
    pub meta: Meta,
}

/// One side of a role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Which targets, by their labels.
    pub labels: LabelRules,
    /// Which database users.
    pub db_users: Words,
    /// Which database names.
    pub db_names: Words,
    /// Which roles inside of the database. Kept for the record of a session; muster makes no database users.
    pub db_roles: Words,
}

/// How sessions are of those who have a role. What a role leaves out it does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The longest time from login to the end of a session.
    pub max_session_ttl: Option<Duration>,
    /// How long a session may be idle, on targets that the role's labels match.
    pub client_idle_timeout: Option<Duration>,
    /// The most sessions of one user at the same time.
    pub max_connections: Option<u32>,
    /// Whether a second factor has to be shown at login.
    pub require_totp: bool,
    /// What happens when an audit event cannot be written; [`Audit::Strict`] when left out.
    pub audit: Option<Audit>,
    /// Whether replication connections are allowed where the role allows the rest.
    pub db_replication: bool,
}

/// What happens when an audit event cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Audit {
    /// The session ends.
    #[default]
    Strict,
    /// The session goes on, and the loss is counted and logged.
    BestEffort,
}

/// The version of a role's record. In `v3` a role that names no labels allows all; from `v4` on it allows none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleVersion {
    /// `v3`
    V3,
    /// `v4`
    V4,
    /// `v5`
    V5,
    /// `v6`
    V6,
    /// `v7`
    V7,
}

impl Role {
    /// A role of the newest version that denies nothing.
    pub fn new(name: impl Into<String>, allow: Rules) -> Self {
        Self {
            name: name.into(),
            version: RoleVersion::V7,
            allow,
            deny: Rules::default(),
            options: Options::default(),
            meta: Meta::default(),
        }
    }

    /// The traits that its templates read, sorted.
    pub fn traits(&self) -> Vec<&str> {
        let mut traits: Vec<&str> = [&self.allow, &self.deny]
            .into_iter()
            .flat_map(|rules| {
                let words = [&rules.db_users, &rules.db_names, &rules.db_roles];
                let words = words.into_iter().flat_map(|words| words.templates());
                words.chain(rules.labels.templates())
            })
            .map(crate::Template::reads)
            .collect();
        traits.sort_unstable();
        traits.dedup();
        traits
    }
}

impl Rules {
    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_none()
            && [&self.db_users, &self.db_names, &self.db_roles]
                .iter()
                .all(|words| words.is_empty())
    }
}

impl Audit {
    /// The word that stands for it: `strict`, `best_effort`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::BestEffort => "best_effort",
        }
    }
}

impl RoleVersion {
    /// All, oldest first.
    pub const ALL: &'static [Self] = &[Self::V3, Self::V4, Self::V5, Self::V6, Self::V7];

    /// As the record spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::V4 => "v4",
            Self::V5 => "v5",
            Self::V6 => "v6",
            Self::V7 => "v7",
        }
    }
}

impl fmt::Display for RoleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RoleVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .iter()
            .copied()
            .find(|version| version.as_str() == text)
            .ok_or(())
    }
}
