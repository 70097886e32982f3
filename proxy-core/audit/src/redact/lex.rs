//! SQL in tokens, as far as redaction needs it: where literals, words and comments begin and end.
//!
//! What the bytes mean depends on the database and its settings (is `\'` the end of a literal?), so that there are two
//! ways to read them. Whoever redacts reads both ways.

use std::ops::Range;

use super::scan::{self, span};

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// PostgreSQL with standard strings: a backslash escapes in `E''` only, comments nest.
    Standard,
    /// MySQL, and PostgreSQL without standard strings: a backslash escapes, comments do not nest, `#` begins one.
    Backslash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// `"..."` or `` `...` ``: a name, or with MySQL a literal.
    Quoted,
    /// A literal in single quotes, of any prefix.
    Text,
    /// A literal in dollar quotes.
    Dollar,
    Number,
    /// `$1`, `?`, `:name`.
    Placeholder,
    Comment,
    Punct(u8),
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// With quotes and prefix.
    pub(super) all: Range<usize>,
    /// Without.
    pub(super) inner: Range<usize>,
}

impl Token {
    pub(super) const fn is_literal(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Dollar)
    }
}

/// The tokens of `text` within `range`. A literal that does not end goes to the end.
pub(super) fn lex(text: &[u8], range: Range<usize>, dialect: Dialect) -> Vec<Token> {
    let mut lexer = Lexer {
        text: text.get(..range.end).unwrap_or(text),
        at: range.start,
        dialect,
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token() {
        tokens.push(token);
    }
    tokens
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    dialect: Dialect,
}

pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn starts(&self, with: &[u8]) -> bool {
        self.text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(with))
    }

    /// The place of the first byte from `from` on that `is`, or the end.
    fn find(&self, from: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.get(from..).unwrap_or(&[]);
        (from + span(rest, |byte| !is(byte))).min(self.text.len())
    }

    fn made(&mut self, kind: Kind, start: usize, inner: Range<usize>, end: usize) -> Token {
        // Always at least one byte further.
        self.at = end.max(start + 1);
        Token {
            kind,
            all: start..self.at.min(self.text.len()),
            inner,
        }
    }

    fn plain(&mut self, kind: Kind, start: usize, end: usize) -> Token {
        self.made(kind, start, start..end, end)
    }

    fn token(&mut self) -> Option<Token> {
        loop {
            self.at = self.find(self.at, |byte| !byte.is_ascii_whitespace() && byte != 0x0b);
            if self.at >= self.text.len() {
                return None;
            }
            // MySQL runs what is in such a comment.
            if !self.starts(b"/*!") && !self.starts(b"/*M!") {
                break;
            }
            self.at += if self.peek(2) == b'!' { 3 } else { 4 };
            self.at = self.find(self.at, |byte| !byte.is_ascii_digit());
        }
        let start = self.at;
        let line =
            self.starts(b"--") || (self.peek(0) == b'#' && self.dialect == Dialect::Backslash);
        if line {
            let end = self.find(start, |byte| byte == b'\n');
            return Some(self.plain(Kind::Comment, start, end));
        }
        if self.starts(b"/*") {
            let end = self.comment(start);
            return Some(self.plain(Kind::Comment, start, end));
        }
        let first = self.peek(0);
        Some(match first {
            b'\'' => self.text(start, 0, self.dialect == Dialect::Backslash),
            b'e' | b'E' if self.peek(1) == b'\'' => self.text(start, 1, true),
            b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if self.peek(1) == b'\'' => {
                self.text(start, 1, self.dialect == Dialect::Backslash)
            }
            b'u' | b'U' if self.peek(1) == b'&' && self.peek(2) == b'\'' => {
                self.text(start, 2, self.dialect == Dialect::Backslash)
            }
            b'"' | b'`' => self.quoted(start, first),
            b'$' if self.peek(1).is_ascii_digit() => {
                let end = self.find(start + 1, |byte| !byte.is_ascii_digit());
                self.plain(Kind::Placeholder, start, end)
            }
            b'$' => self.dollar(start),
            b'?' => self.plain(Kind::Placeholder, start, start + 1),
            b':' if self.peek(1) == b':' => self.plain(Kind::Punct(b':'), start, start + 2),
            b':' if is_word(self.peek(1)) => {
                let end = self.find(start + 1, |byte| !is_word(byte));
                self.plain(Kind::Placeholder, start, end)
            }
            b'0'..=b'9' => self.number(start),
            b'.' if self.peek(1).is_ascii_digit() => self.number(start),
            byte if is_word(byte) => {
                let end = self.find(start, |byte| !is_word(byte) && byte != b'$');
                self.plain(Kind::Word, start, end)
            }
            byte => self.plain(Kind::Punct(byte), start, start + 1),
        })
    }

    fn number(&mut self, start: usize) -> Token {
        let mut end = self.find(start, |byte| !is_word(byte) && byte != b'.');
        let exponent = matches!(self.text.get(end - 1), Some(b'e' | b'E'))
            && matches!(self.text.get(end), Some(b'+' | b'-'))
            && !self.starts(b"0x");
        if exponent {
            end = self.find(end + 1, |byte| !byte.is_ascii_digit());
        }
        self.plain(Kind::Number, start, end)
    }

    fn comment(&self, start: usize) -> usize {
        let mut at = start + 2;
        let mut depth = 1;
        while depth > 0 {
            at = self.find(at, |byte| byte == b'*' || byte == b'/');
            match self.text.get(at..at + 2) {
                None => return self.text.len(),
                Some(b"*/") => {
                    depth -= 1;
                    at += 2;
                }
                Some(b"/*") if self.dialect == Dialect::Standard => {
                    depth += 1;
                    at += 2;
                }
                Some(_) => at += 1,
            }
        }
        at
    }

    fn text(&mut self, start: usize, prefix: usize, backslash: bool) -> Token {
        let inner = start + prefix + 1;
        let mut at = inner;
        loop {
            at = self.find(at, |byte| byte == b'\'' || byte == b'\\');
            match (self.text.get(at), self.text.get(at + 1)) {
                (None, _) => return self.made(Kind::Text, start, inner..at, at),
                (Some(b'\\'), _) if backslash => at = (at + 2).min(self.text.len()),
                (Some(b'\\'), _) => at += 1,
                (Some(_), Some(b'\'')) => at += 2,
                (Some(_), _) => return self.made(Kind::Text, start, inner..at, at + 1),
            }
        }
    }

    fn quoted(&mut self, start: usize, quote: u8) -> Token {
        let mut at = start + 1;
        loop {
            at = self.find(at, |byte| byte == quote || byte == b'\\');
            match (self.text.get(at), self.text.get(at + 1)) {
                (None, _) => return self.made(Kind::Quoted, start, start + 1..at, at),
                (Some(b'\\'), _) if self.dialect == Dialect::Backslash && quote == b'"' => {
                    at = (at + 2).min(self.text.len());
                }
                (Some(b'\\'), _) => at += 1,
                (Some(_), Some(next)) if *next == quote => at += 2,
                (Some(_), _) => return self.made(Kind::Quoted, start, start + 1..at, at + 1),
            }
        }
    }

    fn dollar(&mut self, start: usize) -> Token {
        let tag = self.find(start + 1, |byte| !is_word(byte));
        if self.text.get(tag) != Some(&b'$') {
            return self.plain(Kind::Punct(b'$'), start, start + 1);
        }
        let inner = tag + 1;
        let tag = self.text.get(start..inner).unwrap_or(&[]);
        let rest = self.text.get(inner..).unwrap_or(&[]);
        let (end, after) = scan::find(rest, tag).map_or((self.text.len(), self.text.len()), |at| {
            (inner + at, inner + at + tag.len())
        });
        self.made(Kind::Dollar, start, inner..end, after)
    }
}
