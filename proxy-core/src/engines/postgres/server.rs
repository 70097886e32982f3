//! Our own log-in at the database: from the request for TLS to its first `ReadyForQuery`.
//!
//! Pure, and driven like [`Start`](super::start::Start): the caller keeps the bytes that it read and shows them, and drops as
//! many as it is told. What the database says about itself on the way (parameters, notices) is kept as it is, for the client;
//! everything has a longest length.
//!
//! A token goes out in one way only: in clear inside TLS that was verified, because the database asked for a password. A
//! password may also answer MD5 and SCRAM. Once SCRAM has begun, the database is not believed before it has proved that
//! it knows the password.

use muster_credentials::Proof;
use zeroize::Zeroizing;

pub use super::ready::{LogInError, Ready};
use super::{
    cancel::ServerKey,
    codec::{HEADER, Reader, Version, code, header, put, put_packet, put_text},
    error::{ServerError, clean},
    scram::{self, Binding, Final, First, ScramError},
    start::{MAX_KEY, Replication},
};

/// The longest single message while logging in.
const MAX_MESSAGE: u32 = 32 * 1024;
/// The longest message about authentication.
const MAX_AUTHENTICATION: u32 = 8 * 1024;
/// The most that the database may say about itself.
const MAX_GREETING: usize = 128 * 1024;

/// Puts the request for TLS behind `out`.
pub fn put_tls_request(out: &mut Vec<u8>) {
    put_packet(out, |out| out.extend_from_slice(&code::SSL.to_be_bytes()));
}

/// What a database says to the request for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsAnswer {
    /// Begin.
    Yes,
    /// It does not speak TLS.
    No,
    /// It has sent an error, which cannot be believed before TLS: too many connections, or a server that is very old.
    Error,
    /// Bytes stand behind the answer that somebody on the line may have put there (CVE-2021-23222), or it is no answer.
    Garbage,
}

/// Reads the answer to the request for TLS. `None` while there is none.
#[must_use]
pub fn tls_answer(bytes: &[u8]) -> Option<TlsAnswer> {
    Some(match bytes {
        [] => return None,
        [b'S'] => TlsAnswer::Yes,
        [b'N', ..] => TlsAnswer::No,
        [b'E', ..] => TlsAnswer::Error,
        _ => TlsAnswer::Garbage,
    })
}

/// What a session at the database begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who to log in as: the name for the wire.
    pub user: String,
    /// Which database to open.
    pub database: String,
    /// Whether replication is wanted; only where it was permitted.
    pub replication: Replication,
    /// What else the client said when it started.
    pub parameters: Vec<(String, String)>,
    /// The version to speak. Every server speaks 3.0; keys are our own towards the client, so that nothing is lost.
    pub version: Version,
}

/// What is known of the line to the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Whether it is TLS and the certificate was verified.
    pub verified: bool,
    /// The hash of the server's certificate, for channel binding ([`scram::end_point`]); `None` without TLS.
    pub end_point: Option<Vec<u8>>,
}

/// A log-in under way.
pub struct LogIn {
    user: String,
    proof: Proof,
    line: Line,
    random: [u8; scram::RANDOM],
    version: Version,
    state: State,
    greeting: Vec<u8>,
    key: Option<ServerKey>,
}

enum State {
    /// The start-up message was sent.
    Asked,
    /// The first message of SCRAM was sent.
    Scram(First),
    /// The last message of SCRAM was sent.
    ScramLast(Final),
    /// What was asked for was given, and in SCRAM's case the database has proved itself.
    Answered,
    /// `AuthenticationOk` has come.
    In,
    /// It ended, well or not.
    Over,
}

impl LogIn {
    /// Begins, and puts the start-up message behind `out`. `random` is for SCRAM and used once.
    pub fn begin(
        ask: Ask,
        proof: Proof,
        line: Line,
        random: [u8; scram::RANDOM],
        out: &mut Vec<u8>,
    ) -> Self {
        put_packet(out, |out| {
            out.extend_from_slice(&ask.version.number().to_be_bytes());
            let mut pair = |name: &str, value: &str| {
                put_text(out, name);
                put_text(out, value);
            };
            pair("user", &ask.user);
            pair("database", &ask.database);
            match ask.replication {
                Replication::No => {}
                Replication::Physical => pair("replication", "true"),
                Replication::Logical => pair("replication", "database"),
            }
            for (name, value) in &ask.parameters {
                // Said above, and by nobody else; an empty name would end the list.
                if !matches!(name.as_str(), "user" | "database" | "replication" | "") {
                    pair(name, value);
                }
            }
            out.push(0);
        });
        Self {
            user: ask.user,
            proof,
            line,
            random,
            version: ask.version,
            state: State::Asked,
            greeting: Vec::new(),
            key: None,
        }
    }

