//! The process that compiles plugins: this very program, started with an argument that no person gives.
//!
//! Nothing that bounds a plugin while it runs bounds its compiler, so that has a process of its own, with limits that
//! the kernel holds it to; see `muster_wasm::compile`.

use std::{ffi::OsString, process::ExitCode};

use muster_wasm::{Compiler, compile};

/// The only argument of such a process. It is no command: `muster --help` does not know it.
const ARGUMENT: &str = "compile-a-component";

/// What `main` is to be in such a process; none in any other. Nothing may run before it, and nothing after.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let is_it = args.next().is_some_and(|first| first == ARGUMENT) && args.next().is_none();
    is_it.then(compile::child)
}

/// Compiles in such a process. Only for the program itself: the process of a test is another program.
pub fn this_program() -> Compiler {
    Compiler::this_program([ARGUMENT])
}
