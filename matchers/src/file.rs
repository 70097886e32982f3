//! Rules as a person writes them. What they say is checked by [`crate::Chain::build`].

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use muster_model::Selector;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// One rule. Rules are tried in order; the first that matches and says `enroll` or `skip` decides. A rule with
/// neither changes labels and passes the database on to the next one. With `plugin`, a matcher of one's own decides,
/// or passes the database on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// What reports call the rule. Unique.
    pub name: String,
    /// Which databases it is for, by their labels: tags, derived labels, and what earlier rules made of them.
    /// Default: all.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Selector")]
    pub r#match: Option<Selector>,
    /// Asks a matcher of one's own about the databases that match: a WebAssembly component. It enrolls, skips or
    /// passes on; `labels` are changed before it is asked, and `enroll` names what it enrolls without a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginFile>,
    /// Enrolls the database: `true`, or a map that says how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enroll: Option<EnrollFile>,
    /// Keeps the database out; the text is the reason that people are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    /// Changes labels: first `rename`, then `map`, then `drop`, then `add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelsFile>,
}

/// A matcher of one's own: which file it is, why it may be trusted, and what it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginFile {
    /// The component, relative to the directory of this file; or a directory: then every `*.wasm` in it is asked, in
    /// the order of their names, until one decides.
    #[schemars(example = &"matchers/ownership.wasm")]
    pub path: String,
    /// The SHA-256 of the file, in hexadecimal: no other one is run. A file that is pinned needs no signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether the file is run without a pin and without a signature. Otherwise one of `plugins.keys` has to have
    /// signed it: the signature is in a file beside it, with `.sig` behind its name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsigned: bool,
    /// What the plugin is told, as it describes it: `muster plugin inspect` shows what it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<serde_json::Value>,
}

/// How a database is enrolled.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EnrollFile {
    /// Its name, as a template. Default: identifier, type, region and account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Hints for the proxy; the values are templates.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hints: BTreeMap<String, String>,
}

/// Changes to labels. Keys that muster derives (`engine`, `region`, …) and reserved ones cannot be changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelsFile {
    /// Old key to new key. A label that is already there under the new key stays, and the old one too.
    #[serde(
        default,
        deserialize_with = "unique",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub rename: BTreeMap<String, String>,
    /// Key to old value to new value. Old values may be patterns; an exact one comes first, then the
    /// patterns in the order of their text.
    #[serde(
        default,
        deserialize_with = "unique_values",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub map: BTreeMap<String, BTreeMap<String, String>>,
    /// Keys to take away; patterns are possible: `aws:*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Key to value, which is a template. Replaces what is there.
    #[serde(
        default,
        deserialize_with = "unique",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub add: BTreeMap<String, String>,
}

/// How a database is enrolled.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EnrollMap {
    /// Its name, as a template. Default: identifier, type, region and account.
    #[serde(default)]
    name: Option<String>,
    /// Hints for the proxy; the values are templates.
    #[serde(default, deserialize_with = "unique")]
    hints: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for EnrollFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EnrollVisitor)
    }
}

struct EnrollVisitor;

impl<'de> Visitor<'de> for EnrollVisitor {
    type Value = EnrollFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true`, or a map with `name` and `hints`")
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<EnrollFile, E> {
        if yes {
            Ok(EnrollFile::default())
        } else {
            Err(E::custom(
                "`enroll: false` says nothing: leave it out, or write `skip: REASON`",
            ))
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EnrollFile, A::Error> {
        let EnrollMap { name, hints } = EnrollMap::deserialize(MapAccessDeserializer::new(map))?;
        Ok(EnrollFile { name, hints })
    }
}

impl JsonSchema for EnrollFile {
    fn schema_name() -> Cow<'static, str> {
        "Enroll".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = EnrollMap::json_schema(generator);
        json_schema!({
            "description": "How a database is enrolled: `true`, or a map that says how.",
            "anyOf": [{ "const": true }, map]
        })
    }
}

/// A selector that is there. `match:` with nothing after it would otherwise read as "all".
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Selector>, D::Error> {
    Selector::deserialize(deserializer).map(Some)
}

/// A map in which no key comes twice.
fn unique<'de, D, V>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    Unique::deserialize(deserializer).map(|Unique(map)| map)
}

/// A map of maps, in none of which a key comes twice.
fn unique_values<'de, D>(
    deserializer: D,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let outer: BTreeMap<String, Unique<String>> = unique(deserializer)?;
    Ok(outer
        .into_iter()
        .map(|(key, Unique(map))| (key, map))
        .collect())
}

struct Unique<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

struct UniqueVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<V> {
    type Value = Unique<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Unique<V>, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("`{key}` is given twice")));
            }
            if map.len() == MAX_ENTRIES {
                return Err(A::Error::custom(format!("more than {MAX_ENTRIES} entries")));
            }
            map.insert(key, access.next_value()?);
        }
        Ok(Unique(map))
    }
}

/// The most entries of one map of a rule.
pub(crate) const MAX_ENTRIES: usize = 256;
