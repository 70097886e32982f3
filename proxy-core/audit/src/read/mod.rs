//! Reading the log back: whether it is whole, what is in it, and one session from its beginning to its end.
//!
//! Nothing here needs the process that writes: a log is read while it is written, and by those who were given a copy.

mod blocks;
pub(crate) mod lines;
mod play;
mod report;
mod search;
mod tail;
mod text;
mod verify;

#[cfg(test)]
mod tests;

pub use self::{
    play::{Scene, play, script},
    report::{Note, Problem, Report, Wrong},
    search::{Found, Matches, Order, Query, search},
    tail::{Follow, follow},
    verify::verify,
};
