//! The labels of a role's side, some of which may be templates.

use serde_json::{Map, Value, json};

use muster_model::Selector;

use super::super::{
    fields::{Field, Findings},
    tree::{Content, child, what},
};
use crate::{role::LabelRules, template::Template};

/// Labels of a side. The values of a key that has a template go one way, all others another.
pub(super) fn read(field: &Field<'_>, denies: bool, found: &mut Findings) -> LabelRules {
    let Content::Map(entries) = &field.node.content else {
        let message = format!("expected a map of labels, found {}", what(field.node));
        found.wrong_hint(field, message, "write `\"*\": \"*\"` for all databases");
        return LabelRules::none();
    };
    let mut fixed = Map::new();
    let mut filled = Vec::new();
    for (key, node) in entries {
        let entry = Field {
            path: child(&field.path, key),
            node,
        };
        let value = node.value();
        if denies {
            alternatives(&entry, &value, found);
        }
        if !mentions_template(&value) {
            // Each key by itself first, so that what is wrong is told with its line.
            match serde_json::from_value::<Selector>(json!({ key: value })) {
                Ok(_) => {
                    fixed.insert(key.clone(), value);
                }
                Err(error) => found.wrong(&entry, error.to_string()),
            }
            continue;
        }
        if matches!(value, Value::Object(_)) {
            found.wrong(
                &entry,
                "a template stands as a value or in a list of values, not under `in` or `not`",
            );
            continue;
        }
        if key.contains('*') {
            found.wrong(&entry, "the key `*` takes no template");
            continue;
        }
        let texts: Vec<&str> = entry
            .items()
            .into_iter()
            .filter_map(|item| {
                let text = item.text(found)?;
                if Template::is_one(&text)
                    && let Err(error) = Template::parse(&text)
                {
                    found.wrong(&item, error.to_string());
                    return None;
                }
                item.node.text()
            })
            .collect();
        filled.push((key.clone(), texts));
    }
    if fixed.is_empty() && filled.is_empty() {
        return LabelRules::none();
    }
    let mut selector = None;
    if !fixed.is_empty() {
        match serde_json::from_value::<Selector>(Value::Object(fixed)) {
            Ok(read) => selector = Some(read),
            Err(error) => {
                found.wrong(field, error.to_string());
                return LabelRules::none();
            }
        }
    }
    if selector.as_ref().is_some_and(Selector::is_all) && !filled.is_empty() {
        found.wrong(
            field,
            "`\"*\": \"*\"` selects all and cannot stand beside other keys",
        );
        return LabelRules::none();
    }
    LabelRules::with_templates(selector, filled).unwrap_or_else(|error| {
        found.wrong(field, error.to_string());
        LabelRules::none()
    })
}

fn mentions_template(value: &Value) -> bool {
    match value {
        Value::String(text) => Template::is_one(text),
        Value::Array(items) => items.iter().any(mentions_template),
        Value::Object(map) => map.values().any(mentions_template),
        _ => false,
    }
}

/// `^test|staging$` matches only these two words here, and in Teleport also `testing`: a denial would be narrower.
fn alternatives(field: &Field<'_>, value: &Value, found: &mut Findings) {
    match value {
        Value::String(text) if text.starts_with('^') && text.ends_with('$') => {
            let (mut depth, mut class, mut escaped) = (0_usize, false, false);
            let is_open = text.chars().any(|letter| {
                if escaped {
                    escaped = false;
                    return false;
                }
                match letter {
                    '\\' => escaped = true,
                    '[' => class = true,
                    ']' => class = false,
                    '(' if !class => depth += 1,
                    ')' if !class => depth = depth.saturating_sub(1),
                    '|' if !class && depth == 0 => return true,
                    _ => {}
                }
                false
            });
            if is_open {
                let message = format!("`{text}` could be meant in two ways");
                found.wrong_hint(
                    field,
                    message,
                    "put the alternatives in brackets: `^(a|b)$`",
                );
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| alternatives(field, item, found)),
        Value::Object(map) => map
            .values()
            .for_each(|item| alternatives(field, item, found)),
        _ => {}
    }
}
