//! A record that can be compared, and a session that is played into a relay.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod cases;
mod copy;
mod cursors;
mod encodings;
pub(crate) mod fuzz;
mod limits;
mod secrets;
mod splits;
mod syncs;
pub(crate) mod transcripts;
mod turns;

use std::fmt::Write as _;

use muster_audit::{
    Closed, Event, Micros, NotWritten, Outcome, Parameter, Parameters, Sensitive, Statement,
};

use super::{Encoding, Relay, Settings};
use crate::engine::{Record, Relay as _, Stop};

/// Remembers events as lines, and may be busy at any write.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) events: Vec<String>,
    /// How many events were taken out of it, where numbers are to go on.
    pub(super) before: u64,
    /// Whether the next write is refused; asked at each.
    pub(super) busy: Option<Box<dyn FnMut() -> bool + Send>>,
    pub(super) failing: bool,
    /// Fails as well, but takes what it is given.
    pub(super) keeping: bool,
}

fn disk_full(kept: bool) -> NotWritten {
    let why = "disk full".into();
    NotWritten::Failing { why, kept }
}

impl Record for Lines {
    fn write(&mut self, _: Micros, event: &Event<'_>) -> Result<u64, NotWritten> {
        if self.failing {
            return Err(disk_full(false));
        }
        if self.busy.as_mut().is_some_and(|busy| busy()) {
            return Err(NotWritten::Busy);
        }
        self.events.push(line(event));
        Ok(self.before + self.events.len() as u64 - 1)
    }

    fn failing(&self) -> Option<NotWritten> {
        self.keeping.then(|| disk_full(true))
    }
}

fn text(bytes: &[u8]) -> String {
    if bytes.len() <= 60 {
        return bytes.escape_ascii().to_string().replace("\\'", "'");
    }
    format!(
        "{}… {} bytes",
        bytes[..20].escape_ascii().to_string().replace("\\'", "'"),
        bytes.len()
    )
}

fn line(event: &Event<'_>) -> String {
    let mut line = String::new();
    let mut end = None;
    match event {
        Event::Query { query, outcome, .. } => {
            write!(line, "query {}", statement(query)).unwrap();
            end = Some(outcome);
        }
        Event::Parse {
            statement: name,
            query,
            outcome,
        } => {
            write!(line, "parse [{}] {}", text(name), statement(query)).unwrap();
            end = Some(outcome);
        }
        Event::Bind {
            portal,
            statement,
            parameters,
        } => {
            write!(
                line,
                "bind [{}] to [{}]{}",
                text(statement),
                text(portal),
                bound(parameters.as_ref())
            )
            .unwrap();
        }
        Event::Execute {
            portal,
            statement: name,
            query,
            limit,
            outcome,
            ..
        } => {
            write!(line, "execute [{}]", text(portal)).unwrap();
            if let Some(name) = name {
                write!(line, " of [{}]", text(name)).unwrap();
            }
            if let Some(query) = query {
                write!(line, " {}", statement(query)).unwrap();
            }
            if *limit > 0 {
                write!(line, " limit {limit}").unwrap();
            }
            end = Some(outcome);
        }
        Event::Close {
            what: Closed::Statement(name),
        } => write!(line, "close statement [{}]", text(name)).unwrap(),
        Event::Close {
            what: Closed::Portal(name),
        } => write!(line, "close portal [{}]", text(name)).unwrap(),
        Event::Function {
            oid,
            arguments,
            outcome,
        } => {
            write!(line, "function {oid}{}", bound(arguments.as_ref())).unwrap();
            end = Some(outcome);
        }
        Event::CopyStart { direction, binary } => {
            write!(
                line,
                "copy {}{}",
                direction.as_str(),
                if *binary { " binary" } else { "" }
            )
            .unwrap();
        }
        Event::CopyEnd {
            direction,
            bytes,
            messages,
            outcome,
        } => {
            write!(
                line,
                "copied {} {bytes} bytes in {messages}",
                direction.as_str()
            )
            .unwrap();
            end = Some(outcome);
        }
        Event::Result { of, outcome } => {
            write!(
                line,
                "result of {}",
                of.map_or("nothing".into(), |of| of.to_string())
            )
            .unwrap();
            line.push_str(&ended(outcome));
        }
        _ => panic!("an event that no relay writes"),
    }
    if let Some(Some(outcome)) = end {
        line.push_str(&ended(outcome));
    }
    line
}

fn statement(statement: &Statement<'_>) -> String {
    let (shown, length, sha256) = statement.parts();
    let mut out = format!("\"{}\"", text(shown));
    if length != shown.len() as u64 {
        write!(out, " of {length} bytes").unwrap();
    }
    if let Some(sha256) = sha256 {
        write!(out, " {:02x}{:02x}", sha256[0], sha256[1]).unwrap();
    }
    out
}

