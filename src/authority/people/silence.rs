//! Users who are not heard after too many wrong tries, over a restart.
//!
//! They are kept by a hash of the name that was tried, whether there is such a user or not: so nobody finds out who there
//! is by what a restart forgets. A row of fewer wrong tries is not kept: it costs nothing to forget, and the disk would be
//! written at every try of a stranger.

use serde::Deserialize;

use super::{
    super::{
        Authority,
        journal::{Id, Journal, Op},
        login::limit::{Failures, Silence, silence_name},
        records,
    },
    as_json,
};

/// The table of silences, by the hash of the name.
pub(in crate::authority) const SILENCES: &str = "silence";

/// The most that are kept: who tries more names than that is rid of the oldest.
const MOST: usize = 4096;

/// What was kept.
pub(in crate::authority) fn restore(journal: &Journal) -> Failures {
    let mut failures = Failures::default();
    for (name, stored) in records::table(journal.records(), SILENCES) {
        if let Ok(kept) = Silence::deserialize(&*stored.value) {
            failures.restore(name, &kept);
        }
    }
    failures
}

/// What ends a user's silence, where one is kept.
pub(super) fn end(journal: &Journal, user: &str) -> Option<Op> {
    let id = Id::new(SILENCES, silence_name(user.as_bytes()));
    journal
        .records()
        .contains_key(&id)
        .then_some(Op::Remove { id })
}

impl Authority {
    /// Keeps that a user is not heard. What cannot be written holds until the next restart.
    pub(super) fn keep_silence(&self, user: &str) {
        let Some(silence) = self.tries().failures.silence(user.as_bytes()) else {
            return;
        };
        let id = Id::new(SILENCES, silence_name(user.as_bytes()));
        let mut state = self.state();
        let mut kept: Vec<(Option<&str>, &str)> = records::table(state.journal.records(), SILENCES)
            .map(|(name, stored)| (stored.value.get("last").and_then(|at| at.as_str()), name))
            .collect();
        let too_many = (kept.len() + 1).saturating_sub(MOST);
        kept.sort_unstable();
        let mut ops: Vec<Op> = kept
            .iter()
            .take(too_many)
            .map(|(_, name)| Op::Remove {
                id: Id::new(SILENCES, *name),
            })
            .collect();
        let done = as_json(&silence).and_then(|value| {
            ops.push(Op::Put { id, value });
            Ok(state.journal.append(ops)?)
        });
        drop(state);
        if let Err(refused) = done {
            tracing::warn!(why = ?refused, "cannot keep that a user is not heard; a restart will forget it");
        }
    }

    /// The row of wrong tries is broken.
    pub(super) fn end_silence(&self, user: &str) {
        if !self.tries().failures.right(user.as_bytes()) {
            return;
        }
        let mut state = self.state();
        let Some(op) = end(&state.journal, user) else {
            return;
        };
        if let Err(error) = state.journal.append(vec![op]) {
            tracing::warn!(%error, "cannot write that a user is heard again");
        }
    }
}
