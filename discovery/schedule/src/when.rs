//! [`When`]: by interval, or by cron in a time zone.

use std::time::Duration;

/// When something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after it was last due.
    Every(Duration),
    /// By a cron expression of five fields, in a time zone.
    Cron {
        /// Minute, hour, day of month, month, day of week.
        expression: String,
        /// Whose clock it is.
        time_zone: chrono_tz::Tz,
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
}
