//! The databases that one may open oneself, as the proxy lists them.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use muster_client::{DbView, Filter};
use muster_model::Labels;

use super::{
    super::{Failure, ListFormat, person::Person, print},
    Ls, Show, selector,
};
use crate::{
    exit::Exit,
    report::{
        escape::shown,
        table::{Column, table},
    },
};

const NAME: Column<DbView> = Column {
    title: "name",
    wide: false,
    cell: |db| db.name.as_str().into(),
};

impl Ls {
    pub(super) fn of_mine(self) -> Result<Exit, Failure> {
        // What makes no sense is said before anybody is asked.
        selector(&self.labels)?;
        let person = Person::open(&self.which)?;
        let filter = Filter {
            search: self.search,
            labels: self.labels,
        };
        let found = person.ask(person.api.databases(&filter))?;
        let noted = found.iter().any(|db| !db.notes.is_empty());
        print(|out| table(&columns(noted), &found, self.output, out))?;
        if found.is_empty() && matches!(self.output, ListFormat::Table | ListFormat::Wide) {
            // Beside the empty table, for whoever looks on.
            writeln!(anstream::stderr().lock(), "{}", nothing(&filter))?;
        }
        Ok(Exit::Done)
    }
}

/// Why the list may be empty, and what to do next.
fn nothing(filter: &Filter) -> &'static str {
    if filter.search.is_empty() && filter.labels.is_empty() {
        "there is no database that you may open: `muster status` shows your roles, and whoever runs muster gives them"
    } else {
        "no database that you may open has all of this: `muster db ls` lists them all"
    }
}

impl Show {
    pub(super) fn of_mine(self) -> Result<Exit, Failure> {
        let person = Person::open(&self.which)?;
        let found = person.ask(person.api.database(&self.database))?;
        match self.output {
            ListFormat::Table | ListFormat::Wide => print(|out| show(&found, out))?,
            other => print(|out| table(&columns(true), &[found], other, out))?,
        }
        Ok(Exit::Done)
    }
}

/// With what speaks against connecting where something does.
fn columns(noted: bool) -> Vec<Column<DbView>> {
    vec![
        NAME,
        Column {
            title: "description",
            wide: false,
            cell: |db| db.description.as_str().into(),
        },
        Column {
            title: "labels",
            wide: false,
            cell: |db| labels(&db.labels, false).into(),
        },
        Column {
            title: "db users",
            wide: false,
            cell: |db| allowed(&db.db_users, &db.db_users_denied).into(),
        },
        Column {
            title: "db names",
            wide: true,
            cell: |db| allowed(&db.db_names, &db.db_names_denied).into(),
        },
        Column {
            title: "protocol",
            wide: true,
            cell: |db| db.protocol.as_str().into(),
        },
        Column {
            title: "kind",
            wide: true,
            cell: |db| db.kind.as_str().into(),
        },
        Column {
            title: "state",
            wide: true,
            cell: |db| db.state.as_str().into(),
        },
        Column {
            title: "derived labels",
            wide: true,
            cell: |db| labels(&db.labels, true).into(),
        },
        Column {
            title: "cannot connect",
            wide: !noted,
            cell: |db| db.notes.join("; ").into(),
        },
    ]
}

/// The labels that muster derived itself, or all others.
fn labels(labels: &BTreeMap<String, String>, derived: bool) -> String {
    let mine = labels
        .iter()
        .filter(|(key, _)| Labels::is_reserved(key) == derived);
    mine.map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// What the roles let one choose: `*` is any but those that are denied.
fn allowed(names: &[String], denied: &[String]) -> String {
    let names = match names.iter().any(|name| name == "*") {
        true => "*".to_owned(),
        false => names.join(","),
    };
    match denied {
        [] => names,
        denied => format!("{names} but {}", denied.join(",")),
    }
}

fn show(db: &DbView, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", shown(&db.name))?;
    let mut line = |field: &str, value: &str| match value {
        "" => Ok(()),
        value => writeln!(out, "  {field:<16} {}", shown(value)),
    };
    line("short name", &db.short_name)?;
    line("description", &db.description)?;
    line("kind", &db.kind)?;
    line("protocol", &db.protocol)?;
    line("state", &db.state)?;
    line("db users", &allowed(&db.db_users, &db.db_users_denied))?;
    line("db names", &allowed(&db.db_names, &db.db_names_denied))?;
    for note in &db.notes {
        line("cannot connect", note)?;
    }
    if !db.labels.is_empty() {
        writeln!(out, "labels")?;
    }
    for (key, value) in &db.labels {
        writeln!(out, "  {}={}", shown(key), shown(value))?;
    }
    Ok(())
}
