//! What a case expects: as much of a verdict as its author wrote, and nothing of the rest is compared.

use std::collections::BTreeMap;

use muster_wasm::{ConfigureError, Failure};
use serde::{Deserialize, Deserializer, de};
use serde_yaml::{Mapping, Value};

use super::super::{database::text_or_map, verdict::Said};

/// Keys that must have a value, and keys that must not be there.
type Wanted = BTreeMap<String, Option<String>>;

/// A verdict, as far as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Enrolled.
    Enroll(Enrolled),
    /// Skipped; for any reason where none is written.
    Skip(Option<String>),
    /// Passed on, with these labels among others.
    Pass(Wanted),
    /// It cannot say; for any reason where none is written.
    Undecided(Option<String>),
    /// It fails, or refuses the settings; with any code where none is written.
    Error(Option<String>),
}

/// How it is enrolled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Enrolled {
    /// None inside: it gives no name.
    #[serde(deserialize_with = "given")]
    name: Option<Option<String>>,
    labels: Wanted,
    hints: Wanted,
    reason: Option<String>,
}

/// `null` is something else than nothing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl Expected {
    /// A verdict, as far as another one is written: in full where they are of different kinds, or where nothing is
    /// written at all. An expectation is met when it is equal to this.
    pub(super) fn of(said: &Said, like: Option<&Self>) -> Self {
        let only = |wanted: &Wanted, found: &BTreeMap<String, String>| -> Wanted {
            wanted
                .keys()
                .map(|key| (key.clone(), found.get(key).cloned()))
                .collect()
        };
        match (like, said) {
            (
                Some(Self::Enroll(written)),
                Said::Enroll {
                    name,
                    labels,
                    hints,
                    reason,
                },
            ) => Self::Enroll(Enrolled {
                name: written.name.as_ref().map(|_| name.clone()),
                labels: only(&written.labels, labels),
                hints: only(&written.hints, hints),
                reason: written.reason.as_ref().map(|_| reason.clone()),
            }),
            (Some(Self::Pass(written)), Said::Pass { labels }) => Self::Pass(only(written, labels)),
            (Some(Self::Skip(None)), Said::Skip { .. }) => Self::Skip(None),
            (Some(Self::Undecided(None)), Said::Undecided { .. }) => Self::Undecided(None),
            (Some(Self::Error(None)), Said::Error { .. }) => Self::Error(None),
            // `undecided` is a code as well.
            (Some(Self::Error(_)), Said::Undecided { .. }) => {
                Self::Error(Some(Failure::Undecided.as_str().to_owned()))
            }
            (_, said) => Self::all(said),
        }
    }

    fn all(said: &Said) -> Self {
        let every = |found: &BTreeMap<String, String>| -> Wanted {
            found
                .iter()
                .map(|(key, value)| (key.clone(), Some(value.clone())))
                .collect()
        };
        match said {
            Said::Enroll {
                name,
                labels,
                hints,
                reason,
            } => Self::Enroll(Enrolled {
                name: name.as_ref().map(|name| Some(name.clone())),
                labels: every(labels),
                hints: every(hints),
                reason: Some(reason.clone()),
            }),
            Said::Skip { reason } => Self::Skip(Some(reason.clone())),
            Said::Pass { labels } => Self::Pass(every(labels)),
            Said::Undecided { reason } => Self::Undecided(Some(reason.clone())),
            Said::Error { code, .. } => Self::Error(Some((*code).to_owned())),
        }
    }

    /// In one word.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Enroll(_) => "enroll",
            Self::Skip(_) => "skip",
            Self::Pass(_) => "pass",
            Self::Undecided(_) => "undecided",
            Self::Error(_) => "error",
        }
    }

    /// As it is written in a file: a word, or a map with one key.
    pub(super) fn yaml(&self) -> Value {
        let inner = match self {
            Self::Enroll(enrolled) => {
                let mut fields = Mapping::new();
                let mut put = |key: &str, value: Value| fields.insert(key.into(), value);
                if let Some(name) = &enrolled.name {
                    put("name", text(name.as_deref()));
                }
                if !enrolled.labels.is_empty() {
                    put("labels", map(&enrolled.labels));
                }
                if !enrolled.hints.is_empty() {
                    put("hints", map(&enrolled.hints));
                }
                if let Some(reason) = &enrolled.reason {
                    put("reason", text(Some(reason)));
                }
                (!fields.is_empty()).then_some(Value::Mapping(fields))
            }
            Self::Pass(labels) => (!labels.is_empty()).then(|| {
                let mut fields = Mapping::new();
                fields.insert("labels".into(), map(labels));
                Value::Mapping(fields)
            }),
            Self::Skip(why) | Self::Undecided(why) | Self::Error(why) => {
                why.as_deref().map(|why| text(Some(why)))
            }
        };
        match inner {
            None => Value::String(self.word().to_owned()),
            Some(inner) => {
                let mut fields = Mapping::new();
                fields.insert(self.word().into(), inner);
                Value::Mapping(fields)
            }
        }
    }

    /// The same as lines.
    pub(super) fn lines(&self) -> Vec<String> {
        // Texts and maps of texts can be written.
        let text = serde_yaml::to_string(&self.yaml()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::String(text.to_owned()))
}

