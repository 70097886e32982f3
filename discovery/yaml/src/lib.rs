//! YAML as trees of values, each with its line: for whoever has to say where a file is wrong.
//!
//! `serde_yaml` tells lines only in its errors. So every scalar is read by a visitor that keeps the value and then fails
//! on purpose: the error says where it was. One pass reads the whole tree, finds keys that are given twice, and bounds
//! what anchors can multiply. What a value means, and in which words people are told of it, is the caller's.

mod node;
mod read;

pub use node::{Content, Node};
pub use read::{all, one};

/// The most brackets that may be open at once: the YAML parser takes time in the square of it.
pub const MAX_BRACKETS: usize = 256;

/// How a text is read.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most values that the text may have, over all of its documents, aliases expanded.
    pub most_values: usize,
    /// The path of a key in the map at a path; the empty path is the document's.
    pub child: fn(&str, &str) -> String,
}

/// A value that has no parts.
pub trait Scalar: From<bool> + From<i64> + From<u64> + From<f64> + for<'t> From<&'t str> {
    /// What stands there when nothing does.
    fn nothing() -> Self;
}

/// What a text is as YAML.
#[derive(Clone, Debug)]
pub struct Read<S> {
    /// In their order, up to the one that is wrong.
    pub documents: Vec<Document<S>>,
    /// Where and why it is not YAML.
    pub wrong: Option<Wrong>,
}

/// A document.
#[derive(Clone, Debug)]
pub struct Document<S> {
    /// The whole.
    pub root: Node<S>,
    /// How many values it has.
    pub values: usize,
    /// Keys that are given more than once.
    pub twice: Vec<Twice>,
}

/// A key that stands in its map already. What is behind it here is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twice {
    /// Its path.
    pub path: String,
    /// Its line, from 1.
    pub line: usize,
    /// The line where it stands first.
    pub first: usize,
}

/// Why a text is not read further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// More than [`MAX_BRACKETS`] are open at once, first in this line. None of the text was read.
    Brackets {
        /// From 1.
        line: usize,
    },
    /// It is not YAML, or more than is read.
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong, without the place.
        message: String,
        /// Keys of the same document that are given more than once, as far as it was read.
        twice: Vec<Twice>,
    },
}

impl Scalar for serde_json::Value {
    fn nothing() -> Self {
        Self::Null
    }
}

impl Scalar for serde_yaml::Value {
    fn nothing() -> Self {
        Self::Null
    }
}
