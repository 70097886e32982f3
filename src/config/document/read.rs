//! Text to [`Document`]: one pass over `serde_yaml`, and what it says of a text that is no YAML.

use std::{cell::Cell, collections::HashMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_yaml::Value;

use super::{
    super::{decode::plain, problem::Problem},
    Content, Document, MAX_NODES, Node, child,
};

/// The deepest nesting of brackets that is handed to the YAML parser; it takes time in the square of it.
const MAX_BRACKETS: usize = 256;

impl Document {
    /// Reads a text; what is wrong with it as YAML is one problem, unless it is only keys that are given twice.
    pub fn read(text: &str) -> Result<(Self, Vec<Problem>), Problem> {
        if let Some((line, byte)) = control_character(text) {
            return Err(
                Problem::error("", format!("control character {byte:#04x} in the file"))
                    .at(Some(line))
                    .hint("a configuration is plain UTF-8 text"),
            );
        }
        if let Some(line) = too_many_brackets(text) {
            let message = format!("more than {MAX_BRACKETS} brackets are open at once");
            return Err(Problem::error("", message).at(Some(line)));
        }
        let reader = Reader {
            nodes: Cell::new(0),
            duplicates: Cell::new(Vec::new()),
        };
        match (Seed {
            reader: &reader,
            path: String::new(),
        })
        .deserialize(serde_yaml::Deserializer::from_str(text))
        {
            Ok(root) => Ok((
                Self {
                    root,
                    nodes: reader.nodes.get(),
                },
                reader.duplicates.into_inner(),
            )),
            Err(error) => Err(syntax(&error, text)),
        }
    }
}

struct Reader {
    nodes: Cell<usize>,
    duplicates: Cell<Vec<Problem>>,
}

struct Seed<'r> {
    reader: &'r Reader,
    path: String,
}

impl Seed<'_> {
    fn duplicate(&self, key: &str, line: usize, first: usize) {
        let mut all = self.reader.duplicates.take();
        all.push(
            Problem::error(child(&self.path, key), "this key is given twice")
                .at(Some(line))
                .hint(format!("first in line {first}; keep one")),
        );
        self.reader.duplicates.set(all);
    }
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
        match deserializer.deserialize_any(NodeVisitor {
            seed: self,
            scalar: &scalar,
        }) {
            Ok(node) => Ok(node),
            Err(error) => match scalar.take() {
                Some(value) => {
                    let line = Some(line_of(&error));
                    Ok(Node {
                        line,
                        content: Content::Scalar(value),
                        dropped: false,
                    })
                }
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
        let line = items.first().and_then(|node| node.line);
        Ok(Node {
            line,
            content: Content::List(items),
            dropped: false,
        })
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
                self.seed.duplicate(&key, line, *first);
            } else {
                lines.insert(key.clone(), line);
                entries.push((key, node));
            }
        }
        Ok(Node {
            line: first_line,
            content: Content::Map(entries),
            dropped: false,
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
            Some(other) => {
                let text = serde_yaml::to_string(&other).unwrap_or_default();
                Ok((text.trim_end().to_owned(), line_of(&error)))
            }
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

fn syntax(error: &serde_yaml::Error, text: &str) -> Problem {
    let shown = error.to_string();
    // A parser error may name two places: what broke, then in which context.
    let message = place(&shown).map_or(shown.as_str(), |(_, before)| before);
    let message = place(message).map_or(message, |(_, before)| before);
    let line = error.location().map_or(1, |location| location.line());
    let problem =
        |message: &str| Problem::error("", format!("not valid YAML: {message}")).at(Some(line));
    let is_tab = text
        .lines()
        .nth(line.saturating_sub(1))
        .is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'));
    if message.contains("more than one document") {
        let starts = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.starts_with("---"));
        let second = starts.map(|(index, _)| index + 1).find(|start| *start > 1);
        return Problem::error("", "the file has more than one YAML document")
            .at(second)
            .hint("remove this line and what follows it");
    }
    if let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.split_once(", expected a word"))
    {
        return problem(&format!(
            "expected a word{expected}, found {}",
            plain(found)
        ));
    }
    if is_tab {
        return problem(message).hint("indent with spaces: YAML knows no tabs");
    }
    if message.contains("expected a plain value without a YAML tag") {
        return problem("tags (`!…`) have no meaning here").hint("write the value without the tag");
    }
    if message.contains("repetition limit") || message.contains("recursion limit") {
        return problem(message).hint("nest less, and use fewer aliases");
    }
    if message.contains("more than") && message.contains("values") {
        return Problem::error("", message)
            .at(Some(line))
            .hint("aliases count each time they are used");
    }
    problem(message)
}

fn control_character(text: &str) -> Option<(usize, u8)> {
    text.lines().enumerate().find_map(|(index, line)| {
        let bad = line
            .bytes()
            .find(|byte| (*byte < 0x20 && !b"\t\r".contains(byte)) || *byte == 0x7f);
        bad.map(|byte| (index + 1, byte))
    })
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
