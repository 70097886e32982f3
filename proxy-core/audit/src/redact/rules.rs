//! Where secrets stand in a statement.
//!
//! The rules look for the words that secrets follow, wherever they are, and not for statements that they know: a
//! statement of tomorrow, one that is wrong, or half of one is redacted as well. Masking too much is the safe side.

use std::ops::Range;

use super::{
    expressions::{Expressions, Role},
    insert,
    lex::{Dialect, Kind, Token, is_word, lex},
    names::{count, is_name, is_secret, is_secret_name, is_suspicious, is_unicode},
    scan::{self, contains, position, seen, span},
    spelled::{join, readings, runs},
    strings::{Elsewhere, is_open_url, pairs, urls},
};

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// Parts that nobody may read.
    pub(super) masks: Vec<Range<usize>>,
    /// Whether a secret is bound to the statement.
    pub(super) bound: bool,
}

/// Literals within literals that are looked into.
pub(super) const DEEPEST: usize = 4;

/// Looks for secrets. `cut` says that the text is only the beginning of one; `words` that there are words in it that
/// secrets follow, and not just an address.
pub(super) fn find(text: &[u8], cut: bool, words: bool) -> Found {
    let mut found = Found::default();
    urls(text, cut, &mut found.masks);
    if !words {
        return found;
    }
    for dialect in [Dialect::Standard, Dialect::Backslash] {
        Search {
            text,
            dialect,
            found: &mut found,
            cut,
            without_blank: 0..0,
        }
        .sql(0..text.len(), 0);
    }
    found
}

/// Looks for secrets in a value that is bound, as in a literal: it may be a connection string, or SQL that is run.
pub(super) fn find_in_value(text: &[u8], cut: bool, words: bool) -> Found {
    let mut found = Found::default();
    urls(text, cut, &mut found.masks);
    if words {
        pairs(text, 0..text.len(), &mut found.masks);
        Search {
            text,
            dialect: Dialect::Standard,
            found: &mut found,
            cut,
            without_blank: 0..0,
        }
        .quoted_sql(0..text.len());
        if readings(text, false).any(|text| count(&text, cut) > 0) {
            found.masks.push(0..text.len());
        }
    }
    found
}

struct Search<'t, 'f> {
    text: &'t [u8],
    dialect: Dialect,
    found: &'f mut Found,
    /// The text is only the beginning of one.
    cut: bool,
    /// The last stretch of the text in which a blank was looked for, up to where there is one.
    without_blank: Range<usize>,
}

/// Words that may stand between the word and its secret.
const BETWEEN: [&[u8]; 17] = [
    b"encrypted",
    b"unencrypted",
    b"as",
    b"by",
    b"to",
    b"is",
    b"using",
    b"hash",
    b"with",
    b"in",
    b"like",
    b"ilike",
    b"not",
    b"password",
    b"concat",
    b"quote_literal",
    b"uescape",
];

/// Words after PASSWORD that are none.
const NO_SECRET: [&[u8]; 12] = [
    b"null", b"disable", b"expire", b"history", b"reuse", b"require", b"default", b"random",
    b"for", b"valid", b"login", b"from",
];

