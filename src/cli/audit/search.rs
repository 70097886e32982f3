//! `muster audit search`: who did what, where and when.

use std::io::Write as _;

use clap::Args;
use muster_audit::{Order, search};

use super::{
    Place, cannot,
    filter::{Filter, When},
    row::{Row, columns, line},
};
use crate::{
    cli::{Common, Failure, ListFormat, print},
    exit::Exit,
    report::table::table,
};

/// Arguments of `muster audit search`.
#[derive(Args, Debug)]
#[command(after_help = "\
Events, codes and fields are in docs/audit.md. What is found does not depend on whether the service runs.

  muster audit search --user alice --since 2h
  muster audit search --target orders --text 'drop table' --output json
  muster audit search --event db.session.start --since 2026-11-01 --until 2026-12-01 --limit 0 --raw")]
pub struct Search {
    #[command(flatten)]
    filter: Filter,
    /// Not before: a time (`2026-11-21T22:00:00Z`), a day, or a span until now (`2h`, `7d`).
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Before this time.
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// The most events; 0 is all.
    #[arg(short = 'n', long, value_name = "EVENTS", default_value_t = 50)]
    limit: usize,
    /// The oldest first.
    #[arg(long)]
    oldest: bool,
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
    /// Write the lines as they are in the log, a JSON object each, as they are found.
    #[arg(long, conflicts_with = "output")]
    raw: bool,
    #[command(flatten)]
    place: Place,
}

impl Search {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = self.place.find(common)?;
        let mut query = self.filter.query();
        query.from = self.since.map(When::micros);
        query.to = self.until.map(When::micros);
        query.limit = (self.limit > 0).then_some(self.limit);
        if self.oldest {
            query.order = Order::Oldest;
        }
        let mut matches = search(&dir, query).map_err(|error| cannot(&dir, &error))?;
        let bad = |error: std::io::Error| cannot(&dir, &error);
        if self.raw {
            print(|out| {
                for found in matches.by_ref() {
                    line(found.map_err(bad)?, true, out)?;
                }
                Ok::<(), Failure>(())
            })?;
        } else {
            let mut rows = Vec::new();
            for found in matches.by_ref() {
                rows.push(Row(found.map_err(bad)?.event));
            }
            print(|out| table(&columns(), &rows, self.output, out))?;
        }
        let damaged = matches.damaged();
        if damaged > 0 {
            writeln!(
                anstream::stderr().lock(),
                "warning: {damaged} lines are damaged and were left out; `muster audit verify` says where"
            )?;
        }
        Ok(Exit::Done)
    }
}
