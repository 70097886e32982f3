//! Writing YAML that a person reads: short lists on one line, quotes only where they are needed.

use serde_yaml::Value;

/// Writes a tree in block style. `note` gives the comment of a line by the path of its value.
pub(super) fn write(value: &Value, note: &dyn Fn(&str) -> Option<String>) -> String {
    let mut writer = Writer {
        out: String::new(),
        note,
    };
    writer.children(value, "", 0);
    writer.out
}

/// A text as a YAML scalar, quoted where it would otherwise be something else.
pub(super) fn scalar(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_./:@+-=%".contains(letter);
    let begins_plain =
        text.starts_with(|letter: char| letter.is_ascii_alphanumeric() || "_./".contains(letter));
    // What other readers of YAML take for a number, a time or a day.
    let is_number = || {
        let letters = |allowed: &str| {
            text.chars()
                .all(|letter| letter.is_ascii_digit() || allowed.contains(letter))
        };
        letters("_.:+eExo") || (text.len() <= 10 && letters("-"))
    };
    let reads_back = || {
        serde_yaml::from_str::<Value>(text).is_ok_and(|value| value.as_str() == Some(text))
            // A word of YAML 1.1, which other tools still read otherwise.
            && !["y", "n", "yes", "no", "on", "off"].contains(&text.to_lowercase().as_str())
    };
    if begins_plain
        && text.chars().all(is_plain)
        && !text.ends_with(':')
        && !is_number()
        && reads_back()
    {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        let is_printable = matches!(letter, ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fdff}' | '\u{fe10}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..);
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if is_printable => quoted.push(letter),
            _ => quoted.push_str(&format!("\\U{:08X}", u32::from(letter))),
        }
    }
    quoted.push('"');
    quoted
}

/// Texts as a list on one line.
pub(super) fn list<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items
        .into_iter()
        .map(|item| scalar(item.as_ref()))
        .collect();
    format!("[{}]", items.join(", "))
}

struct Writer<'n> {
    out: String,
    note: &'n dyn Fn(&str) -> Option<String>,
}

impl Writer<'_> {
    /// The entries of a map or a list, each on lines of its own.
    fn children(&mut self, value: &Value, path: &str, indent: usize) {
        match value {
            Value::Mapping(map) => {
                for (key, value) in map {
                    let key = key.as_str().unwrap_or_default();
                    let path = super::document::child(path, key);
                    self.out.push_str(&" ".repeat(indent));
                    self.entry(key, value, &path, indent);
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.out.push_str(&" ".repeat(indent));
                    self.out.push_str("- ");
                    self.item(item, &path, indent + 2);
                }
            }
            _ => {}
        }
    }

    /// `key: value`, behind an indentation that is there already.
    fn entry(&mut self, key: &str, value: &Value, path: &str, indent: usize) {
        self.out.push_str(&scalar(key));
        self.out.push(':');
        match inline(value) {
            Some(text) => {
                self.out.push(' ');
                self.line(&text, path);
            }
            None => {
                self.out.push('\n');
                self.children(value, path, indent + 2);
            }
        }
    }

    /// What stands behind a `- `.
    fn item(&mut self, item: &Value, path: &str, indent: usize) {
        let Value::Mapping(map) = item else {
            return self.line(&inline(item).unwrap_or_default(), path);
        };
        for (index, (key, value)) in map.iter().enumerate() {
            if index > 0 {
                self.out.push_str(&" ".repeat(indent));
            }
            let key = key.as_str().unwrap_or_default();
            self.entry(key, value, &super::document::child(path, key), indent);
        }
    }

    fn line(&mut self, text: &str, path: &str) {
        self.out.push_str(text);
        if let Some(note) = (self.note)(path) {
            self.out.push_str(&format!("  # {note}"));
        }
        self.out.push('\n');
    }
}

/// A value that fits on one line: a scalar, an empty map, or a list of scalars.
pub(super) fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(text) => Some(scalar(text)),
        Value::Mapping(map) => map.is_empty().then(|| "{}".to_owned()),
        Value::Sequence(items) => {
            let items: Option<Vec<String>> = items
                .iter()
                .map(|item| {
                    if item.is_mapping() || item.is_sequence() {
                        None
                    } else {
                        inline(item)
                    }
                })
                .collect();
            items.map(|items| format!("[{}]", items.join(", ")))
        }
        Value::Tagged(tagged) => inline(&tagged.value),
    }
}
