//! [`Moment`]: time that only passes, in contrast to a `Timestamp`, which somebody may set.

use std::time::{Duration, Instant};

/// Milliseconds since some beginning. Two of them are only comparable when they have the same beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// Counts from its own start.
#[derive(Clone, Copy, Debug)]
pub struct Uptime(Instant);

// === impl Moment ===

impl Moment {
    /// So many milliseconds after the beginning.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the beginning.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This moment and so much more; a fraction of a millisecond is lost.
    #[must_use]
    pub fn plus(self, more: Duration) -> Self {
        Self(self.0.saturating_add(millis(more)))
    }

    /// From `earlier` to `self`; nothing when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

// === impl Uptime ===

impl Uptime {
    /// Begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long that is ago.
    pub fn now(&self) -> Moment {
        Moment(millis(self.0.elapsed()))
    }
}

/// Whole milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
