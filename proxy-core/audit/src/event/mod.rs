//! What can be recorded of a session.
//!
//! Types, codes and field names are those that Teleport's events have, so that rules over its log go on working; what
//! it has no word for follows its style with codes that begin with `M`. What is in which event is in [`kinds`].

mod admin;
pub mod kinds;
mod statement;
mod write;

pub(crate) use self::write::{Limits, field};
pub use self::{
    admin::{Actor, AdminEvent},
    kinds::{KINDS, Kind},
};
use crate::{
    redact::{MASK, Sensitive},
    time::Micros,
};

/// One thing that happened in a session. It borrows everything: it is made, written and forgotten.
///
/// Names and texts that come from the wire are bytes; what of them is not UTF-8 is written as U+FFFD.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// A session began: the database has let it in.
    SessionStart {
        /// The process of the database that serves it (PostgreSQL's backend pid).
        backend: Option<u32>,
        /// What the client calls itself (PostgreSQL: `application_name`).
        user_agent: Option<&'a str>,
    },
    /// A session was refused, by muster or by the database.
    SessionRefused {
        /// Why, in full, for the operator.
        error: &'a str,
        /// What the client was told.
        message: &'a str,
        /// What the client calls itself.
        user_agent: Option<&'a str>,
    },
    /// A session ended, however it did.
    SessionEnd {
        /// When it began.
        started: Micros,
        /// Why it ended, where it did not end by itself.
        reason: Option<&'a str>,
        /// Statements that it ran.
        statements: u64,
        /// Bytes from the client, without TLS.
        from_client: u64,
        /// Bytes to the client, without TLS.
        to_client: u64,
    },
    /// A statement or command.
    Query {
        /// Its text.
        query: Statement<'a>,
        /// What was bound to it, for protocols that bind and run in one message.
        parameters: Option<Parameters<'a>>,
        /// How it ended, when that is known already.
        outcome: Option<Outcome<'a>>,
    },
    /// What the protocol does not allow.
    Malformed {
        /// What is wrong with it.
        error: &'a str,
        /// The bytes; the first 256 are recorded.
        payload: &'a [u8],
    },
    /// How a statement ended whose own event had to be written before.
    Result {
        /// The `ei` of that event.
        of: Option<u64>,
        /// How it ended.
        outcome: Outcome<'a>,
    },
    /// PostgreSQL: a statement was prepared.
    Parse {
        /// The name it got; empty is the unnamed one.
        statement: &'a [u8],
        /// Its text.
        query: Statement<'a>,
        /// How that ended, when it is known already.
        outcome: Option<Outcome<'a>>,
    },
    /// PostgreSQL: parameters were bound to a prepared statement.
    Bind {
        /// The name of the result, the portal.
        portal: &'a [u8],
        /// The statement's name.
        statement: &'a [u8],
        /// What was bound. None where the message does not fit the statement.
        parameters: Option<Parameters<'a>>,
    },
    /// PostgreSQL: a bound statement was run.
    Execute {
        /// The portal's name.
        portal: &'a [u8],
        /// The statement's name, where it is known.
        statement: Option<&'a [u8]>,
        /// The statement's text, where it is known.
        query: Option<Statement<'a>>,
        /// What was bound, where it was not recorded by [`Event::Bind`].
        parameters: Option<Parameters<'a>>,
        /// The most rows that were asked for; 0 is all.
        limit: u32,
        /// How it ended, when that is known already.
        outcome: Option<Outcome<'a>>,
    },
    /// PostgreSQL: a prepared statement or a portal was closed.
    Close {
        /// Which.
        what: Closed<'a>,
    },
    /// PostgreSQL: a function was called by its number.
    Function {
        /// The function's object id.
        oid: u32,
        /// Its arguments.
        arguments: Option<Parameters<'a>>,
        /// How it ended, when that is known already.
        outcome: Option<Outcome<'a>>,
    },
    /// PostgreSQL: COPY began to move rows.
    CopyStart {
        /// Where they go.
        direction: Direction,
        /// Whether the rows are in the binary format.
        binary: bool,
    },
    /// PostgreSQL: COPY ended.
    CopyEnd {
        /// Where the rows went.
        direction: Direction,
        /// Bytes of rows, without the messages' headers.
        bytes: u64,
        /// Messages of rows; a client may put several rows, or a part of one, into a message.
        messages: u64,
        /// How it ended; the rows are in it, where the database counts them.
        outcome: Option<Outcome<'a>>,
    },
    /// A client asked to cancel what the session runs, and was allowed to; or what it asked for came to nothing.
    Cancel {
        /// Why the request was not passed on.
        error: Option<&'a str>,
    },
    /// muster ended the session.
    Disconnect {
        /// Why: idle, expired, locked, removed, an operator.
        reason: &'a str,
    },
    /// Anything else, for protocols that have commands of their own. The fields are to be those of the kind.
    Other {
        /// Which.
        kind: &'static Kind,
        /// What belongs to it.
        fields: &'a [(&'static str, Value<'a>)],
    },
}

