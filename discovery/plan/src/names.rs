//! Who gets which name. Two databases that want one name are both told, and neither silently wins.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::{ResourceId, Target};

/// The claims on names of one plan. Names are compared without case: they end up in host names.
#[derive(Default)]
pub(crate) struct Claims<'a> {
    wanted: BTreeMap<String, BTreeSet<&'a ResourceId>>,
    held: BTreeMap<String, &'a ResourceId>,
}

/// What became of one claim.
pub(crate) enum Claim {
    /// Nobody else wants it, or it was there first. Who wants it in vain.
    Granted(Vec<ResourceId>),
    /// Somebody has it, or several newcomers want it at once.
    Refused(Vec<ResourceId>),
}

impl<'a> Claims<'a> {
    /// Notes the names that enrolled targets have: they keep them until they are removed.
    pub(crate) fn incumbents(targets: impl Iterator<Item = &'a Target>) -> Self {
        let mut claims = Self::default();
        for target in targets {
            claims.held.insert(target.name.to_lowercase(), &target.id);
        }
        claims
    }

    /// Notes that a database wants a name.
    pub(crate) fn want(&mut self, id: &'a ResourceId, name: &str) {
        self.wanted
            .entry(name.to_lowercase())
            .or_default()
            .insert(id);
    }

    /// Settles a claim, after all were noted.
    pub(crate) fn settle(&self, id: &ResourceId, name: &str) -> Claim {
        let key = name.to_lowercase();
        let others: Vec<ResourceId> = self
            .wanted
            .get(&key)
            .into_iter()
            .flatten()
            .filter(|other| **other != id)
            .map(|other| (*other).clone())
            .collect();
        match self.held.get(&key) {
            Some(holder) if *holder == id => Claim::Granted(others),
            Some(holder) => {
                let mut all = vec![(*holder).clone()];
                all.extend(others.into_iter().filter(|other| other != *holder));
                Claim::Refused(all)
            }
            None if others.is_empty() => Claim::Granted(others),
            None => Claim::Refused(others),
        }
    }
}
