//! Reading maps strictly: each value with its place, every key known, all problems collected.

use std::time::Duration;

use muster_model::Timestamp;
use serde_json::Value;

use super::{
    problem::Problem,
    span,
    tree::{Content, Node, child, what},
};

/// The longest text that a record may hold in one value, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// What is said of a field that restricts something.
pub(super) const NOT_FOLLOWED: &str =
    "muster does not follow this, and leaving it out could allow more";

/// A map that is being read, with its place.
pub(super) struct Fields<'n> {
    pub path: String,
    pub line: Option<usize>,
    entries: &'n [(String, Node)],
    taken: Vec<&'n str>,
    /// Keys that were asked for: what a misspelt key may have meant.
    asked: Vec<&'static str>,
}

/// One value of a map, with its place.
pub(super) struct Field<'n> {
    pub path: String,
    pub node: &'n Node,
}

/// What was found out while reading.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub problems: Vec<Problem>,
}

impl Findings {
    pub fn tell(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Something that is wrong at a field.
    pub fn wrong(&mut self, field: &Field<'_>, message: impl Into<String>) {
        self.tell(Problem::error(&field.path, message).at(field.node.line));
    }

    pub fn wrong_hint(&mut self, field: &Field<'_>, message: impl Into<String>, hint: &str) {
        let problem = Problem::error(&field.path, message).at(field.node.line);
        self.tell(problem.hint(hint));
    }

    pub fn odd(&mut self, field: &Field<'_>, message: impl Into<String>) {
        self.tell(Problem::warning(&field.path, message).at(field.node.line));
    }
}

impl<'n> Fields<'n> {
    /// The map that the node is; none, and a problem, when it is something else. Nothing counts as an empty map.
    pub fn of(node: &'n Node, path: impl Into<String>, found: &mut Findings) -> Option<Self> {
        let path = path.into();
        let entries: &[(String, Node)] = match &node.content {
            Content::Map(entries) => entries,
            Content::Scalar(Value::Null) => &[],
            _ => {
                let message = format!("expected a map, found {}", what(node));
                found.tell(Problem::error(path, message).at(node.line));
                return None;
            }
        };
        Some(Self {
            path,
            line: node.line,
            entries,
            taken: Vec::new(),
            asked: Vec::new(),
        })
    }

    /// The value of a key, unless it is left out or null.
    pub fn get(&mut self, key: &'static str) -> Option<Field<'n>> {
        self.asked.push(key);
        let (name, node) = self.entries.iter().find(|(name, _)| name == key)?;
        self.taken.push(name);
        (!node.is_null()).then(|| Field {
            path: child(&self.path, key),
            node,
        })
    }

    /// Whether the key is written, also with nothing behind it.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name == key)
    }

    /// The map of a key.
    pub fn map(&mut self, key: &'static str, found: &mut Findings) -> Option<Fields<'n>> {
        let field = self.get(key)?;
        Fields::of(field.node, field.path, found)
    }

    pub fn text(&mut self, key: &'static str, found: &mut Findings) -> Option<String> {
        self.get(key)?.text(found)
    }

    /// A text that has to be there.
    pub fn needed(&mut self, key: &'static str, found: &mut Findings) -> Option<String> {
        let field = self.get(key);
        if field.is_none() {
            let message = format!("the key `{key}` is missing");
            found.tell(Problem::error(&self.path, message).at(self.line));
        }
        field?.text(found).filter(|text| {
            if text.is_empty() {
                let path = child(&self.path, key);
                found.tell(Problem::error(path, "it is empty").at(self.line));
            }
            !text.is_empty()
        })
    }

    pub fn bool(&mut self, key: &'static str, found: &mut Findings) -> Option<bool> {
        self.get(key)?.bool(found)
    }

    pub fn texts(&mut self, key: &'static str, found: &mut Findings) -> Vec<(String, Field<'n>)> {
        self.get(key)
            .map(|field| field.texts(found))
            .unwrap_or_default()
    }

    /// A time; the zero time of Go counts as none.
    pub fn time(&mut self, key: &'static str, found: &mut Findings) -> Option<Timestamp> {
        let field = self.get(key)?;
        let text = field.text(found)?;
        if text.starts_with("0001-01-01") {
            return None;
        }
        let time = text.parse().ok();
        if time.is_none() {
            found.wrong_hint(
                &field,
                format!("`{text}` is not a time"),
                "write it as 2030-01-31T12:00:00Z",
            );
        }
        time
    }

    /// A span of time; zero counts as none.
    pub fn span(&mut self, key: &'static str, found: &mut Findings) -> Option<Duration> {
        self.span_unless(key, "", found)
    }

    /// The same, where a word also says that there is none.
    pub fn span_unless(
        &mut self,
        key: &'static str,
        none: &str,
        found: &mut Findings,
    ) -> Option<Duration> {
        let field = self.get(key)?;
        let text = field.text(found)?;
        if !none.is_empty() && *text == *none {
            return None;
        }
        let span = span::parse(&text);
        if span.is_none() {
            found.wrong_hint(
                &field,
                format!("`{text}` is not a span of time"),
                "write it as 8h, 30m or 1h30m",
            );
        }
        span.filter(|span| !span.is_zero())
    }

    /// All entries, with their places: for maps whose keys are free.
    pub fn all(&mut self) -> impl Iterator<Item = (&'n str, Field<'n>)> + use<'n> {
        self.taken = self.entries.iter().map(|(key, _)| key.as_str()).collect();
        let path = self.path.clone();
        self.entries.iter().map(move |(key, node)| {
            let field = Field {
                path: child(&path, key),
                node,
            };
            (key.as_str(), field)
        })
    }

