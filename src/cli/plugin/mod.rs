//! `muster plugin`: what the author of a matcher in WebAssembly does with it. Each command is a file of its own.
//!
//! All but `ls` work on a file and need no configuration; what a service runs is what its configuration says.

mod bench;
mod build;
mod database;
mod file;
mod input;
mod inspect;
mod ls;
mod new;
mod run;
mod sign;
mod test;
mod verdict;
mod verify;
mod view;

use clap::{Subcommand, ValueEnum};

use super::{Common, Failure};
use crate::exit::Exit;

/// Subcommands of `muster plugin`.
#[derive(Subcommand, Debug)]
pub enum Plugin {
    /// List the plugins of the configuration.
    Ls(ls::Ls),
    /// Write a project for a matcher of your own, that builds and passes its tests at once.
    New(new::New),
    /// Build a project, or turn a module that a compiler made into a component.
    Build(build::Build),
    /// Show what a plugin is: its description, contract, imports, size, digest, signature and settings.
    Inspect(inspect::Inspect),
    /// Ask a plugin about a database: verdict, labels with their provenance, log and cost.
    Run(run::Run),
    /// Test a plugin with a table of cases.
    Test(test::Test),
    /// Measure what a plugin costs, beside the label rules.
    Bench(bench::Bench),
    /// Put a signature beside a plugin.
    Sign(sign::Sign),
    /// Check the signature of a plugin.
    Verify(verify::Verify),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl Plugin {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Self::Ls(args) => args.run(common),
            Self::New(args) => args.run(common),
            Self::Build(args) => args.run(common),
            Self::Inspect(args) => args.run(common),
            Self::Run(args) => args.run(common),
            Self::Test(args) => args.run(common),
            Self::Bench(args) => args.run(common),
            Self::Sign(args) => args.run(common),
            Self::Verify(args) => args.run(common),
        }
    }
}
