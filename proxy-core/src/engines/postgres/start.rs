//! The first packets of a client, up to its start-up message.
//!
//! A connection may begin with TLS at once (PostgreSQL 17 and later clients), with a request for TLS or for Kerberos
//! encryption (each at most once, in any order), with a request to cancel, or with the start-up message. The caller keeps the
//! bytes that it read and shows them to [`Start::next`] until that says more than [`Next::More`]; nothing is copied, and
//! nothing longer than PostgreSQL's own limit of 10,000 bytes is ever waited for.
//!
//! What is refused here and why:
//! * bytes behind a request for TLS: whoever sits on the line could put statements in front of the encrypted ones
//!   (CVE-2021-23214);
//! * user and database names of more than 63 bytes: older servers cut them silently, and then a name that was judged
//!   is not the name that is opened;
//! * text that is not UTF-8, for the same reason.

pub use super::startup::{MAX_NAME, Replication, Startup};
use super::{
    codec::{Reader, code},
    error::{Fatal, SqlState},
    startup::{startup, version},
};

/// The longest first packet, as PostgreSQL bounds it.
pub const MAX_PACKET: usize = 10_000;
/// The longest key of a request to cancel, in bytes.
pub const MAX_KEY: usize = 256;

/// How the bytes came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// In clear.
    Clear,
    /// Inside TLS.
    Tls,
}

/// The state of a connection that has not said yet who it is.
#[derive(Clone, Debug)]
pub struct Start {
    channel: Channel,
    asked_tls: bool,
    asked_gss: bool,
}

/// What to do with the bytes that were shown.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Read more, and show all of it again.
    More,
    /// These bytes are TLS already: give them to TLS, then go on with [`Start::in_tls`].
    DirectTls,
    /// Drop the first `took` bytes (there are no others), answer with [`ACCEPT_TLS`], begin TLS, then go on with [`Start::in_tls`].
    Tls {
        /// How many bytes this was.
        took: usize,
    },
    /// Drop the first `took` bytes, answer with [`REFUSE_GSS`], and show what follows.
    NoGss {
        /// How many bytes this was.
        took: usize,
    },
    /// A request to cancel. There is never an answer: look the key up, then close.
    Cancel(CancelRequest),
    /// The client has said who it is and what it wants.
    Startup {
        /// How many bytes this was.
        took: usize,
        /// What it said.
        startup: Startup,
    },
}

/// The answer to a request for TLS.
pub const ACCEPT_TLS: &[u8] = b"S";
/// The answer to a request for Kerberos encryption.
pub const REFUSE_GSS: &[u8] = b"N";

/// A request to cancel what a session is doing.
#[derive(Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// The number that the session was told as its process.
    pub pid: u32,
    /// The key that goes with it: 4 bytes with protocol 3.0, up to 256 with 3.2.
    pub key: Vec<u8>,
    /// How the request came in.
    pub channel: Channel,
}

impl std::fmt::Debug for CancelRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelRequest")
            .field("pid", &self.pid)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// Why a connection does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it did, for the log and the metric.
    pub reason: Reason,
    /// What to send before closing; may be empty.
    pub answer: Vec<u8>,
}

/// What a client did that ends its connection before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// The first packet's length is below 8 or above the limit.
    #[error("start-up packet of an impossible length")]
    Length,
    /// It spoke HTTP.
    #[error("HTTP on a PostgreSQL port")]
    Http,
    /// Bytes stood behind a request for TLS.
    #[error("bytes in clear behind a request for TLS")]
    BytesBehindRequest,
    /// TLS or Kerberos encryption was asked for twice, or inside TLS.
    #[error("a request for encryption out of place")]
    Repeated,
    /// A version that is not spoken here.
    #[error("unknown protocol version")]
    Version,
    /// The packet is not laid out as it should be.
    #[error("broken start-up packet")]
    Layout,
    /// No user was named.
    #[error("no user name in the start-up packet")]
    NoUser,
    /// A name is longer than PostgreSQL keeps.
    #[error("a name longer than 63 bytes")]
    NameTooLong,
    /// A text is not UTF-8.
    #[error("text that is not UTF-8")]
    Encoding,
    /// `replication` has a value that means nothing.
    #[error("unknown value of replication")]
    Replication,
}

