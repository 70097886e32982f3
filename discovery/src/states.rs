//! What the states of each service mean, as data.
//!
//! A state that is in no table counts as available, with a note: a provider invents new ones without
//! asking, and a database must not vanish for it.

use muster_model::{Availability, State};

/// The states of one sort of resource.
#[derive(Debug)]
pub(crate) struct States {
    /// Connections are accepted, or may be in a moment.
    pub(crate) available: &'static [&'static str],
    /// Somebody stopped it, and it can be started again.
    pub(crate) stopped: &'static [&'static str],
    /// It cannot be used.
    pub(crate) unavailable: &'static [&'static str],
}

/// RDS instances.
pub(crate) const RDS_INSTANCE: States = States {
    available: &[
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "converting-to-vpc",
        "incompatible-option-group",
        "incompatible-parameters",
        "maintenance",
        "modifying",
        "moving-to-vpc",
        "rebooting",
        "resetting-master-credentials",
        "renaming",
        "restore-error",
        "storage-full",
        "storage-optimization",
        "upgrading",
    ],
    stopped: STOPPED,
    unavailable: &[
        "creating",
        "deleting",
        "failed",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
        "incompatible-network",
        "incompatible-restore",
        "insufficient-capacity",
    ],
};

/// Clusters of RDS, Aurora and DocumentDB.
pub(crate) const CLUSTER: States = States {
    available: &[
        "active",
        "available",
        "backing-up",
        "backtracking",
        "failing-over",
        "maintenance",
        "migrating",
        "modifying",
        "promoting",
        "renaming",
        "resetting-master-credentials",
        "update-iam-db-auth",
        "upgrading",
    ],
    stopped: STOPPED,
    unavailable: &[
        "cloning-failed",
        "creating",
        "deleting",
        "inaccessible-encryption-credentials",
        "migration-failed",
    ],
};

/// Replication groups and serverless caches of ElastiCache.
pub(crate) const ELASTICACHE: States = States {
    available: &["available", "modifying", "snapshotting", "active"],
    stopped: &[],
    unavailable: &["creating", "deleting", "create-failed"],
};

const STOPPED: &[&str] = &["starting", "stopped", "stopping"];

impl States {
    /// What a state means.
    pub(crate) fn judge(&self, name: &str) -> Availability {
        if self.available.contains(&name) {
            Availability::Available
        } else if self.stopped.contains(&name) {
            Availability::Stopped
        } else if self.unavailable.contains(&name) {
            Availability::Unavailable
        } else {
            Availability::Unknown
        }
    }

    /// The state as reported with its meaning, and a note where muster does not know it.
    pub(crate) fn state(&self, name: Option<String>) -> (State, Option<String>) {
        let Some(name) = name else {
            let state = State {
                name: String::new(),
                availability: Availability::Unknown,
            };
            return (
                state,
                Some("the provider reports no state; taken as available".to_owned()),
            );
        };
        let availability = self.judge(&name);
        let note = (availability == Availability::Unknown)
            .then(|| format!("state `{name}` is not known to muster; taken as available"));
        (State { name, availability }, note)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_state_has_two_meanings() {
        for table in [RDS_INSTANCE, CLUSTER, ELASTICACHE] {
            let all: Vec<_> = [table.available, table.stopped, table.unavailable]
                .concat()
                .into_iter()
                .collect();
            let distinct: BTreeSet<_> = all.iter().collect();
            assert_eq!(all.len(), distinct.len(), "{table:?}");
        }
    }

    #[test]
    fn a_stopped_database_is_told_from_a_broken_one() {
        for (table, name, want) in [
            (RDS_INSTANCE, "storage-full", Availability::Available),
            (RDS_INSTANCE, "stopped", Availability::Stopped),
            (RDS_INSTANCE, "starting", Availability::Stopped),
            (
                RDS_INSTANCE,
                "incompatible-network",
                Availability::Unavailable,
            ),
            (CLUSTER, "failing-over", Availability::Available),
            (CLUSTER, "stopping", Availability::Stopped),
            (CLUSTER, "cloning-failed", Availability::Unavailable),
            (ELASTICACHE, "snapshotting", Availability::Available),
            (ELASTICACHE, "create-failed", Availability::Unavailable),
            (ELASTICACHE, "stopped", Availability::Unknown),
        ] {
            assert_eq!(table.judge(name), want, "{name}");
        }
    }

    #[test]
    fn an_unknown_state_is_kept_with_a_note() {
        let (state, note) = CLUSTER.state(Some("hibernating".to_owned()));
        assert_eq!(
            (state.name.as_str(), state.availability),
            ("hibernating", Availability::Unknown)
        );
        assert!(note.unwrap().contains("`hibernating`"));
        assert!(CLUSTER.state(None).1.unwrap().contains("no state"));
        assert_eq!(CLUSTER.state(Some("available".to_owned())).1, None);
    }
}
