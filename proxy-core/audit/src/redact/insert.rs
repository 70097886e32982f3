//! `INSERT INTO users (name, password) VALUES ('bob', 'secret')`: a value whose column says that it is a secret. With a
//! SELECT in place of VALUES, which one that is is not looked for: all literals of it go.

use std::ops::Range;

use super::{
    lex::{Kind, Token},
    names::is_secret_name,
    scan::seen,
};

/// Masks the literals in such columns: whether a value is bound to one.
pub(super) fn values(text: &[u8], tokens: &[Token], masks: &mut Vec<Range<usize>>) -> bool {
    let bytes = |token: &Token| text.get(token.inner.clone()).unwrap_or(&[]);
    let is = |token: &Token, words: &[&[u8]]| {
        token.kind == Kind::Word
            && words
                .iter()
                .any(|word| bytes(token).eq_ignore_ascii_case(word))
    };
    let mut rest = tokens
        .iter()
        .filter(|token| token.kind != Kind::Comment)
        .peekable();
    let mut bound = false;
    while let Some(verb) = rest.find(|token| is(token, &[b"insert", b"replace"])) {
        // CREATE OR REPLACE FUNCTION, and the function replace().
        let inserts =
            is(verb, &[b"insert"]) || rest.peek().is_some_and(|token| is(token, &[b"into"]));
        // The table's name, and the list of columns if there is one.
        let mut selects = false;
        let list = rest.by_ref().take_while(|token| {
            selects = is(token, &[b"select"]);
            !selects && !is(token, &[b"values", b"value", b"default"])
        });
        let mut depth = 0_usize;
        let mut column = 0_usize;
        let mut secret = Vec::new();
        for token in list {
            match token.kind {
                Kind::Punct(b'(') => depth += 1,
                Kind::Punct(b')') => depth = depth.saturating_sub(1),
                Kind::Punct(b',') if depth == 1 => column += 1,
                Kind::Word | Kind::Quoted if depth == 1 && is_secret_name(text, token) => {
                    secret.push(column)
                }
                _ => {}
            }
        }
        if secret.is_empty() {
            continue;
        }
        if selects && inserts {
            for token in rest.by_ref() {
                match token.kind {
                    Kind::Punct(b';') => break,
                    Kind::Placeholder => bound = true,
                    Kind::Text | Kind::Dollar => masks.push(token.inner.clone()),
                    _ => {}
                }
            }
            continue;
        }
        // They are in order. A list of thousands must not be gone through for each of thousands of values.
        let is_secret = |column: usize| {
            let before = secret.partition_point(|of| {
                seen(1);
                *of < column
            });
            secret.get(before) == Some(&column)
        };
        let mut column = 0;
        depth = 0;
        // Up to what follows the rows: RETURNING, ON CONFLICT, the next statement.
        while let Some(token) =
            rest.next_if(|token| depth > 0 || matches!(token.kind, Kind::Punct(b'(' | b')' | b',')))
        {
            match token.kind {
                Kind::Punct(b'(') => {
                    depth += 1;
                    if depth == 1 {
                        column = 0;
                    }
                }
                Kind::Punct(b')') => depth = depth.saturating_sub(1),
                Kind::Punct(b',') if depth == 1 => column += 1,
                Kind::Placeholder => bound |= is_secret(column),
                Kind::Text | Kind::Dollar | Kind::Number | Kind::Quoted if is_secret(column) => {
                    masks.push(token.inner.clone());
                }
                _ => {}
            }
        }
    }
    bound
}
