//! A role as a file says it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::{meta, span};
use crate::role::{Options, Role, RoleVersion, Rules, Word};

/// As a file says it.
pub(in crate::records) fn write(role: &Role) -> Value {
    let mut spec = Map::new();
    let mut allow = write_rules(&role.allow);
    if role.version == RoleVersion::V3 && role.allow.labels.is_none() {
        allow.insert("db_labels".to_owned(), json!({}));
    }
    spec.insert("allow".to_owned(), Value::Object(allow));
    let deny = write_rules(&role.deny);
    if !deny.is_empty() {
        spec.insert("deny".to_owned(), Value::Object(deny));
    }
    let options = write_options(&role.options);
    if !options.is_empty() {
        spec.insert("options".to_owned(), Value::Object(options));
    }
    json!({
        "kind": "role",
        "version": role.version.as_str(),
        "metadata": meta::write(&role.name, &role.meta),
        "spec": spec,
    })
}

fn write_rules(rules: &Rules) -> Map<String, Value> {
    let mut map = Map::new();
    let mut labels = Map::new();
    if let Some(Value::Object(fixed)) = rules
        .labels
        .selector()
        .and_then(|fixed| serde_json::to_value(fixed).ok())
    {
        labels = fixed;
    }
    for (key, values) in rules.labels.filled() {
        labels.insert(key.to_owned(), json!(values));
    }
    if !labels.is_empty() {
        map.insert("db_labels".to_owned(), Value::Object(labels));
    }
    for (key, words) in [
        ("db_users", &rules.db_users),
        ("db_names", &rules.db_names),
        ("db_roles", &rules.db_roles),
    ] {
        if !words.is_empty() {
            let words: Vec<&str> = words.iter().map(Word::as_str).collect();
            map.insert(key.to_owned(), json!(words));
        }
    }
    map
}

fn write_options(options: &Options) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(key.to_owned(), value);
        }
    };
    let span = |span: Option<Duration>| span.map(|span| Value::from(span::write(span)));
    put("max_session_ttl", span(options.max_session_ttl));
    put("client_idle_timeout", span(options.client_idle_timeout));
    put("max_connections", options.max_connections.map(Value::from));
    put(
        "require_totp",
        options.require_totp.then_some(Value::Bool(true)),
    );
    put("audit", options.audit.map(|audit| audit.as_str().into()));
    put(
        "db_replication",
        options.db_replication.then_some(Value::Bool(true)),
    );
    map
}
