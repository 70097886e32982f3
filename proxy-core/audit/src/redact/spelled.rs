//! Words that are spelled in other ways: `E'pass\x77ord'`, `U&"pass\0077ord"`, `?pass%77ord=`, `'pass'` and `'word'` on two
//! lines. They are read here to be recognised alone: what is hidden in them is not taken out, but they as a whole.

use std::ops::Range;

use super::{
    lex::{Dialect, Kind, Token, lex},
    rules::DEEPEST,
    scan::{seen, span},
};

/// What a text may stand for besides itself.
pub(super) fn readings(text: &[u8], unicode: bool) -> impl Iterator<Item = Vec<u8>> {
    let escaped = escapes(text);
    let by_code = unicode.then(|| code_points(text)).flatten();
    let plain = percents(text);
    let percent = |text: Vec<u8>| percents(&text).unwrap_or(text);
    [escaped.map(percent), by_code.map(percent), plain]
        .into_iter()
        .flatten()
}

/// The same of a whole statement, where anything in it could be spelled in another way.
pub(super) fn readings_of_statement(text: &[u8]) -> Vec<Vec<u8>> {
    let unicode = [&b"&'"[..], b"&\""]
        .iter()
        .any(|start| memchr::memmem::find(text, start).is_some());
    let mut all: Vec<_> = readings(text, unicode).collect();
    if memchr::memchr_iter(b'\'', text).any(|at| may_go_on(text, at)) {
        for dialect in [Dialect::Standard, Dialect::Backslash] {
            joined(text, 0..text.len(), dialect, 0, &mut |joined| {
                all.extend(readings(&joined, unicode));
                all.push(joined);
            });
        }
    }
    all
}

/// Goes through what literals make together, also those in dollar quotes.
fn joined(
    text: &[u8],
    range: Range<usize>,
    dialect: Dialect,
    depth: usize,
    see: &mut dyn FnMut(Vec<u8>),
) {
    let tokens = lex(text, range, dialect);
    for run in runs(&tokens) {
        see(join(text, &run));
    }
    if depth < DEEPEST {
        for token in tokens.iter().filter(|token| token.kind == Kind::Dollar) {
            joined(text, token.inner.clone(), dialect, depth + 1, see);
        }
    }
}

/// Whether a literal may go on behind the quote at `at`.
fn may_go_on(text: &[u8], at: usize) -> bool {
    let behind = text.get(at + 1..).unwrap_or(&[]);
    let len = span(behind, |byte| byte.is_ascii_whitespace() || byte == b'|');
    match behind.get(len..) {
        Some([b'-', b'-', ..] | [b'/', b'*', ..] | [b'#', ..]) => true,
        Some([b'e' | b'E' | b'n' | b'N', b'\'', ..] | [b'u' | b'U', b'&', ..]) => true,
        Some([b'\'', ..]) => len > 0,
        _ => false,
    }
}

/// Literals that are one, or are put together to one.
pub(super) fn runs(tokens: &[Token]) -> Vec<Vec<Range<usize>>> {
    let goes_on =
        |token: &Token| matches!(token.kind, Kind::Text | Kind::Comment | Kind::Punct(b'|'));
    tokens
        .split(|token| !goes_on(token))
        .map(|run| {
            let literals = run.iter().filter(|token| token.kind == Kind::Text);
            literals
                .map(|token| token.inner.clone())
                .collect::<Vec<_>>()
        })
        .filter(|run| run.len() > 1)
        .collect()
}

/// The text that such literals make.
pub(super) fn join(text: &[u8], run: &[Range<usize>]) -> Vec<u8> {
    let parts = run.iter().map(|part| text.get(part.clone()).unwrap_or(&[]));
    parts.collect::<Vec<_>>().concat()
}

/// Whether a byte could be one of a word, or of what makes a pair or an address of it: nobody has to escape those.
fn needs_no_escape(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_=:/@".contains(&byte)
}

/// The number that so many digits make, at most `most` of them, and how many there are.
fn number(digits: &[u8], radix: u32, most: usize) -> (u32, usize) {
    let mut value = 0_u32;
    let mut len = 0;
    for byte in digits.iter().take(most) {
        let Some(digit) = char::from(*byte).to_digit(radix) else {
            break;
        };
        value = value.wrapping_mul(radix).wrapping_add(digit);
        len += 1;
    }
    (value, len)
}

/// Reads a text byte by byte: `escape` says of what is at a place which byte it stands for, and how long it is.
fn read(text: &[u8], escape: impl Fn(&[u8]) -> Option<(u32, usize)>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut differs = false;
    let mut rest = text;
    seen(text.len());
    while let Some((first, behind)) = rest.split_first() {
        match escape(rest).and_then(|(value, len)| Some((u8::try_from(value).ok()?, len))) {
            Some((byte, len)) if len > 0 => {
                differs |= needs_no_escape(byte);
                out.push(byte);
                rest = rest.get(len..).unwrap_or(&[]);
            }
            _ => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    differs.then_some(out)
}

/// `\x77`, `\167`, `\u0077`, `\U00000077`, and `\w` where that is no escape of its own.
fn escapes(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'\\', text)?;
    read(text, |rest| {
        let [b'\\', first, digits @ ..] = rest else {
            return None;
        };
        let (value, len) = match first {
            b'x' => number(digits, 16, 2),
            b'u' => number(digits, 16, 4),
            b'U' => number(digits, 16, 8),
            b'0'..=b'7' => {
                let (value, len) = number(rest.get(1..)?, 8, 3);
                return Some((value & 0xff, len + 1));
            }
            b'b' | b'f' | b'n' | b'r' | b't' => return Some((u32::from(b' '), 2)),
            other => return Some((u32::from(*other), 2)),
        };
        Some(if len > 0 {
            (value, len + 2)
        } else {
            (u32::from(*first), 2)
        })
    })
}

/// `\0077` and `\+000077`, with any character that UESCAPE may say in place of the backslash.
fn code_points(text: &[u8]) -> Option<Vec<u8>> {
    read(text, |rest| {
        let (escape, digits) = rest.split_first()?;
        if escape.is_ascii_hexdigit() || escape.is_ascii_whitespace() || b"+'\"".contains(escape) {
            return None;
        }
        let (digits, most, sign) = match digits.strip_prefix(b"+") {
            Some(digits) => (digits, 6, 2),
            None => (digits, 4, 1),
        };
        let (value, len) = number(digits, 16, most);
        (len == most).then_some((value, len + sign))
    })
}

/// `%77`.
fn percents(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', text)?;
    read(text, |rest| {
        let (value, len) = number(rest.strip_prefix(b"%")?, 16, 2);
        (len == 2).then_some((value, 3))
    })
}