    /// Looks at all that was read and not dropped yet. Answers how many bytes to drop, puts what is to be sent
    /// behind `out`, and says when the database is ready; what follows then belongs to the session.
    ///
    /// # Errors
    /// Why the log-in failed. It is over then.
    pub fn read(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, Option<Ready>), LogInError> {
        let mut took = 0;
        while let Some(rest) = bytes.get(took..) {
            let Some((tag, length)) = self.header(rest)? else {
                break;
            };
            let whole = HEADER + usize::try_from(length).unwrap_or(usize::MAX - HEADER);
            let Some(message) = rest.get(..whole) else {
                break;
            };
            took += whole;
            let body = message.get(HEADER..).unwrap_or_default();
            match self.message(tag, body, message, out) {
                Ok(None) => {}
                Ok(Some(ready)) => return Ok((took, Some(ready))),
                Err(error) => {
                    self.state = State::Over;
                    return Err(error);
                }
            }
        }
        Ok((took, None))
    }

    fn header(&mut self, rest: &[u8]) -> Result<Option<(u8, u32)>, LogInError> {
        let read = header(rest);
        let most = match rest.first() {
            Some(b'R') => MAX_AUTHENTICATION,
            Some(b'K') => 4 + 256,
            Some(b'Z') => 1,
            _ => MAX_MESSAGE,
        };
        let error = match read {
            Ok(None) => return Ok(None),
            Ok(Some((tag, length))) if length <= most => return Ok(Some((tag, length))),
            // The form of protocol 2, which servers use when they cannot even start a process: a bare text.
            _ if rest.first() == Some(&b'E') => {
                let text = rest.get(1..).unwrap_or_default();
                let end = memchr::memchr2(0, b'\n', text)
                    .unwrap_or(text.len())
                    .min(1024);
                let text = String::from_utf8_lossy(text.get(..end).unwrap_or_default());
                let message = clean(&text, 1024);
                LogInError::Refused(Box::new(ServerError {
                    severity: "FATAL".into(),
                    message,
                    ..ServerError::default()
                }))
            }
            Ok(Some((tag, length))) => {
                violation(format!("message {} of {length} bytes", tag.escape_ascii()))
            }
            Err(bad) => violation(bad.to_string()),
        };
        self.state = State::Over;
        Err(error)
    }

