//! What is wrong with a configuration, as data, and the words that it might have meant.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One thing that is wrong, or that looks as if it were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the file: `sources.aws[1].regions[0]`; empty for the file itself.
    pub path: String,
    /// The line of the file, from 1; none when there is no such place.
    pub line: Option<usize>,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Whether the configuration can be used all the same.
    pub warning: bool,
}

/// A configuration that cannot be used. Its text has one line for each problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file; `configuration` for a text that came from nowhere.
    pub path: PathBuf,
    /// Everything that is wrong with it, by line. Warnings are among them; at least one is none.
    pub problems: Vec<Problem>,
}

/// A problem with the file it is in, as one line: `muster.yaml:12: sources.aws[0].region: unknown key (did you
/// mean `regions`?)`.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    /// The file.
    pub file: &'a Path,
    /// The problem.
    pub problem: &'a Problem,
}

// === impl Problem ===

impl Problem {
    pub(crate) fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: None,
            message: message.into(),
            hint: None,
            warning: false,
        }
    }

    pub(super) fn at(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        if self.warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Problem {
    /// The same without the word `warning`, for where only warnings are shown.
    pub fn plain(&self) -> String {
        Self {
            warning: false,
            ..self.clone()
        }
        .to_string()
    }
}

// === impl ConfigError ===

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            Located {
                file: &self.path,
                problem,
            }
            .fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.problem.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

// === words ===

/// The word of `known` that somebody who wrote `word` is likely to have meant.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            let far = strsim::damerau_levenshtein(&word, candidate);
            let close = far <= 1 + candidate.chars().count() / 5
                || strsim::jaro_winkler(&word, candidate) >= 0.9;
            (far, close, candidate)
        })
        .filter(|(_, close, _)| *close)
        .min_by_key(|(far, _, _)| *far)
        .map(|(_, _, candidate)| candidate)
}

/// A hint for a word that is none of `known`: the one that was meant, or all of them.
pub(super) fn meant(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("one of: {}", known.join(", ")),
    }
}
