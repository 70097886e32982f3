//! Records as people write them: files of YAML, one document a record, in the form that Teleport's files have.
//!
//! All problems of a file are found in one run, each with its path and line. What is not understood is an error, never
//! left out in silence: what a role leaves out could be what restricts it.

mod db;
mod fields;
mod lock;
mod meta;
mod problem;
mod role;
mod span;
mod target;
mod token;
mod tree;
mod user;

use std::collections::HashMap;

use muster_model::Timestamp;
use serde_json::Value;

pub use self::{
    db::{Aws, Azure, DbRecord, TlsMode},
    problem::{Problem, Severity},
    target::{Written, export},
    tree::MAX_FILE,
};
use self::{
    fields::{Fields, Findings, nearest},
    tree::Node,
};
use crate::{lock::Lock, role::Role, token::Token, user::User};

/// The most problems that are told of one file.
const MAX_PROBLEMS: usize = 200;

/// The kinds of records that can be written.
const KINDS: &[&str] = &["role", "user", "db", "token", "lock"];

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// `kind: role`
    Role(Role),
    /// `kind: user`
    User(User),
    /// `kind: db`
    Db(DbRecord),
    /// `kind: token`
    Token(Token),
    /// `kind: lock`
    Lock(Lock),
}

/// Reads a file of records: those that can be used, and everything that is wrong or odd, by line.
///
/// A record with an error is not among the first. `now` is what a lock's `ttl` counts from.
pub fn parse_records(text: &str, now: Timestamp) -> (Vec<Record>, Vec<Problem>) {
    let (documents, mut problems) = tree::read(text);
    let mut records = Vec::new();
    let mut lines: HashMap<(&'static str, String), Option<usize>> = HashMap::new();
    if documents.is_empty() && problems.is_empty() {
        problems.push(Problem::error("", "there is no record in it"));
    }
    for (document, wrong) in documents {
        let (record, found) = read(&document, wrong, now);
        problems.extend(found);
        let Some(record) = record else {
            continue;
        };
        let key = (record.kind(), record.name().to_owned());
        if let Some(first) = lines.get(&key) {
            let mut problem = Problem::error("metadata.name", "this record is in the file twice")
                .at(document.line);
            problem.record = record.shown();
            if let Some(first) = first {
                problem = problem.hint(format!("first in line {first}; keep one"));
            }
            problems.push(problem);
            continue;
        }
        lines.insert(key, document.line);
        records.push(record);
    }
    problems.sort_by_key(|problem| problem.line);
    if problems.len() > MAX_PROBLEMS {
        problems.truncate(MAX_PROBLEMS);
        problems.push(Problem::error("", "there are more problems than these"));
    }
    (records, problems)
}

impl Record {
    /// Reads a record from its tree: the record and what is odd about it.
    ///
    /// # Errors
    /// Everything that is wrong with it, and what is odd.
    pub fn from_value(value: &Value, now: Timestamp) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        match read(&Node::of(value), Vec::new(), now) {
            (Some(record), problems) => Ok((record, problems)),
            (None, problems) => Err(problems),
        }
    }

    /// As a tree: `kind`, `version`, `metadata`, `spec`. What is read from it is the same record.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Role(role) => role::write(role),
            Self::User(user) => user::write(user),
            Self::Db(db) => db::write(db),
            Self::Token(token) => token::write(token),
            Self::Lock(lock) => lock::write(lock),
        }
    }

    /// As a YAML document, without the line that begins one.
    pub fn to_yaml(&self) -> String {
        // A tree of strings, numbers, lists and maps with text keys: there is nothing in it that YAML has not.
        serde_yaml::to_string(&self.to_value()).unwrap_or_default()
    }

    /// The word for its kind: `role`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Role(_) => "role",
            Self::User(_) => "user",
            Self::Db(_) => "db",
            Self::Token(_) => "token",
            Self::Lock(_) => "lock",
        }
    }

    /// Its name, unique in its kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Role(role) => &role.name,
            Self::User(user) => &user.name,
            Self::Db(db) => &db.name,
            Self::Token(token) => &token.name,
            Self::Lock(lock) => &lock.name,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Token(token) => format!("token/{}", token.shown()),
            other => format!("{}/{}", other.kind(), other.name()),
        }
    }
}

/// The record of one document, unless something is wrong with it.
fn read(document: &Node, problems: Vec<Problem>, now: Timestamp) -> (Option<Record>, Vec<Problem>) {
    let mut found = Findings { problems };
    let record = read_record(document, now, &mut found);
    let mut problems = found.problems;
    let shown = match &record {
        Some(record) => record.shown(),
        None => name_of(document),
    };
    for problem in &mut problems {
        problem.record.clone_from(&shown);
    }
    let is_good = !problems.iter().any(Problem::is_error);
    (record.filter(|_| is_good), problems)
}

fn read_record(document: &Node, now: Timestamp, found: &mut Findings) -> Option<Record> {
    let mut root = Fields::of(document, "", found)?;
    let kind = root.needed("kind", found)?;
    let version = root.get("version");
    if !KINDS.contains(&kind.as_str()) {
        let problem = match kind.as_str() {
            "cert_authority" => Problem::error(
                "kind",
                "certificate authorities are made by muster, and cannot be written",
            )
            .hint("`muster auth rotate` exchanges one"),
            other => {
                let problem = Problem::error(
                    "kind",
                    format!(
                        "muster has no records of kind `{other}` (known: {})",
                        KINDS.join(", ")
                    ),
                );
                match nearest(other, KINDS) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem,
                }
            }
        };
        found.tell(problem.at(document.line));
        return None;
    }
    let head = meta::read(&mut root, found);
    // What is wrong behind a name that is wrong is told all the same.
    let is_named = head.is_some();
    let (name, meta) = head.unwrap_or_default();
    if !root.has("spec") {
        found.tell(Problem::error("spec", "the key `spec` is missing").at(document.line));
    }
    if kind != "role" {
        check_version(&kind, version.as_ref(), found);
    }
    let version = version.filter(|_| kind == "role");
    let record = match kind.as_str() {
        "role" => role::read(name, meta, version, &mut root, found).map(Record::Role),
        "user" => user::read(name, meta, &mut root, found).map(Record::User),
        "db" => db::read(name, meta, &mut root, found).map(Record::Db),
        "token" => token::read(name, meta, &mut root, now, found).map(Record::Token),
        _ => lock::read(name, meta, &mut root, now, found).map(Record::Lock),
    };
    root.skip(&["spec", "status", "sub_kind"]);
    root.finish(found);
    record.filter(|_| is_named)
}

/// The version of a record that is no role: there is one of each kind, and it may be left out.
fn check_version(kind: &str, version: Option<&fields::Field<'_>>, found: &mut Findings) {
    let known = if kind == "db" { "v3" } else { "v2" };
    if let Some(field) = version
        && let Some(text) = field.text(found)
        && text != known
    {
        found.wrong(
            field,
            format!("version `{text}` of `kind: {kind}` is not known (known: {known})"),
        );
    }
}

/// `role/dev`, as far as it can be told from a document that could not be read.
fn name_of(document: &Node) -> String {
    let value = document.value();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let Some(kind) = text(value.get("kind")) else {
        return String::new();
    };
    match text(value.get("metadata").and_then(|meta| meta.get("name"))) {
        // It may be a secret.
        Some(_) if kind == "token" => kind,
        Some(name) => format!("{kind}/{name}"),
        None => kind,
    }
}
