//! Secrets in connection strings and in addresses, which stand in literals and comments.

use std::ops::Range;

use super::{lex::is_word, rules::position};

/// Masks the values of `password=secret` and `"password": "secret"` in what may be a connection string.
pub(super) fn pairs(text: &[u8], range: Range<usize>, masks: &mut Vec<Range<usize>>) {
    let get = |range: Range<usize>| text.get(range).unwrap_or(&[]);
    for word in [&b"passw"[..], b"pwd", b"secret_", b"session_token"] {
        let mut from = range.start;
        while let Some(at) = position(get(from..range.end), word) {
            let mut at = from + at + word.len();
            let skip = |at: &mut usize, is: &dyn Fn(u8) -> bool| {
                *at += get(*at..range.end)
                    .iter()
                    .take_while(|byte| is(**byte))
                    .count();
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
            let quotes = rest.iter().take_while(|byte| **byte == b'\'').count();
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
                memchr::memmem::find(rest, &end).unwrap_or(rest.len())
            };
            masks.push(start..start + end);
            from = start + end;
        }
    }
}

/// The length of a value without quotes in a connection string: to the next blank that is not escaped.
fn bare_len(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\'' | b'"' => return at,
            byte if byte.is_ascii_whitespace() => return at,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Masks the password of `scheme://user:password@host`, wherever it is.
pub(super) fn urls(text: &[u8], cut: bool, masks: &mut Vec<Range<usize>>) {
    for found in memchr::memmem::find_iter(text, b"://") {
        let start = found + 3;
        let rest = text.get(start..).unwrap_or(&[]);
        let end = rest
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || b"'\"`<>\\".contains(byte))
            .unwrap_or(rest.len());
        let url = rest.get(..end).unwrap_or(rest);
        let slash = url
            .iter()
            .position(|byte| b"/?#".contains(byte))
            .unwrap_or(url.len());
        let authority = url.get(..slash).unwrap_or(url);
        let Some(colon) = memchr::memchr(b':', authority) else {
            continue;
        };
        let is_port = authority
            .get(colon + 1..)
            .is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
        let at = memchr::memrchr(b'@', authority)
            // A password with a slash in it that somebody forgot to encode.
            .or_else(|| memchr::memrchr(b'@', url).filter(|_| !is_port && slash < url.len()));
        let at = match at {
            Some(at) if at > colon => at,
            None if cut && end == rest.len() && (slash == url.len() || !is_port) => url.len(),
            _ => continue,
        };
        masks.push(start + colon + 1..start + at);
    }
}
