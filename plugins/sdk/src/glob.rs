//! [`Glob`]: a pattern with `*` and `?`.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A pattern for a whole text: `*` is any number of characters, `?` is one. Nothing else means anything.
///
/// Its cost is bounded by the product of both lengths, whatever a tag holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Box<str>);

// === impl Glob ===

impl Glob {
    /// Any text is a pattern.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it fits the whole text.
    pub fn matches(&self, text: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), text.chars());
        // Where to go on when what follows the last star does not fit: behind the star, one character later.
        let mut again = None;
        loop {
            let (mut next_pattern, mut next_rest) = (pattern.clone(), rest.clone());
            match (next_pattern.next(), next_rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    again = Some((next_pattern.clone(), rest.clone()));
                    pattern = next_pattern;
                    continue;
                }
                (Some(wanted), Some(got)) if wanted == '?' || wanted == got => {
                    (pattern, rest) = (next_pattern, next_rest);
                    continue;
                }
                _ => {}
            }
            let Some((behind, mut from)) = again else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            (pattern, rest) = (behind.clone(), from.clone());
            again = Some((behind, from));
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|pattern| Self(pattern.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("orders", "orders", true),
            ("orders", "orders-2", false),
            ("orders-*", "orders-", true),
            ("*-prod", "orders-prod", true),
            ("*-prod", "orders-prod-2", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b*c", "xaxbxb", false),
            ("?", "", false),
            ("?rders", "örders", true),
            ("**x", "aax", true),
            ("a?", "a", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let text = "a".repeat(2000);
        assert!(!Glob::new(&"*a".repeat(500).replace("a", "a*ab")).matches(&text));
    }
}
