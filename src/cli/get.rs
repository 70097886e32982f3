//! `muster get`: shows records, so that `muster create` takes them again.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{
    Common, Failure, ListFormat,
    authority::{Reached, text_at},
    print,
    records::{Named, yaml},
};
use crate::{
    authority::{Command, Document, Kind},
    exit::Exit,
    report::{
        escape::shown,
        pretty,
        table::{Column, table},
    },
};

/// Arguments of `muster get`.
#[derive(Args, Debug)]
pub struct Get {
    /// KIND, KIND/NAME, or `all`: role, user, db, token, lock, cert_authority. Several, by commas or spaces.
    #[arg(value_name = "KIND[/NAME]", required = true, value_delimiter = ',')]
    what: Vec<What>,
    /// How they are written. Default: `text` for lists, and `yaml` when one is named.
    #[arg(short, long, alias = "format", value_enum)]
    output: Option<Output>,
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// YAML, one document a record, as `muster create` takes it.
    Yaml,
    /// JSON: the record, or an array of records.
    Json,
    /// A table.
    Text,
    /// KIND/NAME, a line each.
    Name,
}

#[derive(Clone, Debug)]
enum What {
    All,
    Kind(Kind),
    One(Named),
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            _ if text.contains('/') => text.parse().map(Self::One),
            _ => text.parse().map(Self::Kind),
        }
    }
}

impl Get {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let authority = Reached::look(common)?;
        let mut documents = Vec::new();
        for what in &self.what {
            let command = match what {
                What::All => Command::List { kind: None },
                What::Kind(kind) => Command::List { kind: Some(*kind) },
                What::One(Named { kind, name }) => Command::Get {
                    kind: *kind,
                    name: name.clone(),
                },
            };
            documents.extend(authority.documents(command)?);
        }
        let is_one = matches!(self.what.as_slice(), [What::One(_)]);
        let output = self
            .output
            .unwrap_or(if is_one { Output::Yaml } else { Output::Text });
        show(&documents, is_one, output)?;
        Ok(Exit::Done)
    }
}

/// Writes records to standard output.
pub(super) fn show(documents: &[Document], is_one: bool, output: Output) -> Result<(), Failure> {
    match output {
        Output::Yaml => {
            let bodies: Vec<String> = documents
                .iter()
                .map(|document| yaml(&document.body))
                .collect::<Result<_, _>>()?;
            print(|out| out.write_all(bodies.join("---\n").as_bytes()))?;
        }
        Output::Json => {
            let bodies: Vec<&Value> = documents.iter().map(|document| &document.body).collect();
            print(|out| match (is_one, bodies.as_slice()) {
                (true, [one]) => pretty(one, out),
                _ => pretty(&bodies, out),
            })?;
        }
        Output::Name => print(|out| {
            documents
                .iter()
                .try_for_each(|document| writeln!(out, "{}", shown(&full(document))))
        })?,
        Output::Text => {
            let columns = [
                Column {
                    title: "name",
                    wide: false,
                    cell: |document: &Document| full(document).into(),
                },
                Column {
                    title: "says",
                    wide: false,
                    cell: |document| says(document).into(),
                },
                Column {
                    title: "until",
                    wide: false,
                    cell: |document| {
                        let own = text_at(&document.body, "/spec/expires");
                        let until = if own.is_empty() {
                            text_at(&document.body, "/metadata/expires")
                        } else {
                            own
                        };
                        until.into()
                    },
                },
            ];
            print(|out| table(&columns, documents, ListFormat::Table, out))?;
        }
    }
    Ok(())
}

fn full(document: &Document) -> String {
    format!("{}/{}", document.kind, document.name)
}

/// What a record is about, in a few words.
fn says(document: &Document) -> String {
    let at = |pointer: &str| document.body.pointer(pointer);
    let list = |pointer: &str| match at(pointer) {
        Some(Value::Array(items)) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            texts.join(", ")
        }
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    match document.kind {
        Kind::Role => {
            let side = |side: &str| {
                let parts: Vec<String> = [
                    ("db_labels", "labels"),
                    ("db_users", "users"),
                    ("db_names", "names"),
                ]
                .into_iter()
                .filter_map(|(key, word)| {
                    let text = match at(&format!("/spec/{side}/{key}"))? {
                        Value::Object(map) if map.is_empty() => "none".to_owned(),
                        Value::Object(map) => map
                            .iter()
                            .map(|(key, value)| format!("{key}={}", short(value)))
                            .collect::<Vec<_>>()
                            .join(" "),
                        value => short(value),
                    };
                    Some(format!("{word} {text}"))
                })
                .collect();
                (!parts.is_empty()).then(|| format!("{side} {}", parts.join("; ")))
            };
            [side("allow"), side("deny")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" / ")
        }
        Kind::User | Kind::Token => format!("roles {}", list("/spec/roles")),
        Kind::Db => format!("{} {}", list("/spec/protocol"), list("/spec/uri")),
        Kind::Lock => {
            let target = at("/spec/target").and_then(Value::as_object);
            let parts = target.into_iter().flatten();
            let parts: Vec<String> = parts
                .map(|(word, name)| format!("{word} {}", short(name)))
                .collect();
            parts.join(", ")
        }
        Kind::CertAuthority => {
            let certificates = at("/spec/certificates").and_then(Value::as_array);
            let ends = certificates.into_iter().flatten().map(|one| {
                let signs = one.pointer("/signs").and_then(Value::as_bool) == Some(true);
                let role = if signs { "signs" } else { "is trusted" };
                format!("{role} until {}", text_at(one, "/expires"))
            });
            ends.collect::<Vec<_>>().join(", ")
        }
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
