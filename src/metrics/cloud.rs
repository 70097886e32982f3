//! [`Cloud`]: counts what goes to the clouds.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use muster_cloud::{
    Observer, Reason,
    observe::{Cloud as Whose, Holder},
};
use muster_model::Provider;
use prometheus_client::{
    metrics::{counter::Counter, histogram::Histogram},
    registry::Registry,
};

use super::{families, operations::operation, series::Series, values::OK};
use crate::doctor::dates::Dates;

/// Counts requests and credentials.
#[derive(Debug)]
pub(super) struct Cloud {
    requests: Series<3, Counter>,
    duration: Series<1, Histogram>,
    throttled: Series<1, Counter>,
    credentials: Series<2, Counter>,
    /// When the credentials of each holder end, for those that do.
    ends: Mutex<BTreeMap<Holder, (Provider, SystemTime)>>,
    /// What time it is for the clouds.
    dates: Dates,
}

impl Cloud {
    pub(super) fn new(registry: &mut Registry) -> Self {
        Self {
            requests: Series::within(&families::CLOUD_REQUESTS, registry),
            duration: Series::within(&families::CLOUD_DURATION, registry),
            throttled: Series::within(&families::CLOUD_THROTTLED, registry),
            credentials: Series::within(&families::CLOUD_CREDENTIALS, registry),
            ends: Mutex::default(),
            dates: Dates::default(),
        }
    }

    /// What time it is for the clouds.
    pub(super) const fn dates(&self) -> &Dates {
        &self.dates
    }

    /// When the credentials end that end first, by provider.
    pub(super) fn first_ends(&self) -> BTreeMap<Provider, SystemTime> {
        let mut first: BTreeMap<Provider, SystemTime> = BTreeMap::new();
        for (provider, end) in self.ends().values() {
            let known = first.entry(*provider).or_insert(*end);
            *known = (*known).min(*end);
        }
        first
    }

    fn ends(&self) -> MutexGuard<'_, BTreeMap<Holder, (Provider, SystemTime)>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Cloud {
    fn attempt(&self, call: &str, failed: Option<Reason>, took: Duration) {
        let operation = operation(call);
        let service = operation.service;
        let outcome = failed.map_or(OK, Reason::as_str);
        self.requests
            .with([service, operation.call, outcome], |count| count.inc());
        self.duration
            .with([service], |times| times.observe(took.as_secs_f64()));
        if failed == Some(Reason::Throttled) {
            self.throttled.with([service], |count| count.inc());
        }
    }

    fn credentials(
        &self,
        holder: Holder,
        cloud: Whose,
        answer: Result<Option<SystemTime>, Reason>,
    ) {
        let provider = match cloud {
            Whose::Aws => Provider::Aws,
            Whose::Azure => Provider::Azure,
        };
        let outcome = answer.map_or_else(Reason::as_str, |_| OK);
        self.credentials
            .with([provider.as_str(), outcome], |count| count.inc());
        // After a failure the old ones are used to their end.
        match answer {
            Ok(Some(end)) => {
                self.ends().insert(holder, (provider, end));
            }
            Ok(None) => self.released(holder),
            Err(_) => {}
        }
    }

    fn released(&self, holder: Holder) {
        self.ends().remove(&holder);
    }

    fn date(&self, cloud: Whose, theirs: SystemTime, ours: SystemTime) {
        self.dates.of_cloud(cloud, theirs, ours);
    }
}
