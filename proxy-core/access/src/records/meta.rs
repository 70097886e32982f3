//! `metadata`: the name and what any record may say of itself.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{Fields, Findings};
use crate::user::Meta;

/// The most characters of a name.
const MAX_NAME: usize = 256;

/// Reads the name and the rest of `metadata`.
pub(super) fn read(root: &mut Fields<'_>, found: &mut Findings) -> Option<(String, Meta)> {
    let Some(field) = root.get("metadata") else {
        found.tell(
            super::Problem::error("metadata.name", "the record has no name")
                .at(root.line)
                .hint("write `metadata: { name: … }`"),
        );
        return None;
    };
    let mut map = Fields::of(field.node, field.path, found)?;
    let name = map.needed("name", found);
    if let Some(why) = name.as_deref().and_then(bad_name) {
        found.tell(super::Problem::error("metadata.name", why).at(map.line));
    }
    let description = map
        .text("description", found)
        .filter(|text| !text.is_empty());
    let mut labels = BTreeMap::new();
    if let Some(mut map) = map.map("labels", found) {
        for (key, field) in map.all() {
            if let Some(value) = field.text(found) {
                labels.insert(key.to_owned(), value);
            }
        }
    }
    let expires = map.time("expires", found);
    map.skip(&["id", "revision", "namespace"]);
    map.finish(found);
    let meta = Meta {
        description,
        labels,
        expires,
    };
    Some((name?, meta))
}

/// Why a record may not be called so.
fn bad_name(name: &str) -> Option<&'static str> {
    match () {
        () if name.chars().count() > MAX_NAME => Some("a name has at most 256 characters"),
        () if name
            .chars()
            .any(|letter| letter.is_control() || letter == '/') =>
        {
            Some("a name holds no `/` and no control characters")
        }
        () if name.trim() != name => Some("a name begins and ends with no space"),
        () => None,
    }
}

/// As a file says it.
pub(super) fn write(name: &str, meta: &Meta) -> Value {
    let mut map = Map::new();
    map.insert("name".to_owned(), name.into());
    if let Some(description) = &meta.description {
        map.insert("description".to_owned(), description.as_str().into());
    }
    if !meta.labels.is_empty() {
        let labels = meta
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect();
        map.insert("labels".to_owned(), Value::Object(labels));
    }
    if let Some(expires) = meta.expires {
        map.insert("expires".to_owned(), expires.to_string().into());
    }
    Value::Object(map)
}
