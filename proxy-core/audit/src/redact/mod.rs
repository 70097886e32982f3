//! Secrets never reach the log: passwords in statements about roles and users, in connection strings and in URLs.
//!
//! Almost every statement has none. A look for the few letters that all of the rules need tells that, in some
//! nanoseconds; only what does not pass it is read.

mod expressions;
mod insert;
mod lex;
mod literals;
mod names;
mod rules;
mod scan;
mod spelled;
mod strings;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, ops::Range};

/// What stands for what is not recorded.
pub(crate) const MASK: &str = "***";

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
        let found = find(text, false);
        if found.is_some_and(|found| found.bound || !found.masks.is_empty()) {
            Sensitive::Yes
        } else {
            Sensitive::No
        }
    }

    /// A text as it may be shown: for logs and messages that quote a statement.
    pub fn shown(text: &[u8]) -> Cow<'_, [u8]> {
        statement(text, false, false).text
    }
}

/// Takes the secrets out of a statement. `cut` says that it is only the beginning of one.
pub(crate) fn statement(text: &[u8], cut: bool, mask_literals: bool) -> Redacted<'_> {
    let (shown, sensitive) = match find(text, cut) {
        None => (Cow::Borrowed(text), false),
        Some(found) => {
            let sensitive = found.bound || !found.masks.is_empty();
            (masked(text, found.masks, MASK), sensitive)
        }
    };
    let sensitive = if sensitive {
        Sensitive::Yes
    } else {
        Sensitive::No
    };
    if !mask_literals {
        return Redacted {
            text: shown,
            sensitive,
            fingerprint: None,
        };
    }
    // What a mask of above left of a literal goes as well.
    let (without, fingerprint) = literals::mask(&shown);
    Redacted {
        text: Cow::Owned(without),
        sensitive,
        fingerprint: Some(fingerprint),
    }
}

/// Takes the secrets out of a value that is bound to a statement, or of a message. `cut` says that it is only the
/// beginning of one.
pub(crate) fn value(text: &[u8], cut: bool) -> Cow<'_, [u8]> {
    match look(text) {
        Look::Nothing => Cow::Borrowed(text),
        seen => {
            let found = rules::find_in_value(text, cut, seen == Look::Words);
            masked(text, found.masks, MASK)
        }
    }
}

/// Puts `mask` in place of the parts.
fn masked<'t>(text: &'t [u8], mut parts: Vec<Range<usize>>, mask: &str) -> Cow<'t, [u8]> {
    if parts.is_empty() {
        return Cow::Borrowed(text);
    }
    parts.sort_by_key(|part| part.start);
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    let mut last_end = None;
    for part in parts {
        // One that begins within the last, or where it ended, is one with it.
        if last_end.is_none_or(|end| part.start > end) {
            out.extend_from_slice(text.get(done..part.start).unwrap_or(&[]));
            out.extend_from_slice(mask.as_bytes());
        }
        done = done.max(part.end);
        last_end = Some(done);
    }
    out.extend_from_slice(text.get(done..).unwrap_or(&[]));
    Cow::Owned(out)
}

/// What the rules could find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing, for certain.
    Nothing,
    /// An address with a password in it.
    Address,
    /// Anything.
    Words,
}

/// A look at the text, and at what it may be another spelling of.
fn look(text: &[u8]) -> Look {
    match look_plainly(text) {
        Look::Words => Look::Words,
        // A password that another literal or a value has.
        Look::Address
            if [&b":%"[..], b":'", b":$"]
                .iter()
                .any(|part| has(text, part)) =>
        {
            Look::Words
        }
        seen => {
            let readings = spelled::readings_of_statement(text);
            let hidden = |text: &Vec<u8>| look_plainly(text) != Look::Nothing;
            if readings.iter().any(hidden) {
                Look::Words
            } else {
                seen
            }
        }
    }
}

fn has(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// A look at the letters that are in every word of the rules and in few others.
fn look_plainly(text: &[u8]) -> Look {
    let is = |start: Option<usize>, word: &[u8]| {
        start
            .and_then(|start| text.get(start..start + word.len()))
            .is_some_and(|part| part.eq_ignore_ascii_case(word))
    };
    let mut address = false;
    for at in memchr::memchr3_iter(b'w', b'W', b':', text) {
        if is(at.checked_sub(4), b"passw") || is(at.checked_sub(1), b"pwd") {
            return Look::Words;
        }
        address |= is(Some(at), b"://");
    }
    let words = memchr::memchr2_iter(b'f', b'F', text)
        .any(|at| is(at.checked_sub(6), b"identified"))
        || memchr::memchr2_iter(b'k', b'K', text).any(|at| {
            is(at.checked_sub(14), b"secret_access_k")
                || is(at.checked_sub(7), b"secret_k")
                || is(at.checked_sub(10), b"session_tok")
        });
    match (words, address) {
        (true, _) => Look::Words,
        (false, true) => Look::Address,
        (false, false) => Look::Nothing,
    }
}

/// What the rules find, where they can find anything.
fn find(text: &[u8], cut: bool) -> Option<rules::Found> {
    match look(text) {
        Look::Nothing => None,
        seen => Some(rules::find(text, cut, seen == Look::Words)),
    }
}
