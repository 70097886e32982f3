//! Columns on a terminal: how wide a text is, and how it is cut into lines. Texts are already harmless here
//! (see [`super::escape`]), so every line is one line and has the width that it seems to have.

use unicode_width::UnicodeWidthChar;

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().map(columns).sum()
    }
}

/// Cuts a text into lines of at most `limit` columns: at spaces where it can, within a word where it must.
/// At least one line; `limit` below 1 counts as 1.
pub(crate) fn wrap(text: &str, limit: usize) -> Vec<&str> {
    let limit = limit.max(1);
    let mut lines = Vec::new();
    let mut rest = text.trim_end();
    loop {
        let cut = fitting(rest, limit);
        if cut >= rest.len() {
            lines.push(rest);
            return lines;
        }
        // The space may be the first character that does not fit any more.
        let window = rest
            .get(..=cut)
            .unwrap_or_else(|| rest.get(..cut).unwrap_or(rest));
        let cut = window.rfind(' ').filter(|space| *space > 0).unwrap_or(cut);
        let (line, tail) = rest.split_at(cut);
        lines.push(line.trim_end());
        rest = tail.trim_start();
    }
}

/// The text cut to at most `limit` columns, with `…` in its middle where something was left out: names differ
/// at their beginning and at their end.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(1);
    let head = text
        .get(..fitting(text, room.div_ceil(2)))
        .unwrap_or_default();
    let mut tail = String::new();
    let mut left = room.saturating_sub(width(head));
    for c in text.chars().rev() {
        let columns = columns(c);
        if columns > left {
            break;
        }
        left -= columns;
        tail.insert(0, c);
    }
    format!("{head}…{tail}")
}

/// Where the longest beginning of at most `limit` columns ends; at least one character.
fn fitting(text: &str, limit: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += columns(c);
        if used > limit && at > 0 {
            return at;
        }
    }
    text.len()
}

fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}
