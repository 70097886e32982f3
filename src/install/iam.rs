//! The least permissions that muster needs, made from the configuration.
//!
//! Discovery only reads: lists of databases, their tags, regions and subscriptions. Where there is a proxy, it also logs
//! in to what was found. Nothing that could change a resource of the cloud is ever asked for, and no permission that the
//! configured sources do not use.

mod aws;
mod azure;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use serde_json::{Value, json};

pub use self::{
    aws::{aws, aws_for},
    azure::{azure, azure_for},
};

/// One document to be put into a cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Whom it is for: `ambient`, a role's ARN, or `azure`.
    pub subject: String,
    /// What a person has to know to use it, in one line.
    pub title: String,
    /// The document.
    pub body: Value,
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A permissions policy of AWS.
    Policy,
    /// The trust policy of a role in AWS.
    Trust,
    /// A custom role of Azure.
    Role,
}

impl Kind {
    /// The word that stands for it in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Trust => "trust",
            Self::Role => "role",
        }
    }
}

/// The documents one after the other, each under a line that begins with `#`.
pub fn text(documents: &[Document]) -> String {
    let mut out = String::new();
    for (index, document) in documents.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        // Writing to a String does not fail.
        let _ = writeln!(out, "{gap}# {}\n{:#}", document.title, document.body);
    }
    out
}

/// The documents as one JSON object: `{"documents": [{"kind", "subject", "title", "document"}]}`.
pub fn json(documents: &[Document]) -> Value {
    let documents: Vec<Value> = documents
        .iter()
        .map(|Document { kind, subject, title, body }| {
            json!({ "kind": kind.as_str(), "subject": subject, "title": title, "document": body })
        })
        .collect();
    json!({ "documents": documents })
}
