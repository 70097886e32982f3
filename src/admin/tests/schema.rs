//! A strict reading of the JSON Schemas that the document has: what is not described is not allowed.

use std::collections::BTreeSet;

use serde_json::Value;

/// Whether a value is as a schema of the document says, with nothing more in it.
pub(super) fn check(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
) -> Result<(), String> {
    let described = describe(document, schema, value, at)?;
    if let (Value::Object(fields), Some(described)) = (value, described)
        && let Some(key) = fields.keys().find(|key| !described.contains(*key))
    {
        return Err(format!("{at}: `{key}` is not described"));
    }
    Ok(())
}

/// Which fields of an object a schema describes; none for all of them.
fn describe(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
) -> Result<Option<BTreeSet<String>>, String> {
    let Value::Object(rules) = schema else {
        return Ok(None);
    };
    let mut described = BTreeSet::new();
    let says = [
        "$ref",
        "type",
        "properties",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
    ];
    let mut any = !rules.keys().any(|rule| says.contains(&rule.as_str()));
    for (rule, what) in rules {
        match rule.as_str() {
            "$ref" => {
                let name = what.as_str().unwrap().strip_prefix('#').unwrap();
                let there = document.pointer(name).ok_or(format!("{at}: no {name}"))?;
                match describe(document, there, value, at)? {
                    Some(more) => described.extend(more),
                    None => any = true,
                }
            }
            "type" => {
                let words = what
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![what.clone()]);
                if !words.iter().any(|word| is(word.as_str().unwrap(), value)) {
                    return Err(format!("{at}: {value} is no {what}"));
                }
                if !rules.contains_key("properties")
                    && !rules.contains_key("additionalProperties")
                    && what == "object"
                    && !["allOf", "anyOf", "oneOf", "$ref"]
                        .iter()
                        .any(|key| rules.contains_key(*key))
                {
                    any = true;
                }
            }
            "enum" if !what.as_array().unwrap().contains(value) => {
                return Err(format!("{at}: {value} is none of {what}"));
            }
            "const" if what != value => return Err(format!("{at}: {value} is not {what}")),
            "required" => {
                for key in what.as_array().unwrap() {
                    if value.get(key.as_str().unwrap()).is_none() {
                        return Err(format!("{at}: {key} is missing"));
                    }
                }
            }
            "properties" => {
                for (key, schema) in what.as_object().unwrap() {
                    described.insert(key.clone());
                    if let Some(value) = value.get(key) {
                        check(document, schema, value, &format!("{at}.{key}"))?;
                    }
                }
            }
            "additionalProperties" if what.is_object() => {
                let own = rules.get("properties").and_then(Value::as_object);
                for (key, value) in value.as_object().into_iter().flatten() {
                    if own.is_none_or(|own| !own.contains_key(key)) {
                        described.insert(key.clone());
                        check(document, what, value, &format!("{at}.{key}"))?;
                    }
                }
            }
            "items" => {
                for (n, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, what, value, &format!("{at}[{n}]"))?;
                }
            }
            "anyOf" | "oneOf" => {
                let tried: Vec<_> = what
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| describe(document, one, value, at))
                    .collect();
                let Some(Ok(fits)) = tried.iter().find(|tried| tried.is_ok()) else {
                    return Err(format!("{at}: {value} fits none: {tried:?}"));
                };
                match fits {
                    Some(more) => described.extend(more.iter().cloned()),
                    None => any = true,
                }
            }
            "allOf" => {
                for one in what.as_array().unwrap() {
                    if let Some(more) = describe(document, one, value, at)? {
                        described.extend(more);
                    }
                }
            }
            "minimum" => {
                if value.as_f64().is_some_and(|n| n < what.as_f64().unwrap()) {
                    return Err(format!("{at}: {value} is less than {what}"));
                }
            }
            "enum"
            | "const"
            | "additionalProperties"
            | "description"
            | "format"
            | "title"
            | "default"
            | "minItems"
            | "maxItems"
            | "maximum"
            | "uniqueItems" => {}
            other => return Err(format!("{at}: this check does not know `{other}`")),
        }
    }
    Ok((!any).then_some(described))
}

fn is(word: &str, value: &Value) -> bool {
    match word {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

#[test]
fn the_check_itself_refuses() {
    use serde_json::json;
    let document = json!({ "s": { "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] } });
    let schema = json!({ "$ref": "#/s" });
    for (value, fits) in [
        (json!({ "a": 1 }), true),
        (json!({ "a": "1" }), false),
        (json!({}), false),
        (json!({ "a": 1, "b": 2 }), false),
        (json!([]), false),
    ] {
        assert_eq!(
            check(&document, &schema, &value, "").is_ok(),
            fits,
            "{value}"
        );
    }
}
