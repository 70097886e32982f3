//! [`Tally`]: how many of each there are.

use std::collections::BTreeMap;

use super::{Index, Standing};
use crate::{Action, Safety, planner::NOT_SEEN};

/// How many of each there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Databases in the inventory, by provider and kind: `aws/rds`.
    pub databases: BTreeMap<String, u64>,
    /// Targets, by protocol.
    pub targets: BTreeMap<String, u64>,
    /// Databases that are not enrolled, by the reason's code.
    pub skipped: BTreeMap<String, u64>,
    /// Changes that a safety holds, by safety.
    pub held: BTreeMap<String, u64>,
    /// The same changes, by what they would do.
    pub would: BTreeMap<String, u64>,
}

impl Index {
    /// Counts everything: one pass over all entries, without allocation for each.
    pub fn tally(&self) -> Tally {
        let mut databases: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let mut targets: BTreeMap<&str, u64> = BTreeMap::new();
        let mut skipped: BTreeMap<&str, u64> = BTreeMap::new();
        let mut held: BTreeMap<&str, u64> = BTreeMap::new();
        let mut would: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in self.entries.iter().flatten() {
            if entry.record
                && let Some(state) = self.scope_state(entry.scope)
            {
                let key = (state.scope.provider.as_str(), entry.kind.as_str());
                *databases.entry(key).or_default() += 1;
            }
            if entry.holds.is_some()
                && let Some(protocol) = entry.protocol
            {
                *targets.entry(protocol.as_str()).or_default() += 1;
            }
            let unseen = entry.record && !entry.missing && !self.saw(entry);
            match entry.standing {
                // Nobody asks for its scope any more: no scan says more of it than the plan.
                Standing::Held(hold) if hold.would == Action::Remove && !self.asks(entry) => {
                    *held.entry(hold.safety.as_str()).or_default() += 1;
                    *would.entry(hold.would.as_str()).or_default() += 1;
                }
                // The last scan of its scope did not see everything: a plan would hold what there is of it.
                _ if unseen && entry.own => {
                    *held.entry(Safety::Coverage.as_str()).or_default() += 1;
                    *would.entry(Action::Remove.as_str()).or_default() += 1;
                }
                _ if unseen && entry.holds.is_none() => *skipped.entry(NOT_SEEN).or_default() += 1,
                Standing::Held(hold) => {
                    *held.entry(hold.safety.as_str()).or_default() += 1;
                    *would.entry(hold.would.as_str()).or_default() += 1;
                }
                Standing::Skipped(code) => {
                    let code = self
                        .codes
                        .get(usize::from(code))
                        .map_or("other", |code| code);
                    *skipped.entry(code).or_default() += 1;
                }
                Standing::Kept | Standing::Unplanned => {}
            }
        }
        let own = |map: BTreeMap<&str, u64>| {
            map.into_iter()
                .map(|(key, n)| (key.to_owned(), n))
                .collect()
        };
        Tally {
            databases: databases
                .into_iter()
                .map(|((provider, kind), n)| (format!("{provider}/{kind}"), n))
                .collect(),
            targets: own(targets),
            skipped: own(skipped),
            held: own(held),
            would: own(would),
        }
    }
}
