//! [`Template`]: a value in a role that is filled in from the user's traits: `{{internal.db_users}}`.
//!
//! At most one pair of braces in a value, with any text before and after it. Inside stands a trait
//! (`internal.NAME`, `external.NAME`, `user.traits.NAME`, or with `["NAME"]`), or one of two functions of one:
//! `email.local(TRAIT)` and `regexp.replace(TRAIT, "EXPRESSION", "REPLACEMENT")`. A trait has any number of values, and
//! so has what a template stands for: no value, no match. Spelled as Teleport spells them.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::user::Traits;

/// What one regular expression may take when compiled, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// How deep functions may be nested.
const MAX_DEPTH: usize = 4;

/// The longest value that a template may stand for, in bytes. Longer ones are left out.
const MAX_VALUE: usize = 4096;

/// The traits that `internal.` may name.
const INTERNAL: &[&str] = &["db_users", "db_names", "db_roles", "logins"];

/// A value with a part that is filled in.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    prefix: String,
    suffix: String,
    expression: Expression,
}

#[derive(Clone, Debug)]
enum Expression {
    Trait(String),
    EmailLocal(Box<Expression>),
    Replace {
        of: Box<Expression>,
        regex: Box<Regex>,
        with: String,
    },
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template `{text}`: {problem}")]
pub struct TemplateError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Template {
    /// Whether the text is meant as a template.
    pub fn is_one(text: &str) -> bool {
        text.contains("{{") || text.contains("}}")
    }

