//! [`Watch`]: what should be due when, to see what the scheduler misses. Pure.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Offset, TimeZone, Utc};
use muster_model::Timestamp;

use super::Job;
use crate::{Moment, When};

/// When everything is due.
#[derive(Debug, Default)]
pub(super) struct Watch {
    rows: HashMap<When, Row>,
    last: Option<(Timestamp, Moment)>,
}

#[derive(Debug)]
struct Row {
    sources: Vec<Arc<str>>,
    next: Next,
    /// Seconds that the time zone is ahead of UTC, as the scheduler's job believes; 0 for intervals.
    offset: i32,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    /// An interval runs by the time that passes.
    Up(Moment),
    /// Cron runs by the time of day; none when it never comes again.
    Wall(Option<Timestamp>),
}

/// What a look around came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Sources that should have been due.
    pub(super) due: Vec<Arc<str>>,
    /// Jobs that the scheduler has got wrong.
    pub(super) remake: Vec<When>,
    /// By how many seconds the time of day was set.
    pub(super) jumped: Option<i64>,
}

// === impl Watch ===

impl Watch {
    /// What there is to watch. What was there before keeps its time.
    pub(super) fn set(&mut self, jobs: Vec<Job>, wall: Timestamp, up: Moment) {
        for row in self.rows.values_mut() {
            row.sources.clear();
        }
        for Job { source, when } in jobs {
            let row = self.rows.entry(when).or_insert_with_key(|when| Row {
                sources: Vec::new(),
                next: Next::of(when, wall, up),
                offset: offset(when, wall),
            });
            if !row.sources.contains(&source) {
                row.sources.push(source);
            }
        }
        self.rows.retain(|_, row| !row.sources.is_empty());
    }

    /// Every distinct [`When`].
    pub(super) fn whens(&self) -> Vec<When> {
        self.rows.keys().cloned().collect()
    }

    /// The scheduler says so. Returns whose time it is.
    pub(super) fn ticked(&mut self, when: &When, wall: Timestamp, up: Moment) -> Vec<Arc<str>> {
        let Some(row) = self.rows.get_mut(when) else {
            return Vec::new();
        };
        row.next = Next::of(when, wall, up);
        row.sources.clone()
    }

    /// Looks for what the scheduler has missed, or would get wrong.
    pub(super) fn look(&mut self, wall: Timestamp, up: Moment) -> Look {
        let jumped = self.last.and_then(|(last_wall, last_up)| {
            let passed = i64::try_from(up.since(last_up).as_secs()).unwrap_or(i64::MAX);
            let off = wall.unix().saturating_sub(last_wall.plus(passed).unix());
            (off.unsigned_abs() > TOLERANCE).then_some(off)
        });
        self.last = Some((wall, up));
        let mut look = Look {
            jumped,
            ..Look::default()
        };
        for (when, row) in &mut self.rows {
            let missed = match row.next {
                // Set forward, or asleep: that time has passed for the clouds, too.
                Next::Up(next) => {
                    let slept = u64::try_from(jumped.unwrap_or(0)).unwrap_or(0);
                    up.plus(Duration::from_secs(slept)) >= next.plus(GRACE)
                }
                Next::Wall(next) => next.is_some_and(|next| wall.since(next) >= GRACE.as_secs()),
            };
            if missed {
                look.due.extend(row.sources.iter().cloned());
            }
            // The scheduler counts intervals by the time of day too; here they go on.
            let cron = matches!(row.next, Next::Wall(_));
            if missed || (cron && jumped.is_some()) {
                row.next = Next::of(when, wall, up);
            }
            let offset = offset(when, wall);
            if missed || jumped.is_some() || offset != row.offset {
                row.offset = offset;
                look.remake.push(when.clone());
            }
        }
        look
    }

    /// When a source is due next.
    pub(super) fn next(&self, source: &str, wall: Timestamp, up: Moment) -> Option<Timestamp> {
        let rows = self.rows.values();
        let rows = rows.filter(|row| row.sources.iter().any(|one| **one == *source));
        rows.filter_map(|row| match row.next {
            Next::Up(next) => {
                Some(wall.plus(i64::try_from(next.since(up).as_secs()).unwrap_or(i64::MAX)))
            }
            Next::Wall(next) => next,
        })
        .min()
    }
}

// === impl Next ===

impl Next {
    fn of(when: &When, wall: Timestamp, up: Moment) -> Self {
        match when {
            When::Every(interval) => Self::Up(up.plus(*interval)),
            When::Cron { .. } => Self::Wall(when.next_after(wall)),
        }
    }
}

/// Seconds that the job's time zone is ahead of UTC.
fn offset(when: &When, wall: Timestamp) -> i32 {
    match when {
        When::Every(_) => 0,
        When::Cron { time_zone, .. } => {
            DateTime::<Utc>::from_timestamp(wall.unix(), 0).map_or(0, |time| {
                let offset = time_zone.offset_from_utc_datetime(&time.naive_utc());
                offset.fix().local_minus_utc()
            })
        }
    }
}

/// How late the scheduler may be: it looks twice a second, and counts in whole seconds.
const GRACE: Duration = Duration::from_secs(3);
/// Seconds by which the two clocks may differ between two looks: both are cut to whole seconds.
const TOLERANCE: u64 = 2;

#[cfg(test)]
mod tests;
