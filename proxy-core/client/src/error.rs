//! What goes wrong on a person's side, as they are told: what, why, and what to do next.

use std::fmt;

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something did not work. `Display` says what failed alone; why, and what to do next, are lines of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    what: String,
    why: Vec<String>,
    hint: Option<String>,
}

/// The sort of an [`Error`], for those who act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that a person wrote makes no sense.
    Usage,
    /// There is no directory to keep logins in.
    NoHome,
    /// Nobody is logged in, or not to that cluster.
    NoLogin,
    /// The login is over.
    Expired,
    /// A file of a login is not what muster wrote.
    Damaged,
    /// The file system says no.
    Files,
    /// Nobody answers at the proxy's address.
    Unreachable,
    /// Somebody answers who is no proxy of muster's, or breaks off.
    Foreign,
    /// The proxy does not prove to be the one that is meant.
    Untrusted,
    /// The clock of one of the two is wrong.
    Clock,
    /// The proxy says no.
    Refused(Box<Refusal>),
}

/// What the proxy said when it said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of HTTP.
    pub status: u16,
    /// Which: the last part of `urn:muster:denied:KIND`; empty where the answer has none.
    pub kind: String,
    /// What may have been meant, where a name fits several.
    pub candidates: Vec<String>,
    /// After how many seconds to try again.
    pub retry_after: Option<u64>,
}

impl Error {
    /// What failed, on what: lower case, no full stop.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            why: Vec::new(),
            hint: None,
        }
    }

    /// Why.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// What to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The sort.
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What failed.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Why, a line each.
    pub fn why(&self) -> &[String] {
        &self.why
    }

    /// What to do next.
    pub fn next(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether the proxy refused with this kind, the last part of `urn:muster:denied:KIND`.
    pub fn is_refused(&self, kind: &str) -> bool {
        matches!(&self.kind, Kind::Refused(refusal) if refusal.kind == kind)
    }

    /// An error of the file system.
    pub(crate) fn files(what: impl Into<String>, error: &std::io::Error) -> Self {
        Self::new(Kind::Files, what)
            .because(error.to_string())
            .hint("see who may write there, or name another place for logins: MUSTER_HOME")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}
