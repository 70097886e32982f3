//! Records as files say them: what is checked before one is kept, and how one is found again.

use muster_access::{Policy, Record};
use muster_model::Timestamp;
use serde_json::Value;

use super::{
    command::{Document, Kind},
    journal::{Id, Op, Records, Stored},
    settings::OpenError,
};
use crate::service::handle::{Refused, RefusedKind};

/// The most bytes of one record.
const MAX_RECORD: usize = 1 << 20;

/// A record that may be kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checked {
    pub kind: Kind,
    pub name: String,
    pub record: Record,
    pub body: Value,
    pub warnings: Vec<String>,
}

/// Looks whether a file is a record that may be kept.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn check(body: &Value, now: Timestamp) -> Result<Checked, Refused> {
    let wrong = || invalid("the record cannot be kept");
    if body.get("kind").and_then(Value::as_str) == Some(Kind::CertAuthority.as_str()) {
        return Err(wrong()
            .because("authorities are made by muster itself")
            .hint("`muster auth rotate` exchanges one for a new one"));
    }
    let (record, problems) = Record::from_value(body, now).map_err(|problems| {
        let errors = problems.iter().filter(|problem| problem.is_error());
        errors.fold(wrong(), |refused, problem| {
            refused.because(problem.to_string())
        })
    })?;
    let name = record.name().to_owned();
    let body = record.to_value();
    let size = serde_json::to_vec(&body).map_or(usize::MAX, |bytes| bytes.len());
    if size > MAX_RECORD {
        return Err(wrong().because(format!("it has more than {MAX_RECORD} bytes")));
    }
    Ok(Checked {
        kind: kind(&record),
        name,
        record,
        body,
        warnings: problems.iter().map(ToString::to_string).collect(),
    })
}

const fn kind(record: &Record) -> Kind {
    match record {
        Record::Role(_) => Kind::Role,
        Record::User(_) => Kind::User,
        Record::Db(_) => Kind::Db,
        Record::Token(_) => Kind::Token,
        Record::Lock(_) => Kind::Lock,
    }
}

/// Where a record is kept.
pub(super) fn id(kind: Kind, name: &str) -> Id {
    Id::new(kind.as_str(), name)
}

/// One record.
///
/// # Errors
/// When there is none.
pub(super) fn find(records: &Records, kind: Kind, name: &str) -> Result<Document, Refused> {
    let stored = records.get(&id(kind, name));
    stored
        .map(|stored| document(kind, name, stored))
        .ok_or_else(|| no_such(kind, name))
}

/// All entries of one table, by name.
pub(super) fn table<'r>(
    records: &'r Records,
    table: &'static str,
) -> impl Iterator<Item = (&'r str, &'r Stored)> {
    records
        .range(Id::new(table, "")..)
        .take_while(move |(id, _)| id.table == table)
        .map(|(id, stored)| (id.name.as_str(), stored))
}

/// All records of one sort, by name.
pub(super) fn of_kind(records: &Records, kind: Kind) -> impl Iterator<Item = Document> + '_ {
    table(records, kind.as_str()).map(move |(name, stored)| document(kind, name, stored))
}

/// Roles, users and locks as a whole. The databases that people wrote down are read as well, so that none is missing later.
///
/// # Errors
/// For a record that cannot be read: what a policy leaves out could be what restricts somebody.
pub(super) fn policy(records: &Records, now: Timestamp) -> Result<Policy, OpenError> {
    let mut policy = Policy::new();
    for kind in [Kind::Role, Kind::User, Kind::Lock, Kind::Db] {
        for document in of_kind(records, kind) {
            let mut record = read(&document, now)?;
            if let Record::User(user) = &mut record {
                let since = records.get(&since_id(&user.name));
                user.since = since
                    .and_then(|since| since.value.as_i64())
                    .map(Timestamp::from_unix);
            }
            policy = with(&policy, &record);
        }
    }
    Ok(policy)
}

/// Where it stands since when there is a user. It is no part of the record, which people write.
pub(super) fn since_id(user: &str) -> Id {
    Id::new("user-since", user)
}

/// Keeps since when there is a user.
pub(super) fn since(user: &str, now: Timestamp) -> Op {
    Op::Put {
        id: since_id(user),
        value: now.unix().into(),
    }
}

/// A policy with one record more, or with another in its place.
pub(super) fn with(policy: &Policy, record: &Record) -> Policy {
    match record {
        Record::Role(role) => policy.with_role(role.clone()),
        Record::User(user) => policy.with_user(user.clone()),
        Record::Lock(lock) => policy.with_lock(lock.clone()),
        Record::Db(_) | Record::Token(_) => policy.clone(),
    }
}

/// A policy without a record.
pub(super) fn without(policy: &Policy, kind: Kind, name: &str) -> Policy {
    match kind {
        Kind::Role => policy.without_role(name),
        Kind::User => policy.without_user(name),
        Kind::Lock => policy.without_lock(name),
        Kind::Db | Kind::Token | Kind::CertAuthority => policy.clone(),
    }
}

/// What a document says.
///
/// # Errors
/// When it was written by another release, or otherwise than by muster.
pub(super) fn read(document: &Document, now: Timestamp) -> Result<Record, OpenError> {
    let read = Record::from_value(&document.body, now);
    read.map(|(record, _)| record).map_err(|problems| {
        let why: Vec<String> = problems
            .iter()
            .map(|problem| problem.message.clone())
            .collect();
        OpenError::Record {
            kind: document.kind,
            name: document.name.clone(),
            why: why.join("; "),
        }
    })
}

fn document(kind: Kind, name: &str, stored: &Stored) -> Document {
    Document {
        kind,
        name: name.to_owned(),
        revision: stored.revision,
        body: (*stored.value).clone(),
    }
}

pub(super) fn no_such(kind: Kind, name: &str) -> Refused {
    refused(
        RefusedKind::NotFound,
        format!("there is no {kind} `{name}`"),
    )
    .hint(format!("`muster get {kind}` lists those that are there"))
}

pub(super) fn invalid(what: impl Into<String>) -> Refused {
    refused(RefusedKind::Invalid, what)
}

pub(super) fn refused(kind: RefusedKind, what: impl Into<String>) -> Refused {
    Refused {
        kind,
        what: what.into(),
        why: Vec::new(),
        hint: None,
    }
}

/// With an error and all that stands behind it.
pub(super) fn because_of(refused: Refused, error: &dyn std::error::Error) -> Refused {
    let mut refused = refused.because(error.to_string());
    let mut next = error.source();
    while let Some(error) = next {
        refused = refused.because(error.to_string());
        next = error.source();
    }
    refused
}
