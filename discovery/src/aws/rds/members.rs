//! What is known of the instances that clusters are made of.

use std::collections::HashMap;

/// The instances of clusters, by identifier.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Whether every instance was read, so that what is not here is not there.
    pub(super) complete: bool,
    all: HashMap<String, Member>,
}

/// One instance of a cluster.
#[derive(Debug, Default)]
pub(super) struct Member {
    pub(super) vpc: Option<String>,
    pub(super) public: Option<bool>,
    pub(super) ca: Option<String>,
}

impl Members {
    pub(super) fn insert(&mut self, identifier: String, member: Member) {
        self.all.insert(identifier, member);
    }

    /// Whether all of the named instances are known.
    pub(super) fn know<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        names.all(|name| self.all.contains_key(name))
    }

    /// What the named instances have in common; none where they differ, or where it is not known of all of them.
    pub(super) fn common<'a>(&self, names: impl Iterator<Item = &'a str>) -> Member {
        let known: Option<Vec<_>> = names.map(|name| self.all.get(name)).collect();
        let Some(((first, rest), known)) = known
            .as_ref()
            .and_then(|known| Some((known.split_first()?, known)))
        else {
            return Member::default();
        };
        let vpc = if rest.iter().all(|member| member.vpc == first.vpc) {
            first.vpc.clone()
        } else {
            // All instances of a cluster are in one network: if they seem not to be, the answer is not to be trusted.
            None
        };
        let public = first
            .public
            .filter(|_| known.iter().all(|member| member.public == first.public));
        let ca = if rest.iter().all(|member| member.ca == first.ca) {
            first.ca.clone()
        } else {
            None
        };
        Member { vpc, public, ca }
    }
}
