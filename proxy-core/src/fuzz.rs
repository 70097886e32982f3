//! What is done to bytes from outside, one function for each kind of them: for the fuzzer in `proxy-core/fuzz`, and for the
//! tests, which change good bytes by chance. A panic is the finding; the assertions here are invariants that hold for any bytes.
//!
//! Not part of the crate's interface.
#![allow(clippy::panic, reason = "assertions are what a fuzzer finds")]

use muster_access::{Identity, parse_records};
use muster_audit::{Event, Micros, NotWritten};
use muster_model::Timestamp;

use crate::{
    engine::{Record, Relay as _},
    engines::postgres::{
        relay::{Encoding, Relay, Settings},
        start::{Channel, MAX_PACKET, Next, Start},
    },
    trust,
};

/// The first packets of a client. The first byte says whether they come in TLS; the others come in two pieces, the first of
/// which is as long as the second byte says.
pub fn start(data: &[u8]) {
    let [channel, cut, bytes @ ..] = data else {
        return;
    };
    let channel = if channel & 1 == 0 {
        Channel::Clear
    } else {
        Channel::Tls
    };
    let mut start = Start::new(channel);
    let mut rest = bytes;
    let mut shown = usize::from(*cut).min(rest.len());
    // Each turn shows more, or takes some.
    for _ in 0..8 {
        let piece = rest.get(..shown).unwrap_or(rest);
        match start.next(piece) {
            Ok(Next::More) => {
                assert!(piece.len() < MAX_PACKET, "waits for more than any packet");
                if shown == rest.len() {
                    return;
                }
                shown = rest.len();
            }
            Ok(Next::NoGss { took } | Next::Tls { took }) => {
                assert!(took == 8 && took <= piece.len(), "took what is not there");
                rest = rest.get(took..).unwrap_or_default();
                shown = rest.len();
            }
            Ok(Next::Startup { took, startup }) => {
                assert!(took <= piece.len(), "took what is not there");
                assert!(!startup.user.is_empty(), "nobody");
                return;
            }
            Ok(Next::DirectTls | Next::Cancel(_)) | Err(_) => return,
        }
    }
}

/// Takes events, and refuses some: bit by bit of a number, over and over.
struct Lines {
    busy: u8,
    next: u64,
}

impl Record for Lines {
    fn write(&mut self, _: Micros, _: &Event<'_>) -> Result<u64, NotWritten> {
        self.busy = self.busy.rotate_left(1);
        if self.busy & 1 == 1 && self.busy != u8::MAX {
            return Err(NotWritten::Busy);
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

/// The messages of a session, both ways. The first byte says when the record is busy, the second how the session is; then
/// pieces follow, each behind a byte that says which side says it and how long it is (seven bits, times four).
pub fn messages(data: &[u8]) {
    let [busy, how, pieces @ ..] = data else {
        return;
    };
    let mut relay = Relay::new(Settings {
        max_statement: usize::from(*how) * 64,
        replication: how & 1 == 1,
        transaction: b'I',
        encoding: Encoding::Plain,
    });
    let mut lines = Lines {
        busy: *busy,
        next: 0,
    };
    let (mut rest, mut now) = (pieces, 0);
    let mut held: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    while let Some((head, more)) = rest.split_first() {
        let (piece, after) = more
            .split_at_checked(usize::from(head >> 1) * 4)
            .unwrap_or((more, &[]));
        rest = after;
        now += 100_000;
        let from_client = head & 1 == 0;
        let [client, server] = &mut held;
        let bytes = if from_client { client } else { server };
        bytes.extend_from_slice(piece);
        let passed = if from_client {
            relay.from_client(bytes, Micros(now), &mut lines)
        } else {
            relay.from_server(bytes, Micros(now), &mut lines)
        };
        let Ok(passed) = passed else { break };
        assert!(passed <= bytes.len(), "lets pass what is not there");
        bytes.drain(..passed);
        if relay.tick(Micros(now), &mut lines).is_err() && relay.idle() {
            break;
        }
        if relay.idle() {
            relay.rest();
        }
    }
    // In so many tries none is busy for ever.
    let done = (0..100_000).any(|_| relay.finish(Micros(now), &mut lines).is_ok());
    assert!(done, "never finishes");
}

/// A certificate that a client shows, and the identity that stands in one.
pub fn certificate(data: &[u8]) {
    trust::read(data);
    if let Ok(identity) = Identity::decode(data) {
        // What was read can be written, and is the same then.
        let written = identity.encode().ok();
        let again = written.map(|bytes| Identity::decode(&bytes));
        assert!(
            again == Some(Ok(identity)),
            "an identity is not what it was"
        );
    }
}

/// A file of records: roles, users, databases, tokens, locks.
pub fn records(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let (records, problems) = parse_records(text, Timestamp::from_unix(1_700_000_000));
        assert!(
            records.len() <= text.len() && problems.len() <= text.len() + 1,
            "more was read than was written"
        );
    }
}

#[cfg(test)]
#[path = "fuzz_tests.rs"]
mod tests;
