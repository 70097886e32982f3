//! How a log-in at the database ends: ready, with what the client is then told, or not, with why.

use super::{
    cancel::{ClientKey, ServerKey},
    codec::{Version, put},
    error::{ServerError, SqlState},
    scram::ScramError,
    start::Startup,
};

/// A log-in that worked.
#[derive(Debug, PartialEq, Eq)]
pub struct Ready {
    /// `ParameterStatus` and `NoticeResponse` messages, as they came.
    pub greeting: Vec<u8>,
    /// What cancels the session at the database; poolers give none.
    pub key: Option<ServerKey>,
    /// The version that is spoken.
    pub version: Version,
    /// The state of the transaction: `I`.
    pub transaction: u8,
}

/// Why a log-in failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogInError {
    /// The database refused, in its own words.
    #[error("the database refused: {} {}", .0.code, .0.message)]
    Refused(Box<ServerError>),
    /// The database asks for a proof that is not at hand.
    #[error("the database asks for {asked}, and there is only {given}")]
    Unanswerable {
        /// What it asks for.
        asked: String,
        /// What there is: `token`, `password`, `certificate`, `none`.
        given: &'static str,
    },
    /// The database asks for a password in clear, and the line is not verified TLS.
    #[error("the database asks for a password in clear, and its certificate was not verified")]
    NotVerified,
    /// SCRAM failed.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// The database does not keep to the protocol.
    #[error("the database broke the protocol while logging in: {0}")]
    Violation(String),
}

impl Ready {
    /// Puts all that a client is told when its session begins behind `out`: which version is spoken (where it asked for
    /// another), that it is in, what the database said about itself, its own key, and that it may ask.
    pub fn put_welcome(&self, startup: &Startup, key: &ClientKey, out: &mut Vec<u8>) {
        startup.put_negotiation(out);
        put(out, b'R', |out| out.extend_from_slice(&[0; 4]));
        out.extend_from_slice(&self.greeting);
        key.put(out);
        put(out, b'Z', |out| out.push(self.transaction));
    }
}

impl LogInError {
    /// The error's own code where the database gave one, else the one for a connection that could not be made.
    #[must_use]
    pub fn code(&self) -> SqlState {
        match self {
            Self::Refused(error) => {
                SqlState::read(error.code.as_bytes()).unwrap_or(SqlState::CANNOT_CONNECT)
            }
            Self::Unanswerable { .. } | Self::NotVerified | Self::Scram(_) => {
                SqlState::BAD_AUTHORIZATION
            }
            Self::Violation(_) => SqlState::CANNOT_CONNECT,
        }
    }
}
