//! Selectors, and their reasons for matching or not, in words that fit on a line.

use std::fmt;

use super::{Matched, Mismatch, Pattern, Requirement, Selector, Unmet, Why};

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("everything");
        }
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        let any_value = matches!(self.any_of.as_slice(), [only] if only.as_str() == "*");
        match self.exists {
            Some(false) => f.write_str(" does not exist")?,
            Some(true) => f.write_str(" exists")?,
            None if any_value => f.write_str(" exists")?,
            None => {}
        }
        if !self.any_of.is_empty() && !any_value {
            write!(f, " in {}", List(&self.any_of))?;
        }
        if !self.none_of.is_empty() {
            write!(f, " not in {}", List(&self.none_of))?;
        }
        Ok(())
    }
}

impl fmt::Display for Matched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.requirement.key;
        match (self.value, self.pattern) {
            (None, _) => write!(f, "no `{key}`"),
            (Some(value), Some(pattern)) if !pattern.is_literal() && pattern.as_str() != "*" => {
                write!(f, "{key} is `{}` ({pattern})", Shown(value))
            }
            (Some(value), _) => write!(f, "{key} is `{}`", Shown(value)),
        }
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, unmet) in self.unmet.iter().take(SHOWN_ITEMS).enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            unmet.fmt(f)?;
        }
        match self.unmet.len().saturating_sub(SHOWN_ITEMS) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl fmt::Display for Unmet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requirement { key, any_of, .. } = self.requirement;
        match self.value {
            Some(value) => write!(f, "{key} is `{}`", Shown(value))?,
            None => write!(f, "no `{key}`")?,
        }
        match self.why {
            Why::Absent if any_of.is_empty() || self.requirement.is_any_value() => Ok(()),
            Why::Absent | Why::NotAsked => write!(f, ", asked for {}", List(any_of)),
            Why::Present => f.write_str(", asked for none"),
            Why::Excluded(pattern) => write!(f, ", excluded by [{pattern}]"),
        }
    }
}

/// How many values or reasons are written out before "and so many more".
const SHOWN_ITEMS: usize = 6;

/// Patterns as `[a, b]`, cut after a few.
struct List<'a>(&'a [Pattern]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, pattern) in self.0.iter().take(SHOWN_ITEMS).enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            pattern.fmt(f)?;
        }
        match self.0.len().saturating_sub(SHOWN_ITEMS) {
            0 => f.write_str("]"),
            more => write!(f, ", {more} more]"),
        }
    }
}

/// A value that somebody else wrote, for a message: without control characters, and not too long.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX: usize = 128;
        for (index, letter) in self.0.chars().enumerate() {
            if index == MAX {
                return f.write_str("…");
            }
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                fmt::Write::write_char(f, letter)?;
            }
        }
        Ok(())
    }
}
