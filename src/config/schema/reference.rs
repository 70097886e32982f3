//! `docs/configuration.md`: every setting with its path, type, default and meaning.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::super::create::{CreateOptions, create};

const INTRODUCTION: &str = "\
# Configuration

Made from the program; `MUSTER_BLESS=1 cargo test` writes it anew.

muster reads one YAML file: `--config`, else `MUSTER_CONFIG`, else `muster.yaml` in the current directory, else
`/etc/muster/muster.yaml`.

- `muster config create` writes a first one, `muster config check` names everything that is wrong with one, by path
  and line, and `muster config show --origin` prints what muster makes of it and where each value comes from.
- A key that muster does not know is an error, and so is a key without a value.
- Nothing in the file is expanded: no environment variables, no `~`, no includes. There is nothing secret in it
  either: credentials come from the environment, as the clouds' own tools find them.
- Where a list is possible, a single value may stand for a list of one.
- A time has a unit: `s`, `m`, `h` or `d`, also `1h30m`; only `0` needs none. A share is written in percent: `20%`.
- The file has at most 4 MiB and 100,000 values. Anchors and aliases may be used, tags (`!…`) may not.
- What could remove something has no default: `policy` is always written out.

`muster config schema` prints a JSON schema, with which editors complete and check the file. It is also in
[muster.schema.json](muster.schema.json).
";

const SELECTORS: &str = "
## Selectors

`tags` and `match` are selectors: maps from label keys to what is asked of them. All keys must hold; of the values
of a key, any. Upper and lower case differ.

| written | selects |
|---|---|
| `\"*\": \"*\"` | everything |
| `env: prod` | the value `prod` |
| `env: [prod, staging]` | either value |
| `team: \"*\"` | any value: the label exists |
| `name: \"orders-*\"` | a glob, over the whole value |
| `size: \"^(s\\|m)[0-9]+$\"` | a regular expression, over the whole value |
| `purpose: { not: [scratch, \"tmp*\"] }` | the label is absent, or has none of these |
| `owner: { exists: false }` | the label is absent |
| `tier: { in: [\"gold*\"], not: gold-test }` | both |
";

/// The page.
pub fn reference() -> String {
    let schema = super::schema();
    let page = Page {
        definitions: schema.get("$defs").and_then(Value::as_object),
    };
    let mut out = INTRODUCTION.to_owned();
    if let Some(root) = schema.as_object() {
        page.section("", root, &mut out);
    }
    out += SELECTORS;
    if let Ok(example) = create(&CreateOptions::default()) {
        // Writing to a String does not fail.
        let _ = write!(
            out,
            "\n## What `muster config create` writes\n\n```yaml\n{example}```\n"
        );
    }
    out
}

struct Page<'s> {
    definitions: Option<&'s Map<String, Value>>,
}

impl<'s> Page<'s> {
    /// One map of the file: its settings as a table, then the maps in it.
    fn section(&self, path: &str, schema: &'s Map<String, Value>, out: &mut String) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        let title = if path.is_empty() {
            "The file".to_owned()
        } else {
            format!("`{path}`")
        };
        let about = text(schema, "description");
        let _ = write!(
            out,
            "\n## {title}\n\n{about}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
        );
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (key, field) in properties {
            let Some(field) = field.as_object() else {
                continue;
            };
            let default = match field.get("default") {
                Some(default) => code(default),
                None if required.contains(&key.as_str()) => "required".to_owned(),
                None => String::new(),
            };
            let mut meaning = text(field, "description");
            if let Some([example, ..]) = field
                .get("examples")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
            {
                let _ = write!(meaning, " Example: {}.", code(example));
            }
            let _ = writeln!(
                out,
                "| `{key}` | {} | {default} | {meaning} |",
                cell(&self.kind(field))
            );
        }
        for (key, field) in properties {
            let path = super::super::document::child(path, key);
            if let Some((list, inner)) = field.as_object().and_then(|field| self.inner(field)) {
                let path = if list { format!("{path}[]") } else { path };
                self.section(&path, inner, out);
            }
        }
    }

    /// The map that a setting is, or that the items of its list are.
    fn inner(&self, field: &'s Map<String, Value>) -> Option<(bool, &'s Map<String, Value>)> {
        let field = self.resolve(field);
        if field.contains_key("properties") {
            return Some((false, field));
        }
        if let Some(items) = field.get("items").and_then(Value::as_object) {
            return self.inner(items).map(|(_, inner)| (true, inner));
        }
        let branches = field.get("anyOf").and_then(Value::as_array)?;
        let found: Vec<_> = branches
            .iter()
            .filter_map(Value::as_object)
            .filter_map(|branch| self.inner(branch))
            .collect();
        let list = branches.iter().any(|branch| branch.get("items").is_some());
        found.first().map(|(_, inner)| (list, *inner))
    }

    /// A type, in words.
    fn kind(&self, field: &'s Map<String, Value>) -> String {
        if field.get("$ref").and_then(Value::as_str) == Some("#/$defs/Selector") {
            return "[selector](#selectors)".to_owned();
        }
        let field = self.resolve(field);
        if let Some(title) = field.get("title").and_then(Value::as_str) {
            return title.to_owned();
        }
        if let Some(value) = field.get("const") {
            return code(value);
        }
        if let Some(words) = field.get("enum").and_then(Value::as_array) {
            return words.iter().map(code).collect::<Vec<_>>().join(", ");
        }
        if let Some(branches) = field.get("anyOf").and_then(Value::as_array) {
            let branches: Vec<_> = branches.iter().filter_map(Value::as_object).collect();
            if let [one, list] = branches.as_slice()
                && list.contains_key("items")
            {
                return format!("list of: {}", self.kind(one));
            }
            return branches
                .iter()
                .map(|branch| self.kind(branch))
                .collect::<Vec<_>>()
                .join(" or ");
        }
        match field.get("type").and_then(Value::as_str) {
            Some("array") => match field.get("items").and_then(Value::as_object) {
                Some(items) => format!("list of: {}", self.kind(items)),
                None => "list".to_owned(),
            },
            Some("object") => "map".to_owned(),
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("integer") => match (field.get("minimum"), field.get("maximum")) {
                (Some(least), Some(most)) => format!("number, {least} to {most}"),
                (Some(least), None) if least.as_u64() != Some(0) => {
                    format!("number, {least} or more")
                }
                _ => "number".to_owned(),
            },
            Some(other) => other.to_owned(),
            None => "any".to_owned(),
        }
    }

    fn resolve(&self, field: &'s Map<String, Value>) -> &'s Map<String, Value> {
        field
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|name| {
                self.definitions?
                    .get(name.strip_prefix("#/$defs/")?)?
                    .as_object()
            })
            .unwrap_or(field)
    }
}

/// A text of a schema as one line.
fn text(schema: &Map<String, Value>, key: &str) -> String {
    let text = schema.get(key).and_then(Value::as_str).unwrap_or_default();
    cell(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A value as it is written in the file.
fn code(value: &Value) -> String {
    let text = match value {
        Value::String(text) => super::super::yaml::scalar(text),
        other => other
            .to_string()
            .replace("\":\"", "\": \"")
            .replace("\",\"", "\", \""),
    };
    format!("`{text}`")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