    /// Takes the keys that mean nothing here: one warning for all that are there and say something.
    pub fn ignore(&mut self, keys: &[&'static str], why: &str, found: &mut Findings) {
        let mut there = Vec::new();
        for (key, node) in self.entries {
            if keys.contains(&key.as_str()) {
                self.taken.push(key);
                if !says_nothing(&node.value()) {
                    there.push(format!("`{key}`"));
                }
            }
        }
        self.asked.extend_from_slice(keys);
        if !there.is_empty() {
            let verb = if there.len() == 1 { "is" } else { "are" };
            let message = format!("{} {verb} left out: {why}", there.join(", "));
            found.tell(Problem::warning(&self.path, message).at(self.line));
        }
    }

    /// Takes keys without a word.
    pub fn skip(&mut self, keys: &[&'static str]) {
        self.asked.extend_from_slice(keys);
        let known = self.entries.iter().map(|(key, _)| key.as_str());
        self.taken.extend(known.filter(|key| keys.contains(key)));
    }

    /// Keys that muster does not follow, and must not leave out: an error where they say something.
    pub fn refuse(&mut self, keys: &[(&'static str, &str)], what: &str, found: &mut Findings) {
        for (key, why) in keys {
            if let Some(field) = self.get(key)
                && !says_nothing(&field.node.value())
            {
                found.wrong_hint(&field, what, why);
            }
        }
    }

    /// The line of a key, where there is one.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        let (_, node) = self.entries.iter().find(|(name, _)| name == key)?;
        node.line
    }

    /// Every key that nobody took is unknown.
    pub fn finish(self, found: &mut Findings) {
        for (key, node) in self.entries {
            if self.taken.contains(&key.as_str()) {
                continue;
            }
            let mut problem = Problem::error(child(&self.path, key), "unknown key").at(node.line);
            if let Some(near) = nearest(key, &self.asked) {
                problem = problem.hint(format!("did you mean `{near}`?"));
            }
            found.tell(problem);
        }
    }
}

impl<'n> Field<'n> {
    pub fn text(&self, found: &mut Findings) -> Option<String> {
        let Some(text) = self.node.text() else {
            let message = format!("expected a string, found {}", what(self.node));
            match &self.node.content {
                Content::Scalar(value) if !value.is_null() => {
                    found.wrong_hint(self, message, "write it in quotes");
                }
                _ => found.wrong(self, message),
            }
            return None;
        };
        if text.len() > MAX_TEXT {
            found.wrong(self, format!("it has more than {MAX_TEXT} bytes"));
            return None;
        }
        Some(text.to_owned())
    }

    /// `true` or `false`, also as the words that Teleport writes.
    pub fn bool(&self, found: &mut Findings) -> Option<bool> {
        match &self.node.content {
            Content::Scalar(Value::Bool(value)) => return Some(*value),
            Content::Scalar(Value::String(text)) => match text.as_str() {
                "true" | "yes" | "on" => return Some(true),
                "false" | "no" | "off" => return Some(false),
                _ => {}
            },
            _ => {}
        }
        found.wrong(
            self,
            format!("expected true or false, found {}", what(self.node)),
        );
        None
    }

    /// A whole number, 1 or more; 0 counts as none.
    pub fn count(&self, found: &mut Findings) -> Option<u32> {
        let Content::Scalar(Value::Number(number)) = &self.node.content else {
            found.wrong(
                self,
                format!("expected a whole number, found {}", what(self.node)),
            );
            return None;
        };
        let count = number
            .as_u64()
            .and_then(|number| u32::try_from(number).ok());
        if count.is_none() {
            found.wrong(self, format!("`{number}` is not a number of this kind"));
        }
        count.filter(|count| *count > 0)
    }

    /// A list of texts; one text stands for a list of it.
    pub fn texts(&self, found: &mut Findings) -> Vec<(String, Field<'n>)> {
        self.items()
            .into_iter()
            .filter_map(|item| Some((item.text(found)?, item)))
            .collect()
    }

    /// The items of a list; anything else is its own only item.
    pub fn items(&self) -> Vec<Field<'n>> {
        match &self.node.content {
            Content::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| Field {
                    path: format!("{}[{index}]", self.path),
                    node,
                })
                .collect(),
            _ => vec![Field {
                path: self.path.clone(),
                node: self.node,
            }],
        }
    }
}

/// Whether a value is what an empty field looks like in Teleport's own output.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => ["", "off", "optional", "no"].contains(&text.as_str()),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(says_nothing),
        Value::Bool(true) => false,
    }
}

/// The known word that is most like this one, if one is like it.
pub(super) fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .min()
        .map(|(_, known)| known)
}
