//! [`Lock`]: keeps somebody or something out, at once, also out of sessions that are open.

use muster_model::{Target, Timestamp};
use serde::{Deserialize, Serialize};

use crate::user::Meta;

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its unique name.
    pub name: String,
    /// What it keeps out.
    pub target: LockTarget,
    /// What the person is told.
    pub message: Option<String>,
    /// The first second in which it no longer holds; none: it holds until it is removed.
    pub expires: Option<Timestamp>,
    /// What else the record says.
    pub meta: Meta,
}

/// What a lock keeps out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockTarget {
    /// A user.
    User(String),
    /// Every user who has this role.
    Role(String),
    /// Every session to this target: its name, short name or id.
    Target(String),
    /// Everybody who comes through this node's proxy, and whatever comes with the certificate of a service of this name.
    Node(String),
}

impl Lock {
    /// A lock without an end.
    pub fn new(name: impl Into<String>, target: LockTarget) -> Self {
        Self {
            name: name.into(),
            target,
            message: None,
            expires: None,
            meta: Meta::default(),
        }
    }

    /// Whether it holds at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl LockTarget {
    /// What sort it is: `user`, `role`, `target`, `node`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Role(_) => "role",
            Self::Target(_) => "target",
            Self::Node(_) => "node",
        }
    }

    /// What a lock may call this target by: its name, short name or id.
    pub fn names_of(target: &Target) -> [&str; 3] {
        [&target.name, &target.short_name, target.id.as_str()]
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::User(name) | Self::Role(name) | Self::Target(name) | Self::Node(name) => name,
        }
    }
}

impl std::fmt::Display for LockTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} `{}`", self.word(), self.name())
    }
}
