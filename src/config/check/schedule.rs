//! `schedule`, of the file and of a source.

use std::time::Duration;

use muster_schedule::{BadWhen, Pace, When, time_zones};

use super::{
    super::{BACKOFF_MAX, EVERY, JITTER, file, problem::nearest, words},
    Check, child,
};

/// What a source's schedule starts from.
#[derive(Clone, Copy)]
pub(super) struct Basis<'a> {
    /// What the file says.
    pub said: &'a file::Schedule,
    /// What came of it.
    pub pace: &'a Pace,
}

impl Check<'_> {
    /// The file's.
    pub(super) fn schedule(&mut self, said: &file::Schedule) -> Pace {
        let file::Schedule {
            every,
            cron,
            time_zone,
            jitter,
            backoff_max,
        } = said;
        let path = "schedule";
        if cron.is_none() {
            self.idle_zone(path, time_zone.as_deref());
        }
        let zone = time_zone.as_deref().unwrap_or(UTC);
        let when = self.when(path, every.as_ref(), cron.as_deref(), zone);
        let when = when.unwrap_or_else(|| When::Every(span(EVERY)));
        let interval = when.interval();
        let jitter = self.jitter(path, jitter.as_ref(), interval);
        let jitter = jitter.unwrap_or_else(|| usual_jitter(interval));
        let backoff_max = self.backoff_max(path, backoff_max.as_ref(), interval);
        Pace {
            when,
            jitter,
            backoff_max: backoff_max.unwrap_or_else(|| span(BACKOFF_MAX)),
        }
    }

    /// A source's; none when it says nothing.
    pub(super) fn source_schedule(
        &mut self,
        source: &str,
        said: Option<file::SourceSchedule>,
        basis: Basis<'_>,
    ) -> Option<Pace> {
        let file::SourceSchedule {
            every,
            cron,
            time_zone,
            jitter,
            backoff_max,
        } = said?;
        let path = child(source, "schedule");
        let nothing = every.is_none() && cron.is_none() && time_zone.is_none();
        if nothing && jitter.is_none() && backoff_max.is_none() {
            return None;
        }
        // A time zone alone has the file's times come by another clock.
        let times = match (&every, &cron) {
            (None, None) if time_zone.is_some() => basis.said.cron.clone(),
            _ => cron,
        };
        if times.is_none() {
            self.idle_zone(&path, time_zone.as_deref());
        }
        let zone = time_zone.as_deref().or(basis.said.time_zone.as_deref());
        let when = self.when(&path, every.as_ref(), times.as_deref(), zone.unwrap_or(UTC));
        let when = when.unwrap_or_else(|| basis.pace.when.clone());
        let interval = when.interval();
        let jitter = self.jitter(&path, jitter.as_ref(), interval);
        let usual = || match basis.said.jitter {
            Some(_) => basis.pace.jitter.min(interval),
            None => usual_jitter(interval),
        };
        let backoff_max = self.backoff_max(&path, backoff_max.as_ref(), interval);
        Some(Pace {
            when,
            jitter: jitter.unwrap_or_else(usual),
            backoff_max: backoff_max.unwrap_or(basis.pace.backoff_max),
        })
    }

    /// When, as far as it is said and makes sense.
    fn when(
        &mut self,
        path: &str,
        every: Option<&file::Duration>,
        cron: Option<&str>,
        zone: &str,
    ) -> Option<When> {
        if every.is_some() && cron.is_some() {
            let hint = "keep one or the other".to_owned();
            self.error(path, "`every` and `cron` are both given", hint);
            // Whichever is kept is to be right.
            self.when(path, every, None, zone);
            self.when(path, None, cron, zone);
            return None;
        }
        if let Some(every) = every {
            let path = child(path, "every");
            let every = self.span(&path, Some(every.clone()), EVERY, "1s", "30d");
            if every < OFTEN {
                let hint = "a cloud may throttle that".to_owned();
                self.warn(&path, "the clouds are read very often", hint);
            }
            return Some(When::Every(every));
        }
        let cron = cron?;
        let bad = match When::cron(cron, zone) {
            Ok(when) => return Some(when),
            Err(bad) => bad,
        };
        let path_of = |key| child(path, key);
        match bad {
            BadWhen::Cron { expression, why } => {
                let message = format!("`{expression}` is not a cron expression of five fields");
                self.error(&path_of("cron"), message, why);
            }
            BadWhen::TimeZone { name } => {
                let message = format!("`{name}` is no time zone of the IANA database");
                self.error(&path_of("time_zone"), message, meant_zone(&name));
                if zone != UTC {
                    // The expression may be wrong as well.
                    self.when(path, None, Some(cron), UTC);
                }
            }
            bad @ BadWhen::TooOften(_) => self.error(&path_of("cron"), bad.to_string(), None),
        }
        None
    }

    fn jitter(
        &mut self,
        path: &str,
        jitter: Option<&file::Duration>,
        interval: Duration,
    ) -> Option<Duration> {
        let path = child(path, "jitter");
        let jitter = self.span(&path, Some(jitter?.clone()), JITTER, "0", "30d");
        if jitter > interval {
            let interval = words::duration(interval.as_secs());
            let message =
                format!("it is longer than the time between two scans, which is {interval}");
            self.error(&path, message, None);
        }
        Some(jitter)
    }

    fn backoff_max(
        &mut self,
        path: &str,
        backoff_max: Option<&file::Duration>,
        interval: Duration,
    ) -> Option<Duration> {
        let path = child(path, "backoff_max");
        let longest = self.span(&path, Some(backoff_max?.clone()), BACKOFF_MAX, "0", "30d");
        if longest < interval {
            let interval = words::duration(interval.as_secs());
            let message = format!("it slows nothing down: two scans are {interval} apart anyhow");
            self.warn(&path, message, None);
        }
        Some(longest)
    }

    fn idle_zone(&mut self, path: &str, zone: Option<&str>) {
        if zone.is_some() && !self.is_damaged(&child(path, "cron")) {
            let hint = "an interval needs no time zone".to_owned();
            let path = child(path, "time_zone");
            self.warn(&path, "it has no effect without `cron`", hint);
        }
    }
}

/// The zone that somebody is likely to have meant.
fn meant_zone(name: &str) -> String {
    let lower = name.to_lowercase();
    let city = |zone: &&str| {
        let last = zone.rsplit('/').next().unwrap_or(zone);
        last.to_lowercase() == lower
    };
    match time_zones()
        .find(city)
        .or_else(|| nearest(name, time_zones()))
    {
        Some(zone) => format!("did you mean `{zone}`?"),
        None => "such as `Europe/Berlin` or `UTC`".to_owned(),
    }
}

/// What scans are put off by where nothing is said.
fn usual_jitter(interval: Duration) -> Duration {
    // Whole seconds, as everything in the file.
    Duration::from_secs((interval.as_secs() / 10).min(span(JITTER).as_secs()))
}

/// A default.
fn span(text: &str) -> Duration {
    Duration::from_secs(words::seconds(text).unwrap_or_default())
}

/// Where nothing is said of the time zone: the same everywhere.
const UTC: &str = "UTC";
/// What is more often than this was hardly meant.
const OFTEN: Duration = Duration::from_secs(30);
