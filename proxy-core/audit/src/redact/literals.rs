//! A statement without its literals, for those who must not keep data in the log, and a fingerprint by which
//! statements that differ in literals only are one.

use ring::digest;

use super::{
    lex::{Dialect, Kind, lex},
    masked,
};

/// The statement with `?` for each literal and without its comments, and its fingerprint.
///
/// The fingerprint is the first eight bytes of the SHA-256 of the statement in lower case, with one blank between
/// tokens and one `?` for a list of literals. There is no key in it: who has a statement can compute its fingerprint,
/// and nobody can compute a literal from it, because it has none.
pub(super) fn mask(text: &[u8]) -> (Vec<u8>, [u8; 8]) {
    let mut parts = Vec::new();
    let mut comments = Vec::new();
    let mut normal: Vec<u8> = Vec::with_capacity(text.len());
    let tokens = lex(text, 0..text.len(), Dialect::Standard);
    for token in &tokens {
        let piece: &[u8] = match token.kind {
            Kind::Comment => {
                comments.push(token.all.clone());
                continue;
            }
            Kind::Text | Kind::Dollar | Kind::Number => {
                parts.push(token.all.clone());
                b"?"
            }
            Kind::Placeholder => b"?",
            _ => text.get(token.all.clone()).unwrap_or(&[]),
        };
        if !normal.is_empty() {
            normal.push(b' ');
        }
        normal.extend(piece.to_ascii_lowercase());
        if normal.ends_with(b"? , ?") {
            normal.truncate(normal.len() - 4);
        }
    }
    // Where a backslash may be an escape, the other way to read it says where the literals are too.
    if memchr::memchr(b'\\', text).is_some() {
        let other = lex(text, 0..text.len(), Dialect::Backslash);
        let literals = other.into_iter().filter(|token| token.is_literal());
        parts.extend(literals.map(|token| token.all));
    }
    parts.extend(comments.iter().cloned());
    let text = masked(text, parts, "?").into_owned();
    let hash = digest::digest(&digest::SHA256, &normal);
    let mut fingerprint = [0; 8];
    for (byte, from) in fingerprint.iter_mut().zip(hash.as_ref()) {
        *byte = *from;
    }
    (text, fingerprint)
}
