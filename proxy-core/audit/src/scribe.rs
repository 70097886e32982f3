//! From an event to the bytes that the writer gets: a JSON object without its end, and a newline.
//!
//! The end is the writer's: only it knows the event's place in the log and the chain.

use std::sync::Arc;

use crate::{
    AdminEvent, Event, Kind, Micros, Subject,
    event::{Limits, field},
    json::{self, Members},
};

/// Writes events, each with an id of its own.
pub(crate) struct Scribe {
    /// `xxxxxxxx-xxxx-8xxx-8xxx-`: a UUID of version 8 (RFC 9562), where 74 bits are this scribe's and 48 are counted,
    /// so that an id costs no system call.
    prefix: [u8; 24],
    count: u64,
    cluster_name: Arc<str>,
    limits: Limits,
}

impl Scribe {
    /// `seed` is to be random, and another for each scribe.
    pub(crate) fn new(seed: [u8; 10], cluster_name: Arc<str>, limits: Limits) -> Self {
        let mut hex = Vec::with_capacity(20);
        json::hex(&mut hex, &seed);
        let mut digits = hex.into_iter();
        let mut prefix = *b"00000000-0000-8000-8000-";
        for (index, byte) in prefix.iter_mut().enumerate() {
            if *byte == b'0' && index < 24 {
                *byte = digits.next().unwrap_or(b'0');
            }
        }
        Self {
            prefix,
            count: 0,
            cluster_name,
            limits,
        }
    }

    /// An event of a session. One that is longer than `most` bytes is written with less of what is long in it.
    pub(crate) fn session(
        &mut self,
        out: &mut Vec<u8>,
        subject: &Subject,
        at: Micros,
        event: &Event<'_>,
        most: usize,
    ) {
        let mut limits = self.limits;
        let start = out.len();
        loop {
            self.begin(out, at, event.kind(), subject.next);
            event.members(at, limits, &mut Members { out });
            out.extend_from_slice(&subject.json);
            out.push(b'\n');
            if out.len() - start <= most || limits.statement == 0 {
                return;
            }
            out.truncate(start);
            limits.statement /= 4;
        }
    }

    /// An event outside of sessions.
    pub(crate) fn admin(&mut self, out: &mut Vec<u8>, event: &AdminEvent<'_>) {
        self.begin(out, event.at, event.kind, 0);
        let mut to = Members { out };
        for (name, value) in &event.fields {
            field(&mut to, name, *value);
        }
        to.text("cluster_name", &self.cluster_name);
        let given = |name: &str| event.fields.iter().any(|(field, _)| *field == name);
        if !event.by.user.is_empty() && !given("user") {
            to.text("user", event.by.user);
        }
        if !given("addr.remote") {
            to.address("addr.remote", event.by.remote);
        }
        out.push(b'\n');
    }

    fn begin(&mut self, out: &mut Vec<u8>, at: Micros, kind: &Kind, ei: u64) {
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(&at.text());
        out.extend_from_slice(b"\",\"event\":\"");
        out.extend_from_slice(kind.event.as_bytes());
        out.extend_from_slice(b"\",\"code\":\"");
        out.extend_from_slice(kind.code.as_bytes());
        out.extend_from_slice(b"\",\"uid\":\"");
        out.extend_from_slice(&self.prefix);
        let [_, _, count @ ..] = self.count.to_be_bytes();
        json::hex(out, &count);
        self.count += 1;
        out.extend_from_slice(b"\",\"ei\":");
        json::number(out, ei);
    }
}