impl Search<'_, '_> {
    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or(&[])
    }

    /// Searches SQL; answers whether it makes SQL with a secret out of pieces, so that any literal could be it.
    fn sql(&mut self, range: Range<usize>, depth: usize) -> bool {
        let tokens = lex(self.text, range, self.dialect);
        let mut pieces = false;
        let about_users = self.is_about_users(&tokens);
        let mut identified = false;
        let mut assignment = 0;
        let mut expressions = Expressions::default();
        self.found.bound |= insert::values(self.text, &tokens, &mut self.found.masks);
        for (index, token) in tokens.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|at| tokens.get(at));
            let after = tokens.get(index + 1);
            match token.kind {
                Kind::Punct(b';') => identified = false,
                Kind::Word if self.bytes(&token.all).eq_ignore_ascii_case(b"identified") => {
                    identified = true;
                    self.found.bound = true;
                }
                Kind::Word | Kind::Quoted if !identified && is_secret_name(self.text, token) => {
                    self.value(&tokens, index + 1, about_users, &mut assignment);
                }
                _ => {}
            }
            let is_host =
                |token: Option<&Token>| token.is_some_and(|token| token.kind == Kind::Punct(b'@'));
            let hex = token.kind == Kind::Number && self.bytes(&token.all).starts_with(b"0x");
            let literal = token.is_literal() || token.kind == Kind::Quoted || hex;
            if identified && literal && !is_host(before) && !is_host(after) {
                self.found.masks.push(token.inner.clone());
            }
            let mut elsewhere = Elsewhere::default();
            match token.kind {
                // What is spelled in another way is found in it alone.
                Kind::Dollar if depth < DEEPEST => {
                    elsewhere = pairs(self.text, token.inner.clone(), &mut self.found.masks);
                    pieces |= self.sql(token.inner.clone(), depth + 1);
                }
                Kind::Text | Kind::Quoted | Kind::Dollar | Kind::Comment
                    if is_suspicious(self.bytes(&token.inner)) =>
                {
                    elsewhere = pairs(self.text, token.inner.clone(), &mut self.found.masks);
                    if token.kind != Kind::Comment {
                        pieces |= self.quoted_sql(token.inner.clone());
                    }
                }
                _ => {}
            }
            let role = self
                .hidden(token)
                .unwrap_or_else(|| self.role(token, elsewhere));
            expressions.see(self.text, token, role, after);
        }
        self.runs(&tokens);
        expressions.end();
        self.found.masks.append(&mut expressions.masks);
        self.found.bound |= expressions.bound;
        if self.found.bound {
            self.executed(&tokens);
        }
        if pieces {
            let literals = tokens.iter().filter(|token| token.kind == Kind::Text);
            let kept = |token: &&Token| !is_suspicious(self.bytes(&token.inner));
            let masks: Vec<_> = literals
                .filter(kept)
                .map(|token| token.inner.clone())
                .collect();
            self.found.masks.extend(masks);
            self.found.bound = true;
        }
        pieces
    }

    /// `PREPARE p AS UPDATE users SET password = $1; EXECUTE p('secret')`: values of a statement that takes a secret.
    fn executed(&mut self, tokens: &[Token]) {
        let (mut prepared, mut executes) = (false, false);
        for token in tokens {
            seen(1);
            let is = |word: &[u8]| self.bytes(&token.all).eq_ignore_ascii_case(word);
            match token.kind {
                Kind::Word if is(b"prepare") => prepared = true,
                Kind::Word if is(b"execute") => executes = prepared,
                Kind::Punct(b';') => executes = false,
                Kind::Text | Kind::Dollar | Kind::Number if executes => {
                    self.found.masks.push(token.inner.clone());
                }
                _ => {}
            }
        }
    }

    /// What a token is to the expression that it is in.
    fn role(&self, token: &Token, elsewhere: Elsewhere) -> Role {
        let bytes = self.bytes(&token.inner);
        match token.kind {
            Kind::Word | Kind::Quoted if is_secret_name(self.text, token) => Role::Name,
            Kind::Text | Kind::Dollar if elsewhere.all => Role::Open,
            Kind::Text if is_open_url(bytes) => Role::Open,
            Kind::Text | Kind::Dollar if elsewhere.rest => Role::Tail,
            Kind::Text | Kind::Dollar if is_name(bytes) && is_secret(bytes) => Role::Key,
            Kind::Text | Kind::Dollar | Kind::Quoted => Role::Literal,
            _ => Role::Other,
        }
    }

    /// Masks a literal in which a word is spelled in another way. What it is to its expression then.
    fn hidden(&mut self, token: &Token) -> Option<Role> {
        if !token.is_literal() && token.kind != Kind::Quoted {
            return None;
        }
        let unicode = is_unicode(self.text, token);
        let at_end = self.cut && token.inner.end == self.text.len();
        let reading = readings(self.bytes(&token.inner), unicode);
        let reading = { reading }.find(|text| count(text, at_end) > 0)?;
        self.found.masks.push(token.inner.clone());
        if token.kind == Kind::Quoted {
            return None;
        }
        let elsewhere = pairs(&reading, 0..reading.len(), &mut Vec::new());
        Some(if elsewhere.all {
            Role::Open
        } else if elsewhere.rest {
            Role::Tail
        } else if is_name(&reading) {
            Role::Key
        } else {
            Role::Literal
        })
    }

    /// Masks literals where a word or an address goes from one into the next.
    fn runs(&mut self, tokens: &[Token]) {
        let unicode = tokens.iter().any(|token| is_unicode(self.text, token));
        for run in runs(tokens) {
            let joined = join(self.text, &run);
            let at_end = self.cut && run.last().is_some_and(|last| last.end == self.text.len());
            let apart: usize = run.iter().map(|part| count(self.bytes(part), false)).sum();
            let more = |text: &[u8]| count(text, at_end) > apart;
            if more(&joined) || readings(&joined, unicode).any(|text| more(&text)) {
                self.found.masks.extend(run);
            }
        }
    }

    fn is_about_users(&self, tokens: &[Token]) -> bool {
        tokens.iter().any(|token| {
            let word = self.bytes(&token.all);
            token.kind == Kind::Word
                && [&b"role"[..], b"user", b"group"]
                    .iter()
                    .any(|about| word.eq_ignore_ascii_case(about))
        })
    }

    /// Masks what follows the word. `assignment` is how far the assignment of a SET PASSWORD FOR was looked for already:
    /// a word up to there has the same one, or none as well.
    fn value(&mut self, tokens: &[Token], from: usize, about_users: bool, assignment: &mut usize) {
        let rest = tokens.iter().enumerate().skip(from);
        let mut rest = rest.filter(|(_, token)| token.kind != Kind::Comment);
        let mut steps = 0;
        let mut assigned = false;
        while let Some((index, token)) = rest.next() {
            steps += 1;
            seen(token.all.len());
            let word = self.bytes(&token.all).to_ascii_lowercase();
            match token.kind {
                Kind::Text | Kind::Dollar => return self.literals(token, rest),
                Kind::Quoted if assigned || about_users => return self.literals(token, rest),
                Kind::Quoted => return,
                Kind::Placeholder => {
                    self.found.bound = true;
                    return;
                }
                Kind::Punct(b'=') => assigned = true,
                Kind::Punct(b':' | b'(' | b'<' | b'>' | b'!' | b'~' | b'%') if steps < 8 => {}
                Kind::Punct(b'$') if about_users => return self.bare(token),
                // SET PASSWORD FOR somebody = 'secret'
                Kind::Word if word == b"for" && steps == 1 => {
                    if index < *assignment {
                        return;
                    }
                    let end = |(_, token): &(usize, &Token)| {
                        seen(1);
                        token.kind == Kind::Punct(b'=')
                            || (token.kind == Kind::Word
                                && self.bytes(&token.all).eq_ignore_ascii_case(b"to"))
                    };
                    let found = rest.find(end).map(|(index, _)| index);
                    *assignment = found.unwrap_or(tokens.len());
                    if found.is_none() {
                        return;
                    }
                    assigned = true;
                }
                Kind::Word
                    if steps < 8 && (BETWEEN.contains(&&*word) || word.starts_with(b"_")) => {}
                Kind::Word | Kind::Number
                    if about_users && !assigned && !NO_SECRET.contains(&&*word) =>
                {
                    return self.bare(token);
                }
                Kind::Number if assigned => return self.bare(token),
                _ => return,
            }
        }
    }

    /// A literal, and those that are put together with it.
    fn literals<'a>(&mut self, first: &Token, rest: impl Iterator<Item = (usize, &'a Token)>) {
        self.found.masks.push(first.inner.clone());
        for (_, token) in rest {
            seen(1);
            match token.kind {
                Kind::Text | Kind::Dollar => self.found.masks.push(token.inner.clone()),
                Kind::Punct(b'|' | b'+') => {}
                _ => return,
            }
        }
    }

    /// What somebody took for a password without quotes: all up to the next blank.
    fn bare(&mut self, token: &Token) {
        let start = token.all.start;
        if !self.without_blank.contains(&start) {
            let rest = self.text.get(start..).unwrap_or(&[]);
            let len = span(rest, |byte| !byte.is_ascii_whitespace() && byte != b';');
            self.without_blank = start..start + len;
        }
        let end = self.without_blank.end.max(token.all.end);
        self.found.masks.push(start..end);
    }

    /// SQL within a literal in single quotes, where the quotes of its literals are doubled or escaped: answers whether
    /// it is one of several pieces.
    fn quoted_sql(&mut self, range: Range<usize>) -> bool {
        let inner = self.bytes(&range);
        let is_statement = [
            &b"alter"[..],
            b"create",
            b"grant",
            b"set",
            b"identified",
            b"change",
        ]
        .iter()
        .any(|word| contains(inner, word));
        if !is_statement {
            return false;
        }
        let mut pieces = false;
        for word in [&b"password"[..], b"identified"] {
            let mut from = range.start;
            let mut known = 0;
            while let Some(at) = position(self.bytes(&(from..range.end)), word) {
                let mut at = from + at + word.len();
                from = at;
                if self.text.get(at).copied().is_some_and(is_word) {
                    continue;
                }
                // One of the words after the last one, of which is known that no quote follows them.
                if at <= known {
                    continue;
                }
                // Blanks and words up to the quote.
                loop {
                    let rest = self.bytes(&(at..range.end));
                    let blank = |byte: u8| byte.is_ascii_whitespace() || b"=(".contains(&byte);
                    at += span(rest, blank);
                    let rest = self.bytes(&(at..range.end));
                    let len = span(rest, is_word);
                    let between = rest.get(..len).unwrap_or(&[]).to_ascii_lowercase();
                    if len == 0 || !BETWEEN.contains(&&*between) {
                        break;
                    }
                    at += len;
                }
                known = at;
                let rest = self.bytes(&(at..range.end));
                let quotes = span(rest, |byte| byte == b'\'');
                let quote: Vec<u8> = match rest {
                    [b'\\', quote @ (b'\'' | b'"'), ..] => vec![b'\\', *quote],
                    [b'"', ..] => vec![b'"'],
                    [b'$', rest @ ..] => {
                        let len = span(rest, is_word);
                        match rest.get(len) {
                            Some(b'$') => self.bytes(&(at..at + len + 2)).to_vec(),
                            _ => Vec::new(),
                        }
                    }
                    _ => vec![b'\''; quotes],
                };
                if quote.is_empty() {
                    // The secret is in another literal, or comes from somewhere else.
                    let bare = rest.first().is_some_and(|byte| is_word(*byte));
                    let next = rest.get(..4).unwrap_or(rest);
                    if !(bare && next.eq_ignore_ascii_case(b"null")) {
                        pieces = true;
                    }
                    continue;
                }
                let start = at + quote.len();
                let rest = self.bytes(&(start..range.end));
                let end = scan::find(rest, &quote).map_or(range.end, |at| start + at);
                if end == range.end {
                    pieces = true;
                }
                self.found.masks.push(start..end);
                from = end;
            }
        }
        pieces
    }
}
