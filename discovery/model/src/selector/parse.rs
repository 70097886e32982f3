//! Selectors in YAML and JSON, and their schema.
//!
//! Written by hand rather than derived, so that an error is raised where it is (`tags.env[1]`) and says what to
//! write instead; an untagged enum would only say that nothing fits.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};

use super::{MAX_KEYS, MAX_VALUES, Pattern, Requirement, Selector, SelectorError};

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SelectorVisitor)
    }
}

struct SelectorVisitor;

impl<'de> Visitor<'de> for SelectorVisitor {
    type Value = Selector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from label keys to values (\"*\": \"*\" selects all)")
    }

    fn visit_unit<E: Error>(self) -> Result<Selector, E> {
        Err(E::custom(SelectorError::Empty))
    }

    fn visit_none<E: Error>(self) -> Result<Selector, E> {
        self.visit_unit()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Selector, A::Error> {
        let mut requirements: Vec<Requirement> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if requirements.len() == MAX_KEYS {
                return Err(A::Error::custom(SelectorError::TooManyKeys));
            }
            if requirements
                .iter()
                .any(|requirement| requirement.key == key)
            {
                return Err(A::Error::custom(SelectorError::DuplicateKey { key }));
            }
            requirements.push(map.next_value_seed(RequirementSeed { key })?);
        }
        Selector::checked(requirements).map_err(A::Error::custom)
    }
}

/// The value of a key: a string, a list, or a map of `in`, `not` and `exists`.
struct RequirementSeed {
    key: String,
}

impl<'de> DeserializeSeed<'de> for RequirementSeed {
    type Value = Requirement;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Requirement, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl RequirementSeed {
    fn any_of<E: Error>(self, any_of: Vec<Pattern>) -> Result<Requirement, E> {
        self.checked(Requirement {
            key: String::new(),
            any_of,
            none_of: Vec::new(),
            exists: None,
        })
    }

    fn checked<E: Error>(self, requirement: Requirement) -> Result<Requirement, E> {
        let requirement = Requirement {
            key: self.key,
            ..requirement
        };
        requirement.check_shape().map_err(E::custom)?;
        Ok(requirement)
    }
}

/// Scalars that are no strings, with what to do about them.
macro_rules! not_text {
    () => {
        fn visit_bool<E: Error>(self, found: bool) -> Result<Self::Value, E> {
            Err(not_text(&self.key, &format!("`{found}`")))
        }

        fn visit_i64<E: Error>(self, found: i64) -> Result<Self::Value, E> {
            Err(not_text(&self.key, &format!("`{found}`")))
        }

        fn visit_u64<E: Error>(self, found: u64) -> Result<Self::Value, E> {
            Err(not_text(&self.key, &format!("`{found}`")))
        }

        fn visit_f64<E: Error>(self, found: f64) -> Result<Self::Value, E> {
            Err(not_text(&self.key, &format!("`{found}`")))
        }
    };
}

fn not_text<E: Error>(key: &str, found: &str) -> E {
    E::custom(SelectorError::NotText {
        key: key.to_owned(),
        found: found.to_owned(),
    })
}

impl<'de> Visitor<'de> for RequirementSeed {
    type Value = Requirement;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a value for `{}`: a string, a list of strings, or a map of `in`, `not`, `exists`",
            self.key
        )
    }

    not_text!();

    fn visit_str<E: Error>(self, text: &str) -> Result<Requirement, E> {
        let pattern = pattern(&self.key, text)?;
        self.any_of(vec![pattern])
    }

    fn visit_unit<E: Error>(self) -> Result<Requirement, E> {
        Err(E::custom(SelectorError::NoValues { key: self.key }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Requirement, A::Error> {
        let patterns = patterns(&self.key, seq)?;
        self.any_of(patterns)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Requirement, A::Error> {
        let (mut any_of, mut none_of, mut exists) = (None, None, None);
        while let Some(word) = map.next_key::<String>()? {
            let key = self.key.as_str();
            let twice = match word.as_str() {
                "in" => any_of
                    .replace(map.next_value_seed(ValuesSeed { key })?)
                    .is_some(),
                "not" => none_of
                    .replace(map.next_value_seed(ValuesSeed { key })?)
                    .is_some(),
                "exists" => exists.replace(map.next_value::<bool>()?).is_some(),
                other => {
                    let message = format!(
                        "key `{key}`: unknown word `{other}`, expected `in`, `not` or `exists`"
                    );
                    map.next_value::<IgnoredAny>()?;
                    return Err(A::Error::custom(message));
                }
            };
            if twice {
                return Err(A::Error::custom(format!(
                    "key `{key}`: `{word}` is given twice"
                )));
            }
        }
        let (any_of, none_of) = (any_of.unwrap_or_default(), none_of.unwrap_or_default());
        self.checked(Requirement {
            key: String::new(),
            any_of,
            none_of,
            exists,
        })
    }
}

/// One string or a list of strings.
struct ValuesSeed<'k> {
    key: &'k str,
}

impl<'de> DeserializeSeed<'de> for ValuesSeed<'_> {
    type Value = Vec<Pattern>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Pattern>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValuesSeed<'_> {
    type Value = Vec<Pattern>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "values for `{}`: a string or a list of strings",
            self.key
        )
    }

    not_text!();

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<Pattern>, E> {
        Ok(vec![pattern(self.key, text)?])
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<Pattern>, E> {
        Err(E::custom(SelectorError::NoValues {
            key: self.key.to_owned(),
        }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<Pattern>, A::Error> {
        patterns(self.key, seq)
    }
}

/// One string.
struct PatternSeed<'k> {
    key: &'k str,
}

impl<'de> DeserializeSeed<'de> for PatternSeed<'_> {
    type Value = Pattern;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Pattern, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for PatternSeed<'_> {
    type Value = Pattern;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string, as a value for `{}`", self.key)
    }

    not_text!();

    fn visit_str<E: Error>(self, text: &str) -> Result<Pattern, E> {
        pattern(self.key, text)
    }
}