fn bound(parameters: Option<&Parameters<'_>>) -> String {
    let Some(Parameters { values, sensitive }) = parameters else {
        return " (does not fit)".into();
    };
    let mut shown = Vec::new();
    values.visit(&mut |value| {
        shown.push(match value {
            Parameter::Null => "null".to_owned(),
            Parameter::Text(bytes) => format!("'{}'", text(bytes)),
            Parameter::Binary(bytes) => format!("x'{}'", text(bytes)),
            Parameter::Cut {
                binary,
                prefix,
                length,
            } => {
                format!(
                    "{}'{}' of {length}",
                    if binary { "x" } else { "" },
                    text(prefix)
                )
            }
        });
    });
    let secret = if *sensitive == Sensitive::Yes {
        " secret"
    } else {
        ""
    };
    format!("{secret} ({})", shown.join(", "))
}

fn ended(outcome: &Outcome<'_>) -> String {
    let mut out = String::from(" ->");
    match &outcome.error {
        None => out.push_str(" ok"),
        Some(error) => write!(
            out,
            " {} {}",
            text(error.code),
            String::from_utf8_lossy(error.message)
        )
        .unwrap(),
    }
    if !outcome.tag.is_empty() {
        write!(out, " {}", text(outcome.tag)).unwrap();
    }
    if let Some(rows) = outcome.rows {
        write!(out, " rows {rows}").unwrap();
    }
    out
}

pub(super) const SETTINGS: Settings = Settings {
    max_statement: 64 * 1024,
    replication: false,
    transaction: b'I',
    encoding: Encoding::Plain,
};

/// A session: a relay, its record, and its clock in seconds.
pub(super) struct Play {
    pub(super) relay: Relay,
    pub(super) lines: Lines,
    pub(super) now: i64,
}

impl Play {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            relay: Relay::new(settings),
            lines: Lines::default(),
            now: 0,
        }
    }

    fn at(&self) -> Micros {
        Micros::from_seconds(self.now)
    }

    /// All of the client's bytes go on.
    pub(super) fn client(&mut self, bytes: &[u8]) -> &mut Self {
        assert_eq!(
            self.relay.from_client(bytes, self.at(), &mut self.lines),
            Ok(bytes.len())
        );
        self
    }

    /// All of the database's bytes go on.
    pub(super) fn server(&mut self, bytes: &[u8]) -> &mut Self {
        assert_eq!(
            self.relay.from_server(bytes, self.at(), &mut self.lines),
            Ok(bytes.len())
        );
        self
    }

    pub(super) fn tick(&mut self, now: i64) -> &mut Self {
        self.now = now;
        self.relay.tick(self.at(), &mut self.lines).unwrap();
        self
    }

    pub(super) fn finish(&mut self) -> &mut Self {
        self.relay.finish(self.at(), &mut self.lines).unwrap();
        self
    }

    /// What was written since the last call.
    pub(super) fn wrote(&mut self, expected: &[&str]) -> &mut Self {
        assert_eq!(std::mem::take(&mut self.lines.events), expected);
        self
    }

    pub(super) fn violation(&mut self, client: bool, bytes: &[u8]) -> String {
        let at = self.at();
        let stop = if client {
            self.relay.from_client(bytes, at, &mut self.lines)
        } else {
            self.relay.from_server(bytes, at, &mut self.lines)
        };
        match stop {
            Err(Stop::Violation(violation)) => violation.what.into_owned(),
            other => panic!("{other:?} for {}", bytes.escape_ascii()),
        }
    }
}

/// A message.
pub(super) fn m(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    super::put(&mut out, tag, |out| out.extend_from_slice(body));
    out
}

/// Several messages.
pub(super) fn all(messages: &[(u8, &[u8])]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(|(tag, body)| m(*tag, body))
        .collect()
}

fn play() -> Play {
    Play::new(SETTINGS)
}

pub(super) const SELECT: &[(u8, &[u8])] =
    &[(b'T', b"\0\0"), (b'D', b"\0\0"), (b'C', b"SELECT 1\0")];
const READY: (u8, &[u8]) = (b'Z', b"I");

const PREPARE: &[(u8, &[u8])] = &[
    (b'P', b"s1\0SELECT $1\0\0\0"),
    (b'D', b"Ss1\0"),
    (b'S', b""),
];
const PREPARED: &[(u8, &[u8])] = &[
    (b'1', b""),
    (b't', b"\0\x01\0\0\0\x17"),
    (b'T', b"\0\0"),
    READY,
];
const RUN: &[(u8, &[u8])] = &[
    (b'B', b"\0s1\0\0\x01\0\0\0\x01\0\0\0\x0242\0\0"),
    (b'E', b"\0\0\0\0\0"),
    (b'S', b""),
];
const RAN: &[(u8, &[u8])] = &[(b'2', b""), (b'D', b"\0\0"), (b'C', b"SELECT 1\0"), READY];
