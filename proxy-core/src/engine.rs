//! What the proxy core asks of a wire protocol: a relay that sees all bytes, and a record that it writes into.
//!
//! An engine is pure. It gets bytes and the time, and answers with how many of the bytes may go on; what it learnt goes
//! into the record as events. No socket, no clock and no task is in it, so that it is tested as a table.
//!
//! # How bytes are held back
//! A relay never keeps a copy of bytes that are to be forwarded. It says how many of those that it was shown may go on; the
//! caller keeps the others and shows them again, first and unchanged, with more behind them if more came. All may go on
//! unless an event cannot be written now ([`NotWritten::Busy`]) or too much is under way. The relay remembers what of
//! the bytes it has seen already, so that no event is written twice:
//!
//! ```text
//! loop {
//!     let passed = relay.from_server(&held, now, &mut record)?;
//!     send(&held[..passed]);
//!     held.drain(..passed);
//!     if held.is_empty() { break }      // else: wait some milliseconds, or for bytes of the other side
//! }
//! ```

use std::borrow::Cow;

pub use muster_audit::{Event, Micros, NotWritten};

/// One session's bytes, both ways, from the end of the handshakes on.
#[expect(
    clippy::wrong_self_convention,
    reason = "two directions, not conversions"
)]
pub trait Relay: Send {
    /// Sees bytes of the client before they go to the database, and answers how many of them may go.
    ///
    /// # Errors
    /// Why the session must end. None of the bytes that did not go on before may go on now.
    fn from_client(
        &mut self,
        bytes: &[u8],
        at: Micros,
        record: &mut dyn Record,
    ) -> Result<usize, Stop>;

    /// Sees bytes of the database before they go to the client, and answers how many of them may go. The events of statements
    /// whose results are in these bytes are in the record by then.
    ///
    /// # Errors
    /// Why the session must end. What could go on before that has been let go: then it is the next call that fails.
    fn from_server(
        &mut self,
        bytes: &[u8],
        at: Micros,
        record: &mut dyn Record,
    ) -> Result<usize, Stop>;

    /// Records statements that have waited for their result for longer than a second. To be called about every second
    /// while the session is not [idle](Self::idle).
    ///
    /// # Errors
    /// Why an event was not written; when busy, the next tick tries again.
    fn tick(&mut self, at: Micros, record: &mut dyn Record) -> Result<(), NotWritten>;

    /// Records what is still waiting for a result that will not come, before the session's end is recorded.
    ///
    /// # Errors
    /// Why an event was not written; when busy, call again.
    fn finish(&mut self, at: Micros, record: &mut dyn Record) -> Result<(), NotWritten>;

    /// Whether the bytes that went to the client end where a message does, so that a farewell may follow them.
    fn between_messages(&self) -> bool;

    /// Of the `pass` bytes that [`from_server`](Self::from_server) has just let go on, how many end where a message does; all
    /// of them where no message ends in them. For a session that is ending: what is left is not sent, so that a farewell
    /// can follow, and the relay is shown no more bytes.
    fn up_to_message(&mut self, pass: usize) -> usize;

    /// Whether the client has said that it ends, and not merely gone.
    fn said_goodbye(&self) -> bool;

    /// Whether nothing is under way: no statement waits for its result, and no message is half through.
    fn idle(&self) -> bool;

    /// Whether the database has nothing to do until the client goes on: what is under way, if anything, is the client's turn.
    fn waits_for_client(&self) -> bool;

    /// Whether a transaction is open, as far as the database has said.
    fn in_transaction(&self) -> bool;

    /// How many statements the session has run.
    fn statements(&self) -> u64;

    /// Lets go of memory that the next message would only have to get again. For sessions that do nothing.
    fn rest(&mut self);

    /// Puts what tells the client why its session ends behind `out`. Only [between messages](Self::between_messages).
    fn farewell(&self, why: &Farewell, out: &mut Vec<u8>);

    /// Puts what ends the session at the database in order behind `out`. Nothing where a message is half through.
    fn leave(&self, out: &mut Vec<u8>);
}

/// Where events go. The session's own: it knows the subject, and whether the session is strict.
pub trait Record {
    /// Takes an event of the time `at` and answers its number in the session (`ei`). A record of a session that is not strict
    /// counts what it could not write, and answers as if it had.
    ///
    /// # Errors
    /// Why the event was not written.
    fn write(&mut self, at: Micros, event: &Event<'_>) -> Result<u64, NotWritten>;

    /// Why nothing may go on that events written so far are about, although each was taken: they are kept, and the log
    /// cannot be written now. To be asked after [`write`](Self::write), which is not to be called with them again.
    fn failing(&self) -> Option<NotWritten> {
        None
    }
}

/// Why a relay wants its session to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// One side does not keep to the protocol. To be recorded as [`Event::Malformed`].
    #[error("{0}")]
    Violation(Violation),
    /// Events cannot be written; never [`NotWritten::Busy`].
    #[error(transparent)]
    Record(NotWritten),
}

/// Bytes that the protocol does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Who sent them.
    pub side: Side,
    /// What is wrong with them, in one line.
    pub what: Cow<'static, str>,
    /// Their beginning, for the record.
    pub payload: Vec<u8>,
}

/// One of the two that a session connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who came through the door.
    Client,
    /// The database.
    Server,
}

/// Why a session ends that did not end by itself, for the client to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// What kind of end, which becomes the protocol's own code.
    pub end: End,
    /// What happened, in one line.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// The kinds of ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Nothing was done for too long.
    Idle,
    /// The certificate or the longest time of a session is over.
    Expired,
    /// What allowed the session no longer does: a role, a lock, a target.
    Revoked,
    /// An operator ended it.
    Ended,
    /// muster stops.
    Stopping,
    /// What is done here can no longer be recorded.
    Unrecorded,
    /// The client did not keep to the protocol.
    ClientViolation,
    /// The database did not keep to the protocol.
    ServerViolation,
    /// The database is gone.
    ServerGone,
}

// === impl Violation ===

/// Bytes of a violation that are kept.
const PAYLOAD: usize = 256;

impl Violation {
    /// A violation with the beginning of the bytes that are one.
    pub fn new(side: Side, what: impl Into<Cow<'static, str>>, payload: &[u8]) -> Self {
        Self {
            side,
            what: what.into(),
            payload: payload.get(..PAYLOAD).unwrap_or(payload).to_vec(),
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = match self.side {
            Side::Client => "client",
            Side::Server => "database",
        };
        write!(f, "the {side} broke the protocol: {}", self.what)
    }
}

impl Farewell {
    /// A farewell without a hint.
    pub fn new(end: End, message: impl Into<String>) -> Self {
        Self {
            end,
            message: message.into(),
            hint: None,
        }
    }
}
