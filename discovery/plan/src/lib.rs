//! From what was seen to what is to be changed. Pure: no clock, no I/O, no randomness; the same inputs give
//! the same bytes.

mod types;

pub use self::types::{Action, Change, Hold, Plan, Safety, ScopeLine, SkippedLine, Summary};