fn pattern<E: Error>(key: &str, text: &str) -> Result<Pattern, E> {
    Pattern::parse(text).map_err(|problem| {
        E::custom(SelectorError::Pattern {
            key: key.to_owned(),
            problem,
        })
    })
}

fn patterns<'de, A: SeqAccess<'de>>(key: &str, mut seq: A) -> Result<Vec<Pattern>, A::Error> {
    let mut patterns = Vec::new();
    while let Some(pattern) = seq.next_element_seed(PatternSeed { key })? {
        if patterns.len() == MAX_VALUES {
            return Err(A::Error::custom(SelectorError::TooManyValues {
                key: key.to_owned(),
            }));
        }
        patterns.push(pattern);
    }
    if patterns.is_empty() {
        return Err(A::Error::custom(SelectorError::NoValues {
            key: key.to_owned(),
        }));
    }
    Ok(patterns)
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.requirements.len().max(1)))?;
        if self.is_all() {
            map.serialize_entry("*", "*")?;
        }
        for requirement in &self.requirements {
            map.serialize_entry(&requirement.key, requirement)?;
        }
        map.end()
    }
}

/// In the shortest form that says it.
impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.none_of.is_empty() && self.exists.is_none() {
            return Values(&self.any_of).serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        if !self.any_of.is_empty() {
            map.serialize_entry("in", &Values(&self.any_of))?;
        }
        if !self.none_of.is_empty() {
            map.serialize_entry("not", &Values(&self.none_of))?;
        }
        if let Some(exists) = self.exists {
            map.serialize_entry("exists", &exists)?;
        }
        map.end()
    }
}

struct Values<'a>(&'a [Pattern]);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [only] => serializer.serialize_str(only.as_str()),
            many => serializer.collect_seq(many.iter().map(Pattern::as_str)),
        }
    }
}

impl schemars::JsonSchema for Selector {
    fn schema_name() -> Cow<'static, str> {
        "Selector".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let text =
            schemars::json_schema!({ "type": "string", "maxLength": super::MAX_PATTERN_LEN });
        let list = schemars::json_schema!({
            "type": "array", "items": text, "minItems": 1, "maxItems": MAX_VALUES });
        schemars::json_schema!({
            "description": "A filter over labels: all keys must hold, of a key's values any. A value is literal, \
                a glob (`prod-*`), a regular expression over the whole value (`^(a|b)$`), or `*` for any value. \
                `\"*\": \"*\"` selects everything.",
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_KEYS,
            "additionalProperties": { "anyOf": [text, list, {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": false,
                "properties": {
                    "in": { "description": "The label exists, and its value is one of these.",
                            "anyOf": [text, list] },
                    "not": { "description": "The label is absent, or its value is none of these.",
                             "anyOf": [text, list] },
                    "exists": { "description": "Whether the label has to exist, or must not.",
                                "type": "boolean" }
                }
            }]}
        })
    }
}
