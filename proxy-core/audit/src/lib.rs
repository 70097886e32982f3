//! The record of what was done: events, redaction, a hash-chained file, search and replay.
//!
//! - An engine says what happened as an [`Event`], and whose session it is as a [`Subject`]. What happens outside of
//!   sessions is an [`AdminEvent`].
//! - [`Log`] is the log. A worker thread writes with a [`Pen`] of its own into a queue; one thread takes what is queued,
//!   chains it and writes it to the file.
//! - [`verify`], [`search`], [`follow`] and [`play`] read it back, whether or not it is being written.

mod chain;
mod event;
mod files;
mod json;
mod log;
#[cfg(test)]
mod page;
mod read;
mod redact;
mod scribe;
mod subject;
mod time;

pub use self::{
    event::{
        Actor, AdminEvent, Closed, Direction, Event, Failure, KINDS, Kind, Outcome, Parameter,
        Parameters, Statement, Value, Values, kinds,
    },
    log::{AuditError, Ended, Health, Keep, Log, NotWritten, Pen, Rotate, Settings, Sink, Tally},
    read::{
        Follow, Found, Matches, Note, Order, Problem, Query, Report, Scene, Wrong, follow, play,
        script, search, verify,
    },
    redact::{Redaction, Sensitive},
    subject::{Subject, SubjectParts},
    time::Micros,
};
