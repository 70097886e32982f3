//! The file of cases, read strictly: all that is wrong with it at once, by line.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::IgnoredAny};

use super::{
    super::{
        database::{Sample, Wrong},
        input,
    },
    expect::Expected,
};
use crate::{
    cli::Failure,
    config::{
        Problem,
        check::Located,
        strict::{Strict, sorted},
    },
    plugins::file,
};

/// The largest file of cases that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;
/// What is said of a file without any.
const NONE: &str = "there are no cases";

/// All cases of a file.
pub(super) struct Cases {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its values.
    pub document: Strict,
    /// They.
    pub all: Vec<Case>,
}

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    /// What it is called.
    pub name: String,
    /// Where it is: `cases[3]`.
    pub path: String,
    /// The line where it begins.
    pub line: Option<usize>,
    /// The plugin's settings, as JSON.
    pub settings: String,
    /// What is judged.
    pub sample: Sample,
    /// What is to come of it; none is allowed only where it is about to be written.
    pub expected: Option<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(default, rename = "settings")]
    _settings: Option<IgnoredAny>,
    cases: Vec<CaseFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    name: String,
    #[serde(default, rename = "settings")]
    _settings: Option<IgnoredAny>,
    #[serde(default)]
    database: Option<IgnoredAny>,
    #[serde(default)]
    file: Option<PathBuf>,
    #[serde(default)]
    expect: Option<Expected>,
}

impl Cases {
    /// Reads a file of cases. `complete`: each must say what it expects.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(path: &Path, complete: bool) -> Result<Self, Failure> {
        let what = format!("cannot use the tests {}", path.display());
        let (bytes, _) = file::read(path, MAX_FILE).map_err(|error| {
            let failure = Failure::new(&what).cause(&error);
            match error {
                file::ReadError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    failure
                        .hint("docs/plugins.md says what is in one; `muster plugin new` writes one")
                }
                _ => failure,
            }
        })?;
        let text = input::utf8(bytes).map_err(|failure| failure.within(&what))?;
        Self::parse(path, text, complete).map_err(|problems| {
            problems
                .iter()
                .fold(Failure::new(&what), |failure, problem| {
                    let located = Located {
                        file: path,
                        problem,
                    };
                    failure.because(located.to_string())
                })
                .hint("docs/plugins.md says what a case is")
        })
    }

    /// The same of a text. Files that cases name are beside `path`.
    pub(super) fn parse(path: &Path, text: String, complete: bool) -> Result<Self, Vec<Problem>> {
        let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let (document, mut problems) = Strict::read(&text).map_err(|problem| vec![problem])?;
        if text.lines().all(is_blank) {
            return Err(vec![document.problem("", NONE)]);
        }
        let list = if document.is_list() { "" } else { "cases" };
        let files = match list {
            "" => document.decode(&mut problems),
            _ => document
                .decode(&mut problems)
                .map(|whole: Whole| whole.cases),
        };
        let mut reader = Reader {
            document: &document,
            folder: path.parent().unwrap_or(Path::new("")),
            problems,
            names: BTreeSet::new(),
        };
        let general = reader
            .settings("settings")
            .unwrap_or_else(|| "null".to_owned());
        let given = (0..document.items(list))
            .map(|place| reader.given(format!("{list}[{place}]"), &general))
            .collect::<Vec<_>>();
        let files: Vec<CaseFile> = files.unwrap_or_default();
        let mut all = Vec::new();
        // As long as nothing was left out, they go together.
        if reader.problems.is_empty() {
            for (given, file) in given.into_iter().zip(files) {
                all.extend(reader.case(given, file, complete));
            }
            if all.is_empty() && reader.problems.is_empty() {
                reader.problems.push(document.problem(list, NONE));
            }
        }
        match reader.problems {
            problems if problems.is_empty() => Ok(Self {
                path: path.to_owned(),
                text,
                document,
                all,
            }),
            problems => Err(sorted(problems)),
        }
    }
}

struct Reader<'a> {
    document: &'a Strict,
    folder: &'a Path,
    problems: Vec<Problem>,
    names: BTreeSet<String>,
}

/// What a case is about.
struct Given {
    path: String,
    settings: String,
    sample: Option<Sample>,
}

impl Reader<'_> {
    /// Settings at a place, as JSON.
    fn settings(&mut self, path: &str) -> Option<String> {
        let value = self.document.value(path)?;
        match input::json(&value) {
            Ok(json) => Some(json.to_string()),
            Err(why) => {
                self.problems.push(self.document.problem(path, why));
                None
            }
        }
    }

    /// Settings and database of a case.
    fn given(&mut self, path: String, general: &str) -> Given {
        let settings = self.settings(&format!("{path}.settings"));
        let at = format!("{path}.database");
        let sample = self.document.value(&at).and_then(|value| {
            let read = input::json(&value)
                .map_err(|message| Wrong {
                    path: String::new(),
                    message,
                })
                .and_then(|json| Sample::read(&json));
            read.map_err(|wrong| {
                let wrong = wrong.at(at);
                self.problems
                    .push(self.document.problem(&wrong.path, wrong.message));
            })
            .ok()
        });
        Given {
            path,
            settings: settings.unwrap_or_else(|| general.to_owned()),
            sample,
        }
    }

    fn case(&mut self, given: Given, file: CaseFile, complete: bool) -> Option<Case> {
        let Given {
            path,
            settings,
            sample,
        } = given;
        let mut wrong = |key: &str, message: String| {
            let at = if key.is_empty() {
                path.clone()
            } else {
                format!("{path}.{key}")
            };
            self.problems.push(self.document.problem(&at, message));
        };
        if file.name.trim().is_empty() {
            wrong("name", "it is empty".to_owned());
        }
        if !self.names.insert(file.name.clone()) {
            wrong(
                "name",
                format!("`{}` is the name of another case too", file.name),
            );
        }
        if complete && file.expect.is_none() {
            wrong(
                "",
                "the key `expect` is missing (`--update` writes it)".to_owned(),
            );
        }
        let sample = match (file.file, file.database) {
            (Some(_), Some(_)) => {
                wrong("file", "it has a `database` as well: keep one".to_owned());
                None
            }
            (None, None) => {
                wrong("", "it needs a `database`, or a `file` with one".to_owned());
                None
            }
            (None, Some(_)) => sample,
            (Some(name), None) => {
                let samples = input::databases(&self.folder.join(name));
                match samples.map(<[Sample; 1]>::try_from) {
                    Ok(Ok([sample])) => Some(sample),
                    Ok(Err(several)) => {
                        wrong(
                            "file",
                            format!("it has {} databases, and one is judged", several.len()),
                        );
                        None
                    }
                    Err(failure) => {
                        wrong("file", failure.in_one_line());
                        None
                    }
                }
            }
        };
        Some(Case {
            name: file.name,
            line: self.document.line(&path),
            path,
            settings,
            sample: sample?,
            expected: file.expect,
        })
    }
}
