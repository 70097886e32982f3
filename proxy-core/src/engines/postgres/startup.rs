//! The start-up message: which version, who, which database, and what else.

use super::{
    codec::{Reader, Version, put, put_text},
    error::{Fatal, SqlState, clean},
    start::{Reason, Refusal, refuse},
};

/// The longest name of a user or a database that PostgreSQL keeps, in bytes.
pub const MAX_NAME: usize = 63;

/// Whether the client wants replication in place of SQL alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replication {
    /// Ordinary SQL.
    #[default]
    No,
    /// Physical replication, of the whole server (`replication=true`).
    Physical,
    /// Logical replication, of the database (`replication=database`).
    Logical,
}

/// What a start-up message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// The version that both sides speak.
    pub version: Version,
    /// The version that the client asked for, as it stood on the wire.
    pub asked: u32,
    /// The database user that the client wants to be.
    pub user: String,
    /// The database that it wants to open; the user's name where it named none.
    pub database: String,
    /// What the client calls itself.
    pub application_name: Option<String>,
    /// Whether it wants replication.
    pub replication: Replication,
    /// What else it said, in its order, with `application_name` and `options`; to be forwarded.
    pub parameters: Vec<(String, String)>,
    /// Protocol options (`_pq_.…`) that it asked for and that nobody here knows.
    pub unknown_options: Vec<String>,
}

impl Startup {
    /// Whether the client is to be told which version and options are spoken here.
    #[must_use]
    pub fn needs_negotiation(&self) -> bool {
        self.asked > Version::V32.number() || !self.unknown_options.is_empty()
    }

    /// Puts a `NegotiateProtocolVersion` behind `out` where one is needed. Comes before `AuthenticationOk`.
    pub fn put_negotiation(&self, out: &mut Vec<u8>) {
        if !self.needs_negotiation() {
            return;
        }
        // The whole version, not its minor number alone (as PostgreSQL 18 does): 3.1 stays what it is.
        let version = self.asked.min(Version::V32.number());
        put(out, b'v', |out| {
            out.extend_from_slice(&version.to_be_bytes());
            let count = u32::try_from(self.unknown_options.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&count.to_be_bytes());
            for name in &self.unknown_options {
                put_text(out, name);
            }
        });
    }
}

pub(super) fn version(number: u32) -> Result<Version, Refusal> {
    let (major, minor) = (number >> 16, number & 0xffff);
    let fatal = || {
        let text =
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2");
        Fatal::new(SqlState::NOT_SUPPORTED, text)
    };
    match (major, minor) {
        // 3.1 was never used; servers take it as 3.0.
        (3, 0 | 1) => Ok(Version::V30),
        (3, _) => Ok(Version::V32),
        (0..3, _) => Err(Refusal {
            reason: Reason::Version,
            answer: fatal().packet_of_protocol_2(),
        }),
        _ => Err(Refusal {
            reason: Reason::Version,
            answer: fatal().packet(),
        }),
    }
}

pub(super) fn startup(number: u32, body: &[u8]) -> Result<Startup, Refusal> {
    let mut startup = Startup {
        version: version(number)?,
        asked: number,
        user: String::new(),
        database: String::new(),
        application_name: None,
        replication: Replication::No,
        parameters: Vec::new(),
        unknown_options: Vec::new(),
    };
    let layout = || {
        refuse(
            Reason::Layout,
            SqlState::PROTOCOL_VIOLATION,
            "invalid startup packet layout: expected terminator as last byte",
        )
    };
    let mut reader = Reader::new(body);
    loop {
        let name = reader.text().ok_or_else(layout)?;
        if name.is_empty() {
            break;
        }
        let name = utf8("a parameter's name", name)?;
        let value = utf8(name, reader.text().ok_or_else(layout)?)?;
        match name {
            "user" => value.clone_into(&mut startup.user),
            "database" => value.clone_into(&mut startup.database),
            "replication" => startup.replication = replication(value)?,
            _ if name.starts_with("_pq_.") => startup.unknown_options.push(name.to_owned()),
            _ => {
                if name == "application_name" {
                    startup.application_name = Some(value.to_owned());
                }
                startup.parameters.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    if !reader.rest().is_empty() {
        return Err(layout());
    }
    if startup.user.is_empty() {
        let text = "no PostgreSQL user name specified in startup packet";
        return Err(refuse(Reason::NoUser, SqlState::BAD_AUTHORIZATION, text));
    }
    if startup.database.is_empty() {
        startup.user.clone_into(&mut startup.database);
    }
    for (what, name) in [("user", &startup.user), ("database", &startup.database)] {
        if name.len() > MAX_NAME {
            let text = format!(
                "the {what} name \"{}\" has more than {MAX_NAME} bytes",
                clean(name, 200)
            );
            return Err(refuse(Reason::NameTooLong, SqlState::NAME_TOO_LONG, text));
        }
    }
    Ok(startup)
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| {
        let text = format!("startup packet: {} is not UTF-8", clean(name, 200));
        refuse(Reason::Encoding, SqlState::BAD_ENCODING, text)
    })
}

/// The values that PostgreSQL takes: `database`, or a truth value by any beginning that is clear.
fn replication(value: &str) -> Result<Replication, Refusal> {
    let text = value.to_ascii_lowercase();
    let begins = |whole: &str, shortest: usize| text.len() >= shortest && whole.starts_with(&text);
    if text == "database" {
        Ok(Replication::Logical)
    } else if text == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        Ok(Replication::Physical)
    } else if text == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Ok(Replication::No)
    } else {
        let text = format!(
            "invalid value for parameter \"replication\": \"{}\"",
            clean(value, 200)
        );
        Err(refuse(Reason::Replication, SqlState::BAD_PARAMETER, text))
    }
}
