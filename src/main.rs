//! The `muster` program: parses the command line, runs the command, ends with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(ended) = muster::plugins::compiler::main(std::env::args_os()) {
        return ended;
    }
    muster::cli::main().into()
}
