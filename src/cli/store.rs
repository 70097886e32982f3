//! `muster store check|repair`: whether the store is whole, and what can be saved of one that is not.

use std::{
    io::{self, Write},
    path::Path,
};

use clap::Subcommand;
use muster_store::{Damaged, OpenError, SledStore};

use super::{
    Common, Failure,
    context::Context,
    opened::{Opened, Reached, cannot, is_there},
    print,
};
use crate::{exit::Exit, report::escape::shown};

/// Subcommands of `muster store`.
#[derive(Subcommand, Debug)]
pub enum Store {
    /// Read every record, and list those that cannot be read.
    Check,
    /// Copy what can be read of a damaged store into a new one; the old files are kept aside.
    Repair,
}

impl Store {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let dir = &context.config.store;
        if !is_there(dir)? {
            return Err(
                Failure::new(format!("cannot look at the store {}", dir.display()))
                    .because("there is none yet")
                    .hint("`muster apply` and `muster scan` make it"),
            );
        }
        match self {
            Self::Check => {
                let (records, damaged) = check(&context.store()?)?;
                print(|out| {
                    list(&damaged, out)?;
                    writeln!(
                        out,
                        "{}: {records} records, {} damaged",
                        dir.display(),
                        damaged.len()
                    )
                })?;
                Ok(if damaged.is_empty() {
                    Exit::Done
                } else {
                    Exit::Failed
                })
            }
            Self::Repair => {
                let (_store, repair) =
                    SledStore::repair(dir).map_err(|error| not_repaired(dir, &error))?;
                print(|out| {
                    list(&repair.dropped, out)?;
                    writeln!(
                        out,
                        "{}: {} records are left, {} could not be read; the old files are in {}",
                        dir.display(),
                        repair.records,
                        repair.dropped.len(),
                        repair.aside.display()
                    )?;
                    writeln!(
                        out,
                        "What is lost is found again by the next scan. See `muster plan` before `muster apply`."
                    )
                })?;
                Ok(Exit::Done)
            }
        }
    }
}

/// How many records can be read, and which cannot. A service that holds the store reads them itself.
fn check(store: &Opened) -> Result<(u64, Vec<Damaged>), Failure> {
    match store {
        Opened::Own(store) => {
            let health = store
                .check()
                .map_err(|error| Failure::new("cannot check the store").cause(&error))?;
            Ok((health.records, health.damaged))
        }
        Opened::Held(reached) => {
            let Reached { client, .. } = &**reached;
            let health = client.wait(client.check())?;
            Ok((health.records, health.damaged))
        }
    }
}

/// A repair takes the store's files apart: nobody else may work with them.
fn not_repaired(dir: &Path, error: &OpenError) -> Failure {
    match Reached::connect(dir) {
        Ok(Reached { service, .. }) if matches!(error, OpenError::InUse { .. }) => {
            Failure::new(format!("cannot repair the store {}", dir.display()))
                .because(format!(
                    "the service works with it: process {}, since {}",
                    service.pid, service.started
                ))
                .hint("`muster store check` says whether anything is wrong with it; stop the service to repair it")
        }
        _ => cannot("repair", dir, error),
    }
}

fn list(damaged: &[Damaged], out: &mut dyn Write) -> io::Result<()> {
    damaged
        .iter()
        .try_for_each(|damaged| writeln!(out, "{}", shown(&damaged.to_string())))
}
