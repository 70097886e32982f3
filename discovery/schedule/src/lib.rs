//! When a scope is due, and who is next: by interval or cron, with jitter and back-off, never twice at once.
//!
//! Two halves that know nothing of each other. The [`Clock`] says that a source is due; it is the only part that
//! looks at the time of day. The [`Queue`] says which scope is read next; it is pure, and lives by the time that has
//! passed ([`Moment`]), so that a clock which is set neither stops it nor makes it run wild. Neither scans.

mod clock;
mod moment;
mod queue;
mod when;

pub use self::{
    clock::{Clock, ClockError, Due, Job, Ticks},
    moment::{Moment, Uptime},
    queue::{Ended, Queue, Standing, Wanted},
    when::{BadWhen, Pace, When, time_zones},
};
