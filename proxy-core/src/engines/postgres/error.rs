//! What a person reads who is refused: `ErrorResponse` messages that every client shows.
//!
//! Written are the fields that PostgreSQL itself always sends (severity twice, code, message) and, where there is
//! something to say, detail and hint, which `psql` prints under the message. A server's own errors are read here too, whole
//! and as fields. Nothing that comes from outside gets into a text unless it was cleaned: no zeros and no control
//! characters, so that no terminal is steered by a log or an error; and everything has a longest length.

use super::codec::{Reader, put, put_text};

/// The longest message text, in bytes.
pub const MAX_MESSAGE_TEXT: usize = 4 * 1024;
/// The longest detail and the longest hint, in bytes. With the message they stay below the 30,000 bytes up to which
/// clients believe that an answer at start-up is an error of protocol 3.
pub const MAX_DETAIL_TEXT: usize = 8 * 1024;

/// A five-letter code of SQL's standard and of PostgreSQL's list ("PostgreSQL Error Codes").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// The connection to the database could not be made.
    pub const CANNOT_CONNECT: Self = Self(*b"08001");
    /// The connection to the database was lost.
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// The other side does not keep to the protocol.
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// Asked for something that is not offered, such as an unknown protocol version.
    pub const NOT_SUPPORTED: Self = Self(*b"0A000");
    /// Text that is not valid in its encoding.
    pub const BAD_ENCODING: Self = Self(*b"22021");
    /// A parameter's value makes no sense.
    pub const BAD_PARAMETER: Self = Self(*b"22023");
    /// Not allowed in.
    pub const BAD_AUTHORIZATION: Self = Self(*b"28000");
    /// The password was refused.
    pub const BAD_PASSWORD: Self = Self(*b"28P01");
    /// There is no such database.
    pub const NO_DATABASE: Self = Self(*b"3D000");
    /// A name is longer than PostgreSQL keeps.
    pub const NAME_TOO_LONG: Self = Self(*b"42622");
    /// No more connections are allowed.
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// What was asked for is not ready for it.
    pub const NOT_READY: Self = Self(*b"55000");
    /// Ended by the administrator.
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// Not now: starting or stopping.
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// Nothing was done for too long.
    pub const IDLE_TIMEOUT: Self = Self(*b"57P05");
    /// Reading or writing failed on this side.
    pub const IO_ERROR: Self = Self(*b"58030");

    /// The code that `bytes` spell: five capitals or digits.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let code = <[u8; 5]>::try_from(bytes).ok()?;
        code.iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            .then_some(Self(code))
    }

    /// The five letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl std::fmt::Debug for SqlState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for SqlState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error to be told to a client, after which the connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    /// What kind of error, for programs.
    pub code: SqlState,
    /// One line: what failed, on what, why.
    pub message: String,
    /// More of it, on further lines.
    pub detail: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Fatal {
    /// An error with a message alone.
    #[must_use]
    pub fn new(code: SqlState, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// The same error with something more to say.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same error with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts it behind `out` as an `ErrorResponse` of severity `FATAL`.
    pub fn put(&self, out: &mut Vec<u8>) {
        put(out, b'E', |out| {
            let mut field = |name: u8, text: &str| {
                out.push(name);
                put_text(out, text);
            };
            field(b'S', "FATAL");
            field(b'V', "FATAL");
            field(b'C', self.code.as_str());
            field(b'M', &clean(&self.message, MAX_MESSAGE_TEXT));
            if let Some(detail) = &self.detail {
                field(b'D', &clean(detail, MAX_DETAIL_TEXT));
            }
            if let Some(hint) = &self.hint {
                field(b'H', &clean(hint, MAX_DETAIL_TEXT));
            }
            out.push(0);
        });
    }

    /// The same as bytes of their own.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.message.len());
        self.put(&mut out);
        out
    }

    /// The form that clients of protocol 2 understand: a bare text.
    #[must_use]
    pub fn packet_of_protocol_2(&self) -> Vec<u8> {
        let mut out = vec![b'E'];
        put_text(
            &mut out,
            &format!("FATAL:  {}\n", clean(&self.message, MAX_MESSAGE_TEXT)),
        );
        out
    }
}