    fn message(
        &mut self,
        tag: u8,
        body: &[u8],
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Ready>, LogInError> {
        match (tag, &self.state) {
            (_, State::Over) => Err(violation("a message after the end")),
            (b'E', _) => Err(LogInError::Refused(Box::new(ServerError::read(body)))),
            (b'N', _) => self.keep(message),
            (b'v', State::Asked) => self.negotiate(body),
            (b'R', _) => self.authentication(body, out),
            (b'S', State::In) => self.keep(message),
            (b'K', State::In) => self.backend_key(body),
            (b'Z', State::In) => match body {
                [transaction @ (b'I' | b'T' | b'E')] => {
                    self.state = State::Over;
                    Ok(Some(Ready {
                        greeting: std::mem::take(&mut self.greeting),
                        key: self.key.take(),
                        version: self.version,
                        transaction: *transaction,
                    }))
                }
                _ => Err(violation("ReadyForQuery without a state")),
            },
            _ => Err(violation(format!(
                "message {} out of its turn",
                tag.escape_ascii()
            ))),
        }
    }

    fn keep(&mut self, message: &[u8]) -> Result<Option<Ready>, LogInError> {
        if self.greeting.len() + message.len() > MAX_GREETING {
            return Err(violation("too many parameters and notices"));
        }
        self.greeting.extend_from_slice(message);
        Ok(None)
    }

    fn negotiate(&mut self, body: &[u8]) -> Result<Option<Ready>, LogInError> {
        let mut reader = Reader::new(body);
        // Before version 18, servers sent the minor number alone in the lower half, and it is the same there.
        self.version = match reader.u32() {
            Some(0x0003_0000 | 0x0003_0001 | 0 | 1) => Version::V30,
            Some(0x0003_0002 | 2) if self.version == Version::V32 => Version::V32,
            _ => return Err(violation("a version that was not asked for")),
        };
        Ok(None)
    }

    fn backend_key(&mut self, body: &[u8]) -> Result<Option<Ready>, LogInError> {
        let mut reader = Reader::new(body);
        let pid = reader
            .u32()
            .ok_or_else(|| violation("BackendKeyData without a process"))?;
        let secret = reader.rest().to_vec();
        if !(4..=MAX_KEY).contains(&secret.len()) {
            return Err(violation(
                "BackendKeyData with a key of an impossible length",
            ));
        }
        self.key = Some(ServerKey { pid, secret });
        Ok(None)
    }

    fn authentication(
        &mut self,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Ready>, LogInError> {
        let mut reader = Reader::new(body);
        let Some(method) = reader.u32() else {
            return Err(violation("an authentication message without a method"));
        };
        let rest = reader.rest();
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = match (method, state) {
            (0, State::Asked | State::Answered) => State::In,
            (3, State::Asked) => {
                let password = match &self.proof {
                    Proof::Token(secret) | Proof::Password(secret) if self.line.verified => {
                        secret.expose()
                    }
                    Proof::Token(_) | Proof::Password(_) => return Err(LogInError::NotVerified),
                    Proof::Certificate | Proof::None => {
                        return Err(self.unanswerable("a password in clear"));
                    }
                };
                put_password(out, password);
                State::Answered
            }
            (5, State::Asked) => {
                let salt = reader
                    .take(4)
                    .and_then(|salt| <[u8; 4]>::try_from(salt).ok());
                let salt = salt.ok_or_else(|| violation("MD5 without a salt"))?;
                let Proof::Password(secret) = &self.proof else {
                    return Err(self.unanswerable("MD5"));
                };
                put_password(out, &scram::md5_answer(&self.user, secret.expose(), salt));
                State::Answered
            }
            (10, State::Asked) => self.begin_scram(rest, out)?,
            (11, State::Scram(first)) => {
                let (last, message) = first.answer(rest)?;
                put(out, b'p', |out| out.extend_from_slice(message.as_bytes()));
                State::ScramLast(last)
            }
            (12, State::ScramLast(last)) => {
                last.verify(rest)?;
                State::Answered
            }
            (0, State::Scram(_) | State::ScramLast(_)) => return Err(ScramError::Unproven.into()),
            (7..=9, State::Asked) => return Err(self.unanswerable("Kerberos")),
            (2 | 4 | 6, State::Asked) => {
                return Err(self.unanswerable("a method that nobody uses any more"));
            }
            (method, _) => {
                return Err(violation(format!(
                    "authentication message {method} out of its turn"
                )));
            }
        };
        Ok(None)
    }

    fn begin_scram(&self, mut names: &[u8], out: &mut Vec<u8>) -> Result<State, LogInError> {
        let mut offered = Vec::new();
        loop {
            let mut reader = Reader::new(names);
            let name = reader
                .text()
                .ok_or_else(|| violation("a list of methods without an end"))?;
            names = reader.rest();
            if name.is_empty() {
                break;
            }
            offered.push(name);
        }
        let offers = |name: &str| offered.contains(&name.as_bytes());
        let (method, binding) = match &self.line.end_point {
            Some(hash) if offers(scram::SCRAM_PLUS) => {
                (scram::SCRAM_PLUS, Binding::EndPoint(hash.clone()))
            }
            Some(_) if offers(scram::SCRAM) => (scram::SCRAM, Binding::NotOffered),
            None if offers(scram::SCRAM) => (scram::SCRAM, Binding::Unsupported),
            _ => {
                let names = offered
                    .iter()
                    .map(|name| String::from_utf8_lossy(name))
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(self.unanswerable(&clean(&names, 200)));
            }
        };
        let Proof::Password(secret) = &self.proof else {
            return Err(self.unanswerable(scram::SCRAM));
        };
        let (first, message) = First::new(secret.expose(), &self.random, &binding);
        put(out, b'p', |out| {
            put_text(out, method);
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(message.as_bytes());
        });
        Ok(State::Scram(first))
    }

    fn unanswerable(&self, asked: &str) -> LogInError {
        LogInError::Unanswerable {
            asked: asked.to_owned(),
            given: self.proof.as_str(),
        }
    }
}

fn put_password(out: &mut Vec<u8>, password: &str) {
    // Made apart and wiped: `out` may grow, and leave what it held behind in memory.
    let mut message = Zeroizing::new(Vec::with_capacity(password.len() + 16));
    put(&mut message, b'p', |out| put_text(out, password));
    out.reserve(message.len());
    out.extend_from_slice(&message);
}

fn violation(what: impl Into<String>) -> LogInError {
    LogInError::Violation(what.into())
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
