//! Labels with their provenance. What a cloud account's owner writes as a tag can never pass for what muster
//! derived itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The keys that muster derives. A cloud tag under one of these keys never becomes a label, on any database:
/// not even where muster derives no value for it, or a tag could pass for a fact that could not be read.
pub const DERIVED_KEYS: &[&str] = &[
    "account-id",
    "endpoint-type",
    "engine",
    "engine-version",
    "region",
    "replication-role",
    "resource-group",
    "source-server",
    "subscription-id",
    "vpc-id",
];

/// Prefixes that neither a tag, nor a rule, nor a plugin may write. The `teleport.` ones are reserved because
/// people's roles that were carried over trust them.
pub const RESERVED_PREFIXES: &[&str] = &[
    "muster/",
    "teleport.dev/",
    "teleport.internal/",
    "teleport.hidden/",
];

/// Where a label came from.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// muster derived it from the provider's record.
    Derived,
    /// A tag, as the cloud account's owner set it.
    Tag,
    /// A matcher set it; which one.
    Matcher(String),
}

impl Origin {
    /// In one word, or the matcher's name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Derived => "derived",
            Self::Tag => "tag",
            Self::Matcher(matcher) => matcher,
        }
    }
}

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Label {
    /// Its value.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// A tag that was kept out of the labels because its key is muster's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Shadowed {
    /// The tag's key.
    pub key: String,
    /// The tag's value, which was not used.
    pub value: String,
}

/// Labels by key, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, Label>);

impl Labels {
    /// Whether only muster itself may write this key. A reserved prefix is so in upper and lower case, since
    /// people read `Muster/kind` as `muster/kind`; `Region` is a tag like any other, and not the label `region`.
    pub fn is_reserved(key: &str) -> bool {
        DERIVED_KEYS.contains(&key)
            || RESERVED_PREFIXES.iter().any(|prefix| {
                key.get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            })
    }

    /// The labels of a database before any matcher: derived ones, and those of its tags that forge nothing.
    /// The tags that were kept out are returned beside them.
    pub fn import(
        derived: &BTreeMap<String, String>,
        tags: &BTreeMap<String, String>,
    ) -> (Self, Vec<Shadowed>) {
        let mut labels = Self::default();
        let mut shadowed = Vec::new();
        for (key, value) in tags {
            if Self::is_reserved(key) {
                shadowed.push(Shadowed {
                    key: key.clone(),
                    value: value.clone(),
                });
            } else {
                labels.0.insert(
                    key.clone(),
                    Label {
                        value: value.clone(),
                        origin: Origin::Tag,
                    },
                );
            }
        }
        for (key, value) in derived {
            labels.0.insert(
                key.clone(),
                Label {
                    value: value.clone(),
                    origin: Origin::Derived,
                },
            );
        }
        (labels, shadowed)
    }

    /// The value under a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|label| label.value.as_str())
    }

    /// The label under a key.
    pub fn label(&self, key: &str) -> Option<&Label> {
        self.0.get(key)
    }

    /// Sets a label for a matcher. False, and nothing is changed, when the key is reserved.
    #[must_use = "a refused key has to be reported"]
    pub fn set(&mut self, key: &str, value: impl Into<String>, matcher: &str) -> bool {
        if Self::is_reserved(key) {
            return false;
        }
        let label = Label {
            value: value.into(),
            origin: Origin::Matcher(matcher.to_owned()),
        };
        self.0.insert(key.to_owned(), label);
        true
    }

    /// Takes a label away for a matcher. `None`, and nothing is changed, when it is not there or reserved.
    pub fn remove(&mut self, key: &str) -> Option<Label> {
        if Self::is_reserved(key) {
            None
        } else {
            self.0.remove(key)
        }
    }

    /// Key and label, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Label)> {
        self.0.iter().map(|(key, label)| (key.as_str(), label))
    }

    /// Keys and values alone, in key order.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, label)| (key.as_str(), label.value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_prefix_is_so_in_any_case() {
        for (key, want) in [
            ("muster/kind", true),
            ("Muster/Kind", true),
            ("TELEPORT.DEV/origin", true),
            ("Teleport.Internal/x", true),
            ("region", true),
            ("Region", false),
            ("muster", false),
            ("musterkind", false),
            ("must\u{00e9}r/kind", false),
            ("", false),
        ] {
            assert_eq!(Labels::is_reserved(key), want, "{key}");
        }
    }
}
