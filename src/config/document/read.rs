//! Text to [`Document`], and what is said of a text that is no YAML.

use muster_yaml::{MAX_BRACKETS, Settings, Twice, Wrong};
use serde_yaml::Value;

use super::{
    super::{decode::plain, problem::Problem},
    Content, Document, MAX_NODES, Node, child,
};

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
        let settings = Settings {
            most_values: MAX_NODES,
            child,
        };
        match muster_yaml::one(text, settings) {
            Ok(document) => {
                let duplicates = document.twice.iter().map(given_twice).collect();
                let read = Self {
                    nodes: document.values,
                    root: document.root.into(),
                };
                Ok((read, duplicates))
            }
            Err(Wrong::Brackets { line }) => {
                let message = format!("more than {MAX_BRACKETS} brackets are open at once");
                Err(Problem::error("", message).at(Some(line)))
            }
            Err(Wrong::Syntax { line, message, .. }) => Err(syntax(line, &message, text)),
        }
    }
}

impl From<muster_yaml::Node<Value>> for Node {
    fn from(node: muster_yaml::Node<Value>) -> Self {
        let content = match node.content {
            muster_yaml::Content::Scalar(value) => Content::Scalar(value),
            muster_yaml::Content::List(items) => {
                Content::List(items.into_iter().map(Self::from).collect())
            }
            muster_yaml::Content::Map(entries) => Content::Map(
                entries
                    .into_iter()
                    .map(|(key, node)| (key, Self::from(node)))
                    .collect(),
            ),
        };
        Self {
            line: node.line,
            content,
            dropped: false,
        }
    }
}

fn given_twice(twice: &Twice) -> Problem {
    Problem::error(&twice.path, "this key is given twice")
        .at(Some(twice.line))
        .hint(format!("first in line {}; keep one", twice.first))
}

fn syntax(line: usize, message: &str, text: &str) -> Problem {
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
