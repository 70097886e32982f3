//! As whom somebody may open a target: for `db ls`, and for picking a default.

use std::collections::BTreeSet;

use muster_model::{Target, Timestamp};

use super::Policy;
use crate::{
    choices::{Choices, Names},
    identity::Identity,
    role::{Rules, Words},
    user::Traits,
};

impl Policy {
    /// As whom, and on which names, this identity may open the target; none when it may not know of it.
    pub fn choices(&self, who: &Identity, target: &Target, now: Timestamp) -> Option<Choices> {
        let standing = self.seen(who, target, now)?;
        let traits = &standing.user.traits;
        let allow: Vec<&Rules> = standing
            .carried
            .iter()
            .map(|role| &role.allow)
            .filter(|allow| allow.labels.is_match(&target.labels, traits))
            .collect();
        let deny: Vec<&Rules> = standing.bound.iter().map(|role| &role.deny).collect();
        let route = who.route.as_ref();
        let names = |of: fn(&Rules) -> &Words, only: Option<&String>| {
            let names = |rules: &[&Rules]| values(rules.iter().map(|rules| of(rules)), traits);
            join(names(&allow), names(&deny), only)
        };
        Some(Choices {
            db_users: names(
                |rules| &rules.db_users,
                route.and_then(|route| route.db_user.as_ref()),
            ),
            db_names: names(
                |rules| &rules.db_names,
                route.and_then(|route| route.db_name.as_ref()),
            ),
        })
    }
}

fn values<'r>(words: impl Iterator<Item = &'r Words>, traits: &Traits) -> BTreeSet<String> {
    words.flat_map(|words| words.values(traits)).collect()
}

fn join(mut allow: BTreeSet<String>, mut deny: BTreeSet<String>, only: Option<&String>) -> Names {
    let mut names = Names {
        any: allow.remove("*"),
        ..Names::default()
    };
    if deny.remove("*") {
        return Names::default();
    }
    if let Some(only) = only {
        let is_allowed = (names.any || allow.contains(only)) && !deny.contains(only);
        names.any = false;
        names.named = is_allowed.then(|| only.clone()).into_iter().collect();
        return names;
    }
    names.named = allow.difference(&deny).cloned().collect();
    if names.any {
        names.not = deny.into_iter().collect();
    }
    names
}
