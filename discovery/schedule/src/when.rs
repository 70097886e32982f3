//! [`When`]: by interval, or by cron in a time zone.

use std::{fmt, time::Duration};

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    Cron, JobType,
    errors::CronError,
    parser::{CronParser, Seconds},
};
use muster_model::Timestamp;

/// When something is due. [`When::every`] and [`When::cron`] check what they are given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// So long after it was last due.
    Every(Duration),
    /// By a cron expression of five fields, in a time zone.
    Cron {
        /// Minute, hour, day of month, month, day of week; or a word such as `@hourly`.
        expression: String,
        /// Whose clock it is.
        time_zone: Tz,
    },
}

/// How a scope is scanned again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// When it is due.
    pub when: When,
    /// The most that its scan is put off, so that not all scopes are read at the same moment.
    pub jitter: Duration,
    /// The longest pause after failures in a row.
    pub backoff_max: Duration,
}

/// Why a schedule makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWhen {
    /// The expression is no cron expression.
    #[error("`{expression}` is not a cron expression of five fields: {why}")]
    Cron {
        /// What was given.
        expression: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody knows the time zone.
    #[error("`{name}` is no time zone of the IANA database, such as `Europe/Berlin` or `UTC`")]
    TimeZone {
        /// What was given.
        name: String,
    },
    /// The interval is shorter than the clock can tell.
    #[error("an interval of {} ms is too short: the shortest is 1 s", .0.as_millis())]
    TooOften(Duration),
}

// === impl When ===

impl When {
    /// Due every so often.
    ///
    /// # Errors
    /// For less than a second: the clock counts in seconds.
    pub const fn every(interval: Duration) -> Result<Self, BadWhen> {
        if interval.as_secs() < SHORTEST.as_secs() {
            return Err(BadWhen::TooOften(interval));
        }
        Ok(Self::Every(interval))
    }

    /// Due by a cron expression: minute, hour, day of month, month, day of week, or `@hourly`, `@daily`, `@weekly`,
    /// `@monthly`, `@yearly`. Where both days are given, both must match, as the scheduler reads it: `0 3 1 * MON`
    /// is a first of the month that is a Monday.
    ///
    /// # Errors
    /// When the scheduler's parser does not take it, when it never comes (30 February), or when nobody knows the
    /// time zone.
    pub fn cron(expression: &str, time_zone: &str) -> Result<Self, BadWhen> {
        let zone = time_zone.parse::<Tz>().map_err(|_| BadWhen::TimeZone {
            name: shortened(time_zone),
        })?;
        let bad = |why: String| BadWhen::Cron {
            expression: shortened(expression),
            why,
        };
        let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
        let cron = parse(&expression).map_err(bad)?;
        if next(&cron, &zone, SOME_DAY).is_none() {
            return Err(bad("there is no such day".to_owned()));
        }
        Ok(Self::Cron {
            expression,
            time_zone: zone,
        })
    }

    /// The time between two: for cron the shortest of the first few of a sample year. Failures in a row lengthen it.
    pub fn interval(&self) -> Duration {
        match self {
            Self::Every(interval) => *interval,
            Self::Cron {
                expression,
                time_zone,
            } => {
                let Ok(cron) = parse(expression) else {
                    return DAY;
                };
                let mut last = next(&cron, time_zone, SOME_DAY);
                let mut shortest = None::<u64>;
                for _ in 0..SAMPLE {
                    let Some(from) = last else { break };
                    last = next(&cron, time_zone, from);
                    let gap = last.map(|to| to.since(from));
                    shortest = shortest.into_iter().chain(gap).min();
                }
                shortest.map_or(DAY, Duration::from_secs)
            }
        }
    }

    /// When it is due next, for one that was due, or was asked for first, at this time. None when it never comes.
    ///
    /// At the end of daylight saving time a fixed time of day comes once; at its beginning one that is left out comes
    /// right after. No day is missed.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => {
                Some(time.plus(i64::try_from(interval.as_secs()).unwrap_or(i64::MAX)))
            }
            Self::Cron {
                expression,
                time_zone,
            } => next(&parse(expression).ok()?, time_zone, time),
        }
    }

    /// The expression with the field for seconds that the scheduler insists on.
    pub(crate) fn with_seconds(expression: &str) -> String {
        if expression.starts_with('@') {
            expression.to_owned()
        } else {
            format!("0 {expression}")
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => {
                let seconds = interval.as_secs();
                let (number, unit) = match seconds {
                    _ if seconds % 86_400 == 0 => (seconds / 86_400, "d"),
                    _ if seconds % 3600 == 0 => (seconds / 3600, "h"),
                    _ if seconds % 60 == 0 => (seconds / 60, "m"),
                    _ => (seconds, "s"),
                };
                write!(f, "every {number}{unit}")
            }
            Self::Cron {
                expression,
                time_zone,
            } => write!(f, "`{expression}` in {time_zone}"),
        }
    }
}

