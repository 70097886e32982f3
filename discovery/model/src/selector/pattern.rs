//! [`Pattern`]: one value of a selector. Literal, glob or regular expression, told apart by its text alone.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
pub const MAX_PATTERN_LEN: usize = 1024;

/// What one regular expression may take when compiled, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// How deep a regular expression may nest.
const MAX_NESTING: u32 = 64;

/// What a value may look like.
///
/// - `*`: anything;
/// - with a `*` inside: a glob over the whole value, all other characters literal;
/// - from `^` to `$`: a regular expression over the whole value, in the syntax of the `regex` crate (no
///   look-around, no back-references), matched in linear time;
/// - otherwise: that text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Any,
    Literal,
    Glob,
    Regex(Regex),
}

/// A pattern that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is longer than [`MAX_PATTERN_LEN`].
    #[error("pattern `{start}…` is longer than {MAX_PATTERN_LEN} bytes")]
    TooLong {
        /// Its beginning.
        start: String,
    },
    /// It is not a regular expression although it is written as one.
    #[error("pattern `{pattern}` is not a regular expression: {problem}")]
    Regex {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Pattern {
    /// Reads a pattern. Fails on a bad regular expression, and on one that is too large when compiled.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN_LEN {
            return Err(PatternError::TooLong {
                start: text.chars().take(32).collect(),
            });
        }
        let form = if text.len() > 1 && text.starts_with('^') && text.ends_with('$') {
            // By itself first: `^a)|(b$` would be a regular expression only inside the group around it.
            regex(text, text)?;
            Form::Regex(regex(text, &format!("^(?:{text})$"))?)
        } else if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            Form::Any
        } else if text.contains('*') {
            Form::Glob
        } else {
            Form::Literal
        };
        Ok(Self {
            text: text.to_owned(),
            form,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for exactly one value.
    pub fn is_literal(&self) -> bool {
        matches!(self.form, Form::Literal)
    }

    /// Whether it is a regular expression.
    pub fn is_regex(&self) -> bool {
        matches!(self.form, Form::Regex(_))
    }

    /// Whether the whole value is as the pattern says.
    pub fn matches(&self, value: &str) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Literal => self.text == value,
            Form::Glob => glob(&self.text, value),
            Form::Regex(regex) => regex.is_match(value),
        }
    }

    /// Whether it matches everything that `other` matches. False when that is not certain.
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.form, &other.form) {
            (Form::Any, _) => true,
            (_, Form::Literal) => self.matches(&other.text),
            // A `*` of the other's is matched only by one of ours, and stands for whatever it may match.
            (Form::Glob, Form::Glob) => glob(&self.text, &other.text),
            _ => self.text == other.text,
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Compiles `source`, which stands for the pattern `text`.
fn regex(text: &str, source: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(source)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| PatternError::Regex {
            pattern: text.to_owned(),
            problem: one_line(&error),
        })
}

/// The last line of the error, which says what is wrong; those before it draw the place.
fn one_line(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("it takes more than {limit} bytes when compiled")
        }
        error => {
            let text = error.to_string();
            let last = text
                .lines()
                .map(str::trim)
                .rfind(|line| !line.is_empty())
                .unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

/// Whether `value` is as the glob says: the text before the first `*` starts it, that after the last ends it,
/// and those between follow each other in between.
fn glob(pattern: &str, value: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == value;
    };
    let Some(mut value) = value.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(head) = value.strip_suffix(last) else {
        return false;
    };
    value = head;
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        match value.split_once(part) {
            Some((_, after)) => value = after,
            None => return false,
        }
    }
    true
}