/// A statement's text.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) length: u64,
    pub(crate) digest: Option<[u8; 32]>,
    pub(crate) hidden: bool,
}

impl<'a> Statement<'a> {
    /// A statement of which cannot be told what in it is a secret: nothing of it is recorded.
    pub const fn hidden() -> Self {
        Self {
            hidden: true,
            ..Self::whole(MASK.as_bytes())
        }
    }

    /// A statement that is there as a whole. What is longer than the log's limit is cut by it, and gets its length
    /// and SHA-256.
    pub const fn whole(text: &'a [u8]) -> Self {
        Self {
            text,
            length: text.len() as u64,
            digest: None,
            hidden: false,
        }
    }

    /// The beginning of a statement that went by in pieces, its length in bytes and the SHA-256 of all of it.
    /// `prefix` should be as long as the log's limit (`Settings::max_statement`), or longer.
    pub const fn part(prefix: &'a [u8], length: u64, digest: Option<[u8; 32]>) -> Self {
        Self {
            text: prefix,
            length,
            digest,
            hidden: false,
        }
    }

    /// The text or its beginning, the length of all of it, and the SHA-256 where it was given.
    pub const fn parts(&self) -> (&'a [u8], u64, Option<[u8; 32]>) {
        (self.text, self.length, self.digest)
    }
}

impl<'a> From<&'a str> for Statement<'a> {
    fn from(text: &'a str) -> Self {
        Self::whole(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Statement<'a> {
    fn from(text: &'a [u8]) -> Self {
        Self::whole(text)
    }
}

/// What was bound to a statement.
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    /// The values.
    pub values: &'a dyn Values,
    /// What [`Redaction::of`](crate::Redaction::of) said of the statement's text: `Yes` masks every value. For events
    /// that have the text in them, the text is judged too.
    pub sensitive: Sensitive,
}

/// Values that can be gone through. An engine decodes them from the message as they are asked for, so that nothing is
/// kept or allocated for them.
pub trait Values {
    /// Calls `see` for each, in order.
    fn visit(&self, see: &mut dyn FnMut(Parameter<'_>));
}

impl Values for &[Parameter<'_>] {
    fn visit(&self, see: &mut dyn FnMut(Parameter<'_>)) {
        for value in *self {
            see(*value);
        }
    }
}

impl Values for Vec<Parameter<'_>> {
    fn visit(&self, see: &mut dyn FnMut(Parameter<'_>)) {
        self.as_slice().visit(see);
    }
}

impl<const N: usize> Values for [Parameter<'_>; N] {
    fn visit(&self, see: &mut dyn FnMut(Parameter<'_>)) {
        self.as_slice().visit(see);
    }
}

/// One bound value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter<'a> {
    /// SQL's NULL; `null` in the record.
    Null,
    /// A value in text form; recorded as it is.
    Text(&'a [u8]),
    /// A value in binary form; recorded in base64.
    Binary(&'a [u8]),
    /// The beginning of a value that went by in pieces, and its length in bytes.
    Cut {
        /// Whether it is in binary form.
        binary: bool,
        /// Its beginning.
        prefix: &'a [u8],
        /// Its length in bytes.
        length: u64,
    },
}

/// How a statement ended.
#[derive(Clone, Copy, Default)]
pub struct Outcome<'a> {
    /// Rows that it returned or changed, where the database says.
    pub rows: Option<u64>,
    /// What the database calls it (PostgreSQL's command tag: `SELECT 5`); empty is none.
    pub tag: &'a [u8],
    /// Microseconds from the statement's arrival to the end of its result.
    pub duration_us: u64,
    /// The database's error.
    pub error: Option<Failure<'a>>,
}

/// A database's error.
#[derive(Clone, Copy)]
pub struct Failure<'a> {
    /// Its code (PostgreSQL's SQLSTATE: `42P01`).
    pub code: &'a [u8],
    /// Its text.
    pub message: &'a [u8],
}

/// What was closed, and its name.
#[derive(Clone, Copy)]
pub enum Closed<'a> {
    /// A prepared statement.
    Statement(&'a [u8]),
    /// A portal.
    Portal(&'a [u8]),
}

/// Where COPY moves rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Into the database: `COPY ... FROM STDIN`.
    In,
    /// Out of it: `COPY ... TO STDOUT`.
    Out,
    /// Both ways: replication.
    Both,
}

impl Direction {
    /// As it is recorded.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Both => "both",
        }
    }
}

/// The value of a field that only some events have.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A text from the wire.
    Bytes(&'a [u8]),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A point in time.
    Time(Micros),
    /// Several texts.
    List(&'a [&'a str]),
    /// Texts with names, as labels are.
    Map(&'a [(&'a str, &'a str)]),
}