/// The names of all time zones.
pub fn time_zones() -> impl Iterator<Item = &'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
}

/// Reads an expression with the parser and the options of tokio-cron-scheduler, which gives no reasons.
fn parse(expression: &str) -> Result<Cron, String> {
    // The parser's own limits are generous; nobody writes this much.
    if expression.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} characters"));
    }
    let fields = expression.split_whitespace().count();
    let word = expression.starts_with('@');
    if !word && fields != 5 {
        return Err(match fields {
            6 => "it has 6 fields; the finest is the minute, leave out the seconds".to_owned(),
            _ => format!("it has {fields} fields"),
        });
    }
    let wrong = match parser().parse(&When::with_seconds(expression)) {
        Ok(cron) => return Ok(cron),
        Err(error) => error,
    };
    if word {
        return Err("the words are @hourly, @daily, @weekly, @monthly and @yearly".to_owned());
    }
    // The parser does not say which field it means; alone among stars it shows.
    let fields = expression.split_whitespace().zip(FIELDS).enumerate();
    for (index, (text, (name, range))) in fields {
        let alone: Vec<_> = (0..5)
            .map(|at| if at == index { text } else { "*" })
            .collect();
        if let Err(error) = parser().parse(&When::with_seconds(&alone.join(" "))) {
            return Err(format!("{name} `{text}`: {} ({range})", reason(&error)));
        }
    }
    Err(reason(&wrong))
}

/// With the options of tokio-cron-scheduler.
fn parser() -> CronParser {
    CronParser::builder()
        .seconds(Seconds::Required)
        .dom_and_dow(true)
        .build()
}

/// The parser's reason, in our form.
fn reason(error: &CronError) -> String {
    let text = match error {
        CronError::ComponentError(text) | CronError::InvalidPattern(text) => text.clone(),
        CronError::IllegalCharacters(_) => "illegal characters".to_owned(),
        other => other.to_string(),
    };
    let mut letters = text.trim_end_matches('.').chars();
    let first = letters.next().into_iter().flat_map(char::to_lowercase);
    first.chain(letters).collect()
}

/// The next time after this one.
///
/// The parser's crate counts on the clock on the wall, where the end of daylight saving time has an hour twice and
/// its beginning leaves one out. An expression such as `*/15 * * * *` goes on through the second pass of that hour,
/// and one such as `0,30 2 * * *`, all of whose times are left out that day, comes as if the clock had not been set.
fn next(cron: &Cron, zone: &Tz, after: Timestamp) -> Option<Timestamp> {
    let start = DateTime::<Utc>::from_timestamp(after.unix(), 0)?;
    let local = start.with_timezone(zone);
    let wall = cron.find_next_occurrence(&local, false).ok()?;
    let (old, new) = (local.offset().fix(), wall.offset().fix());
    let goes_on = cron.determine_job_type() == JobType::IntervalWildcard;
    // In the second pass of an hour the crate answers with a time of the first.
    if wall <= local {
        let mut times = cron
            .iter_after(start.with_timezone(&old))
            .take(LONGEST_PASS);
        let next = times.find(|time| {
            let once = zone.from_local_datetime(&time.naive_local()).single();
            goes_on || once.is_some()
        })?;
        return Some(Timestamp::from_unix(next.timestamp()));
    }
    let mut next = wall.to_utc();
    if old != new {
        if let Ok(unset) = cron.find_next_occurrence(&start.with_timezone(&old), false)
            && unset < next
            && zone
                .from_local_datetime(&unset.naive_local())
                .earliest()
                .is_none()
        {
            next = unset.to_utc();
        }
        if goes_on {
            let mut times = cron
                .iter_after(start.with_timezone(&new))
                .take(LONGEST_PASS);
            let second_pass = times.find(|time| {
                let read = time.with_timezone(zone);
                read.naive_local() == time.naive_local()
            });
            next = second_pass.map_or(next, |time| next.min(time.to_utc()));
        }
    }
    Some(Timestamp::from_unix(next.timestamp()))
}

/// Enough to say which one is meant.
fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// The clock counts in seconds.
const SHORTEST: Duration = Duration::from_secs(1);
/// Of an expression, in bytes.
const LONGEST: usize = 200;
/// How many gaps between two times are looked at to tell how often an expression comes.
const SAMPLE: usize = 16;
/// The fields, and what the parser takes in each.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of month", "1-31"),
    ("month", "1-12 or JAN-DEC"),
    ("day of week", "0-7 or SUN-SAT"),
];
/// Of the hour that comes twice: one a minute, with some to spare.
const LONGEST_PASS: usize = 200;
/// 2024-01-01T00:00:00Z: from here an expression is tried out.
const SOME_DAY: Timestamp = Timestamp::from_unix(1_704_067_200);
/// What counts as the interval of an expression that comes once at most.
const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests;
