//! The record of what was done: events, redaction, a hash-chained file, search and replay.
//!
//! - An engine says what happened as an [`Event`], and whose session it is as a [`Subject`].

#![allow(dead_code, reason = "what writes the events follows")]

mod event;
mod json;
mod log;
mod redact;
mod subject;
mod time;

pub use self::{
    event::{
        Actor, AdminEvent, Closed, Direction, Event, Failure, KINDS, Kind, Outcome, Parameter,
        Parameters, Statement, Value, Values, kinds,
    },
    log::{Health, Keep, NotWritten, Rotate, Settings, Sink},
    redact::{Redaction, Sensitive},
    subject::{Subject, SubjectParts},
    time::Micros,
};
