//! `muster history`: what changed, when, and by which scan and matcher.

use std::io::Write;

use clap::Args;
use muster_model::HistoryEntry;
use muster_store::{Store, tables};

use super::{Common, Failure, ListFormat, context::Context, explain::find, print};
use crate::{
    exit::Exit,
    report::table::{Column, table},
};

/// Arguments of `muster history`.
#[derive(Args, Debug)]
pub struct History {
    /// Only of this database: its name, short name or id.
    database: Option<String>,
    /// The most lines.
    #[arg(short = 'n', long, default_value_t = 50)]
    lines: usize,
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

impl History {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let (state, store) = context.state()?;
        let Some(store) = store else {
            return Ok(Exit::Done);
        };
        let store: &dyn Store = &store;
        let bad = |error| Failure::new("cannot read the history").cause(&error);
        let lines = match &self.database {
            None => tables::HISTORY.recent(store, self.lines).map_err(bad)?,
            Some(name) => {
                let known = state
                    .records
                    .values()
                    .map(|record| (&record.database.id, record.database.base_name()))
                    .chain(
                        state
                            .targets
                            .values()
                            .map(|target| (&target.id, target.name.clone())),
                    )
                    .collect::<Vec<_>>();
                // An id is taken as it is: its database may be long gone.
                let id = match find(known.iter(), name, |(id, name)| {
                    [name.as_str(), id.as_str(), id.provider_id()]
                }) {
                    Ok((id, _)) => (*id).clone(),
                    Err(several) if several.is_empty() => {
                        muster_model::ResourceId::new(name.as_str())
                    }
                    Err(several) => {
                        return Err(Failure::new(format!("cannot tell which `{name}` is meant"))
                            .because(format!(
                                "several databases are called so: {}",
                                several.join(", ")
                            ))
                            .hint("use the id"));
                    }
                };
                tables::HISTORY
                    .of(store, id.as_str(), self.lines)
                    .map_err(bad)?
            }
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
                title: "what",
                wide: false,
                cell: |entry| what(entry).into(),
            },
            Column {
                title: "run",
                wide: true,
                cell: |entry| entry.run.as_str().into(),
            },
            Column {
                title: "id",
                wide: true,
                cell: |entry| entry.id.as_str().into(),
            },
        ];
        print(|out| table(&columns, &lines.entries, self.output, out))?;
        for damaged in &lines.damaged {
            writeln!(anstream::stderr().lock(), "warning: {damaged}")?;
        }
        Ok(Exit::Done)
    }
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
