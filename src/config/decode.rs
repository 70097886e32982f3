//! From the tree of values to typed values, past the first error.
//!
//! Where serde stops, the place is noted, left out, and the rest tried again, until it fits.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::{
    document::{Content, Document, HIDDEN, Node, child, is_private},
    problem::{Problem, meant, nearest},
};

/// The most problems that are reported of one file.
pub(super) const MAX_PROBLEMS: usize = 100;

/// What stands behind the last problem that is reported.
pub(super) const MORE: &str = "there are more problems than these";

/// The most values that are looked at while a file is decoded, counting each round anew.
const MAX_WORK: usize = 1_000_000;

/// What came of decoding beside the value.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// What was wrong.
    pub problems: Vec<Problem>,
    /// Places that are in the file but could not be used, and keys that a misspelt one probably stands for.
    pub places: BTreeSet<String>,
}

/// Decodes the document, without all that does not fit. `None` when too much does not.
pub(super) fn decode<T: DeserializeOwned>(
    document: &mut Document,
    damage: &mut Damage,
) -> Option<T> {
    // Each round takes time with the size of the file.
    let rounds = (MAX_WORK / document.nodes.max(1)).clamp(1, 2 * MAX_PROBLEMS);
    for _ in 0..rounds {
        let error = match serde_path_to_error::deserialize(document.root.value()) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let message = error.inner().to_string();
        let (path, steps) = locate(&document.root, error.path());
        let node = at(&mut document.root, &steps).filter(|node| !node.dropped)?;
        node.dropped = true;
        damage.places.insert(path.clone());
        if node.is_emptied() {
            // What is wrong with it follows from what was wrong in it.
            continue;
        }
        let problem = describe(&path, &message, damage).at(node.line);
        damage.problems.push(problem);
        if path.is_empty() {
            return None;
        }
    }
    damage.problems.push(Problem::error("", MORE));
    None
}

/// The place that an error is about: its path in the file, where dropped items of lists still count, and which
/// child to take at each step.
fn locate(root: &Node, path: &Path) -> (String, Vec<usize>) {
    let (mut node, mut shown, mut steps) = (root, String::new(), Vec::new());
    for segment in path.iter() {
        let next = match (segment, &node.content) {
            (Segment::Seq { index }, Content::List(items)) => items
                .iter()
                .enumerate()
                .filter(|(_, item)| !item.dropped)
                .nth(*index)
                .map(|(at, item)| (format!("{shown}[{at}]"), at, item)),
            (Segment::Map { key }, Content::Map(entries)) => entries
                .iter()
                .enumerate()
                .find(|(_, (known, _))| known == key)
                .map(|(at, (key, value))| (child(&shown, key), at, value)),
            _ => None,
        };
        let Some((path, at, next)) = next else {
            break;
        };
        steps.push(at);
        (node, shown) = (next, path);
    }
    (shown, steps)
}

fn at<'d>(root: &'d mut Node, steps: &[usize]) -> Option<&'d mut Node> {
    steps
        .iter()
        .try_fold(root, |node, step| match &mut node.content {
            Content::Scalar(_) => None,
            Content::List(items) => items.get_mut(*step),
            Content::Map(entries) => entries.get_mut(*step).map(|(_, node)| node),
        })
}

/// What serde says, in our words.
fn describe(path: &str, message: &str, damage: &mut Damage) -> Problem {
    if let Some((word, known)) = unknown_field(message) {
        if let Some(near) = nearest(word, known.iter().copied()) {
            let parent = path
                .strip_suffix(word)
                .or_else(|| path.strip_suffix(HIDDEN))
                .unwrap_or(path);
            damage.places.insert(format!("{parent}{near}"));
        }
        let problem = Problem::error(path, "unknown key");
        return if known.is_empty() {
            problem
        } else {
            problem.hint(meant(word, &known))
        };
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return Problem::error(path, format!("the key {key} is missing"));
    }
    for prefix in ["invalid type: ", "invalid value: ", "invalid length: "] {
        if let Some((found, expected)) = message
            .strip_prefix(prefix)
            .and_then(|rest| rest.rsplit_once(", expected "))
        {
            let (expected, found) = (plain(expected), plain(found));
            let told = if is_private(path) { kind(found) } else { found };
            let problem = Problem::error(path, format!("expected {expected}, found {told}"));
            let scalar = ["integer", "floating point", "boolean"];
            let is_number = found
                .strip_prefix("string \"")
                .and_then(|rest| rest.strip_suffix('"'))
                .is_some_and(|text| text.parse::<u64>().is_ok());
            return if expected == "a string" && scalar.iter().any(|what| found.starts_with(what)) {
                problem.hint("write it in quotes")
            } else if expected == NUMBER && is_number {
                problem.hint("write it without quotes")
            } else {
                problem
            };
        }
    }
    if is_private(path) {
        return Problem::error(path, "it is not what belongs here");
    }
    Problem::error(path, message)
}

/// What was found, without the value itself.
fn kind(found: &str) -> &'static str {
    const KINDS: [(&str, &str); 6] = [
        ("string", "a string"),
        ("integer", "an integer"),
        ("floating point", "a number"),
        ("boolean", "a boolean"),
        ("a map", "a map"),
        ("a list", "a list"),
    ];
    KINDS
        .iter()
        .find(|(begin, _)| found.starts_with(begin))
        .map_or("something else", |(_, kind)| kind)
}

/// `unknown field `a`, expected one of `b`, `c``: the word and the known ones.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    // The word is what somebody wrote, and may look like the rest of the sentence.
    let (word, rest) = rest
        .rsplit_once("`, expected ")
        .or_else(|| rest.rsplit_once("`, there are no fields"))
        .unwrap_or((rest.trim_end_matches('`'), ""));
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some((word, known))
}

const NUMBER: &str = "a whole number, 0 or more";

/// A type's name, as people say it.
pub(super) fn plain(name: &str) -> &str {
    match name {
        "u8" | "u16" | "u32" | "u64" | "usize" => NUMBER,
        "a sequence" | "sequence" => "a list",
        "map" => "a map",
        other if other.starts_with("struct ") => "a map",
        other => other,
    }
}
