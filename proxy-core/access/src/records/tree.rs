//! A file as trees of values, each with its line; one tree a YAML document.
//!
//! `serde_yaml` tells lines only in its errors. So every scalar is read by a visitor that keeps the value and then fails
//! on purpose: the error says where it was.

use std::{cell::Cell, collections::HashMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::problem::Problem;

/// The most bytes that a file may have.
pub const MAX_FILE: usize = 8 << 20;

/// The most values that a file may have, aliases expanded.
const MAX_NODES: usize = 400_000;

/// The most brackets that may be open at once: the YAML parser takes time in the square of it.
const MAX_BRACKETS: usize = 256;

/// A value and where it is.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The line of the key that it belongs to, else its own first line.
    pub line: Option<usize>,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// The documents of a file, each with what is wrong with it as YAML, and what is wrong with the file.
pub(super) fn read(text: &str) -> (Vec<(Node, Vec<Problem>)>, Vec<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_FILE {
        let message = format!("the file has more than {MAX_FILE} bytes");
        return (Vec::new(), vec![Problem::error("", message)]);
    }
    if let Some(line) = too_many_brackets(text) {
        let message = format!("more than {MAX_BRACKETS} brackets are open at once");
        return (Vec::new(), vec![Problem::error("", message).at(Some(line))]);
    }
    let reader = Reader {
        nodes: Cell::new(0),
        problems: Cell::new(Vec::new()),
    };
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    for document in serde_yaml::Deserializer::from_str(text) {
        let seed = Seed {
            reader: &reader,
            path: String::new(),
        };
        match seed.deserialize(document) {
            Ok(node) if node.is_null() => {}
            Ok(node) => documents.push((node, reader.problems.take())),
            Err(error) => {
                problems.extend(reader.problems.take());
                problems.push(syntax(&error));
                break;
            }
        }
    }
    (documents, problems)
}

impl Node {
    /// A value that comes from elsewhere than a file.
    pub fn of(value: &Value) -> Self {
        let content = match value {
            Value::Array(items) => Content::List(items.iter().map(Self::of).collect()),
            Value::Object(map) => Content::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), Self::of(value)))
                    .collect(),
            ),
            scalar => Content::Scalar(scalar.clone()),
        };
        Self {
            line: None,
            content,
        }
    }

    /// The value alone.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::value).collect(),
            Content::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.clone(), node.value()))
                    .collect(),
            ),
        }
    }

    /// Whether nothing stands there.
    pub fn is_null(&self) -> bool {
        matches!(self.content, Content::Scalar(Value::Null))
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// What it is, in words.
    pub fn what(&self) -> String {
        match &self.content {
            Content::Scalar(Value::Null) => "nothing".to_owned(),
            Content::Scalar(Value::String(text)) => {
                let start: String = text.chars().take(40).collect();
                format!("`{start}`")
            }
            Content::Scalar(value) => format!("`{value}`"),
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a map".to_owned(),
        }
    }
}

/// The path of a key.
pub(super) fn child(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

struct Reader {
    nodes: Cell<usize>,
    problems: Cell<Vec<Problem>>,
}

impl Reader {
    fn tell(&self, problem: Problem) {
        let mut all = self.problems.take();
        all.push(problem);
        self.problems.set(all);
    }
}

struct Seed<'r> {
    reader: &'r Reader,
    path: String,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let count = self.reader.nodes.get() + 1;
        self.reader.nodes.set(count);
        if count > MAX_NODES {
            return Err(D::Error::custom(format!(
                "the file has more than {MAX_NODES} values"
            )));
        }
        let scalar = Cell::new(None);
        let visitor = NodeVisitor {
            seed: self,
            scalar: &scalar,
        };
        match deserializer.deserialize_any(visitor) {
            Ok(node) => Ok(node),
            Err(error) => match scalar.take() {
                Some(value) => Ok(Node {
                    line: Some(line_of(&error)),
                    content: Content::Scalar(value),
                }),
                None => Err(error),
            },
        }
    }
}

struct NodeVisitor<'r, 'c> {
    seed: Seed<'r>,
    scalar: &'c Cell<Option<Value>>,
}

/// Keeps a scalar and fails, so that the error tells the line.
macro_rules! scalars {
    ($($visit:ident: $type:ty),+) => {
        $(fn $visit<E: Error>(self, value: $type) -> Result<Self::Value, E> {
            self.scalar.set(Some(Value::from(value)));
            Err(E::custom(""))
        })+
    };
}

impl<'de> Visitor<'de> for NodeVisitor<'_, '_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value without a YAML tag (`!…`)")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.scalar.set(Some(Value::Null));
        Err(E::custom(""))
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        let Seed { reader, path } = &self.seed;
        while let Some(node) = seq.next_element_seed(Seed {
            reader,
            path: format!("{path}[{}]", items.len()),
        })? {
            items.push(node);
        }
        let line = items.first().and_then(|node: &Node| node.line);
        let content = Content::List(items);
        Ok(Node { line, content })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut first_line = None;
        let Seed { reader, path } = &self.seed;
        while let Some((key, line)) = map.next_key_seed(KeySeed)? {
            first_line = first_line.or(Some(line));
            let mut node = map.next_value_seed(Seed {
                reader,
                path: child(path, &key),
            })?;
            node.line = Some(line);
            if let Some(first) = lines.get(&key) {
                let problem = Problem::error(child(path, &key), "this key is given twice");
                reader.tell(
                    problem
                        .at(Some(line))
                        .hint(format!("first in line {first}; keep one")),
                );
            } else {
                lines.insert(key.clone(), line);
                entries.push((key, node));
            }
        }
        Ok(Node {
            line: first_line,
            content: Content::Map(entries),
        })
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = (String, usize);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let key = Cell::new(None);
        let Err(error) = deserializer.deserialize_any(KeyVisitor { scalar: &key });
        match key.take() {
            Some(Value::String(key)) => Ok((key, line_of(&error))),
            Some(other) => Ok((other.to_string(), line_of(&error))),
            None => Err(error),
        }
    }
}

struct KeyVisitor<'c> {
    scalar: &'c Cell<Option<Value>>,
}

impl Visitor<'_> for KeyVisitor<'_> {
    type Value = std::convert::Infallible;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word as the key")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.visit_str("null")
    }
}

/// The line that an error of `serde_yaml` names at its end. It leaves out the very beginning of the file.
fn line_of(error: &impl fmt::Display) -> usize {
    place(&error.to_string()).map_or(1, |(line, _)| line)
}

/// The line and what stands before it, of `… at line 3 column 5`.
fn place(text: &str) -> Option<(usize, &str)> {
    let (message, place) = text.rsplit_once(" at line ")?;
    let (line, _) = place.split_once(" column ")?;
    Some((line.parse().ok()?, message))
}

fn syntax(error: &serde_yaml::Error) -> Problem {
    let shown = error.to_string();
    let mut message = shown.as_str();
    while let Some((_, before)) = place(message) {
        message = before;
    }
    let line = error.location().map_or(1, |location| location.line());
    Problem::error("", format!("not valid YAML: {message}")).at(Some(line))
}

/// The line where too many flow brackets are open at once. Quotes are not looked at: no honest file has so many
/// brackets that never close, in quotes or not.
fn too_many_brackets(text: &str) -> Option<usize> {
    let (mut open, mut line) = (0_usize, 1);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            b'\n' => line += 1,
            _ => {}
        }
        if open > MAX_BRACKETS {
            return Some(line);
        }
    }
    None
}
