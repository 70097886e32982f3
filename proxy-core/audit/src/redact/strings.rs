//! Secrets in connection strings and in addresses, which stand in literals and comments.

use std::ops::Range;

use super::{
    lex::is_word,
    scan::{find, position, seen, span},
};

/// Where the value of a pair may be, besides in the pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// There is none in it, or a placeholder: it comes from another literal.
    pub(super) all: bool,
    /// It ends where the text ends: there may be more of it in the next literal.
    pub(super) rest: bool,
}

/// Masks the values of `password=secret` and `"password": "secret"` in what may be a connection string.
pub(super) fn pairs(text: &[u8], range: Range<usize>, masks: &mut Vec<Range<usize>>) -> Elsewhere {
    let mut elsewhere = Elsewhere::default();
    let get = |range: Range<usize>| text.get(range).unwrap_or(&[]);
    for word in [&b"passw"[..], b"pwd", b"secret_", b"session_token"] {
        let mut from = range.start;
        while let Some(at) = position(get(from..range.end), word) {
            let mut at = from + at + word.len();
            let skip = |at: &mut usize, is: &dyn Fn(u8) -> bool| {
                *at += span(get(*at..range.end), is);
            };
            skip(&mut at, &is_word);
            from = at;
            // The quote of a name in JSON, in a literal perhaps.
            skip(&mut at, &|byte| b"\\'\"".contains(&byte));
            skip(&mut at, &|byte| byte.is_ascii_whitespace());
            let sign = text.get(at).copied().filter(|_| at < range.end);
            if !matches!(sign, Some(b'=' | b':')) {
                continue;
            }
            at += 1;
            skip(&mut at, &|byte| {
                byte.is_ascii_whitespace() || byte == b'>' || byte == b'='
            });
            let rest = get(at..range.end);
            let quotes = span(rest, |byte| byte == b'\'');
            let (quote, end): (usize, Vec<u8>) = match rest {
                [b'\\', quote @ (b'\'' | b'"'), ..] => (2, vec![b'\\', *quote]),
                [b'"', ..] => (1, vec![b'"']),
                [b'{', ..] => (1, vec![b'}']),
                _ => (quotes, vec![b'\''; quotes]),
            };
            let start = at + quote;
            let rest = get(start..range.end);
            let end = if quote == 0 {
                bare_len(rest)
            } else {
                find(rest, &end).unwrap_or(rest.len())
            };
            let value = rest.get(..end).unwrap_or(rest);
            // SQL in a literal, with a call or a list of values.
            let end = if quote == 0 && memchr::memchr(b'(', value).is_some() {
                rest.len()
            } else {
                end
            };
            seen(value.len());
            elsewhere.all |=
                value.is_empty() || value.first().is_some_and(|byte| b"%$?:@".contains(byte));
            elsewhere.rest |= start + end == range.end;
            masks.push(start..start + end);
            from = start + end;
        }
    }
    elsewhere
}

/// The length of a value without quotes in a connection string: to the next blank that is not escaped.
fn bare_len(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        seen(1);
        match byte {
            b'\\' => at += 2,
            b'\'' | b'"' => return at,
            byte if byte.is_ascii_whitespace() => return at,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Whether the password of an address in a literal comes from elsewhere: `scheme://user:%s@host`, `scheme://user:`.
pub(super) fn is_open_url(text: &[u8]) -> bool {
    let Some(start) = memchr::memmem::rfind(text, b"://") else {
        return false;
    };
    let rest = text.get(start + 3..).unwrap_or(&[]);
    let len = span(rest, |byte| {
        byte != b':' && byte != b'/' && !byte.is_ascii_whitespace()
    });
    match rest.get(len..) {
        Some([b':', password @ ..]) => {
            password.is_empty() || password.first().is_some_and(|byte| b"%$?{".contains(byte))
        }
        _ => false,
    }
}

/// Masks the password of `scheme://user:password@host`, wherever it is.
pub(super) fn urls(text: &[u8], cut: bool, masks: &mut Vec<Range<usize>>) {
    // Where what may be a URL ends, and the last `@` in it: the same for every `://` up to there.
    let mut end = 0;
    let mut last_at = None;
    for found in memchr::memmem::find_iter(text, b"://") {
        let start = found + 3;
        if start >= end {
            let rest = text.get(start..).unwrap_or(&[]);
            let url = |byte: u8| !byte.is_ascii_whitespace() && !b"'\"`<>\\".contains(&byte);
            end = start + span(rest, url);
            seen(end - start);
            last_at = memchr::memrchr(b'@', text.get(start..end).unwrap_or(&[]));
            last_at = last_at.map(|at| start + at);
        }
        let url = text.get(start..end).unwrap_or(&[]);
        // The next `://` has a slash, so that this ends there.
        let slash = span(url, |byte| !b"/?#".contains(&byte));
        let authority = url.get(..slash).unwrap_or(url);
        let Some(colon) = memchr::memchr(b':', authority) else {
            continue;
        };
        let is_port = authority
            .get(colon + 1..)
            .is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
        let at = memchr::memrchr(b'@', authority)
            // A password with a slash in it that somebody forgot to encode.
            .or_else(|| {
                last_at?
                    .checked_sub(start)
                    .filter(|_| !is_port && slash < url.len())
            });
        let at = match at {
            Some(at) if at > colon => at,
            None if cut && end == text.len() && (slash == url.len() || !is_port) => url.len(),
            _ => continue,
        };
        masks.push(start + colon + 1..start + at);
    }
}
