//! [`Dates`]: what time it is for others, by the dates of answers that are read anyway.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use muster_cloud::{
    Observer, Reason,
    observe::{Cloud, Holder},
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

    /// An answer of a cloud.
    pub fn of_cloud(&self, cloud: Cloud, theirs: SystemTime, ours: SystemTime) {
        let with = match cloud {
            Cloud::Aws => "AWS",
            Cloud::Azure => "Azure",
        };
        let at = |time: SystemTime| {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
        };
        self.saw(with, at(theirs), at(ours));
    }

    /// The last of each.
    pub fn compared(&self) -> Vec<Compared> {
        let dates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dates.values().cloned().collect()
    }
}

impl Observer for Dates {
    fn attempt(&self, _: &str, _: Option<Reason>, _: Duration) {}

    fn credentials(&self, _: Holder, _: Cloud, _: Result<Option<SystemTime>, Reason>) {}

    fn released(&self, _: Holder) {}

    fn date(&self, cloud: Cloud, theirs: SystemTime, ours: SystemTime) {
        self.of_cloud(cloud, theirs, ours);
    }
}
