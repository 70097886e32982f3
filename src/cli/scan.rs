//! `muster scan`: reads the clouds once and remembers what is there. Enrolls nothing.

use clap::Args;
use muster_model::Scope;

use super::{Common, Failure, ListFormat, context::Context, plan::load, scope::Row};
use crate::{exit::Exit, pipeline::commit::commit};

/// Arguments of `muster scan`.
#[derive(Args, Debug)]
pub struct Scan {
    /// Only these scopes, as `muster scope ls` prints them.
    scopes: Vec<Scope>,
    /// Remember nothing.
    #[arg(long)]
    dry_run: bool,
    /// How the list of scopes is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

impl Scan {
    pub(super) async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        context.warn();
        let store = if self.dry_run {
            None
        } else {
            Some(context.store()?)
        };
        let scanned = context.scan(&self.scopes).await?;
        if let Some(store) = &store {
            let state = load(store)?;
            let run = scanned.plan(&state, &context.config.settings);
            commit(store, &run.writes.inventory_only(), state.revision, None)
                .map_err(|error| Failure::new("cannot remember the scan").cause(&error))?;
        }
        let rows: Vec<Row> = scanned
            .scans
            .iter()
            .map(|scan| Row::scanned(scan, scanned.now))
            .collect();
        Row::write(&rows, self.output)?;
        Ok(if scanned.is_complete() {
            Exit::Done
        } else {
            Exit::Incomplete
        })
    }
}
