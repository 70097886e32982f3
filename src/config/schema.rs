//! The JSON schema for editors, and the reference page; both are made of the types in `file`.

mod reference;

use serde_json::{Map, Value, json};

pub use self::reference::reference;
use super::file::File;

/// The JSON schema of the configuration.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    tidy(&mut schema);
    schema
}

/// The JSON schema as text.
pub fn json() -> String {
    format!("{:#}\n", schema())
}

/// Optional settings are absent, never `null`; the schema of an `Option` would allow both.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(object) => {
            object.values_mut().for_each(tidy);
            tidy_object(object);
        }
        _ => {}
    }
}

fn tidy_object(object: &mut Map<String, Value>) {
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        branches.retain(|branch| *branch != json!({ "type": "null" }));
        if let [only] = branches.as_slice()
            && let Value::Object(only) = only.clone()
        {
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
}