impl Start {
    /// The state of a connection that was just accepted, on the given channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self {
            channel,
            asked_tls: false,
            asked_gss: false,
        }
    }

    /// The state after TLS has begun.
    #[must_use]
    pub fn in_tls(self) -> Self {
        Self {
            channel: Channel::Tls,
            ..self
        }
    }

    /// Looks at all that was read and not dropped yet.
    ///
    /// # Errors
    /// A [`Refusal`]: send its answer, then close.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Next, Refusal> {
        match bytes.first() {
            None => return Ok(Next::More),
            Some(0x16) if self.channel == Channel::Clear && !self.asked_tls => {
                return Ok(Next::DirectTls);
            }
            Some(0) => {}
            Some(_) if is_http(bytes) => return Err(http()),
            Some(_) => {
                return Err(refuse(
                    Reason::Length,
                    SqlState::PROTOCOL_VIOLATION,
                    "invalid length of startup packet",
                ));
            }
        }
        let mut reader = Reader::new(bytes);
        let Some(length) = reader.u32() else {
            return Ok(Next::More);
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !(8..=MAX_PACKET).contains(&length) {
            return Err(refuse(
                Reason::Length,
                SqlState::PROTOCOL_VIOLATION,
                "invalid length of startup packet",
            ));
        }
        let Some(packet) = bytes.get(..length) else {
            return self.early(bytes);
        };
        let mut reader = Reader::new(packet.get(4..).unwrap_or_default());
        let number = reader.u32().unwrap_or_default();
        match number {
            code::SSL | code::GSS => self.encryption(number, length, bytes.len() > length),
            code::CANCEL => self.cancel(reader),
            _ => {
                let startup = startup(number, reader.rest())?;
                Ok(Next::Startup {
                    took: length,
                    startup,
                })
            }
        }
    }

    /// What can be told of a packet that is not whole: whether its version is one to wait for.
    fn early(&self, bytes: &[u8]) -> Result<Next, Refusal> {
        let mut reader = Reader::new(bytes.get(4..).unwrap_or_default());
        match reader.u32() {
            Some(code::SSL | code::GSS) => Err(refuse(
                Reason::Length,
                SqlState::PROTOCOL_VIOLATION,
                "invalid length of startup packet",
            )),
            Some(code::CANCEL) | None => Ok(Next::More),
            Some(number) => version(number).map(|_| Next::More),
        }
    }

    fn encryption(&mut self, number: u32, length: usize, more: bool) -> Result<Next, Refusal> {
        if length != 8 {
            return Err(refuse(
                Reason::Length,
                SqlState::PROTOCOL_VIOLATION,
                "invalid length of startup packet",
            ));
        }
        let asked = if number == code::SSL {
            &mut self.asked_tls
        } else {
            &mut self.asked_gss
        };
        if *asked || self.channel == Channel::Tls {
            return Err(refuse(
                Reason::Repeated,
                SqlState::PROTOCOL_VIOLATION,
                "encryption was asked for twice or inside TLS",
            ));
        }
        *asked = true;
        if number == code::GSS {
            return Ok(Next::NoGss { took: length });
        }
        if more {
            return Err(refuse(
                Reason::BytesBehindRequest,
                SqlState::PROTOCOL_VIOLATION,
                "received unencrypted data after the request for TLS",
            ));
        }
        Ok(Next::Tls { took: length })
    }

    fn cancel(&self, mut reader: Reader<'_>) -> Result<Next, Refusal> {
        // Never an answer to a request to cancel, not even to a broken one.
        let silent = Refusal {
            reason: Reason::Layout,
            answer: Vec::new(),
        };
        let Some(pid) = reader.u32() else {
            return Err(silent);
        };
        let key = reader.rest();
        if !(4..=MAX_KEY).contains(&key.len()) {
            return Err(silent);
        }
        Ok(Next::Cancel(CancelRequest {
            pid,
            key: key.to_vec(),
            channel: self.channel,
        }))
    }
}

fn is_http(bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 8] = [
        b"GET ",
        b"POST ",
        b"HEAD ",
        b"PUT ",
        b"OPTIONS ",
        b"DELETE ",
        b"CONNECT ",
        b"PRI * HTTP",
    ];
    METHODS
        .iter()
        .any(|method| bytes.starts_with(method) || (bytes.len() < 4 && method.starts_with(bytes)))
}

fn http() -> Refusal {
    const BODY: &str =
        "This port speaks the PostgreSQL protocol over TLS, and no HTTP in this way.\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    Refusal {
        reason: Reason::Http,
        answer: answer.into_bytes(),
    }
}

pub(super) fn refuse(reason: Reason, code: SqlState, message: impl Into<String>) -> Refusal {
    Refusal {
        reason,
        answer: Fatal::new(code, message).packet(),
    }
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
