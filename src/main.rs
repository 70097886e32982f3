//! The `muster` program: parses the command line, runs the command, ends with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster::cli::main().into()
}
