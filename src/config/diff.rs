//! What is different between two configurations, as both are understood: comments, order of keys and defaults that
//! are written out make no difference.

use serde_yaml::{Mapping, Value};
use sha2::{Digest, Sha256};

use super::{Config, check::static_filters, document::child, show::effective, yaml};

/// What is different in `new`, one line each, by path, in the order of the file:
/// `policy: upsert-only -> sync`, `sources.aws[1]: added`, `rules[2] "prod": changed`.
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", &effective(old), &effective(new), &mut lines);
    lines
}

impl Config {
    /// What decides how a database is judged, as SHA-256 in hexadecimal: the sources' filters, the rules, and
    /// muster's version. What was judged under another digest may come out otherwise now.
    pub fn matching_digest(&self) -> String {
        let parts = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "filters": static_filters(self),
            "rules": self.rules,
        });
        let mut digest = Sha256::new();
        digest.update(canonical(parts).to_string().as_bytes());
        digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The same value with the keys of every map in order.
fn canonical(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            let entries = entries
                .into_iter()
                .map(|(key, value)| (key, canonical(value)));
            Value::Object(entries.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        other => other,
    }
}

fn compare(path: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Mapping(old), Value::Mapping(new)) => maps(path, old, new, lines),
        (Value::Sequence(old), Value::Sequence(new)) if holds_maps(old) || holds_maps(new) => {
            lists(path, old, new, lines);
        }
        (old, new) => match (yaml::inline(old), yaml::inline(new)) {
            (Some(old), Some(new)) => lines.push(format!("{path}: {old} -> {new}")),
            _ => lines.push(format!("{path}: changed")),
        },
    }
}

fn maps(path: &str, old: &Mapping, new: &Mapping, lines: &mut Vec<String>) {
    let of = |key: &Value| child(path, key.as_str().unwrap_or_default());
    for (key, value) in old {
        match new.get(key) {
            Some(other) => compare(&of(key), value, other, lines),
            None => lines.push(alone(&of(key), "removed", value)),
        }
    }
    for (key, value) in new {
        if !old.contains_key(key) {
            lines.push(alone(&of(key), "added", value));
        }
    }
}

/// Lists of maps: what is in both stays out of it, wherever it stands; of the rest, what has the same name, and then
/// what stands between the same neighbours, is one thing that changed.
fn lists(path: &str, old: &[Value], new: &[Value], lines: &mut Vec<String>) {
    let (mut gone, mut come) = unmatched(old, new);
    let mut pairs = Vec::new();
    pair(&mut gone, &mut come, &mut pairs, |(_, old), (_, new)| {
        name(old).is_some() && name(old) == name(new)
    });
    pair(
        &mut gone,
        &mut come,
        &mut pairs,
        |(from, old), (to, new)| from == to && !(old.is_mapping() ^ new.is_mapping()),
    );
    let before = lines.len();
    pairs.sort_by_key(|(_, (to, _))| *to);
    for ((_, old), (to, new)) in pairs {
        let place = format!("{path}[{to}]");
        match (old, new) {
            (Value::Mapping(old), Value::Mapping(new)) if path != RULES => {
                maps(&place, old, new, lines);
            }
            _ if path == RULES => lines.push(format!("{}: changed", named(&place, new))),
            _ => compare(&place, old, new, lines),
        }
    }
    for (index, value) in gone {
        lines.push(alone(
            &named(&format!("{path}[{index}]"), value),
            "removed",
            value,
        ));
    }
    for (index, value) in come {
        lines.push(alone(
            &named(&format!("{path}[{index}]"), value),
            "added",
            value,
        ));
    }
    if lines.len() == before {
        lines.push(format!("{path}: in another order"));
    }
}

type Item<'v> = (usize, &'v Value);

/// The items of each list that the other does not have.
fn unmatched<'v>(old: &'v [Value], new: &'v [Value]) -> (Vec<Item<'v>>, Vec<Item<'v>>) {
    let mut come: Vec<Item<'v>> = new.iter().enumerate().collect();
    let mut gone = Vec::new();
    for item in old.iter().enumerate() {
        match come.iter().position(|(_, value)| *value == item.1) {
            Some(at) => drop(come.remove(at)),
            None => gone.push(item),
        }
    }
    (gone, come)
}

/// Takes pairs out of both lists.
fn pair<'v>(
    gone: &mut Vec<Item<'v>>,
    come: &mut Vec<Item<'v>>,
    pairs: &mut Vec<(Item<'v>, Item<'v>)>,
    is_pair: impl Fn(Item<'v>, Item<'v>) -> bool,
) {
    gone.retain(|old| {
        let at = come.iter().position(|new| is_pair(*old, *new));
        if let Some(at) = at {
            pairs.push((*old, come.remove(at)));
        }
        at.is_none()
    });
}

fn alone(path: &str, what: &str, value: &Value) -> String {
    match yaml::inline(value) {
        Some(text) => format!("{path}: {what}: {text}"),
        None => format!("{path}: {what}"),
    }
}

/// A path with the name that the thing there has.
fn named(path: &str, value: &Value) -> String {
    match name(value) {
        Some(name) => format!("{path} {name:?}"),
        None => path.to_owned(),
    }
}

fn name(value: &Value) -> Option<&str> {
    value.get("name")?.as_str()
}

fn holds_maps(list: &[Value]) -> bool {
    list.iter().any(Value::is_mapping)
}

/// Here a rule that changed is named, and not what in it.
const RULES: &str = "rules";

#[cfg(test)]
mod tests;
