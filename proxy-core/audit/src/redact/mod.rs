//! Secrets never reach the log: passwords in statements about roles and users, in connection strings and in URLs.

use std::borrow::Cow;

/// Whether a statement has, or is made to take, what nobody may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sensitive {
    /// It may be recorded as it is.
    #[default]
    No,
    /// It has a secret, or a place for one: what is bound to it is not recorded.
    Yes,
}

impl Sensitive {
    pub(crate) const fn or(self, other: Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            Self::No => other,
        }
    }
}

/// What may be read of a statement.
pub(crate) struct Redacted<'t> {
    pub(crate) text: Cow<'t, [u8]>,
    pub(crate) sensitive: Sensitive,
    pub(crate) fingerprint: Option<[u8; 8]>,
}

/// Judges texts of statements.
#[derive(Debug)]
pub struct Redaction;

impl Redaction {
    /// Whether what is bound to a statement of this text must not be recorded. An engine asks when the statement is
    /// prepared, and keeps the answer with it.
    pub fn of(text: &[u8]) -> Sensitive {
        statement(text, false, false).sensitive
    }
}

pub(crate) fn statement(text: &[u8], _cut: bool, _mask_literals: bool) -> Redacted<'_> {
    const TRIGGERS: [&[u8]; 3] = [b"passw", b"identified", b"://"];
    let hit = |trigger: &[u8]| {
        text.windows(trigger.len())
            .any(|window| window.eq_ignore_ascii_case(trigger))
    };
    if TRIGGERS.iter().any(|trigger| hit(trigger)) {
        return Redacted {
            text: Cow::Borrowed(b"[redacted]"),
            sensitive: Sensitive::Yes,
            fingerprint: None,
        };
    }
    Redacted {
        text: Cow::Borrowed(text),
        sensitive: Sensitive::No,
        fingerprint: None,
    }
}
