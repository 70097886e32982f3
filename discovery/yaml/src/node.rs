//! A value and where it is.

use serde_json::Value;

/// A value and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<S> {
    /// The line of the key that it belongs to, else its own first line, from 1; none where that cannot be known.
    pub line: Option<usize>,
    /// The value.
    pub content: Content<S>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<S> {
    /// Without parts.
    Scalar(S),
    /// A sequence.
    List(Vec<Node<S>>),
    /// A mapping, in the order of the text; each key once. Keys that are no words are as YAML writes them.
    Map(Vec<(String, Node<S>)>),
}

impl Node<Value> {
    /// A value that comes from elsewhere than a text: without lines.
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
}
