//! [`Tape`]: recorded answers, and how they are read from files.
//!
//! A tape is a set of named files, from a directory or embedded in the program. `*.yaml` files hold exchanges, one a
//! YAML document; every other file is a body that an exchange names. The format is described in `fixtures/cloud`.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

use super::Request;

/// Recorded answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tape {
    exchanges: Vec<Exchange>,
}

/// A call and the answers that it gets, one after the other; the last one repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The file it was read from; with `#2` and so on for the further documents of one file.
    pub name: String,
    /// What it is there for.
    pub about: String,
    /// Which calls it answers.
    pub request: Request,
    /// The answers.
    pub answers: Vec<Answer>,
}

/// One recorded answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Further headers. Without a content type, one that fits the body is sent.
    pub headers: BTreeMap<String, String>,
    /// The body. `{{URL}}` in it stands for the replayer's own address.
    pub body: Bytes,
    /// What goes wrong while it is sent.
    pub fault: Option<Fault>,
}

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is cut after so many bytes of a body that was announced whole.
    TruncateAfter(usize),
    /// The connection is closed without an answer.
    Close,
    /// No answer comes, and the connection stays open until the replayer stops.
    Hang,
}

/// Everything that is wrong with the files of a tape.
#[derive(Debug, thiserror::Error)]
pub struct TapeError {
    /// What is wrong, file by file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

// === impl Tape ===

impl Tape {
    /// Reads every file under a directory.
    ///
    /// # Errors
    /// Every file that cannot be read or understood.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, TapeError> {
        Self::from_dirs([dir])
    }

    /// Reads every file under several directories. Where two have a file of the same name, the later one counts: so
    /// a second directory holds only what differs.
    ///
    /// # Errors
    /// Every file that cannot be read or understood.
    pub fn from_dirs<P: AsRef<Path>>(dirs: impl IntoIterator<Item = P>) -> Result<Self, TapeError> {
        let mut files = BTreeMap::new();
        let mut problems = Vec::new();
        for dir in dirs {
            read_dir(dir.as_ref(), "", 0, &mut files, &mut problems);
        }
        Self::parse(&files, problems)
    }

    /// Takes files that are already in memory, as names (with `/`) and bytes. Of two files of the same name the later
    /// one counts.
    ///
    /// # Errors
    /// Every file that cannot be understood.
    pub fn from_files<N: Into<String>, B: Into<Bytes>>(
        files: impl IntoIterator<Item = (N, B)>,
    ) -> Result<Self, TapeError> {
        let files = files
            .into_iter()
            .map(|(name, bytes)| (name.into(), bytes.into()))
            .collect();
        Self::parse(&files, Vec::new())
    }

    /// Adds an exchange that was made by a program.
    pub fn push(&mut self, exchange: Exchange) {
        self.exchanges.push(exchange);
    }

    /// The exchanges, by name.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    fn parse(
        files: &BTreeMap<String, Bytes>,
        mut problems: Vec<Problem>,
    ) -> Result<Self, TapeError> {
        let mut tape = Self::default();
        for (file, bytes) in files.iter().filter(|(file, _)| is_exchange(file)) {
            let mut number = 0_usize;
            for document in serde_yaml::Deserializer::from_slice(bytes) {
                number += 1;
                let written = match Written::deserialize(document) {
                    Ok(written) => written,
                    Err(error) => {
                        problems.push(Problem::new(file, error));
                        break;
                    }
                };
                let name = if number == 1 {
                    file.clone()
                } else {
                    format!("{file}#{number}")
                };
                tape.take(file, name, written, files, &mut problems);
            }
        }
        if problems.is_empty() {
            Ok(tape)
        } else {
            Err(TapeError { problems })
        }
    }

    fn take(
        &mut self,
        file: &str,
        name: String,
        written: Written,
        files: &BTreeMap<String, Bytes>,
        problems: &mut Vec<Problem>,
    ) {
        let mut wrong =
            |message: String| problems.push(Problem::new(file, format!("{message} ({name})")));
        if written.request.weight() == 0 {
            wrong("the request asks for nothing: give at least one field".to_owned());
        }
        if written.responses.is_empty() {
            wrong("there is no response".to_owned());
        }
        if let Some(twin) = self
            .exchanges
            .iter()
            .find(|other| other.request == written.request)
        {
            wrong(format!(
                "the request is the same as in {}, so it would never be answered",
                twin.name
            ));
        }
        let mut answers = Vec::with_capacity(written.responses.len());
        for response in written.responses {
            match response.answer(file, files) {
                Ok(answer) => answers.push(answer),
                Err(message) => wrong(message),
            }
        }
        self.exchanges.push(Exchange {
            name,
            about: written.about,
            request: written.request,
            answers,
        });
    }
}

