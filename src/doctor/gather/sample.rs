//! Which of many databases are looked at: some of each place first, for what is wrong is mostly wrong with a whole
//! network, and then others, spread over all.

use std::{collections::BTreeMap, sync::Arc};

use muster_model::Target;

/// How many of one place are certainly kept.
const OF_A_PLACE: usize = 4;
/// Places that are told apart.
const PLACES: usize = 1024;

/// Some of many databases, chosen while they go by: what is kept does not grow with how many there are.
pub struct Sample {
    /// The most that are wanted; none for all.
    most: Option<usize>,
    places: BTreeMap<String, Vec<Arc<Target>>>,
    /// Every `step`th of the others.
    others: Vec<Arc<Target>>,
    step: u64,
    seen: u64,
}

// === impl Sample ===

impl Sample {
    /// Chooses so many; none for all.
    pub const fn new(most: Option<usize>) -> Self {
        Self {
            most,
            places: BTreeMap::new(),
            others: Vec::new(),
            step: 1,
            seen: 0,
        }
    }

    /// A database goes by.
    pub fn see(&mut self, target: Target) {
        let at = self.seen;
        self.seen += 1;
        let Some(most) = self.most else {
            self.others.push(Arc::new(target));
            return;
        };
        let place = format!("{} {}", target.scope, target.kind);
        let known = self.places.len();
        match self.places.get_mut(&place) {
            Some(kept) if kept.len() < OF_A_PLACE => return kept.push(Arc::new(target)),
            None if known < PLACES => {
                self.places.insert(place, vec![Arc::new(target)]);
                return;
            }
            _ => {}
        }
        if at.is_multiple_of(self.step) {
            self.others.push(Arc::new(target));
        }
        if self.others.len() > most.saturating_mul(2) {
            let mut keep = false;
            self.others.retain(|_| {
                keep = !keep;
                keep
            });
            self.step = self.step.saturating_mul(2);
        }
    }

    /// How many went by.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Those that were chosen, by name.
    pub fn chosen(self) -> Vec<Arc<Target>> {
        let most = self.most.unwrap_or(usize::MAX);
        let mut chosen = Vec::new();
        for nth in 0..OF_A_PLACE {
            let of_each = self.places.values().filter_map(|kept| kept.get(nth));
            chosen.extend(of_each.cloned());
        }
        chosen.truncate(most);
        let room = most.saturating_sub(chosen.len());
        let step = self.others.len().div_ceil(room.max(1)).max(1);
        if room > 0 {
            chosen.extend(self.others.into_iter().step_by(step));
        }
        chosen.sort_by(|a, b| a.name.cmp(&b.name));
        chosen
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use muster_model::{Scope, Service};

    use super::*;

    fn target(n: usize, region: &str) -> Target {
        let mut target: Target = serde_json::from_value(serde_json::json!({
            "id": format!("arn:{n}"), "name": format!("db-{n:06}"), "short_name": format!("db-{n:06}"),
            "kind": "rds", "protocol": "postgres", "endpoint": null, "engine": "postgres",
            "state": { "name": "available", "availability": "available" }, "labels": {},
            "scope": Scope::aws("111111111111", "us-east-1", Service::Rds),
            "owner": { "by": "discovery", "group": "default" }, "reason": "",
        }))
        .unwrap();
        target.scope = Arc::new(Scope::aws("111111111111", region, Service::Rds));
        target
    }

    #[test]
    fn of_many_some_of_each_place_are_chosen_and_the_rest_is_spread() {
        let mut sample = Sample::new(Some(200));
        for n in 0..50_000 {
            // One region has nearly all, and the last is met late.
            let region = match n {
                49_999 => "eu-west-3",
                n if n % 1000 == 0 => "eu-west-1",
                _ => "us-east-1",
            };
            sample.see(target(n, region));
            assert!(sample.others.len() <= 401);
        }
        assert_eq!(sample.seen(), 50_000);
        let chosen = sample.chosen();
        assert!((100..=200).contains(&chosen.len()), "{}", chosen.len());
        let regions: BTreeSet<_> = chosen.iter().map(|t| t.scope.region.to_string()).collect();
        assert_eq!(regions.len(), 3);
        let names: BTreeSet<_> = chosen.iter().map(|t| &t.name).collect();
        assert_eq!(names.len(), chosen.len(), "none twice");
        // Not only the first of them.
        let late = names
            .iter()
            .filter(|name| name.as_str() > "db-025000")
            .count();
        assert!(late > chosen.len() / 4, "{late}");
    }

    #[test]
    fn few_are_all_chosen_and_all_are_when_asked_for() {
        for (most, of) in [(Some(200), 150), (None, 1000)] {
            let mut sample = Sample::new(most);
            for n in 0..of {
                sample.see(target(n, "us-east-1"));
            }
            assert_eq!(sample.chosen().len(), of);
        }
    }
}
