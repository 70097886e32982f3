//! A matcher that derives labels, such as the environment and the owner, from tags that everybody writes in their own
//! way.
//!
//! For each label there is a table: tags to look at, spellings of one value, expressions that find a value in a name,
//! values by account, and a default. The first of these that says something counts. It enrolls nothing itself.

#![allow(missing_docs)]

mod table;

use std::collections::BTreeMap;

use muster_plugin::{About, Database, Matcher, Problem, Verdict, text};
use serde::Deserialize;

use self::table::{Raw, Table};

/// Tables by label. Without any, there are two: `environment` and `owner`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default = "usual")]
    labels: BTreeMap<String, Raw>,
}

fn usual() -> BTreeMap<String, Raw> {
    BTreeMap::from([
        ("environment".to_owned(), Raw::environment()),
        ("owner".to_owned(), Raw::owner()),
    ])
}

pub struct Environment {
    tables: Vec<(String, Table)>,
}

impl Matcher for Environment {
    const ABOUT: About =
        muster_plugin::about!().with_schema(include_str!("../settings.schema.json"));

    type Settings = Settings;

    fn new(Settings { labels }: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut tables = Vec::new();
        if labels.is_empty() {
            problems.push(Problem::at("labels", "name a label, or leave it out"));
        }
        for (label, raw) in labels {
            let path = format!("labels.{label}");
            if label.is_empty() || text::is_reserved(&label) {
                problems.push(Problem::at(&path, "is muster's own to write"));
            }
            match Table::new(raw, &path) {
                Ok(table) => tables.push((label, table)),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() {
            Ok(Self { tables })
        } else {
            Err(problems)
        }
    }

    fn judge<'a>(&'a self, database: Database<'a>) -> Verdict<'a> {
        let mut verdict = Verdict::pass();
        let mut missing = Vec::new();
        for (label, table) in &self.tables {
            match table.value(database) {
                // What a database had to say already is not said again.
                Some(value) if database.label(label) == Some(&*value) => {}
                Some(value) => verdict = verdict.label(label, value),
                None if table.is_required() => missing.push(label.as_str()),
                None => {}
            }
        }
        if missing.is_empty() {
            return verdict;
        }
        let why = format!("nothing says the {}", missing.join(", nor the "));
        // Tags that could not be read this time may say it the next.
        let unread = database.fact("unread").unwrap_or_default();
        if unread.split(',').any(|what| what == "tags") {
            Verdict::undecided(format!("{why}, and the tags could not be read"))
        } else {
            Verdict::skip(why)
        }
    }
}

muster_plugin::export!(Environment);

#[cfg(test)]
mod tests;