// === impl Answer ===

impl Answer {
    /// An answer with status 200.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            headers: BTreeMap::new(),
            body: body.into(),
            fault: None,
        }
    }
}

// === impl Problem ===

impl Problem {
    fn new(file: &str, message: impl fmt::Display) -> Self {
        Self {
            file: file.to_owned(),
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

// === impl TapeError ===

impl fmt::Display for TapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the recorded answers")?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// An exchange as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    about: String,
    request: Request,
    responses: Vec<WrittenResponse>,
}

/// A response as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenResponse {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_file: Option<String>,
    fault: Option<WrittenFault>,
}

/// `close`, `hang`, or `{ truncate-after: BYTES }`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected `close`, `hang` or `truncate-after: BYTES`"
)]
enum WrittenFault {
    Word(FaultWord),
    Truncate {
        #[serde(rename = "truncate-after")]
        after: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FaultWord {
    Close,
    Hang,
}

// === impl WrittenResponse ===

impl WrittenResponse {
    fn answer(self, file: &str, files: &BTreeMap<String, Bytes>) -> Result<Answer, String> {
        let body = match (self.body, self.body_file) {
            (Some(_), Some(_)) => {
                return Err("a response has `body` or `body_file`, not both".to_owned());
            }
            (Some(body), None) => Bytes::from(body),
            (None, Some(name)) => {
                let path = beside(file, &name);
                let bytes = files
                    .get(&path)
                    .ok_or_else(|| format!("there is no body file `{path}`"))?;
                bytes.clone()
            }
            (None, None) => Bytes::new(),
        };
        let status = self.status.unwrap_or(200);
        StatusCode::from_u16(status).map_err(|_| format!("{status} is not an HTTP status"))?;
        for (name, value) in &self.headers {
            HeaderName::try_from(name)
                .map_err(|_| format!("`{name}` is not the name of a header"))?;
            HeaderValue::try_from(value)
                .map_err(|_| format!("the value of header `{name}` is not valid"))?;
        }
        let fault = self.fault.map(|fault| match fault {
            WrittenFault::Word(FaultWord::Close) => Fault::Close,
            WrittenFault::Word(FaultWord::Hang) => Fault::Hang,
            WrittenFault::Truncate { after } => Fault::TruncateAfter(after),
        });
        if let Some(Fault::TruncateAfter(after)) = fault
            && after >= body.len()
        {
            return Err(format!(
                "truncate-after is {after}, but the body has only {} bytes",
                body.len()
            ));
        }
        Ok(Answer {
            status,
            headers: self.headers,
            body,
            fault,
        })
    }
}

/// Reads the files below a directory into `files`, under names relative to the first one.
fn read_dir(
    dir: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, Bytes>,
    problems: &mut Vec<Problem>,
) {
    let shown = if prefix.is_empty() {
        dir.display().to_string()
    } else {
        prefix.to_owned()
    };
    if depth > MAX_DEPTH {
        return problems.push(Problem::new(
            &shown,
            format!("more than {MAX_DEPTH} directories deep"),
        ));
    }
    let entries = fs::read_dir(dir).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            return problems.push(Problem::new(
                &shown,
                format!("cannot read the directory: {error}"),
            ));
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let name = match prefix {
            "" => name.to_string_lossy().into_owned(),
            prefix => format!("{prefix}/{}", name.to_string_lossy()),
        };
        if path.is_dir() {
            read_dir(&path, &name, depth + 1, files, problems);
            continue;
        }
        match entry.metadata().map(|metadata| metadata.len()) {
            Ok(length) if length > MAX_FILE => {
                problems.push(Problem::new(&name, format!("larger than {MAX_FILE} bytes")));
            }
            _ => match fs::read(&path) {
                Ok(bytes) => drop(files.insert(name, bytes.into())),
                Err(error) => problems.push(Problem::new(
                    &name,
                    format!("cannot read the file: {error}"),
                )),
            },
        }
    }
}

/// The name of a file that is named relative to another one's directory.
fn beside(file: &str, name: &str) -> String {
    match file.rsplit_once('/') {
        Some((dir, _)) => format!("{dir}/{name}"),
        None => name.to_owned(),
    }
}

fn is_exchange(file: &str) -> bool {
    file.ends_with(".yaml")
}

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// How deep directories may nest.
const MAX_DEPTH: usize = 8;
