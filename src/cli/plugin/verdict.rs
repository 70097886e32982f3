//! What a plugin said of a database, for people and for programs.

use std::collections::BTreeMap;

use muster_model::{Labels, Origin};
use muster_wasm::{Enroll, Evaluation, PluginError, Verdict};
use serde::Serialize;

/// A verdict, or why there is none. Its JSON is that of `plugin run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub(super) enum Said {
    /// To be enrolled.
    Enroll {
        /// Null: muster names it.
        name: Option<String>,
        labels: BTreeMap<String, String>,
        hints: BTreeMap<String, String>,
        reason: String,
    },
    /// Not to be enrolled.
    Skip { reason: String },
    /// No opinion, but labels.
    Pass { labels: BTreeMap<String, String> },
    /// It cannot say.
    Undecided { reason: String },
    /// It failed.
    Error { code: &'static str, message: String },
}

impl Said {
    /// What became of the only database that was judged.
    pub fn only(evaluation: &Evaluation) -> Self {
        evaluation.verdicts.first().map_or_else(
            // There is one for each.
            || Self::Error {
                code: muster_wasm::Failure::Count.as_str(),
                message: "it gave no verdict".to_owned(),
            },
            Self::from,
        )
    }

    /// In one word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Enroll { .. } => "enroll",
            Self::Skip { .. } => "skip",
            Self::Pass { .. } => "pass",
            Self::Undecided { .. } => "undecided",
            Self::Error { .. } => "error",
        }
    }

    /// The labels that it sets.
    pub const fn labels(&self) -> Option<&BTreeMap<String, String>> {
        match self {
            Self::Enroll { labels, .. } | Self::Pass { labels } => Some(labels),
            _ => None,
        }
    }

    /// Why, in one line.
    pub fn reason(&self) -> &str {
        match self {
            Self::Enroll { reason, .. } | Self::Skip { reason } | Self::Undecided { reason } => {
                reason
            }
            Self::Pass { .. } => "",
            Self::Error { message, .. } => message,
        }
    }
}

impl From<&Result<Verdict, PluginError>> for Said {
    fn from(found: &Result<Verdict, PluginError>) -> Self {
        let map = |pairs: &[(String, String)]| pairs.iter().cloned().collect();
        match found {
            Ok(Verdict::Enroll(Enroll {
                name,
                labels,
                hints,
                reason,
            })) => Self::Enroll {
                name: name.clone(),
                labels: map(labels),
                hints: map(hints),
                reason: reason.clone(),
            },
            Ok(Verdict::Skip(reason)) => Self::Skip {
                reason: reason.clone(),
            },
            Ok(Verdict::Pass(labels)) => Self::Pass {
                labels: map(labels),
            },
            Err(error) if error.code == muster_wasm::Failure::Undecided => Self::Undecided {
                reason: error.detail.to_string(),
            },
            Err(error) => Self::Error {
                code: error.code.as_str(),
                message: error.detail.to_string(),
            },
        }
    }
}

/// A label after the plugin, and what became of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct After {
    pub value: String,
    /// `derived`, `tag`, or who set it.
    pub origin: String,
    /// What it replaced, where that was something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// The labels once a plugin called `plugin` has said this.
pub(super) fn labels(before: &Labels, said: &Said, plugin: &str) -> BTreeMap<String, After> {
    let mut after = before.clone();
    for (key, value) in said.labels().into_iter().flatten() {
        // The host has refused reserved keys already.
        let _set = after.set(key, value.clone(), plugin);
    }
    after
        .iter()
        .map(|(key, label)| {
            let replaced = before
                .label(key)
                .filter(|_| matches!(&label.origin, Origin::Matcher(by) if by == plugin))
                .map(|label| label.value.clone());
            let after = After {
                value: label.value.clone(),
                origin: label.origin.as_str().to_owned(),
                before: replaced.filter(|value| *value != label.value),
            };
            (key.to_owned(), after)
        })
        .collect()
}