/// An error of the database, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, not translated where the server says so (9.6 and later).
    pub severity: String,
    /// The five letters; empty where the server sent none.
    pub code: String,
    /// The message, cleaned and bounded.
    pub message: String,
    /// The detail.
    pub detail: Option<String>,
    /// The hint.
    pub hint: Option<String>,
}

impl ServerError {
    /// Reads the body of an `ErrorResponse`. Never fails: what is missing or broken is left empty.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let mut error = Self::default();
        let mut fixed_severity = false;
        for (name, value) in fields(body) {
            let text = |max| clean(&String::from_utf8_lossy(value), max);
            match name {
                b'V' => {
                    error.severity = text(16);
                    fixed_severity = true;
                }
                b'S' if !fixed_severity => error.severity = text(16),
                b'C' => {
                    error.code = SqlState::read(value)
                        .map_or_else(String::new, |code| code.as_str().to_owned())
                }
                b'M' => error.message = text(MAX_MESSAGE_TEXT),
                b'D' => error.detail = Some(text(MAX_DETAIL_TEXT)),
                b'H' => error.hint = Some(text(MAX_DETAIL_TEXT)),
                _ => {}
            }
        }
        error
    }
}

/// The fields of an `ErrorResponse` or `NoticeResponse`: a letter and a text each.
pub fn fields(body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut reader = Reader::new(body);
    std::iter::from_fn(move || {
        let name = reader.u8().filter(|name| *name != 0)?;
        Some((name, reader.text()?))
    })
}

/// `text` without control characters (a line's end and a tab may stay) and at most `max` bytes long; what was cut off
/// is replaced by an ellipsis.
#[must_use]
pub fn clean(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for letter in text.chars() {
        let letter = match letter {
            '\0' => continue,
            '\n' | '\t' => letter,
            '\r' => continue,
            other if other.is_control() => '\u{fffd}',
            // Marks that turn the direction of what is read around.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            other => other,
        };
        if out.len() + letter.len_utf8() > max.saturating_sub('…'.len_utf8()) {
            out.push('…');
            break;
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_can_be_read_again() {
        let fatal = Fatal::new(
            SqlState::BAD_AUTHORIZATION,
            "access to database \"orders\" denied",
        )
        .detail("d")
        .hint("ask\nfor it");
        let packet = fatal.packet();
        assert_eq!(packet.first(), Some(&b'E'));
        let read = ServerError::read(packet.get(5..).unwrap());
        assert_eq!(read.severity, "FATAL");
        assert_eq!(read.code, "28000");
        assert_eq!(read.message, fatal.message);
        assert_eq!((read.detail, read.hint), (fatal.detail, fatal.hint));
    }

    #[test]
    fn a_text_steers_no_terminal_and_ends() {
        assert_eq!(clean("a\0b\x1b[2Jc\r\nd", 100), "ab\u{fffd}[2Jc\nd");
        assert_eq!(clean("ä\u{202e}ö", 100), "ä\u{fffd}ö");
        let long = clean(&"ü".repeat(100_000), MAX_MESSAGE_TEXT);
        assert!(long.len() <= MAX_MESSAGE_TEXT && long.ends_with('…'));
    }

    #[test]
    fn the_longest_error_is_one_that_clients_believe() {
        let packet = Fatal::new(SqlState::CANNOT_CONNECT, "m".repeat(99_999))
            .detail("d".repeat(99_999))
            .hint("h".repeat(99_999))
            .packet();
        assert!(packet.len() < 30_000, "{}", packet.len());
    }

    #[test]
    fn broken_errors_are_read_as_far_as_they_go() {
        assert_eq!(ServerError::read(b""), ServerError::default());
        assert_eq!(
            ServerError::read(b"SFEHLER\0VERROR\0C4260\0Mno").severity,
            "ERROR"
        );
        assert_eq!(
            ServerError::read(b"VERROR\0SFEHLER\0C42601\0\0Mno\0").code,
            "42601"
        );
    }
}
