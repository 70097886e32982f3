//! [`Selector`]: a filter over labels. Tag filters of sources, rules and roles are all written in it.
//!
//! In YAML a selector is a map from label keys to what is asked of them:
//!
//! ```yaml
//! env: [prod, production]           # any of these values
//! team: "*"                         # the label exists
//! name: "orders-*"                  # a glob, over the whole value
//! size: "^(s|m)[0-9]+$"             # a regular expression, over the whole value
//! purpose: { not: [scratch, "tmp*"] }   # absent, or none of these
//! owner: { exists: false }          # absent
//! tier: { in: ["gold*"], not: gold-test }
//! ```
//!
//! All keys must hold; of the values of a key, any. `"*": "*"` selects everything, also a database that has no
//! labels. Upper and lower case differ. A pattern that cannot be understood is an error when it is read,
//! never a silent "no match".
//!
//! One difference from Teleport, whose filters look the same: a regular expression has to match the whole
//! value. `^test|staging$` matches `test` and `staging` in both; there it also matches `testing` and
//! `pre-staging`, here it does not.

mod analysis;
mod display;
mod parse;
mod pattern;

use std::collections::BTreeMap;

pub use self::{
    display::Shown,
    pattern::{MAX_PATTERN_LEN, Pattern, PatternError},
};

/// The most keys a selector may have.
pub const MAX_KEYS: usize = 64;

/// The most values that a key may list under `in`, and again under `not`.
pub const MAX_VALUES: usize = 1024;

/// The most regular expressions a selector may have: each may take up to a mebibyte when compiled.
pub const MAX_REGEXES: usize = 64;

/// The longest key, in bytes.
pub const MAX_KEY_LEN: usize = 512;

/// A filter over labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// In key order; none for the selector of everything.
    requirements: Vec<Requirement>,
}

/// What a selector asks of one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    key: String,
    any_of: Vec<Pattern>,
    none_of: Vec<Pattern>,
    exists: Option<bool>,
}

/// A requirement that holds, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matched<'a> {
    /// What was asked.
    pub requirement: &'a Requirement,
    /// The label's value; none when it is absent.
    pub value: Option<&'a str>,
    /// The pattern of `in` that matched, when the requirement has any.
    pub pattern: Option<&'a Pattern>,
}

/// Why a selector does not match.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch<'a> {
    /// The requirements that do not hold, in key order; at least one.
    pub unmet: Vec<Unmet<'a>>,
    /// How many do hold: a measure of how near it was.
    pub held: usize,
}

/// A requirement that does not hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unmet<'a> {
    /// What was asked.
    pub requirement: &'a Requirement,
    /// What there is instead; none when the label is absent.
    pub value: Option<&'a str>,
    /// In which way it does not hold.
    pub why: Why<'a>,
}

/// In which way a requirement does not hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why<'a> {
    /// The label has to exist.
    Absent,
    /// The label must not exist.
    Present,
    /// The value is none of those asked for.
    NotAsked,
    /// `not` names the value, by this pattern.
    Excluded(&'a Pattern),
}

/// Why a selector cannot be read. Every text names the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// It has no keys.
    #[error("the selector is empty: write \"*\": \"*\" to select all")]
    Empty,
    /// It has more than [`MAX_KEYS`] keys.
    #[error("the selector has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// It has more than [`MAX_REGEXES`] regular expressions.
    #[error("the selector has more than {MAX_REGEXES} regular expressions")]
    TooManyRegexes,
    /// A key is empty or longer than [`MAX_KEY_LEN`].
    #[error("key `{key}`: a key has 1 to {MAX_KEY_LEN} bytes")]
    KeyLength {
        /// The key's beginning.
        key: String,
    },
    /// A key is written twice.
    #[error("key `{key}` is given twice: put the values into one list")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key contains `*`.
    #[error("key `{key}`: keys are literal, only \"*\": \"*\" has a wildcard")]
    KeyWildcard {
        /// The key.
        key: String,
    },
    /// The key `*` with other values than `*`.
    #[error("key `*`: only \"*\": \"*\" is possible, which selects all")]
    WildcardValue,
    /// The key `*` beside others.
    #[error("key `*`: \"*\": \"*\" selects all and cannot stand beside other keys: remove it")]
    WildcardNotAlone,
    /// A list without values.
    #[error("key `{key}`: the list is empty, so nothing could match: write \"*\" for any value")]
    NoValues {
        /// The key.
        key: String,
    },
    /// More than [`MAX_VALUES`] values.
    #[error("key `{key}`: more than {MAX_VALUES} values")]
    TooManyValues {
        /// The key.
        key: String,
    },
    /// Neither `in` nor `not` nor `exists`.
    #[error("key `{key}`: nothing is asked of it: give `in`, `not` or `exists`")]
    NothingAsked {
        /// The key.
        key: String,
    },
    /// A value that is no string.
    #[error("key `{key}`: {found} is not a string: write it in quotes")]
    NotText {
        /// The key.
        key: String,
        /// What is there instead.
        found: String,
    },
    /// A pattern that cannot be understood.
    #[error("key `{key}`: {problem}")]
    Pattern {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: PatternError,
    },
}

// === impl Selector ===

impl Selector {
    /// The selector that matches everything.
    pub const fn all() -> Self {
        Self {
            requirements: Vec::new(),
        }
    }

