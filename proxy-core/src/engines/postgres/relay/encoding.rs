//! Whether the bytes that a client sends can be read without knowing its encoding.

use super::super::codec::{HEADER, header};

/// Bytes of a `ParameterStatus` that are read: as much as this one's name and value need.
pub(super) const MAX_STATUS: usize = 64;
const NAME: &[u8] = b"client_encoding";

/// What a byte below 128 is in the client's encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Always the character that it is in ASCII.
    #[default]
    Plain,
    /// Perhaps half of another character: a quote or backslash may be none, and where a literal ends cannot be told.
    Ambiguous,
}

/// Encodings of PostgreSQL in which that is so, with the names that it takes for them, without what is neither letter nor
/// digit. No server has its texts in one of them, only clients do.
const AMBIGUOUS: [&str; 17] = [
    "sjis",
    "mskanji",
    "shiftjis",
    "win932",
    "windows932",
    "shiftjis2004",
    "big5",
    "win950",
    "windows950",
    "gbk",
    "win936",
    "windows936",
    "gb18030",
    "uhc",
    "win949",
    "windows949",
    "johab",
];

impl Encoding {
    /// The one of this name.
    fn of(name: &[u8]) -> Self {
        let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        let name: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
        if AMBIGUOUS.iter().any(|known| known.as_bytes() == name) {
            Self::Ambiguous
        } else {
            Self::Plain
        }
    }

    /// What a session begins with: what the database said of it in its greeting, else what the client asked for.
    #[must_use]
    pub fn at_start(greeting: &[u8], asked: &[(String, String)]) -> Self {
        let asked = asked
            .iter()
            .rfind(|(name, _)| name.eq_ignore_ascii_case("client_encoding"));
        let mut encoding = asked.map_or(Self::Plain, |(_, value)| Self::of(value.as_bytes()));
        let mut rest = greeting;
        while let Ok(Some((tag, length))) = header(rest) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let Some(body) = rest.get(HEADER..).and_then(|rest| rest.get(..length)) else {
                break;
            };
            if tag == b'S' {
                encoding = Self::of_status(body).unwrap_or(encoding);
            }
            rest = rest.get(HEADER + length..).unwrap_or_default();
        }
        encoding
    }

    /// What a `ParameterStatus` says of it, if it is about that.
    pub(super) fn of_status(body: &[u8]) -> Option<Self> {
        let mut parts = body.split(|byte| *byte == 0);
        let name = parts.next()?;
        name.eq_ignore_ascii_case(NAME)
            .then(|| Self::of(parts.next().unwrap_or_default()))
    }
}
