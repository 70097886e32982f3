//! Names that say that what they stand for is a secret.

use super::{
    lex::{Kind, Token, is_word},
    scan::{contains, position, span},
    spelled::readings,
    strings::urls,
};

/// Whether `U&` is before a token.
pub(super) fn is_unicode(text: &[u8], token: &Token) -> bool {
    text.get(..token.inner.start.saturating_sub(1))
        .is_some_and(|before| before.ends_with(b"&"))
}

/// Whether the name of a column, an option or a setting says that its value is a secret, in any spelling.
pub(super) fn is_secret_name(text: &[u8], token: &Token) -> bool {
    let name = text.get(token.inner.clone()).unwrap_or(&[]);
    is_secret(name)
        || token.kind == Kind::Quoted
            && is_unicode(text, token)
            && readings(name, true).any(|name| is_secret(&name))
}

/// Whether the name of a column, an option or a setting says that its value is a secret, as it is written.
pub(super) fn is_secret(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = |end: &[u8]| name.ends_with(end);
    if [&b"password_encryption"[..], b"passwords"]
        .iter()
        .any(|end| ends(end))
    {
        return false;
    }
    contains(&name, b"passw")
        || ends(b"pwd")
        || ends(b"secret_access_key")
        || ends(b"secret_key")
        || ends(b"session_token")
}

/// Whether a literal could be the name of something, or a path of names: `{user,password}`.
pub(super) fn is_name(text: &[u8]) -> bool {
    span(text, |byte| is_word(byte) || b".,{}\"-$".contains(&byte)) == text.len()
}

const SUSPICIOUS: [&[u8]; 5] = [
    b"passw",
    b"pwd",
    b"identified",
    b"secret_",
    b"session_token",
];

pub(super) fn is_suspicious(text: &[u8]) -> bool {
    SUSPICIOUS.iter().any(|word| contains(text, word))
}

/// How many words before secrets and passwords in addresses there are.
pub(super) fn count(text: &[u8], cut: bool) -> usize {
    let mut found = Vec::new();
    urls(text, cut, &mut found);
    let mut count = found.len();
    for word in SUSPICIOUS {
        let mut rest = text;
        while let Some(at) = position(rest, word) {
            count += 1;
            rest = rest.get(at + word.len()..).unwrap_or(&[]);
        }
    }
    count
}
