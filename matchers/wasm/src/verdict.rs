//! [`Verdict`]: what a plugin says of a database, once it is known to be fit to be followed.
//!
//! What is wrong with one verdict concerns one database: about it nothing is decided, and its neighbours keep theirs.

use std::collections::BTreeSet;

use muster_model::Labels;

use crate::{
    Failure, LoadError, PluginError,
    guest::{clean, is_invisible},
};

/// Labels or hints of one verdict.
const MAX_PAIRS: usize = 64;
/// A key, in bytes.
const MAX_KEY: usize = 128;
/// A value, in bytes.
const MAX_VALUE: usize = 1024;
/// A name, in bytes. What else a name must be is the chain's to say, as for names that rules give.
const MAX_NAME: usize = 255;
/// A reason, in bytes. A longer one is cut.
pub(crate) const MAX_REASON: usize = 512;
/// A settings schema, in bytes.
const MAX_SCHEMA: usize = 256 << 10;

/// What a plugin says of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be enrolled.
    Enroll(Enroll),
    /// It is not, and why.
    Skip(String),
    /// No opinion; labels that it adds to those so far.
    Pass(Vec<(String, String)>),
}

/// How a database is to be enrolled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enroll {
    /// Its name; none when muster is to name it.
    pub name: Option<String>,
    /// Labels to be added to those so far, or to replace them.
    pub labels: Vec<(String, String)>,
    /// Connection hints.
    pub hints: Vec<(String, String)>,
    /// Why, in one line.
    pub reason: String,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Small letters, digits and hyphens.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// Who wrote it.
    pub author: String,
    /// Its licence, SPDX.
    pub licence: String,
    /// What it does, in one line.
    pub summary: String,
    /// JSON Schema of its settings, or empty.
    pub settings_schema: String,
    /// What later versions of the contract add.
    pub facts: Vec<(String, String)>,
}

impl Verdict {
    /// `enroll`, `skip` or `pass`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Enroll(_) => "enroll",
            Self::Skip(_) => "skip",
            Self::Pass(_) => "pass",
        }
    }

    /// Refuses what must not be followed, and makes reasons fit to be shown.
    pub(crate) fn check(self) -> Result<Self, PluginError> {
        match self {
            Self::Skip(why) => Ok(Self::Skip(reason(why))),
            Self::Pass(labels) => {
                check_labels(&labels)?;
                Ok(Self::Pass(labels))
            }
            Self::Enroll(mut enroll) => {
                if let Some(name) = &enroll.name {
                    check_text("the name", name, MAX_NAME)?;
                }
                check_labels(&enroll.labels)?;
                check_pairs("hint", &enroll.hints)?;
                enroll.reason = reason(enroll.reason);
                Ok(Self::Enroll(enroll))
            }
        }
    }
}

fn check_labels(labels: &[(String, String)]) -> Result<(), PluginError> {
    check_pairs("label", labels)?;
    match labels.iter().find(|(key, _)| Labels::is_reserved(key)) {
        Some((key, _)) => Err(bad(format!("the label `{key}` is muster's own to write"))),
        None => Ok(()),
    }
}

fn check_pairs(what: &str, pairs: &[(String, String)]) -> Result<(), PluginError> {
    let count = pairs.len();
    if count > MAX_PAIRS {
        return Err(bad(format!(
            "{count} {what}s on one database, and {MAX_PAIRS} are allowed"
        )));
    }
    for (key, value) in pairs {
        if key.is_empty() {
            return Err(bad(format!("a {what} has no key")));
        }
        if !is_fit(key, MAX_KEY) {
            check_text(&format!("the key of a {what}"), key, MAX_KEY)?;
        }
        if !is_fit(value, MAX_VALUE) {
            check_text(&format!("the {what} `{key}`"), value, MAX_VALUE)?;
        }
    }
    // For a few, comparing each with each is quicker than any set.
    let twice = if pairs.len() <= 8 {
        pairs
            .iter()
            .enumerate()
            .find(|(place, (key, _))| pairs.iter().take(*place).any(|(before, _)| before == key))
    } else {
        let mut seen = BTreeSet::new();
        pairs
            .iter()
            .enumerate()
            .find(|(_, (key, _))| !seen.insert(key.as_str()))
    };
    match twice {
        Some((_, (key, _))) => Err(bad(format!("the {what} `{key}` comes twice"))),
        None => Ok(()),
    }
}

fn is_fit(text: &str, limit: usize) -> bool {
    text.len() <= limit
        && (text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            || !text.chars().any(|c| c.is_control() || is_invisible(c)))
}

fn check_text(what: &str, text: &str, limit: usize) -> Result<(), PluginError> {
    if text.len() > limit {
        return Err(bad(format!(
            "{what} has {} bytes, and {limit} are allowed: {}",
            text.len(),
            clean(text, 64)
        )));
    }
    if is_fit(text, limit) {
        Ok(())
    } else {
        Err(bad(format!(
            "{what} has a control character: {}",
            clean(text, 64)
        )))
    }
}

fn bad(detail: String) -> PluginError {
    PluginError::new(Failure::BadVerdict, detail)
}

/// A reason is only ever read: it is made fit, not refused.
fn reason(text: String) -> String {
    if is_fit(&text, MAX_REASON) {
        text
    } else {
        clean(&text, MAX_REASON)
    }
}

impl Description {
    /// Refuses what cannot be shown or referred to.
    pub(crate) fn check(self) -> Result<Self, LoadError> {
        let Self {
            name,
            version,
            author,
            licence,
            summary,
            settings_schema,
            facts,
        } = &self;
        let wrong = |field, detail: String| Err(LoadError::Description { field, detail });
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.bytes().all(letters)
        {
            let detail = format!(
                "`{}` is no name: up to 64 small letters, digits and hyphens",
                clean(name, 64)
            );
            return wrong("name", detail);
        }
        if version.is_empty() {
            return wrong("version", "it is empty".to_owned());
        }
        for (field, text, limit) in [
            ("version", version, 64),
            ("author", author, 256),
            ("licence", licence, 128),
            ("summary", summary, 512),
        ] {
            if !is_fit(text, limit) {
                let detail = format!(
                    "it has more than {limit} bytes, or control characters: {}",
                    clean(text, 64)
                );
                return wrong(field, detail);
            }
        }
        if settings_schema.len() > MAX_SCHEMA {
            return wrong(
                "settings-schema",
                format!("it has more than {MAX_SCHEMA} bytes"),
            );
        }
        if facts.len() > MAX_PAIRS
            || !facts
                .iter()
                .all(|(key, value)| is_fit(key, MAX_KEY) && is_fit(value, MAX_VALUE))
        {
            return wrong(
                "facts",
                "too many, too long, or with control characters".to_owned(),
            );
        }
        Ok(self)
    }
}