    /// Reads a template.
    ///
    /// # Errors
    /// When it cannot be understood; it says why.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let wrong = |problem: String| TemplateError {
            text: text.to_owned(),
            problem,
        };
        let (prefix, rest) = text
            .split_once("{{")
            .ok_or_else(|| wrong("`}}` without `{{`".to_owned()))?;
        let (inner, suffix) =
            split_end(rest).ok_or_else(|| wrong("`{{` without `}}`".to_owned()))?;
        if Self::is_one(suffix) || prefix.contains("}}") {
            return Err(wrong("a value has one pair of `{{` and `}}`".to_owned()));
        }
        let mut parser = Parser { rest: inner.trim() };
        let expression = parser.expression(0).map_err(wrong)?;
        if !parser.rest.trim().is_empty() {
            return Err(wrong(format!("`{}` is too much", parser.rest.trim())));
        }
        Ok(Self {
            text: text.to_owned(),
            prefix: prefix.trim_start().to_owned(),
            suffix: suffix.trim_end().to_owned(),
            expression,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it stands for, for somebody with these traits.
    pub fn values(&self, traits: &Traits) -> Vec<String> {
        let mut values = self.expression.values(traits);
        values.retain(|value| !value.is_empty());
        if !(self.prefix.is_empty() && self.suffix.is_empty()) {
            for value in &mut values {
                *value = format!("{}{value}{}", self.prefix, self.suffix);
            }
        }
        values.retain(|value| value.len() <= MAX_VALUE);
        values
    }

    /// Whether any of what it stands for is so. Nothing is copied for a trait that stands alone, as most do.
    pub fn any(&self, traits: &Traits, mut is_so: impl FnMut(&str) -> bool) -> bool {
        match &self.expression {
            Expression::Trait(name) if self.prefix.is_empty() && self.suffix.is_empty() => traits
                .get(name)
                .into_iter()
                .flatten()
                .any(|value| (1..=MAX_VALUE).contains(&value.len()) && is_so(value)),
            _ => self.values(traits).iter().any(|value| is_so(value)),
        }
    }

    /// The trait that it reads.
    pub fn reads(&self) -> &str {
        let mut expression = &self.expression;
        loop {
            match expression {
                Expression::Trait(name) => return name,
                Expression::EmailLocal(of) | Expression::Replace { of, .. } => expression = of,
            }
        }
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Template {}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    fn values(&self, traits: &Traits) -> Vec<String> {
        match self {
            Self::Trait(name) => traits.get(name).cloned().unwrap_or_default(),
            Self::EmailLocal(of) => of
                .values(traits)
                .iter()
                .filter_map(|address| local_part(address).map(str::to_owned))
                .collect(),
            Self::Replace { of, regex, with } => of
                .values(traits)
                .iter()
                .filter(|value| value.len() <= MAX_VALUE && regex.is_match(value))
                .map(|value| regex.replace_all(value, with.as_str()).into_owned())
                .collect(),
        }
    }
}

/// What stands before the `@` of an address. None when it is not one: no `@`, nothing before or after it.
fn local_part(address: &str) -> Option<&str> {
    let address = match address.trim().split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?,
        None => address.trim(),
    };
    let (local, domain) = address.rsplit_once('@')?;
    let is_one = !local.is_empty()
        && !domain.is_empty()
        && !local.contains(|letter: char| letter.is_whitespace() || letter == '@' || letter == '"');
    is_one.then_some(local)
}

/// Splits at the first `}}` that stands in no quotes.
fn split_end(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted && before == '}' => {
                return Some((text.get(..at - 1)?, text.get(at + 1..)?));
            }
            _ => {}
        }
        before = letter;
    }
    None
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn expression(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > MAX_DEPTH {
            return Err("functions are nested too deep".to_owned());
        }
        let first = self.word()?;
        match first.as_str() {
            "email" | "regexp" => {
                self.expect('.')?;
                let name = self.word()?;
                self.expect('(')?;
                let of = Box::new(self.expression(depth + 1)?);
                let function = match (first.as_str(), name.as_str()) {
                    ("email", "local") => Expression::EmailLocal(of),
                    ("regexp", "replace") => {
                        self.expect(',')?;
                        let source = self.string()?;
                        self.expect(',')?;
                        let with = self.string()?;
                        let regex = RegexBuilder::new(&source)
                            .size_limit(MAX_COMPILED)
                            .dfa_size_limit(MAX_COMPILED)
                            .build()
                            .map_err(|_| format!("`{source}` is not a regular expression"))?;
                        let regex = Box::new(regex);
                        Expression::Replace { of, regex, with }
                    }
                    _ => {
                        return Err(format!(
                            "unknown function `{first}.{name}` (known: email.local, regexp.replace)"
                        ));
                    }
                };
                self.expect(')')?;
                Ok(function)
            }
            "internal" => {
                let name = self.member()?;
                if !INTERNAL.contains(&name.as_str()) {
                    return Err(format!(
                        "unknown trait `internal.{name}` (known: {})",
                        INTERNAL.join(", ")
                    ));
                }
                Ok(Expression::Trait(name))
            }
            "external" => Ok(Expression::Trait(self.member()?)),
            "user" => {
                let mut next = self.member()?;
                if next == "spec" {
                    next = self.member()?;
                }
                if next != "traits" {
                    return Err(format!("unknown field `user.{next}` (known: user.traits)"));
                }
                Ok(Expression::Trait(self.member()?))
            }
            other => Err(format!(
                "unknown word `{other}` (known: internal, external, user.traits, email.local, regexp.replace)"
            )),
        }
    }

    /// `.name` or `["name"]`.
    fn member(&mut self) -> Result<String, String> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('[') {
            self.rest = rest;
            let name = self.string()?;
            self.expect(']')?;
            return if name.is_empty() {
                Err("the trait has no name".to_owned())
            } else {
                Ok(name)
            };
        }
        self.expect('.')?;
        self.word()
    }

    fn word(&mut self) -> Result<String, String> {
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '-'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(match rest.chars().next() {
                Some(letter) => format!("expected a name, found `{letter}`"),
                None => "a name is missing".to_owned(),
            });
        }
        self.rest = rest;
        Ok(word.to_owned())
    }

    /// A text in quotes. A backslash is kept but before a quote or a backslash, as people write regular expressions.
    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        let mut letters = self.rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => match letters.next() {
                    Some((_, next @ ('"' | '\\'))) => text.push(next),
                    Some((_, next)) => text.extend(['\\', next]),
                    None => break,
                },
                _ => text.push(letter),
            }
        }
        Err("a text in quotes has no end".to_owned())
    }

    fn expect(&mut self, letter: char) -> Result<(), String> {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(match self.rest.chars().next() {
                Some(found) => format!("expected `{letter}`, found `{found}`"),
                None => format!("`{letter}` is missing"),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