    /// A selector that asks, of each key, for any of some values. A key that comes twice is an error, and so
    /// is a selector without keys.
    pub fn of<K, V>(keys: impl IntoIterator<Item = (K, V)>) -> Result<Self, SelectorError>
    where
        K: Into<String>,
        V: IntoIterator<Item: AsRef<str>>,
    {
        let mut requirements = Vec::new();
        for (key, values) in keys {
            let key = key.into();
            let any_of = values
                .into_iter()
                .map(|value| Pattern::parse(value.as_ref()))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|problem| SelectorError::Pattern {
                    key: key.clone(),
                    problem,
                })?;
            if any_of.is_empty() {
                return Err(SelectorError::NoValues { key });
            }
            requirements.push(Requirement {
                key,
                any_of,
                none_of: Vec::new(),
                exists: None,
            });
        }
        Self::checked(requirements)
    }

    /// The selector of these requirements, if they make one.
    fn checked(requirements: Vec<Requirement>) -> Result<Self, SelectorError> {
        if requirements.is_empty() {
            return Err(SelectorError::Empty);
        }
        if requirements.len() > MAX_KEYS {
            return Err(SelectorError::TooManyKeys);
        }
        let mut by_key = BTreeMap::new();
        for requirement in requirements {
            requirement.check_shape()?;
            let key = requirement.key.clone();
            if by_key.insert(key.clone(), requirement).is_some() {
                return Err(SelectorError::DuplicateKey { key });
            }
        }
        if let Some(wildcard) = by_key.get("*") {
            if !wildcard.is_any_value() {
                return Err(SelectorError::WildcardValue);
            }
            return if by_key.len() == 1 {
                Ok(Self::all())
            } else {
                Err(SelectorError::WildcardNotAlone)
            };
        }
        let regexes = by_key
            .values()
            .flat_map(Requirement::patterns)
            .filter(|pattern| pattern.is_regex())
            .count();
        if regexes > MAX_REGEXES {
            return Err(SelectorError::TooManyRegexes);
        }
        Ok(Self {
            requirements: by_key.into_values().collect(),
        })
    }

    /// Whether it matches everything because it asks nothing.
    pub fn is_all(&self) -> bool {
        self.requirements.is_empty()
    }

    /// What it asks, in key order.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// What it asks of one key.
    pub fn requirement(&self, key: &str) -> Option<&Requirement> {
        self.requirements
            .iter()
            .find(|requirement| requirement.key == key)
    }

    /// Judges labels, given as a lookup by key: every requirement with what satisfied it, or every one that
    /// does not hold with what there is instead.
    pub fn matches<'a>(
        &'a self,
        lookup: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Vec<Matched<'a>>, Mismatch<'a>> {
        let mut matched = Vec::new();
        let mut unmet = Vec::new();
        for requirement in &self.requirements {
            let value = lookup(&requirement.key);
            match requirement.check(value) {
                Ok(pattern) => matched.push(Matched {
                    requirement,
                    value,
                    pattern,
                }),
                Err(why) => unmet.push(Unmet {
                    requirement,
                    value,
                    why,
                }),
            }
        }
        if unmet.is_empty() {
            Ok(matched)
        } else {
            Err(Mismatch {
                unmet,
                held: matched.len(),
            })
        }
    }

    /// Whether it matches, without the reasons.
    pub fn is_match<'a>(&'a self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.check(lookup(&requirement.key)).is_ok())
    }
}

// === impl Requirement ===

impl Requirement {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its value has to match one of these; empty when it may be any.
    pub fn any_of(&self) -> &[Pattern] {
        &self.any_of
    }

    /// Its value must match none of these.
    pub fn none_of(&self) -> &[Pattern] {
        &self.none_of
    }

    /// Whether the label has to exist, or must not; none when that is not asked.
    pub fn exists(&self) -> Option<bool> {
        self.exists
    }

    /// Judges a value (none: the label is absent): the pattern of `in` that matched, or why it does not hold.
    pub fn check(&self, value: Option<&str>) -> Result<Option<&Pattern>, Why<'_>> {
        let Some(value) = value else {
            let needed = self.exists == Some(true) || !self.any_of.is_empty();
            return if needed { Err(Why::Absent) } else { Ok(None) };
        };
        if self.exists == Some(false) {
            return Err(Why::Present);
        }
        let pattern = self.any_of.iter().find(|pattern| pattern.matches(value));
        if pattern.is_none() && !self.any_of.is_empty() {
            return Err(Why::NotAsked);
        }
        match self.none_of.iter().find(|pattern| pattern.matches(value)) {
            Some(excluding) => Err(Why::Excluded(excluding)),
            None => Ok(pattern),
        }
    }

    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.any_of.iter().chain(&self.none_of)
    }

    /// Whether it is `KEY: "*"` and no more.
    fn is_any_value(&self) -> bool {
        self.none_of.is_empty()
            && self.exists.is_none()
            && matches!(self.any_of.as_slice(), [only] if only.as_str() == "*")
    }

    fn check_shape(&self) -> Result<(), SelectorError> {
        let key = || self.key.clone();
        if self.key.is_empty() || self.key.len() > MAX_KEY_LEN {
            return Err(SelectorError::KeyLength {
                key: self.key.chars().take(32).collect(),
            });
        }
        if self.key.contains('*') && self.key != "*" {
            return Err(SelectorError::KeyWildcard { key: key() });
        }
        if self.any_of.len() > MAX_VALUES || self.none_of.len() > MAX_VALUES {
            return Err(SelectorError::TooManyValues { key: key() });
        }
        if self.any_of.is_empty() && self.none_of.is_empty() && self.exists.is_none() {
            return Err(SelectorError::NothingAsked { key: key() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
