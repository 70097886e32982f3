//! `muster role ls|show|rm`: what `get` and `rm` do, for roles.

use clap::{Args, Subcommand};

use super::{
    Common, Failure,
    authority::Reached,
    get::{Output, show},
    records::Named,
    rm::remove,
};
use crate::{
    authority::{Command, Kind},
    exit::Exit,
};

/// Subcommands of `muster role`.
#[derive(Subcommand, Debug)]
pub enum Role {
    /// List roles: what they allow and deny.
    Ls(Ls),
    /// Show one role as its file.
    Show(One),
    /// Remove a role that no user has.
    Rm(One),
}

/// Arguments of `muster role ls`.
#[derive(Args, Debug)]
pub struct Ls {
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value = "text")]
    output: Output,
}

/// Arguments of `muster role show` and `rm`.
#[derive(Args, Debug)]
pub struct One {
    /// The role's name.
    name: String,
}

impl Role {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let kind = Kind::Role;
        match self {
            Self::Ls(args) => {
                let roles = Reached::look(common)?.documents(Command::List { kind: Some(kind) })?;
                show(&roles, false, args.output)?;
            }
            Self::Show(One { name }) => {
                let roles = Reached::look(common)?.documents(Command::Get { kind, name })?;
                show(&roles, true, Output::Yaml)?;
            }
            Self::Rm(One { name }) => return remove(common, &[Named { kind, name }], false),
        }
        Ok(Exit::Done)
    }
}
