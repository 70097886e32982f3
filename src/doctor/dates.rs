//! [`Dates`]: what time it is for others, by the dates of answers that are read anyway.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use muster_model::Timestamp;

use super::evidence::Compared;

/// The last date of each of those who answered, beside the time here.
#[derive(Debug, Default)]
pub struct Dates(Mutex<BTreeMap<&'static str, Compared>>);

// === impl Dates ===

impl Dates {
    /// An answer of `with` had this date, and came at this time.
    pub fn saw(&self, with: &'static str, theirs: Timestamp, ours: Timestamp) {
        let compared = Compared {
            with: with.to_owned(),
            theirs,
            ours,
        };
        let mut dates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dates.insert(with, compared);
    }

    /// The last of each.
    pub fn compared(&self) -> Vec<Compared> {
        let dates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dates.values().cloned().collect()
    }
}
