//! Settings: from JSON to the matcher's own type.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::{
    Matcher,
    json::{self, Value},
};

/// Something that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path into the settings, empty for the whole: `aliases.prod.0`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

// === impl Problem ===

impl Problem {
    /// A problem with what is at a path.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// A problem with the settings as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self::at("", message)
    }
}

/// One is enough: `Err(Problem::at("pattern", "is empty"))?`.
impl From<Problem> for Vec<Problem> {
    fn from(problem: Problem) -> Self {
        vec![problem]
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// A matcher with its settings.
pub(crate) fn configure<M: Matcher>(json: &str) -> Result<M, Vec<Problem>> {
    M::new(read(json)?)
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, Problem> {
    let problem = |error: json::Error| {
        let (path, message) = error.into_parts();
        Problem { path, message }
    };
    let value = json::parse(json).map_err(problem)?;
    if value == Value::Null {
        // No settings are an empty object, but for a type such as `()`, which wants nothing.
        if let Ok(settings) = T::deserialize(Value::Null) {
            return Ok(settings);
        }
        return T::deserialize(Value::Map(Vec::new())).map_err(problem);
    }
    T::deserialize(value).map_err(problem)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        env: String,
        aliases: BTreeMap<String, Vec<String>>,
    }

    #[test]
    fn no_settings_are_all_defaults() {
        assert_eq!(read::<Settings>("null"), Ok(Settings::default()));
        assert_eq!(read::<Settings>("{}"), Ok(Settings::default()));
        assert_eq!(read::<()>("null"), Ok(()));
        assert_eq!(read::<Option<Settings>>("null"), Ok(None));
    }

    #[test]
    fn a_problem_says_where_it_is() {
        let problem = |json| read::<Settings>(json).unwrap_err().to_string();
        assert_eq!(
            problem(r#"{"aliases": {"prod": ["p", 7]}}"#),
            "aliases.prod.1: is 7, expected a string"
        );
        assert_eq!(
            problem(r#"{"evn": "x"}"#),
            "evn: unknown field `evn`, expected `env` or `aliases`"
        );
        assert_eq!(problem("[]x"), "no JSON: expected nothing more at byte 2");
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Needs {
        env: String,
    }

    #[test]
    fn what_must_be_set_is_missed_by_name() {
        assert_eq!(
            read::<Needs>("null"),
            Err(Problem::whole("missing field `env`"))
        );
    }
}
