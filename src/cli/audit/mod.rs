//! `muster audit`: searches the record of what was done, follows it, and says whether it is whole.

mod filter;
mod row;
mod search;
mod tail;
#[cfg(test)]
mod tests;
mod verify;

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};

use super::{Common, Failure, context::Context};
use crate::{config::AuditSink, exit::Exit};

/// Subcommands of `muster audit`.
#[derive(Subcommand, Debug)]
pub enum Audit {
    /// Find events: by user, target, time, code and text.
    Search(search::Search),
    /// Show events as they are written.
    Tail(tail::Tail),
    /// Check that nothing in the record was changed, taken out or put in.
    Verify(verify::Verify),
}

impl Audit {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Self::Search(args) => args.run(common),
            Self::Tail(args) => args.run(common),
            Self::Verify(args) => args.run(common),
        }
    }
}

/// Where the record is.
#[derive(Args, Debug, Clone, Default)]
pub(super) struct Place {
    /// The directory of the log, in place of the one in the configuration: a copy, for instance.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Place {
    /// The directory, which is there.
    pub(super) fn find(self, common: &Common) -> Result<PathBuf, Failure> {
        let (dir, stdout) = match self.dir {
            Some(dir) => (dir, false),
            None => match (Context::load(common), &common.store) {
                (Ok(Context { config, .. }), _) => {
                    let stdout = config.audit.sink == AuditSink::Stdout;
                    let dir = config.audit.dir;
                    (dir.unwrap_or_else(|| config.store.join("audit")), stdout)
                }
                // Where commands of the authority write it then.
                (Err(_), Some(store)) => (store.join("audit"), false),
                (Err(failure), None) => return Err(failure),
            },
        };
        match dir.read_dir() {
            Ok(_) => Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound && stdout => {
                Err(cannot(&dir, &error).hint("`audit.sink` is `stdout`: the events are where that went"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(cannot(&dir, &error).hint(
                "`muster run` makes it when people may enter (`proxy` in the configuration); --dir names another",
            )),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(cannot(&dir, &error)
                .hint("name the directory that the log's files (`audit-START-NUMBER.jsonl`, `head.json`) are in")),
            Err(error) => Err(cannot(&dir, &error)),
        }
    }
}

/// A log that cannot be read.
pub(super) fn cannot(dir: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot read the audit log in `{}`", dir.display())).cause(error)
}
