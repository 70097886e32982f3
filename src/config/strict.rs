//! Other files that people write, read as the configuration is: strictly, and with all problems at once, by line.

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::{
    decode::{Damage, MAX_PROBLEMS, MORE, decode},
    document::{Content, Document},
    problem::Problem,
};

/// A file of YAML, or of JSON, which is YAML too.
#[derive(Clone, Debug)]
pub(crate) struct Strict(Document);

impl Strict {
    /// Reads a text. Keys that are given twice are problems beside it; the first counts.
    ///
    /// # Errors
    /// When it is no YAML, or so large that a person cannot have written it.
    pub fn read(text: &str) -> Result<(Self, Vec<Problem>), Problem> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Document::read(text).map(|(document, problems)| (Self(document), problems))
    }

    /// Whether the whole is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.0.root.content, Content::List(_))
    }

    /// How many items the list at a path has; none where there is no list.
    pub fn items(&self, path: &str) -> usize {
        match self.0.node(path).map(|node| &node.content) {
            Some(Content::List(items)) => items.len(),
            _ => 0,
        }
    }

    /// Decodes the whole. What does not fit is a problem and is left out, until the rest fits.
    pub fn decode<T: DeserializeOwned>(&self, problems: &mut Vec<Problem>) -> Option<T> {
        let mut damage = Damage::default();
        let decoded = decode(&mut self.0.clone(), &mut damage);
        // A key whose value was wrong is not missing.
        let Damage {
            problems: found,
            places,
        } = damage;
        problems.extend(found.into_iter().filter(|problem| {
            let missing = problem.message.strip_prefix("the key `");
            let key = missing.and_then(|rest| rest.strip_suffix("` is missing"));
            key.is_none_or(|key| !places.contains(&format!("{}.{key}", problem.path)))
        }));
        decoded
    }

    /// The value at a path such as `cases[1].expect`.
    pub fn value(&self, path: &str) -> Option<Value> {
        self.0.node(path).map(|node| node.value())
    }

    /// The line of the nearest place to a path that there is, from 1.
    pub fn line(&self, path: &str) -> Option<usize> {
        self.0.line(path)
    }

    /// Something that is wrong at a path.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        Problem::error(path, message).at(self.line(path))
    }
}

/// In the order of lines, and no more of them than anybody reads.
pub(crate) fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| (problem.message == MORE, problem.line));
    if problems.len() > MAX_PROBLEMS {
        problems.truncate(MAX_PROBLEMS);
        problems.push(Problem::error("", MORE));
    }
    problems
}
