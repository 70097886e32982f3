//! The plugins of this repository as `tests/tools/guests.sh` has built them, and the compiler that did.

use std::{env, fs, path::PathBuf, process::Command};

fn folder() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-tools");
    let tools = env::var_os("MUSTER_TEST_TOOLS").map_or(own, PathBuf::from);
    tools.join("guests")
}

/// A component.
pub fn guest(name: &str) -> Vec<u8> {
    let path = folder()
        .join("wasm32-unknown-unknown/release")
        .join(format!("{name}.wasm"));
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: run tests/tools/guests.sh", path.display()))
}

/// What is to be set for a shell that builds guests.
pub fn compiler() -> Vec<(String, String)> {
    let path = folder().join("env");
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: run tests/tools/guests.sh", path.display()));
    text.lines()
        .map(|line| {
            let (name, value) = line
                .strip_prefix("export ")
                .and_then(|line| line.split_once('='))
                .unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.trim_matches('\'').to_owned())
        })
        .collect()
}

/// Has a command find cargo and what it has fetched, and build beside the guests, so that nothing is built twice.
pub fn with_cargo(command: &mut Command) {
    for name in [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "CARGO",
    ] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", folder());
}
