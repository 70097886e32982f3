//! `muster store check|repair`: whether the store is whole, and what can be saved of one that is not.

use std::io::{self, Write};

use clap::Subcommand;
use muster_store::{Damaged, SledStore};

use super::{Common, Failure, context::Context, print};
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
        if !dir.exists() {
            return Err(
                Failure::new(format!("cannot look at the store {}", dir.display()))
                    .because("there is none yet")
                    .hint("`muster apply` and `muster scan` make it"),
            );
        }
        match self {
            Self::Check => {
                let health = context
                    .store()?
                    .check()
                    .map_err(|error| Failure::new("cannot check the store").cause(&error))?;
                print(|out| {
                    list(&health.damaged, out)?;
                    writeln!(
                        out,
                        "{}: {} records, {} damaged",
                        dir.display(),
                        health.records,
                        health.damaged.len()
                    )
                })?;
                Ok(if health.damaged.is_empty() {
                    Exit::Done
                } else {
                    Exit::Failed
                })
            }
            Self::Repair => {
                let (_store, repair) = SledStore::repair(dir).map_err(|error| {
                    Failure::new(format!("cannot repair the store {}", dir.display())).cause(&error)
                })?;
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

fn list(damaged: &[Damaged], out: &mut dyn Write) -> io::Result<()> {
    damaged
        .iter()
        .try_for_each(|damaged| writeln!(out, "{}", shown(&damaged.to_string())))
}
