//! Whose a name is: the databases of the configuration, those of records and those that were found, side by side.
//!
//! A name that several want belongs to the configuration's database, else to the record's, else to the one that was
//! found. Names are compared without case, as in TLS server names.

use std::collections::{BTreeMap, btree_map::Entry};

use muster_access::{DbRecord, Written};
use muster_model::Target;

/// What people wrote down, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ByHand {
    /// By name in lower case.
    pub targets: BTreeMap<String, Target>,
    /// Those that wait, for another one has their name.
    pub waiting: Vec<Target>,
}

/// The targets of the databases that a configuration names.
pub fn configured(databases: &[DbRecord]) -> Vec<Target> {
    let databases = databases.iter();
    databases
        .map(|record| record.written_in(Written::Configuration))
        .collect()
}

/// What people wrote down, in the configuration and in records.
pub fn by_hand(configured: Vec<Target>, records: Vec<Target>) -> ByHand {
    let mut all = ByHand::default();
    for target in configured.into_iter().chain(records) {
        match all.targets.entry(key(&target.name)) {
            Entry::Vacant(free) => drop(free.insert(target)),
            Entry::Occupied(_) => all.waiting.push(target),
        }
    }
    all
}

impl ByHand {
    /// All databases, by name: what people wrote down, and of those that were found the ones whose name is free.
    pub fn beside(self, found: impl IntoIterator<Item = Target>) -> Vec<Target> {
        let Self { targets, .. } = self;
        let mut all: Vec<Target> = found
            .into_iter()
            .filter(|target| !targets.contains_key(&key(&target.name)))
            .collect();
        all.extend(targets.into_values());
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }
}

/// As names are compared.
pub(super) fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use muster_access::Record;
    use muster_model::Timestamp;
    use serde_json::json;

    use super::*;

    fn target(name: &str, host: &str, written: Written) -> Target {
        let record = json!({"kind": "db", "metadata": {"name": name},
            "spec": {"protocol": "postgres", "uri": format!("{host}:5432")}});
        match Record::from_value(&record, Timestamp::from_unix(0))
            .unwrap()
            .0
        {
            Record::Db(record) => record.written_in(written),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_configuration_goes_before_a_record_and_a_record_before_what_was_found() {
        let host = |target: &Target| target.endpoint.as_ref().unwrap().host.clone();
        let configured = vec![target("orders", "c", Written::Configuration)];
        let records = vec![
            target("Orders", "r", Written::Record),
            target("users", "r", Written::Record),
        ];
        let found = [
            target("ORDERS", "f", Written::Record),
            target("Users", "f", Written::Record),
            target("wiki", "f", Written::Record),
        ];
        let all = by_hand(configured, records);
        let waiting: Vec<_> = all
            .waiting
            .iter()
            .map(|target| target.name.as_str())
            .collect();
        assert_eq!(waiting, ["Orders"]);
        let served: Vec<_> = all
            .beside(found)
            .iter()
            .map(|target| format!("{}@{}", target.name, host(target)))
            .collect();
        assert_eq!(served, ["orders@c", "users@r", "wiki@f"]);
    }
}
