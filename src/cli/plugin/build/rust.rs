//! A matcher in Rust: cargo makes a module, which brings the contract along, and that becomes a component.
//!
//! Where the project has cargo link by `wasm-component-ld`, what cargo makes is the component already.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde::Deserialize;

use super::{Built, component, tool};
use crate::{cli::Failure, report::escape::shown};

const TARGET: &str = "wasm32-unknown-unknown";

/// One of the lines that cargo prints for programs, as far as it matters.
#[derive(Debug, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        manifest_path: PathBuf,
        target: Target,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

/// Builds the component.
///
/// # Errors
/// cargo or the target is missing, the code does not compile, or what it makes is not what the contract asks for.
pub(super) fn build(project: &Path) -> Result<Built, Failure> {
    let args = [
        "build",
        "--release",
        "--target",
        TARGET,
        "--message-format",
        "json-render-diagnostics",
    ];
    // Where standard error is gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "running: cargo {}", args.join(" "));
    let Output { status, stdout, .. } = Command::new(cargo())
        .args(args)
        .current_dir(project)
        .stdin(Stdio::null())
        // What people are to read of it, as it comes.
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::new("no cargo on PATH")
                .because("it builds Rust")
                .hint("install Rust: https://rustup.rs"),
            _ => Failure::new("cannot run cargo").cause(&error),
        })?;
    if !status.success() {
        let failure = Failure::new(format!("cargo failed ({status})"));
        return Err(match missing_target(project) {
            Some(hint) => failure
                .because(format!("this compiler cannot build for {TARGET}"))
                .hint(hint),
            None => failure,
        });
    }
    let (name, path) = artifact(project, &String::from_utf8_lossy(&stdout))?;
    let bytes = fs::read(&path)
        .map_err(|error| Failure::new("cannot read what cargo made").cause(&error))?;
    let what = shown(&path.to_string_lossy()).into_owned();
    Ok(Built {
        name: Some(name),
        component: component(bytes, &what)?,
    })
}

/// The one that runs this, if one does.
fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// How to get the target, if it is that which is missing.
fn missing_target(project: &Path) -> Option<&'static str> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(project)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let has_std = fs::read_dir(libraries).is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
        })
    });
    match (has_std, tool::on_path("rustup")) {
        (true, _) => None,
        (false, Some(_)) => Some("rustup target add wasm32-unknown-unknown"),
        (false, None) => Some(
            "install Rust from https://rustup.rs, then: rustup target add wasm32-unknown-unknown (on Debian 13 or \
             later: apt-get install libstd-rust-dev-wasm32)",
        ),
    }
}

/// What cargo made of this project, and not of what it depends on: the package's name, and the module.
fn artifact(project: &Path, messages: &str) -> Result<(String, PathBuf), Failure> {
    let manifest = project
        .join("Cargo.toml")
        .canonicalize()
        .map_err(|error| Failure::new("cannot read Cargo.toml").cause(&error))?;
    let mut ours = Vec::new();
    for line in messages.lines() {
        if let Ok(Message::CompilerArtifact {
            manifest_path,
            target,
            filenames,
        }) = serde_json::from_str(line)
        {
            let is_ours = manifest_path
                .canonicalize()
                .is_ok_and(|path| path == manifest);
            let is_wasm = |path: &PathBuf| path.extension().is_some_and(|e| e == "wasm");
            if is_ours && target.crate_types.iter().any(|kind| kind == "cdylib") {
                let name = target.name.replace('_', "-");
                ours.extend(
                    filenames
                        .into_iter()
                        .filter(is_wasm)
                        .map(|path| (name.clone(), path)),
                );
            }
        }
    }
    match (ours.pop(), ours.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(Failure::new(format!(
            "the crate in {} makes no module",
            project.display()
        ))
        .hint("Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\", \"rlib\"]`")),
        (Some(_), false) => Err(Failure::new(format!(
            "the crate in {} makes several modules",
            project.display()
        ))
        .hint("keep each plugin in a package of its own")),
    }
}
