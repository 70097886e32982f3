//! Text from outside, made harmless to show.
//!
//! A name, a tag or a provider's message can hold terminal escapes, line breaks that forge a report line,
//! direction marks that reorder what is read, or characters that have no width at all. Each of these is shown
//! as what it is (`\n`, `\u{1b}`, `\u{202e}`); everything else stays. What a format itself gives a meaning to
//! (`<`, `|`, a leading `=`) is that format's own affair.

use std::{borrow::Cow, fmt, fmt::Write};

/// Displays a text with what is not plainly visible written out.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, found)) = rest.char_indices().find(|(_, c)| is_hidden(*c)) {
            let (plain, tail) = rest.split_at(at);
            f.write_str(plain)?;
            match found {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                other => write!(f, "\\u{{{:x}}}", u32::from(other))?,
            }
            rest = tail.get(found.len_utf8()..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}

/// The text as [`Shown`] writes it; borrowed when nothing had to be changed.
pub fn shown(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hidden) {
        Cow::Owned(Shown(text).to_string())
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether a character controls something or cannot be seen: C0 and C1 controls, line and paragraph
/// separators, direction marks, zero-width and filler characters, tags.
pub fn is_hidden(c: char) -> bool {
    // Nearly every character of nearly every name.
    if matches!(c, ' '..='~') {
        return false;
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Displays a text for GitHub flavoured Markdown, where neither Markdown nor HTML nor a mention of a person,
/// an issue or an address comes of it. One line; fit for a table's cell.
#[derive(Clone, Copy, Debug)]
pub struct Markdown<'a>(pub &'a str);

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            Entities {
                out: f,
                first: true
            },
            "{}",
            Shown(self.0)
        )
    }
}

/// Passes text on with Markdown's and HTML's own characters as numeric entities, which never are markup.
struct Entities<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    first: bool,
}

impl fmt::Write for Entities<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, c) in text.char_indices() {
            let first = std::mem::take(&mut self.first);
            let (before, after) = text.split_at(at);
            match c {
                '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' => {
                    self.entity(c)?
                }
                // GitHub looks for mentions in the finished page, so an entity is no help; an empty comment is.
                '@' | '#' => {
                    self.entity(c)?;
                    self.out.write_str("<!-- -->")?;
                }
                // What GitHub would make a link of.
                ':' if after.starts_with("://") => self.entity(c)?,
                '.' if ends_with_www(before) => self.entity(c)?,
                // The beginning of a list, a rule, a heading.
                '+' | '-' | '=' | ' ' if first => self.entity(c)?,
                '.' | ')' if !before.is_empty() && before.bytes().all(|b| b.is_ascii_digit()) => {
                    self.entity(c)?
                }
                _ => self.out.write_char(c)?,
            }
        }
        Ok(())
    }
}

impl Entities<'_, '_> {
    fn entity(&mut self, c: char) -> fmt::Result {
        write!(self.out, "&#{};", u32::from(c))
    }
}

fn ends_with_www(text: &str) -> bool {
    text.as_bytes()
        .last_chunk::<3>()
        .is_some_and(|end| end.eq_ignore_ascii_case(b"www"))
}

/// A cell of a CSV file (RFC 4180) that no spreadsheet takes for a formula: such a cell gets a leading
/// apostrophe. Quoted where a comma, a quote or another separator asks for it.
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let text = shown(text);
    let formula = text.trim_start().starts_with([
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let quote = text.contains([',', '"', ';']) || text.starts_with(' ') || text.ends_with(' ');
    if !formula && !quote {
        return text;
    }
    let mut cell = String::with_capacity(text.len() + 4);
    if quote {
        cell.push('"');
    }
    if formula {
        cell.push('\'');
    }
    for c in text.chars() {
        if c == '"' {
            cell.push('"');
        }
        cell.push(c);
    }
    if quote {
        cell.push('"');
    }
    Cow::Owned(cell)
}
