//! A file as trees of values, each with its line; one tree a YAML document.

use muster_yaml::{MAX_BRACKETS, Settings, Twice, Wrong};
use serde_json::Value;

use super::problem::Problem;

/// The most bytes that a file may have.
pub const MAX_FILE: usize = 8 << 20;

/// The most values that a file may have, aliases expanded.
const MAX_NODES: usize = 400_000;

/// A value and where it is.
pub(super) type Node = muster_yaml::Node<Value>;

pub(super) type Content = muster_yaml::Content<Value>;

/// The documents of a file, each with what is wrong with it as YAML, and what is wrong with the file.
pub(super) fn read(text: &str) -> (Vec<(Node, Vec<Problem>)>, Vec<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_FILE {
        let message = format!("the file has more than {MAX_FILE} bytes");
        return (Vec::new(), vec![Problem::error("", message)]);
    }
    let settings = Settings {
        most_values: MAX_NODES,
        child,
    };
    let read = muster_yaml::all(text, settings);
    let documents = read.documents.into_iter();
    let documents = documents
        .filter(|document| !document.root.is_null())
        .map(|document| {
            let problems = document.twice.into_iter().map(given_twice).collect();
            (document.root, problems)
        })
        .collect();
    (documents, read.wrong.map_or_else(Vec::new, problems))
}

fn problems(wrong: Wrong) -> Vec<Problem> {
    match wrong {
        Wrong::Brackets { line } => {
            let message = format!("more than {MAX_BRACKETS} brackets are open at once");
            vec![Problem::error("", message).at(Some(line))]
        }
        Wrong::Syntax {
            line,
            message,
            twice,
        } => {
            let syntax = Problem::error("", format!("not valid YAML: {message}")).at(Some(line));
            twice.into_iter().map(given_twice).chain([syntax]).collect()
        }
    }
}

fn given_twice(twice: Twice) -> Problem {
    Problem::error(twice.path, "this key is given twice")
        .at(Some(twice.line))
        .hint(format!("first in line {}; keep one", twice.first))
}

/// What a value is, in words.
pub(super) fn what(node: &Node) -> String {
    match &node.content {
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

/// The path of a key.
pub(super) fn child(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