fn map(wanted: &Wanted) -> Value {
    let pair = |(key, value): (&String, &Option<String>)| {
        (Value::String(key.clone()), text(value.as_deref()))
    };
    Value::Mapping(wanted.iter().map(pair).collect())
}

/// Every code that a case may expect.
pub(super) fn codes() -> Vec<&'static str> {
    let mut codes: Vec<_> = Failure::ALL
        .iter()
        .map(|failure| failure.as_str())
        .collect();
    codes.push(ConfigureError::TooLarge { size: 0, limit: 0 }.code());
    codes
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Passed {
            #[serde(default)]
            labels: Wanted,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Kinds {
            #[serde(default, deserialize_with = "given")]
            enroll: Option<Option<Enrolled>>,
            #[serde(default, deserialize_with = "given")]
            skip: Option<Option<String>>,
            #[serde(default, deserialize_with = "given")]
            pass: Option<Option<Passed>>,
            #[serde(default, deserialize_with = "given")]
            undecided: Option<Option<String>>,
            #[serde(default, deserialize_with = "given")]
            error: Option<Option<String>>,
        }
        const ONE: &str = "one of `enroll`, `skip`, `pass`, `undecided`, `error`";
        let kinds = match text_or_map::<D, Kinds>(deserializer, ONE)? {
            Err(kinds) => kinds,
            Ok(word) => {
                return match word.as_str() {
                    "enroll" => Ok(Self::Enroll(Enrolled::default())),
                    "skip" => Ok(Self::Skip(None)),
                    "pass" => Ok(Self::Pass(Wanted::new())),
                    "undecided" => Ok(Self::Undecided(None)),
                    "error" => Ok(Self::Error(None)),
                    other => Err(de::Error::custom(format!(
                        "expected {ONE}, found `{other}`"
                    ))),
                };
            }
        };
        let mut all = [
            kinds
                .enroll
                .map(|enrolled| Self::Enroll(enrolled.unwrap_or_default())),
            kinds.skip.map(Self::Skip),
            kinds
                .pass
                .map(|passed| Self::Pass(passed.map(|passed| passed.labels).unwrap_or_default())),
            kinds.undecided.map(Self::Undecided),
            kinds.error.map(Self::Error),
        ]
        .into_iter()
        .flatten();
        match (all.next(), all.next()) {
            (Some(Self::Error(Some(code))), None) if !codes().contains(&code.as_str()) => {
                Err(de::Error::custom(format!(
                    "`{code}` is no error: one of {}",
                    codes().join(", ")
                )))
            }
            (Some(one), None) => Ok(one),
            (None, _) => Err(de::Error::custom(format!("expected {ONE}, found none"))),
            (Some(_), Some(_)) => Err(de::Error::custom(format!("expected {ONE}, found several"))),
        }
    }
}

/// What differs between two lists of lines: those of both as ` `, of the first as `-`, of the second as `+`.
pub(super) fn diff(one: &[String], other: &[String]) -> Vec<(char, String)> {
    let (rows, columns) = (one.len(), other.len());
    if rows.saturating_mul(columns) > 250_000 {
        // Verdicts are small; whoever writes a longer expectation sees both in full.
        let all = |sign, lines: &[String]| -> Vec<_> {
            lines.iter().map(|line| (sign, line.clone())).collect()
        };
        return [all('-', one), all('+', other)].concat();
    }
    // The longest common part of what follows each place.
    let mut common = vec![vec![0_u32; columns + 1]; rows + 1];
    let at = |common: &[Vec<u32>], row: usize, column: usize| -> u32 {
        common
            .get(row)
            .and_then(|row| row.get(column))
            .copied()
            .unwrap_or(0)
    };
    for (row, left) in one.iter().enumerate().rev() {
        for (column, right) in other.iter().enumerate().rev() {
            let longest = if left == right {
                at(&common, row + 1, column + 1) + 1
            } else {
                at(&common, row + 1, column).max(at(&common, row, column + 1))
            };
            if let Some(cell) = common.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell = longest;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut out = Vec::new();
    loop {
        match (one.get(row), other.get(column)) {
            (Some(left), Some(right)) if left == right => {
                out.push((' ', left.clone()));
                (row, column) = (row + 1, column + 1);
            }
            (Some(left), right)
                if right.is_none()
                    || at(&common, row + 1, column) >= at(&common, row, column + 1) =>
            {
                out.push(('-', left.clone()));
                row += 1;
            }
            (_, Some(right)) => {
                out.push(('+', right.clone()));
                column += 1;
            }
            _ => return out,
        }
    }
}
