//! The catalog: what the door serves, as one immutable snapshot.
//!
//! A snapshot is shared by pointer and never changes. [`Catalog::with`] and [`Catalog::without`] make the next one
//! and share almost everything with the last, so that a change among a million targets costs what it costs among
//! ten. A lookup is a few comparisons of names, and the names are in order: a page of a list costs that page.
//!
//! Names are compared without regard to ASCII case, because a name may arrive as a host name.

use std::{fmt, ops::Bound, sync::Arc};

use muster_model::{ResourceId, Target};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

/// The published, immutable set of targets with its indexes.
#[derive(Clone, Default)]
pub struct Catalog {
    by_id: HashTrieMapSync<ResourceId, Arc<Target>>,
    /// By the name in lower case.
    by_name: RedBlackTreeMapSync<String, Arc<Target>>,
    /// Those that share a short name. However many they are, a change among them costs itself.
    by_short: HashTrieMapSync<String, HashTrieMapSync<ResourceId, Arc<Target>>>,
}

/// Why a name leads to no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// No target has the name.
    #[error("no database is called {0:?}")]
    Unknown(String),
    /// Several targets share the short name.
    #[error("{count} databases share the short name {name:?}")]
    Ambiguous {
        /// The short name.
        name: String,
        /// How many share it.
        count: usize,
    },
}

// === impl Catalog ===

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of targets.
    pub fn len(&self) -> usize {
        self.by_id.size()
    }

    /// Whether there is no target.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The target with this identity.
    pub fn get(&self, id: &ResourceId) -> Option<&Arc<Target>> {
        self.by_id.get(id)
    }

    /// The target that people call by this name: its own name, or a short name that no other target shares.
    pub fn find(&self, name: &str) -> Result<&Arc<Target>, NoTarget> {
        let key = name.to_ascii_lowercase();
        if let Some(target) = self.by_name.get(&key) {
            return Ok(target);
        }
        let sharers = self.by_short.get(&key);
        let (count, first) = sharers.map_or((0, None), |sharers| {
            (sharers.size(), sharers.values().next())
        });
        match first {
            Some(only) if count == 1 => Ok(only),
            Some(_) => Err(NoTarget::Ambiguous {
                name: name.to_owned(),
                count,
            }),
            None => Err(NoTarget::Unknown(name.to_owned())),
        }
    }

    /// All targets, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.by_id.values()
    }

    /// The targets in the order of their names, from the first whose name comes after this one.
    pub fn after(&self, name: Option<&str>) -> impl Iterator<Item = &Arc<Target>> {
        let from = name.map(str::to_ascii_lowercase);
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_name
            .range::<String, _>((from, Bound::Unbounded))
            .map(|(_, target)| target)
    }

    /// The targets that share this short name, in no order.
    pub fn called(&self, short_name: &str) -> impl Iterator<Item = &Arc<Target>> {
        let key = short_name.to_ascii_lowercase();
        let sharers = self.by_short.get(&key);
        sharers.into_iter().flat_map(HashTrieMapSync::values)
    }

    /// This catalog with the target added, or put in the place of the one with the same identity.
    #[must_use]
    pub fn with(&self, target: Arc<Target>) -> Self {
        let mut next = self.clone();
        next.put(target);
        next
    }

    /// This catalog without the target of this identity.
    #[must_use]
    pub fn without(&self, id: &ResourceId) -> Self {
        let mut next = self.clone();
        next.take(id);
        next
    }

    fn put(&mut self, target: Arc<Target>) {
        self.take(&target.id);
        self.by_id
            .insert_mut(target.id.clone(), Arc::clone(&target));
        self.by_name
            .insert_mut(target.name.to_ascii_lowercase(), Arc::clone(&target));
        let short = target.short_name.to_ascii_lowercase();
        let sharers = self.by_short.get(&short).cloned().unwrap_or_default();
        let sharers = sharers.insert(target.id.clone(), target);
        self.by_short.insert_mut(short, sharers);
    }

    fn take(&mut self, id: &ResourceId) {
        let Some(old) = self.by_id.get(id).cloned() else {
            return;
        };
        self.by_id.remove_mut(id);
        let name = old.name.to_ascii_lowercase();
        // Two targets never share a name in a good store; should it happen, the later one keeps it.
        if self.by_name.get(&name).is_some_and(|held| held.id == *id) {
            self.by_name.remove_mut(&name);
        }
        let short = old.short_name.to_ascii_lowercase();
        let Some(sharers) = self.by_short.get(&short) else {
            return;
        };
        let rest = sharers.remove(id);
        if rest.is_empty() {
            self.by_short.remove_mut(&short);
        } else {
            self.by_short.insert_mut(short, rest);
        }
    }
}

// === other impls ===

impl FromIterator<Arc<Target>> for Catalog {
    fn from_iter<I: IntoIterator<Item = Arc<Target>>>(targets: I) -> Self {
        let mut catalog = Self::new();
        for target in targets {
            catalog.put(target);
        }
        catalog
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalog({} targets)", self.len())
    }
}

#[cfg(test)]
mod tests;
