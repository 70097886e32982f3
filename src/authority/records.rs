//! Records as files say them: what is checked before one is kept, and how one is found again.

use serde_json::Value;

use super::{
    command::{Document, Kind},
    journal::{Id, Records, Stored},
};
use crate::service::handle::{Refused, RefusedKind};

/// The most bytes of one record.
const MAX_RECORD: usize = 1 << 20;

/// The most characters of a record's name.
const MAX_NAME: usize = 256;

/// A record that may be kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checked {
    pub kind: Kind,
    pub name: String,
    pub body: Value,
}

/// Looks whether a file is a record that may be kept: its shape. What it means is checked by whoever reads it.
///
/// # Errors
/// Why not.
pub(super) fn check(body: Value) -> Result<Checked, Refused> {
    let wrong = |why: &str| invalid("the record cannot be kept").because(why);
    let kind = body.get("kind").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| wrong("it says no `kind`"))?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    let kind = kind.ok_or_else(|| wrong("muster knows no such `kind`"))?;
    if kind == Kind::CertAuthority {
        return Err(wrong("authorities are made by muster itself")
            .hint("`muster auth rotate` exchanges one for a new one"));
    }
    let metadata = body.get("metadata");
    let name = metadata.and_then(|metadata| metadata.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or_default().to_owned();
    check_name(&name).map_err(|why| wrong(&format!("its name {why}")))?;
    let size = serde_json::to_vec(&body).map_or(usize::MAX, |bytes| bytes.len());
    if size > MAX_RECORD {
        return Err(wrong(&format!("it has more than {MAX_RECORD} bytes")));
    }
    Ok(Checked { kind, name, body })
}

/// Whether a record may be called so.
///
/// # Errors
/// Why not, to go behind `its name`.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    match () {
        () if name.is_empty() => Err("is missing: `metadata.name`"),
        () if name.chars().count() > MAX_NAME => Err("has more than 256 characters"),
        () if name.chars().any(|c| c.is_control() || c == '/') => {
            Err("holds a character that no name may hold")
        }
        () if name.trim() != name => Err("begins or ends with a space"),
        () => Ok(()),
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

/// All records of one sort, by name.
pub(super) fn of_kind(records: &Records, kind: Kind) -> impl Iterator<Item = Document> + '_ {
    let first = id(kind, "");
    records
        .range(first..)
        .take_while(move |(id, _)| id.table == kind.as_str())
        .map(move |(id, stored)| document(kind, &id.name, stored))
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
