//! The bytes of a session after its handshakes: both ways through, with what the record needs taken out as they pass.
//!
//! What the client asks is put into a [queue], with its text; what the database answers is walked by its headers, and
//! ends the entries of the queue in their order. The event of a statement is written once, when its answer is complete, with
//! the outcome in it, and before the first byte of that answer goes to the client. Where bytes of an answer are to go on
//! before it is complete (a long result, rows of COPY, a statement that takes more than a second), the event is written
//! without the outcome first, and a [`Event::Result`](crate::engine::Event::Result) that names it follows.
//!
//! One statement of the simple protocol is one event. In the extended protocol there are those of the peer: Parse, Bind and
//! Close, and Execute with the outcome and with the text that was prepared.
//! What the server passes over after an error, up to the next Sync, is recorded as not executed.
//!
//! Memory: nothing of what goes by is kept but texts that wait for their outcome (1 MiB and one message; when there are
//! more, they are recorded without it and let go) and the beginnings of prepared statements (512 KiB, also of those that
//! portals keep; an Execute of a portal for which there was no room is recorded without its text).
//! Rows cost five bytes of attention each.

mod client;
mod copy;
mod done;
mod emit;
mod encoding;
mod events;
mod frames;
mod long;
mod names;
mod queue;
mod server;
mod values;

#[cfg(test)]
pub(crate) mod tests;

use muster_audit::{Micros, NotWritten};

pub use self::encoding::Encoding;

use self::{client::ClientSide, emit::Emit, frames::Frames, long::Long, server::ServerSide};
use super::{
    codec::put,
    error::{Fatal, SqlState},
};
use crate::engine::{self, End, Farewell, Record, Side, Stop, Violation};

/// What a relay is told about its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most bytes of one statement that are recorded; as the log's own setting.
    pub max_statement: usize,
    /// Whether replication was asked for and permitted.
    pub replication: bool,
    /// What the database said of the transaction when it was [ready](super::server::Ready).
    pub transaction: u8,
    /// How the client's bytes are to be read when it begins.
    pub encoding: Encoding,
}

/// The relay of one session.
pub struct Relay {
    client: Frames,
    server: Frames,
    long: Long,
    ask: emit::Core,
    /// How many of the bytes that are held back were seen already.
    seen: usize,
    /// Whether what went to the client ends where a message does.
    clean: bool,
    /// Where the last message ends in the database's bytes that were shown last.
    whole: usize,
    /// The client has said that it ends.
    terminated: bool,
    /// The record fails; only what could go on before has gone on.
    failing: Option<NotWritten>,
    /// The protocol was broken in what the database said: nothing more of it goes on.
    broken: bool,
}

impl Relay {
    /// A relay for a session whose database is ready.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            client: Frames::default(),
            server: Frames::default(),
            long: Long::default(),
            ask: emit::Core::new(settings),
            seen: 0,
            clean: true,
            whole: 0,
            terminated: false,
            failing: None,
            broken: false,
        }
    }

    /// Bytes of memory that it holds, without what the look-up tables of names cost.
    #[cfg(test)]
    fn memory(&self) -> usize {
        self.client.memory()
            + self.server.memory()
            + self.ask.queue.memory()
            + self.long.head.capacity()
            + self.long.text.capacity()
    }

    /// Records what is due. None when all of it is recorded; else how many of the `of` bytes of the database may go on,
    /// of which `seen` were seen, and `safe` are the answers of what is recorded.
    fn hold(
        &mut self,
        record: &mut dyn Record,
        (safe, seen, of): (usize, usize, usize),
    ) -> Result<Option<usize>, Stop> {
        match self.ask.emit(record) {
            Ok(Emit::All) => return Ok(None),
            Ok(Emit::Busy) => {}
            Err(Stop::Record(failing)) => {
                self.failing = Some(failing);
                if safe == 0 {
                    self.may_go_on()?;
                }
                // Else the client is to have what it may have, up to where it can be told why there is no more.
            }
            Err(stop) => return Err(stop),
        }
        self.seen = seen - safe;
        Ok(Some(self.released(safe, of)))
    }

    fn may_go_on(&self) -> Result<(), Stop> {
        self.failing
            .clone()
            .map_or(Ok(()), |why| Err(Stop::Record(why)))
    }

    /// Remembers where the bytes that went to the client end.
    fn released(&mut self, count: usize, of: usize) -> usize {
        if count > 0 {
            self.clean = count < of || self.server.at_boundary();
        }
        count
    }
}

