//! [`Table`]: how one label is found.

use std::{borrow::Cow, collections::BTreeMap};

use muster_plugin::{Database, Glob, Problem, text};
use regex_lite::Regex;
use serde::Deserialize;

/// A table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Raw {
    /// Tags to look at, in any case; the first that says something counts.
    tags: Vec<String>,
    /// Spellings by value, in any case, with `*` and `?`.
    values: BTreeMap<String, Vec<String>>,
    /// Whether only what is in `values` counts. Where `values` is empty, anything does.
    only: bool,
    /// What finds a value elsewhere.
    patterns: Vec<RawPattern>,
    /// Values by account.
    accounts: BTreeMap<String, String>,
    /// The value where nothing else says one.
    default: Option<String>,
    /// Whether a database that nothing says a value of is skipped.
    required: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPattern {
    /// Where to look: `name`, `host`, `id`, `account`, `resource-group`, or `tag:KEY`.
    r#in: String,
    /// A regular expression. Its first group is the value, or what it fits where it has none.
    pattern: String,
    /// The value, in place of what was found.
    value: Option<String>,
}

pub(crate) struct Table {
    tags: Vec<String>,
    spellings: Vec<(Glob, String)>,
    only: bool,
    patterns: Vec<Pattern>,
    accounts: BTreeMap<String, String>,
    default: Option<String>,
    required: bool,
}

struct Pattern {
    place: Place,
    regex: Regex,
    value: Option<String>,
}

enum Place {
    Name,
    Host,
    Id,
    Account,
    Fact(&'static str),
    Tag([String; 1]),
}

// === impl Raw ===

impl Raw {
    /// How most people spell environments.
    pub(crate) fn environment() -> Self {
        let spellings: &[(&str, &[&str])] = &[
            ("dev", &["develop*", "d", "sandbox", "sbx"]),
            (
                "test",
                &["tst", "testing", "qa", "uat", "int", "integration"],
            ),
            ("staging", &["stage", "stg", "preprod", "pre-prod*", "pp"]),
            ("prod", &["production", "prd", "p", "live"]),
        ];
        let values = spellings.iter().map(|(value, spellings)| {
            (
                (*value).to_owned(),
                spellings.iter().map(|text| (*text).to_owned()).collect(),
            )
        });
        Self {
            tags: texts(&["environment", "env", "stage", "environment-name", "app-env"]),
            values: values.collect(),
            only: true,
            ..Self::default()
        }
    }

    /// Who most people say owns something.
    pub(crate) fn owner() -> Self {
        Self {
            tags: texts(&["owner", "team", "owned-by", "squad", "service-owner"]),
            ..Self::default()
        }
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

// === impl Table ===

impl Table {
    pub(crate) fn new(raw: Raw, path: &str) -> Result<Self, Vec<Problem>> {
        let Raw {
            tags,
            values,
            only,
            patterns: written,
            accounts,
            default,
            required,
        } = raw;
        let mut problems = Vec::new();
        if tags.is_empty() && written.is_empty() && accounts.is_empty() && default.is_none() {
            let what = "nothing can say it: name `tags`, `patterns`, `accounts` or a `default`";
            problems.push(Problem::at(path, what));
        }
        if only && values.is_empty() {
            problems.push(Problem::at(
                format!("{path}.only"),
                "there are no `values` that could count",
            ));
        }
        let mut patterns = Vec::new();
        for (nth, raw) in written.into_iter().enumerate() {
            match Pattern::new(raw, &format!("{path}.patterns.{nth}")) {
                Ok(pattern) => patterns.push(pattern),
                Err(problem) => problems.push(problem),
            }
        }
        let mut spellings: Vec<(Glob, String)> = Vec::new();
        // The values themselves first: no other value's spelling takes them.
        for value in values.keys() {
            spellings.push((spelling(value), value.clone()));
        }
        for (value, written) in &values {
            for text in written {
                spellings.push((spelling(text), value.clone()));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            tags,
            spellings,
            only,
            patterns,
            accounts,
            default,
            required,
        })
    }

    pub(crate) const fn is_required(&self) -> bool {
        self.required
    }

    /// What the first that says something says.
    pub(crate) fn value<'a>(&'a self, database: Database<'a>) -> Option<Cow<'a, str>> {
        let by_tag = self.tags.iter().find_map(|tag| {
            let (_, value) = database.tags().first(&[tag])?;
            self.known(value)
        });
        let by_pattern = || {
            self.patterns
                .iter()
                .find_map(|pattern| match pattern.find(database)? {
                    (_, Some(value)) => Some(Cow::Borrowed(value)),
                    (found, None) => self.known(found),
                })
        };
        let by_account = || self.accounts.get(database.account()).map(String::as_str);
        by_tag
            .or_else(by_pattern)
            .or_else(|| by_account().or(self.default.as_deref()).map(Cow::Borrowed))
    }

    /// The value of a spelling; a spelling that is in no list is a value where those are not all.
    fn known<'a>(&'a self, written: &'a str) -> Option<Cow<'a, str>> {
        let written = text::slug(written.trim());
        let value = self
            .spellings
            .iter()
            .find(|(spelling, _)| spelling.matches(&written));
        match value {
            Some((_, value)) => Some(Cow::Borrowed(value)),
            None if self.only || written.is_empty() => None,
            None => Some(written),
        }
    }
}

/// As `text::slug` would write it, with `*` and `?` left.
fn spelling(text: &str) -> Glob {
    let mut out = String::new();
    for part in text.split_inclusive(['*', '?']) {
        let wild = part.ends_with(['*', '?']);
        let (text, end) = part.split_at(part.len() - usize::from(wild));
        // A hyphen beside a star is meant.
        if text.starts_with(|c: char| !c.is_alphanumeric()) && !out.is_empty() {
            out.push('-');
        }
        out.push_str(&text::slug(text));
        if wild && text.ends_with(|c: char| !c.is_alphanumeric()) && !out.ends_with('-') {
            out.push('-');
        }
        out.push_str(end);
    }
    Glob::new(&out)
}

// === impl Pattern ===

impl Pattern {
    fn new(raw: RawPattern, path: &str) -> Result<Self, Problem> {
        let place = match raw.r#in.as_str() {
            "name" => Place::Name,
            "host" => Place::Host,
            "id" => Place::Id,
            "account" => Place::Account,
            "resource-group" => Place::Fact("resource-group"),
            other => match other.strip_prefix("tag:") {
                Some(tag) if !tag.is_empty() => Place::Tag([tag.to_owned()]),
                _ => {
                    return Err(Problem::at(
                        format!("{path}.in"),
                        format!(
                            "`{other}` is none of name, host, id, account, resource-group, tag:KEY"
                        ),
                    ));
                }
            },
        };
        let regex = Regex::new(&raw.pattern)
            .map_err(|error| Problem::at(format!("{path}.pattern"), error.to_string()))?;
        Ok(Self {
            place,
            regex,
            value: raw.value,
        })
    }

    /// What it finds, and the value that is written for it.
    fn find<'a>(&'a self, database: Database<'a>) -> Option<(&'a str, Option<&'a str>)> {
        let text = match &self.place {
            Place::Name => database.name(),
            Place::Host => database.host(),
            Place::Id => database.id(),
            Place::Account => database.account(),
            Place::Fact(fact) => database.fact(fact)?,
            Place::Tag(tag) => database.tags().first(tag)?.1,
        };
        let captures = self.regex.captures(text)?;
        let found = captures.get(1).or_else(|| captures.get(0))?;
        Some((found.as_str(), self.value.as_deref()))
    }
}
