//! `muster history`: what changed, when, and by which scan, matcher and person.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use clap::Args;
use muster_model::HistoryEntry;
use muster_store::{Begin, Lines, Store, StoreError, tables};

use super::{Common, Failure, ListFormat, context::Context, print};
use crate::{
    exit::Exit,
    pipeline::state::State,
    report::{
        escape::shown,
        table::{Column, table},
    },
};

/// Arguments of `muster history`.
#[derive(Args, Debug)]
#[command(after_help = "\
BY is what made the change: a scan or a rule, and the person who applied or approved it. RUN is the same for all that \
one scan or one command did. How much is kept is `history` in the configuration; where something was trimmed away, \
that is said below the end of the list, on standard error.")]
pub struct History {
    /// Only of this database: its name, short name or id, also of one that is long gone.
    database: Option<String>,
    /// The most lines, newest first.
    #[arg(
        short = 'n',
        long,
        value_name = "LINES",
        alias = "lines",
        default_value_t = 50
    )]
    limit: usize,
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

impl History {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let (state, store) = context.state()?;
        let id = match (&self.database, &store) {
            (None, _) => None,
            (Some(name), None) => return Err(nobody(name)),
            (Some(name), Some(store)) => Some(id(name, &state, store)?),
        };
        let (lines, begin) = match &store {
            None => (Lines::default(), None),
            Some(store) => read(store, id.as_deref(), self.limit).map_err(bad)?,
        };
        let columns = [
            Column {
                title: "time",
                wide: false,
                cell: |entry: &HistoryEntry| entry.at.to_string().into(),
            },
            Column {
                title: "event",
                wide: false,
                cell: |entry| entry.event.as_str().into(),
            },
            Column {
                title: "name",
                wide: false,
                cell: |entry| entry.name.as_str().into(),
            },
            Column {
                title: "by",
                wide: false,
                cell: |entry| entry.by.as_str().into(),
            },
            Column {
                title: "run",
                wide: false,
                cell: |entry| entry.run.as_str().into(),
            },
            Column {
                title: "what",
                wide: false,
                cell: |entry| what(entry).into(),
            },
            Column {
                title: "id",
                wide: true,
                cell: |entry| entry.id.as_str().into(),
            },
        ];
        print(|out| table(&columns, &lines.entries, self.output, out))?;
        let mut err = anstream::stderr().lock();
        for damaged in &lines.damaged {
            writeln!(err, "warning: {}", shown(&damaged.to_string()))?;
        }
        if let Some(begin) = begin {
            trimmed(begin, &mut err)?;
        }
        Ok(Exit::Done)
    }
}

/// The newest entries, and where the history begins when they are all that there are.
fn read(
    store: &dyn Store,
    id: Option<&str>,
    limit: usize,
) -> Result<(Lines, Option<Begin>), StoreError> {
    let page = tables::HISTORY.page(store, id, None, limit)?;
    let begin = match (limit, page.next) {
        (0, _) | (_, Some(_)) => None,
        _ => tables::HISTORY.begin(store)?,
    };
    Ok((page.lines, begin))
}

fn trimmed(begin: Begin, out: &mut dyn Write) -> io::Result<()> {
    let Begin { at, trimmed } = begin;
    let entries = match trimmed {
        0 => return Ok(()),
        1 => "1 older entry was".to_owned(),
        many => format!("{many} older entries were"),
    };
    writeln!(
        out,
        "The history goes back to {at}: {entries} trimmed away (see `history` in the configuration)."
    )
}

fn bad(error: StoreError) -> Failure {
    Failure::new("cannot read the history").cause(&error)
}

/// The id of the database that is called so. One that is long gone is only known to the history.
fn id(name: &str, state: &State, store: &dyn Store) -> Result<String, Failure> {
    let mut targets = state.targets.values();
    // The name of a target is its own.
    if let Some(target) = targets.find(|target| target.name == name) {
        return Ok(target.id.as_str().to_owned());
    }
    let mut ids = BTreeSet::new();
    for target in state.targets.values() {
        let texts = [
            &*target.short_name,
            target.id.as_str(),
            target.id.provider_id(),
        ];
        if texts.contains(&name) {
            ids.insert(target.id.as_str().to_owned());
        }
    }
    for record in state.records.values() {
        let database = &record.database;
        let id = &database.id;
        let texts = [&*database.identifier, id.as_str(), id.provider_id()];
        if texts.contains(&name) || database.base_name() == name {
            ids.insert(id.as_str().to_owned());
        }
    }
    if ids.is_empty() {
        let page = tables::HISTORY
            .page(store, Some(name), None, 1)
            .map_err(bad)?;
        if !page.lines.entries.is_empty() || !page.lines.damaged.is_empty() {
            return Ok(name.to_owned());
        }
        ids = tables::HISTORY.called(store, name).map_err(bad)?;
    }
    let mut several = ids.into_iter();
    match (several.next(), several.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(nobody(name)),
        (Some(one), Some(two)) => {
            let all: Vec<String> = [one, two].into_iter().chain(several).collect();
            let failure =
                Failure::new(format!("cannot tell which `{name}` is meant")).because(format!(
                    "several databases are or were called so: {}",
                    all.join(", ")
                ));
            Err(failure.hint("use the id"))
        }
    }
}

fn nobody(name: &str) -> Failure {
    Failure::new(format!("cannot show the history of `{name}`"))
        .because("no database is called so, and what the history remembers was never called so")
        .hint(format!(
            "`muster db ls` lists what is enrolled, and `muster explain {name}` says whether it was seen"
        ))
}

/// The fields that changed, or else the reason.
fn what(entry: &HistoryEntry) -> String {
    if entry.fields.is_empty() {
        return entry.reason.clone();
    }
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let fields = entry.fields.iter().map(|change| {
        format!(
            "{}: {} -> {}",
            change.field,
            side(&change.from),
            side(&change.to)
        )
    });
    fields.collect::<Vec<_>>().join("; ")
}
