//! `muster plugin build` where it cannot build, and on modules that others have built. page.rs builds for real.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::kit::{Desk, Ended, base};

/// A program that only says something and fails.
fn fake(desk: &Desk, name: &str, script: &str) {
    fs::create_dir_all(desk.path("bin")).expect("a folder");
    let file = format!("bin/{name}");
    desk.write(&file, format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(desk.path(&file), fs::Permissions::from_mode(0o755)).expect("set");
}

/// A project of Rust, and no tool but those that are made up here.
fn build(desk: &Desk) -> Ended {
    fs::create_dir_all(desk.path("p")).expect("a folder");
    desk.write("p/Cargo.toml", "");
    let mut command = desk.command(&["plugin", "build", "p"]);
    Ended::of(command.env("PATH", desk.path("bin")))
}

#[test]
fn what_is_missing_is_named() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("bin")).expect("a folder");
    build(&desk).fails(&["no cargo on PATH", "https://rustup.rs"]);

    fake(&desk, "cargo", "echo it is broken >&2; exit 101");
    fake(&desk, "rustc", "echo /nowhere");
    build(&desk).fails(&[
        "it is broken",
        "cannot build for wasm32-unknown-unknown",
        "libstd-rust-dev-wasm32",
    ]);
    fake(&desk, "rustup", "exit 1");
    build(&desk).fails(&["hint:  rustup target add wasm32-unknown-unknown"]);

    // The target is there, so it is something else that cargo has said.
    fs::create_dir_all(desk.path("lib")).expect("a folder");
    desk.write("lib/libstd-1.rlib", "");
    fake(
        &desk,
        "rustc",
        &format!("echo {}", desk.path("lib").display()),
    );
    let ended = build(&desk).fails(&["cargo failed"]);
    assert!(!ended.err.contains("cannot build for"), "{}", ended.err);
}

#[test]
fn a_crate_that_makes_no_module_is_told_how() {
    let desk = Desk::new();
    fake(
        &desk,
        "cargo",
        "echo '{\"reason\":\"build-finished\",\"success\":true}'",
    );
    build(&desk).fails(&["makes no module", "cdylib"]);
}

#[test]
fn a_module_of_the_crate_becomes_a_component_or_an_error() {
    let desk = Desk::new();
    let artifact = format!(
        r#"echo '{{"reason":"compiler-artifact","manifest_path":"{0}/p/Cargo.toml","target":{{"name":"a_b","crate_types":["cdylib","rlib"]}},"filenames":["{0}/a_b.wasm","{0}/liba_b.rlib"]}}'"#,
        desk.path("").display().to_string().trim_end_matches('/')
    );
    fake(&desk, "cargo", &artifact);
    // A component already: the linker made it.
    desk.write("a_b.wasm", base(&[]));
    let ended = build(&desk).ends(0);
    assert!(ended.out.contains("wrote p/a-b.wasm"), "{}", ended.out);
    assert_eq!(fs::read(desk.path("p/a-b.wasm")).expect("made"), base(&[]));

    desk.write("a_b.wasm", wat::parse_str("(module)").expect("a module"));
    build(&desk).fails(&["is no matcher", "export!"]);
}

#[test]
fn a_folder_that_is_no_project_is_refused() {
    let desk = Desk::new();
    desk.plugin(&["build"])
        .fails(&["no plugin's project in .", "Cargo.toml"]);
    desk.plugin(&["build", "nowhere"])
        .fails(&["cannot read nowhere"]);
}

#[test]
fn only_a_module_that_brings_the_contract_along_becomes_a_component() {
    let desk = Desk::new();
    desk.write("text.wasm", "hello");
    desk.plugin(&["build", "text.wasm"])
        .fails(&["text.wasm is no WebAssembly"]);
    desk.write("done.wasm", base(&[]));
    desk.plugin(&["build", "done.wasm"])
        .fails(&["a component already"]);
    desk.write("plain.wasm", wat::parse_str("(module)").expect("a module"));
    desk.plugin(&["build", "plain.wasm", "-o", "out.wasm"])
        .fails(&["plain.wasm is no matcher", "muster:matcher/plugin"]);
    desk.write("cut.wasm", b"\0asm\x01\0\0\0\x01");
    desk.plugin(&["build", "cut.wasm", "-o", "out.wasm"])
        .fails(&["cannot make a component of cut.wasm"]);
    assert!(!desk.path("out.wasm").exists());
    // Beside itself it would take its own place.
    desk.plugin(&["build", "plain.wasm", "-o", "plain.wasm"]);
    assert_eq!(
        &fs::read(desk.path("plain.wasm")).expect("there")[..8],
        b"\0asm\x01\0\0\0"
    );
}
