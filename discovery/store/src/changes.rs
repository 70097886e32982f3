//! The log of changes: which keys each revision touched, bounded by the number of keys.

use std::collections::{BTreeSet, VecDeque};

use crate::{key::Key, store::Revision};

/// How many changed keys a store remembers. A batch that changes more leaves an empty log behind.
pub const LOG_KEYS: usize = 16_384;

/// What changed after a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// These keys were put or deleted, and no others.
    Known {
        /// The keys, each once.
        keys: BTreeSet<Key>,
        /// The revision that this answer leads to: ask again from here.
        upto: Revision,
    },
    /// The log does not reach back that far, or the revision is not one of this store: read everything again.
    TooOld {
        /// The current revision. Ask for it *before* reading everything again, and go on from there.
        upto: Revision,
    },
}

/// The log itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// Oldest first, without gaps, up to the current revision.
    batches: VecDeque<(Revision, Vec<Key>)>,
    keys: usize,
}

impl Log {
    /// Adds what a revision changed, and returns what fell off the far end; the new one may be among it, when
    /// it alone is over the bound.
    pub(crate) fn push(&mut self, revision: Revision, keys: Vec<Key>) -> Vec<(Revision, Vec<Key>)> {
        self.keys = self.keys.saturating_add(keys.len());
        self.batches.push_back((revision, keys));
        let mut dropped = Vec::new();
        while self.keys > LOG_KEYS
            && let Some(oldest) = self.batches.pop_front()
        {
            self.keys = self.keys.saturating_sub(oldest.1.len());
            dropped.push(oldest);
        }
        dropped
    }

    /// The keys of the newest revision, when the log still has it.
    pub(crate) fn newest(&self) -> Option<&[Key]> {
        self.batches.back().map(|(_, keys)| keys.as_slice())
    }

    /// The keys changed after `since`, where `now` is the current revision.
    pub(crate) fn since(&self, since: Revision, now: Revision) -> Changes {
        // The oldest state that the log leads on from.
        let reach = now.0.saturating_sub(self.batches.len() as u64);
        if since > now || since.0 < reach {
            return Changes::TooOld { upto: now };
        }
        let keys = self
            .batches
            .iter()
            .rev()
            .take_while(|(revision, _)| *revision > since)
            .flat_map(|(_, keys)| keys.iter().cloned())
            .collect();
        Changes::Known { keys, upto: now }
    }
}
