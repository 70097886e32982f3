//! The file as a tree of values, each with its line.
//!
//! `muster-yaml` reads it. Here a value can be left out of the whole when it is wrong, and be found by its path.

mod read;

use serde_yaml::{Mapping, Value};

/// The most values a file may have, aliases expanded.
pub(super) const MAX_NODES: usize = 100_000;

/// A file that is YAML.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// The whole.
    pub root: Node,
    /// How many values it has.
    pub nodes: usize,
}

/// A value and where it is.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The line of the key that it belongs to, else its own first line; none where that cannot be known.
    pub line: Option<usize>,
    pub content: Content,
    /// It was wrong and is left out.
    pub dropped: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

// === impl Document ===

impl Document {
    /// The line of the nearest place to `path` that exists.
    pub fn line(&self, path: &str) -> Option<usize> {
        let mut line = None;
        self.walk(path, |node| line = node.line.or(line));
        line
    }

    /// The node at `path`.
    pub fn node(&self, path: &str) -> Option<&Node> {
        let mut last = None;
        self.walk(path, |node| last = Some(node))
            .then_some(last)
            .flatten()
    }

    /// The path of what became the item `index` of the list at `path`: items that were dropped count, and a
    /// single value that stands for a list is its own item.
    pub fn item(&self, path: &str, index: usize) -> String {
        match self.node(path).map(|node| &node.content) {
            Some(Content::List(items)) => {
                let original = items
                    .iter()
                    .enumerate()
                    .filter(|(_, node)| !node.dropped)
                    .nth(index)
                    .map_or(index, |(original, _)| original);
                format!("{path}[{original}]")
            }
            _ => path.to_owned(),
        }
    }

    /// The paths of all values that the file has and that were not dropped, without those of lists' items.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.root.paths(String::new(), &mut paths);
        paths
    }

    /// Visits the nodes from the root along `path`; whether it could be followed to its end.
    fn walk<'d>(&'d self, path: &str, mut visit: impl FnMut(&'d Node)) -> bool {
        let (mut node, mut rest) = (&self.root, path);
        loop {
            visit(node);
            if rest.is_empty() {
                return true;
            }
            let Some((next, after)) = node.step(rest) else {
                return false;
            };
            (node, rest) = (next, after);
        }
    }
}

// === impl Node ===

impl Node {
    /// The value, without what was dropped.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Sequence(
                items
                    .iter()
                    .filter(|node| !node.dropped)
                    .map(Self::value)
                    .collect(),
            ),
            Content::Map(entries) => Value::Mapping(
                entries
                    .iter()
                    .filter(|(_, node)| !node.dropped)
                    .map(|(key, node)| (Value::String(key.clone()), node.value()))
                    .collect::<Mapping>(),
            ),
        }
    }

    /// Whether it has children and all of them were dropped.
    pub fn is_emptied(&self) -> bool {
        match &self.content {
            Content::Scalar(_) => false,
            Content::List(items) => !items.is_empty() && items.iter().all(|node| node.dropped),
            Content::Map(entries) => {
                !entries.is_empty() && entries.iter().all(|(_, node)| node.dropped)
            }
        }
    }

    /// What it is, in words.
    pub fn what(&self) -> &'static str {
        match &self.content {
            Content::Scalar(Value::Null) => "nothing",
            Content::Scalar(Value::String(_)) => "a string",
            Content::Scalar(Value::Number(_)) => "a number",
            Content::Scalar(_) => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }

    /// The child at the beginning of `path`, and what is left of `path`. Keys may contain dots: the longest
    /// key that fits is it.
    fn step<'n, 'p>(&'n self, path: &'p str) -> Option<(&'n Self, &'p str)> {
        match &self.content {
            Content::Scalar(_) => None,
            Content::List(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, rest))
            }
            Content::Map(entries) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                entries
                    .iter()
                    .filter_map(|(key, node)| Some((key, node, path.strip_prefix(key.as_str())?)))
                    .filter(|(_, _, rest)| rest.is_empty() || rest.starts_with(['.', '[']))
                    .max_by_key(|(key, _, _)| key.len())
                    .map(|(_, node, rest)| (node, rest))
            }
        }
    }

    fn paths(&self, path: String, paths: &mut Vec<String>) {
        match &self.content {
            _ if self.dropped => {}
            Content::Map(entries) => {
                for (key, node) in entries {
                    node.paths(child(&path, key), paths);
                }
            }
            Content::List(items) => {
                for (index, node) in items.iter().enumerate() {
                    if matches!(node.content, Content::Map(_)) {
                        node.paths(format!("{path}[{index}]"), paths);
                    }
                }
                paths.push(path);
            }
            Content::Scalar(_) => paths.push(path),
        }
    }
}

/// The path of a key. Where a secret may stand, a key that is no plain word is left out: in place of it stands a `?`.
pub(super) fn child(path: &str, key: &str) -> String {
    let is_word = (1..=32).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let key = if is_word || !is_private(path) {
        key
    } else {
        HIDDEN
    };
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Whether what the file says at this place is not to be repeated to anybody: the address of a webhook is often a
/// secret, people write tokens where the name of a file belongs, and what is wrong with a configuration goes to logs.
pub(super) fn is_private(path: &str) -> bool {
    ["notify", "azure_endpoints"].iter().any(|section| {
        path.strip_prefix(section)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

/// Whether this is the place of what a plugin is told.
pub(super) fn is_settings(path: &str) -> bool {
    path.starts_with("rules") && path.ends_with(".plugin.settings")
}

/// What stands in a path for a key that is not shown.
pub(super) const HIDDEN: &str = "?";
