//! When a scope is due, and who is next: by interval or cron, with jitter and back-off, never twice at once.

mod when;

pub use self::when::{BadWhen, Pace, When};
