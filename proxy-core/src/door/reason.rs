//! What changes and ends sessions from outside, and why they end.

use std::fmt;

use muster_access::LockTarget;
use muster_model::ResourceId;

use crate::engine::{Farewell, Micros};

/// What has changed. The new state is in the snapshots already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// This role was made, changed or removed.
    Role(String),
    /// This user's record was changed or removed.
    User(String),
    /// A lock on this was made or removed.
    Lock(LockTarget),
    /// This target was changed or removed.
    Target(ResourceId),
    /// An authority is no longer trusted, or a new one is.
    Trust,
    /// Anything: everything was read again.
    All,
}

/// An order to end a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// What the client is told.
    pub(crate) farewell: Farewell,
    /// What the record says.
    pub(crate) reason: String,
    /// `Some`: as soon as nothing is under way, and then at the latest.
    pub(crate) when_idle_until: Option<Micros>,
}

impl Order {
    pub(crate) const fn now(farewell: Farewell, reason: String) -> Self {
        Self {
            farewell,
            reason,
            when_idle_until: None,
        }
    }
}

/// Why a session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The client closed it.
    Client,
    /// The database closed it.
    Database,
    /// muster ended it, for this reason.
    Muster(String),
    /// The connection to the client broke.
    ClientBroken(String),
    /// The connection to the database broke.
    DatabaseBroken(String),
}

impl EndReason {
    /// The text for the record; none where the client ended it in order.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Client => None,
            Self::Database => Some("the database closed the connection".to_owned()),
            Self::Muster(why) => Some(why.clone()),
            Self::ClientBroken(why) => Some(format!("the connection to the client broke: {why}")),
            Self::DatabaseBroken(why) => {
                Some(format!("the connection to the database broke: {why}"))
            }
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            self.text()
                .as_deref()
                .unwrap_or("the client closed the connection"),
        )
    }
}
