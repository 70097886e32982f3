//! What the commands about records share: names, files, and the policy that the records make.

use std::{
    fs,
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use muster_access::{DbRecord, MAX_FILE, Policy, Problem, Record, parse_records};
use serde_json::Value;

use super::{Failure, context::now};
use crate::{
    authority::{Document, Kind},
    report::escape::shown,
};

/// `KIND/NAME` on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub kind: Kind,
    pub name: String,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text
            .split_once('/')
            .ok_or_else(|| format!("`{text}` is not KIND/NAME, as in role/dev"))?;
        if name.is_empty() {
            return Err(format!("`{text}` has no name behind the `/`"));
        }
        Ok(Self {
            kind: kind.parse()?,
            name: name.to_owned(),
        })
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// A file of records as it was read.
pub(super) struct Source {
    /// As it is called in messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Reads files, directories of files (`*.yaml`, `*.yml`, `*.json`, in the order of their names), and `-`.
///
/// # Errors
/// When one cannot be read, is too large, or is no text.
pub(super) fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let text = bounded(io::stdin().lock())
                .map_err(|error| cannot_read("standard input", &error))?;
            let name = "standard input".to_owned();
            sources.push(Source { name, text });
        } else if path.is_dir() {
            let inside =
                inside(path).map_err(|error| cannot_read(&path.display().to_string(), &error))?;
            if inside.is_empty() {
                return Err(Failure::new(format!(
                    "there is no file of records in {}",
                    path.display()
                ))
                .hint("files are looked for that end in .yaml, .yml or .json"));
            }
            for path in inside {
                sources.push(file(&path)?);
            }
        } else {
            sources.push(file(path)?);
        }
    }
    Ok(sources)
}

fn file(path: &Path) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let text = fs::File::open(path)
        .and_then(bounded)
        .map_err(|error| cannot_read(&name, &error))?;
    Ok(Source { name, text })
}

fn inside(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_one = path
            .extension()
            .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if is_one && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn bounded(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    let most = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
    from.take(most + 1).read_to_string(&mut text)?;
    if text.len() > MAX_FILE {
        return Err(io::Error::other(format!(
            "it has more than {MAX_FILE} bytes"
        )));
    }
    Ok(text)
}

fn cannot_read(name: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot read {name}")).cause(error)
}

/// Everything that stands in the files. What is wrong or odd is told on standard error, all of it.
///
/// # Errors
/// When something is wrong: then nothing of it may be used.
pub(super) fn read(sources: &[Source]) -> Result<Vec<Record>, Failure> {
    let mut records: Vec<(Record, &str)> = Vec::new();
    let mut wrong = 0_usize;
    let mut told = anstream::stderr().lock();
    for source in sources {
        let (read, problems) = parse_records(&source.text, now());
        for problem in &problems {
            wrong += usize::from(problem.is_error());
            tell(&mut told, &source.name, problem);
        }
        for record in read {
            let same = |(other, _): &&(Record, &str)| {
                other.kind() == record.kind() && other.name() == record.name()
            };
            if let Some((_, first)) = records.iter().find(same) {
                wrong += 1;
                let line = format!(
                    "{}: {}/{}: this record is also in {first}",
                    source.name,
                    record.kind(),
                    record.name()
                );
                let _ = writeln!(told, "error: {}", shown(&line));
            } else {
                records.push((record, &source.name));
            }
        }
    }
    match wrong {
        0 => Ok(records.into_iter().map(|(record, _)| record).collect()),
        1 => Err(Failure::new(
            "a record cannot be used, so nothing was written",
        )),
        many => Err(Failure::new(format!(
            "{many} things are wrong, so nothing was written"
        ))),
    }
}

fn tell(out: &mut impl io::Write, source: &str, problem: &Problem) {
    let word = if problem.is_error() {
        "error"
    } else {
        "warning"
    };
    // There is nobody left to tell when standard error is gone.
    let _ = writeln!(out, "{word}: {}", shown(&format!("{source}: {problem}")));
}

/// A record's body as YAML.
pub(super) fn yaml(body: &Value) -> Result<String, Failure> {
    serde_yaml::to_string(body)
        .map_err(|error| Failure::new("cannot write the record as YAML").cause(&error))
}

/// The policy that these records make, and the databases that people wrote down.
///
/// # Errors
/// When a record that is kept cannot be understood: deciding without it could allow more.
pub(super) fn policy(documents: &[Document]) -> Result<(Policy, Vec<DbRecord>), Failure> {
    let (mut policy, mut databases) = (Policy::new(), Vec::new());
    for document in documents {
        if document.kind == Kind::CertAuthority {
            continue;
        }
        let (record, _) = Record::from_value(&document.body, now()).map_err(|problems| {
            let mut failure = Failure::new(format!(
                "cannot understand {}/{} as it is kept",
                document.kind, document.name
            ));
            for problem in problems.iter().filter(|problem| problem.is_error()) {
                failure = failure.because(problem.to_string());
            }
            failure.hint(format!(
                "`muster edit {}/{}` changes it",
                document.kind, document.name
            ))
        })?;
        match record {
            Record::Role(role) => policy = policy.with_role(role),
            Record::User(user) => policy = policy.with_user(user),
            Record::Lock(lock) => policy = policy.with_lock(lock),
            Record::Db(db) => databases.push(db),
            Record::Token(_) => {}
        }
    }
    Ok((policy, databases))
}
