//! Statements and what is bound to them: cut, redacted, and masked where that is wished.

use std::borrow::Cow;

use ring::digest;

use super::{Limits, Parameter, Parameters, Statement};
use crate::{
    Redaction,
    json::{self, Members},
    redact::{self, MASK, Redacted, Sensitive},
};

/// Values of one statement that are recorded; more are counted.
const VALUES: u64 = 1024;

/// How the fields about a statement are called: `db_query` in some events, `query` in others, as with the peer.
pub(super) struct Names {
    text: &'static str,
    length: &'static str,
    sha256: &'static str,
    truncated: &'static str,
    redacted: &'static str,
    base64: &'static str,
    fingerprint: &'static str,
}

pub(super) const DB_QUERY: Names = Names {
    text: "db_query",
    length: "db_query_length",
    sha256: "db_query_sha256",
    truncated: "db_query_truncated",
    redacted: "db_query_redacted",
    base64: "db_query_base64",
    fingerprint: "db_query_fingerprint",
};

pub(super) const QUERY: Names = Names {
    text: "query",
    length: "query_length",
    sha256: "query_sha256",
    truncated: "query_truncated",
    redacted: "query_redacted",
    base64: "query_base64",
    fingerprint: "query_fingerprint",
};

/// Writes a statement, and says whether there was something in it that nobody may read.
pub(super) fn statement(
    to: &mut Members<'_>,
    names: &Names,
    statement: &Statement<'_>,
    limits: Limits,
) -> Sensitive {
    if statement.hidden {
        to.bytes(names.text, MASK.as_bytes());
        to.flag(names.redacted, true);
        return Sensitive::Yes;
    }
    let text = cut(statement.text, limits.statement);
    let truncated = statement.length > text.len() as u64;
    let Redacted {
        text: shown,
        mut sensitive,
        fingerprint,
    } = redact::statement(text, truncated, limits.mask_literals);
    if text.len() < statement.text.len() {
        // A secret behind the cut is not recorded; what tells of it must not be either.
        sensitive = sensitive.or(Redaction::of(statement.text));
    }
    to.bytes(names.text, &shown);
    if let Some(fingerprint) = fingerprint {
        to.hex(names.fingerprint, &fingerprint);
    }
    if sensitive == Sensitive::Yes {
        to.flag(names.redacted, true);
    }
    if truncated {
        to.flag(names.truncated, true);
        to.number(names.length, statement.length);
        // The digest of a text with a password in it, or with values that are to be masked, would let everybody
        // try out which.
        if sensitive == Sensitive::No && !limits.mask_literals {
            let whole = statement.text.len() as u64 == statement.length;
            if let Some(digest) = statement.digest {
                to.hex(names.sha256, &digest);
            } else if whole {
                let digest = digest::digest(&digest::SHA256, statement.text);
                to.hex(names.sha256, digest.as_ref());
            }
        }
    }
    if std::str::from_utf8(&shown).is_err() {
        to.base64(names.base64, &shown);
    }
    sensitive
}

/// Writes what was bound. As many bytes of all values together as a statement may have.
pub(super) fn bound(
    to: &mut Members<'_>,
    name: &str,
    name_cut: &str,
    parameters: Option<Parameters<'_>>,
    sensitive: Sensitive,
    limits: Limits,
) {
    let Some(Parameters {
        values,
        sensitive: given,
    }) = parameters
    else {
        return;
    };
    let masked = sensitive.or(given) == Sensitive::Yes || limits.mask_literals;
    let mut left = limits.statement;
    let mut cuts: Vec<(u64, u64)> = Vec::new();
    let mut index = 0_u64;
    to.key(name);
    to.out.push(b'[');
    values.visit(&mut |value| {
        if index >= VALUES {
            index += 1;
            return;
        }
        if index > 0 {
            to.out.push(b',');
        }
        let (binary, bytes, length) = match value {
            Parameter::Null => (None, &[][..], 0),
            Parameter::Text(bytes) => (Some(false), bytes, bytes.len() as u64),
            Parameter::Binary(bytes) => (Some(true), bytes, bytes.len() as u64),
            Parameter::Cut {
                binary,
                prefix,
                length,
            } => (Some(binary), prefix, length),
        };
        match binary {
            None => to.out.extend_from_slice(b"null"),
            Some(_) if masked => json::string(to.out, MASK.as_bytes()),
            Some(binary) => {
                let shown = cut(bytes, left);
                left -= shown.len();
                if length > shown.len() as u64 {
                    cuts.push((index, length));
                }
                // A connection string can be bound as well as written.
                match redact::value(shown, length > shown.len() as u64) {
                    // The bytes in front of a secret say how long it is, and clients bind texts in this form too.
                    Cow::Owned(_) if binary => json::string(to.out, MASK.as_bytes()),
                    Cow::Owned(without) => json::string(to.out, &without),
                    Cow::Borrowed(shown) => {
                        to.out.push(b'"');
                        if binary {
                            json::base64(to.out, shown);
                        } else {
                            json::inner(to.out, shown);
                        }
                        to.out.push(b'"');
                    }
                }
            }
        }
        index += 1;
    });
    to.out.push(b']');
    let more = index.saturating_sub(VALUES);
    if cuts.is_empty() && more == 0 {
        return;
    }
    to.key(name_cut);
    to.out.extend_from_slice(b"{\"more\":");
    json::number(to.out, more);
    for (index, length) in cuts {
        to.out.extend_from_slice(b",\"");
        json::number(to.out, index);
        to.out.extend_from_slice(b"\":");
        json::number(to.out, length);
    }
    to.out.push(b'}');
}

/// The first bytes of a text, without the half of a character at the end.
pub(super) fn cut(text: &[u8], most: usize) -> &[u8] {
    let Some(start) = text.get(..most).filter(|start| start.len() < text.len()) else {
        return text;
    };
    // The beginning of a character is at most four bytes back; bytes that are no UTF-8 are cut anywhere.
    let back = (1..=3.min(start.len()))
        .find(|back| text.get(most - back).is_some_and(|byte| *byte >= 0xc0));
    match back {
        Some(back) if text.get(most).is_some_and(|byte| byte & 0xc0 == 0x80) => {
            text.get(..most - back).unwrap_or(start)
        }
        _ => start,
    }
}