impl engine::Relay for Relay {
    fn from_client(
        &mut self,
        bytes: &[u8],
        at: Micros,
        record: &mut dyn Record,
    ) -> Result<usize, Stop> {
        self.may_go_on()?;
        let mut place = 0;
        loop {
            let start = place;
            if self.client.at_boundary()
                && self.ask.is_full_for(bytes.get(place).copied(), record)?
            {
                return Ok(place);
            }
            let mut side = ClientSide {
                long: &mut self.long,
                most: self.ask.settings.max_statement,
            };
            let outcome = match self.client.next(bytes, &mut place, &mut side) {
                Ok(None) => return Ok(bytes.len()),
                Ok(Some(message)) => {
                    self.terminated |= message.tag == b'X';
                    self.ask.client_message(message, &mut self.long, at)
                }
                Err(what) => Err(what),
            };
            if let Err(what) = outcome {
                let payload = bytes.get(start..).unwrap_or_default();
                return Err(Stop::Violation(Violation::new(Side::Client, what, payload)));
            }
            match self.ask.emit(record)? {
                // The next call for any side goes on with it; the database passes over what it is about.
                Emit::All | Emit::Busy => {}
            }
        }
    }

    fn from_server(
        &mut self,
        bytes: &[u8],
        at: Micros,
        record: &mut dyn Record,
    ) -> Result<usize, Stop> {
        self.may_go_on()?;
        if self.broken {
            return Ok(0);
        }
        let mut place = self.seen.min(bytes.len());
        let mut safe = 0;
        self.whole = 0;
        if self.ask.emit(record)? == Emit::Busy {
            return Ok(0);
        }
        loop {
            if self.server.at_boundary() {
                if !self.ask.holds() {
                    safe = place;
                }
                self.ask.pass_rows(bytes, &mut place);
                self.whole = place;
            }
            let start = place;
            let outcome = match self.server.next(bytes, &mut place, &mut ServerSide) {
                Ok(None) => break,
                Ok(Some(message)) => self.ask.server_message(message, at),
                Err(what) => Err((Side::Server, what)),
            };
            if let Err((side, what)) = outcome {
                self.broken = true;
                let payload = bytes.get(start..).filter(|_| side == Side::Server);
                let violation = Violation::new(side, what, payload.unwrap_or_default());
                return Err(Stop::Violation(violation));
            }
            if let Some(pass) = self.hold(record, (safe, place, bytes.len()))? {
                return Ok(pass);
            }
        }
        if let Some(tag) = self.server.under_way() {
            self.ask.begins(tag);
        }
        self.ask.before_release();
        if let Some(pass) = self.hold(record, (safe, bytes.len(), bytes.len()))? {
            return Ok(pass);
        }
        self.seen = 0;
        Ok(self.released(bytes.len(), bytes.len()))
    }

    fn tick(&mut self, at: Micros, record: &mut dyn Record) -> Result<(), NotWritten> {
        if let Some(failing) = &self.failing {
            return Err(failing.clone());
        }
        self.ask.tick(at, record)
    }

    fn finish(&mut self, at: Micros, record: &mut dyn Record) -> Result<(), NotWritten> {
        self.ask.finish(at, record)
    }

    fn between_messages(&self) -> bool {
        self.clean
    }

    fn up_to_message(&mut self, pass: usize) -> usize {
        if self.whole == 0 || self.whole > pass {
            return pass;
        }
        self.clean = true;
        self.whole
    }

    fn said_goodbye(&self) -> bool {
        self.terminated
    }

    fn idle(&self) -> bool {
        self.ask.is_idle()
            && self.client.at_boundary()
            && self.server.at_boundary()
            && self.seen == 0
    }

    fn waits_for_client(&self) -> bool {
        self.ask.waits_for_client() && self.server.at_boundary() && self.seen == 0
    }

    fn in_transaction(&self) -> bool {
        self.ask.transaction != b'I'
    }

    fn statements(&self) -> u64 {
        self.ask.statements
    }

    fn rest(&mut self) {
        self.client.rest();
        self.server.rest();
        if self.client.at_boundary() {
            self.long.rest();
        }
        self.ask.rest();
    }

    fn farewell(&self, why: &Farewell, out: &mut Vec<u8>) {
        farewell(why).put(out);
    }

    fn leave(&self, out: &mut Vec<u8>) {
        if self.client.at_boundary() && !self.terminated {
            put(out, b'X', |_| {});
        }
    }
}

/// A farewell as PostgreSQL says it.
#[must_use]
pub fn farewell(why: &Farewell) -> Fatal {
    let code = match why.end {
        End::Idle => SqlState::IDLE_TIMEOUT,
        // What clients take for "connect again": the server was told to end the session.
        End::Expired | End::Revoked | End::Ended | End::Stopping => SqlState::ADMIN_SHUTDOWN,
        End::Unrecorded => SqlState::IO_ERROR,
        End::ClientViolation => SqlState::PROTOCOL_VIOLATION,
        End::ServerViolation | End::ServerGone => SqlState::CONNECTION_FAILURE,
    };
    Fatal {
        code,
        message: why.message.clone(),
        detail: None,
        hint: why.hint.clone(),
    }
}

/// A message, for the tests of the neighbours.
#[cfg(test)]
pub(super) fn test_message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, tag, |out| out.extend_from_slice(body));
    out
}
