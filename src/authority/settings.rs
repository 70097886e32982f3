//! What the authority is told, and why it cannot be opened.

use std::{collections::BTreeSet, fs};

use super::{
    ca::CaError,
    chance::NoChance,
    command::Kind,
    journal::JournalError,
    login::password::HashError,
    records::{because_of, refused},
};
use crate::service::handle::{Refused, RefusedKind};

/// What the authority is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The cluster's name, which stands in all certificates. It counts at the first start, and stays.
    pub cluster_name: String,
    /// What locks call this machine; none for its own name.
    pub node_name: Option<String>,
    /// Names and addresses under which people reach the proxy; empty for those of the machine.
    pub public: BTreeSet<String>,
}

/// Why the authority cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What is kept of an authority for certificates, or making one.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A record that was written by another release, or otherwise than by muster.
    #[error("the {kind} `{name}` cannot be read: {why}")]
    Record {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Why not.
        why: String,
    },
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No randomness.
    #[error(transparent)]
    Chance(#[from] NoChance),
}

impl OpenError {
    /// Whether another process is at it, which may be done in a moment.
    pub const fn is_in_use(&self) -> bool {
        matches!(self, Self::Journal(JournalError::InUse { .. }))
    }
}

impl Settings {
    /// What locks call this machine, where it has a name.
    pub fn node(&self) -> Option<String> {
        self.node_name.clone().or_else(machine)
    }

    /// The name that a client connects with: the one that it used, where the proxy's certificate has it.
    pub(super) fn server_name(&self, used: Option<&str>) -> String {
        let names = self.names();
        if let Some(used) = used
            && names.contains(used)
        {
            return used.to_owned();
        }
        let is_name = |name: &&String| name.parse::<std::net::IpAddr>().is_err();
        let public = self.public.iter().filter(is_name);
        let first = public.min_by_key(|name| name.len()).or(names.first());
        first.cloned().unwrap_or_default()
    }

    /// All names and addresses for the proxy's certificate.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let mut names = self.public.clone();
        if names.is_empty() {
            names.extend(machine());
        }
        names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        names
    }
}

/// The machine's name, where it is one that certificates know.
pub fn machine() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim().to_ascii_lowercase();
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    (!name.is_empty() && name.len() <= 253 && name.chars().all(letter)).then_some(name)
}

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        let (kind, hint) = match &error {
            OpenError::Journal(journal) => {
                let hint = journal.hint();
                let kind = match journal {
                    JournalError::InUse { .. } => RefusedKind::Unavailable,
                    _ => RefusedKind::Failed,
                };
                (kind, hint)
            }
            OpenError::Record { .. } => (
                RefusedKind::Failed,
                Some("use the release of muster that wrote it".to_owned()),
            ),
            _ => (RefusedKind::Failed, None),
        };
        let mut refused = because_of(refused(kind, "cannot open the authority"), &error);
        refused.hint = hint;
        refused
    }
}
