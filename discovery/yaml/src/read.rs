//! Text to trees: one pass over `serde_yaml`.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::{Content, Document, MAX_BRACKETS, Node, Read, Scalar, Settings, Twice, Wrong};

/// Reads all documents of a text, up to the first that is wrong.
pub fn all<S: Scalar>(text: &str, settings: Settings) -> Read<S> {
    let mut read = Read {
        documents: Vec::new(),
        wrong: None,
    };
    if let Some(line) = too_many_brackets(text) {
        read.wrong = Some(Wrong::Brackets { line });
        return read;
    }
    let reader = Reader::new(settings);
    for document in serde_yaml::Deserializer::from_str(text) {
        match reader.document(document) {
            Ok(document) => read.documents.push(document),
            Err(wrong) => {
                read.wrong = Some(wrong);
                break;
            }
        }
    }
    read
}

/// Reads a text that is one document.
///
/// # Errors
/// When it is not YAML, has more than one document, or more in it than is read.
pub fn one<S: Scalar>(text: &str, settings: Settings) -> Result<Document<S>, Wrong> {
    match too_many_brackets(text) {
        Some(line) => Err(Wrong::Brackets { line }),
        None => Reader::new(settings).document(serde_yaml::Deserializer::from_str(text)),
    }
}

struct Reader {
    settings: Settings,
    values: Cell<usize>,
    twice: RefCell<Vec<Twice>>,
}

impl Reader {
    const fn new(settings: Settings) -> Self {
        Self {
            settings,
            values: Cell::new(0),
            twice: RefCell::new(Vec::new()),
        }
    }

    fn document<S: Scalar>(
        &self,
        document: serde_yaml::Deserializer<'_>,
    ) -> Result<Document<S>, Wrong> {
        let before = self.values.get();
        let seed = Seed {
            reader: self,
            path: String::new(),
            scalar: Cell::new(None),
        };
        let root = seed.deserialize(document);
        let twice = self.twice.take();
        match root {
            Ok(root) => Ok(Document {
                root,
                values: self.values.get() - before,
                twice,
            }),
            Err(error) => Err(syntax(&error, twice)),
        }
    }
}

struct Seed<'r, S> {
    reader: &'r Reader,
    path: String,
    /// A scalar that was read, while its error tells the line.
    scalar: Cell<Option<S>>,
}

impl<'r, S> Seed<'r, S> {
    fn below(&self, path: String) -> Seed<'r, S> {
        Seed {
            reader: self.reader,
            path,
            scalar: Cell::new(None),
        }
    }

    fn child(&self, key: &str) -> String {
        (self.reader.settings.child)(&self.path, key)
    }
}

impl<'de, S: Scalar> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = Node<S>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<S>, D::Error> {
        let count = self.reader.values.get() + 1;
        self.reader.values.set(count);
        let most = self.reader.settings.most_values;
        if count > most {
            return Err(D::Error::custom(format!(
                "the file has more than {most} values"
            )));
        }
        match deserializer.deserialize_any(&self) {
            Ok(node) => Ok(node),
            Err(error) => match self.scalar.take() {
                Some(value) => Ok(Node {
                    line: Some(line_of(&error)),
                    content: Content::Scalar(value),
                }),
                None => Err(error),
            },
        }
    }
}

impl<'de, S: Scalar> Visitor<'de> for &Seed<'_, S> {
    type Value = Node<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value without a YAML tag (`!…`)")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node<S>, E> {
        self.keep(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node<S>, E> {
        self.keep(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node<S>, E> {
        self.keep(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node<S>, E> {
        self.keep(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node<S>, E> {
        self.keep(value)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node<S>, E> {
        self.keep(value.to_string().as_str())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node<S>, E> {
        self.keep(value.to_string().as_str())
    }

    fn visit_unit<E: Error>(self) -> Result<Node<S>, E> {
        self.keep(S::nothing())
    }

    fn visit_none<E: Error>(self) -> Result<Node<S>, E> {
        self.keep(S::nothing())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node<S>, A::Error> {
        let mut items = Vec::new();
        while let Some(node) =
            seq.next_element_seed(self.below(format!("{}[{}]", self.path, items.len())))?
        {
            items.push(node);
        }
        let line = items.first().and_then(|node: &Node<S>| node.line);
        let content = Content::List(items);
        Ok(Node { line, content })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<S>, A::Error> {
        let mut entries: Vec<(String, Node<S>)> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut first_line = None;
        while let Some((key, line)) = map.next_key_seed(KeySeed)? {
            first_line = first_line.or(Some(line));
            let mut node = map.next_value_seed(self.below(self.child(&key)))?;
            node.line = Some(line);
            if let Some(first) = lines.get(&key) {
                self.reader.twice.borrow_mut().push(Twice {
                    path: self.child(&key),
                    line,
                    first: *first,
                });
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

impl<S: Scalar> Seed<'_, S> {
    /// Keeps a scalar and fails, so that the error tells the line.
    fn keep<E: Error>(&self, value: impl Into<S>) -> Result<Node<S>, E> {
        self.scalar.set(Some(value.into()));
        Err(E::custom(""))
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = (String, usize);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let key = Cell::new(None);
        let Err(error) = deserializer.deserialize_any(KeyVisitor { key: &key });
        match key.take() {
            Some(key) => Ok((key, line_of(&error))),
            None => Err(error),
        }
    }
}

struct KeyVisitor<'k> {
    key: &'k Cell<Option<String>>,
}

impl KeyVisitor<'_> {
    /// Keeps the key and fails, so that the error tells the line.
    fn keep<E: Error>(&self, key: String) -> Result<std::convert::Infallible, E> {
        self.key.set(Some(key));
        Err(E::custom(""))
    }
}

impl Visitor<'_> for KeyVisitor<'_> {
    type Value = std::convert::Infallible;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word as the key")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.keep(value.to_owned())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.keep(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.keep(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.keep(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        let written = serde_yaml::to_string(&value).unwrap_or_default();
        self.keep(written.trim_end().to_owned())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.keep("null".to_owned())
    }
}

/// The line that an error of `serde_yaml` names at its end. It leaves out the very beginning of the text.
fn line_of(error: &impl fmt::Display) -> usize {
    place(&error.to_string()).map_or(1, |(line, _)| line)
}

/// The line and what stands before it, of `… at line 3 column 5`.
fn place(text: &str) -> Option<(usize, &str)> {
    let (message, place) = text.rsplit_once(" at line ")?;
    let (line, _) = place.split_once(" column ")?;
    Some((line.parse().ok()?, message))
}

fn syntax(error: &serde_yaml::Error, twice: Vec<Twice>) -> Wrong {
    let shown = error.to_string();
    // It may name two places: what broke, then in which context.
    let mut message = shown.as_str();
    while let Some((_, before)) = place(message) {
        message = before;
    }
    Wrong::Syntax {
        line: error.location().map_or(1, |location| location.line()),
        message: message.to_owned(),
        twice,
    }
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
