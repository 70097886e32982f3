//! The reference pages that are made from the program itself: `docs/cli.md` and `docs/exit-codes.md`.
//! A test compares them with what is in the repository.

use std::fmt::Write;

use clap::{Command, CommandFactory};

use super::Cli;
use crate::exit::Exit;

/// `docs/cli.md`: every command with its help.
pub fn commands() -> String {
    let mut page =
        "# Commands\n\nMade from the program; `MUSTER_BLESS=1 cargo test` writes it anew.\n"
            .to_owned();
    let mut root = Cli::command().term_width(96).max_term_width(96);
    root.build();
    describe(&mut root, &mut page);
    page
}

fn describe(command: &mut Command, page: &mut String) {
    if command.get_name() == "help" {
        return;
    }
    let name = command
        .get_bin_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    let help = command.render_long_help();
    let help: String = help
        .to_string()
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    // Writing to a String does not fail.
    let _ = write!(page, "\n## {name}\n\n```text\n{}\n```\n", help.trim_end());
    for command in command.get_subcommands_mut() {
        describe(command, page);
    }
}

/// `docs/exit-codes.md`.
pub fn exit_codes() -> String {
    let mut page = "# Exit codes\n\nMade from the program; `MUSTER_BLESS=1 cargo test` writes it anew.\n\n| code | meaning |\n|---:|---|\n".to_owned();
    for exit in Exit::ALL {
        let _ = writeln!(page, "| {} | {} |", exit.code(), exit.meaning());
    }
    page
}
