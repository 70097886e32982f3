//! A matcher in Python: `componentize-py` puts it and CPython into one component.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Built, tool};
use crate::cli::Failure;

/// What the template was tried with.
const VERSION: &str = "0.25.1";
const TOOL: &str = "componentize-py";
/// Where the matcher meets muster; it imports the rest.
const ENTRY: &str = "app";

/// Builds the component.
///
/// # Errors
/// The tool is missing, or fails.
pub(super) fn build(project: &Path) -> Result<Built, Failure> {
    tool::needed(project, "app.py")?;
    tool::needed(project, "wit")?;
    let program = find(project).ok_or_else(|| {
        let what = if project.join("requirements.txt").exists() {
            "--require-hashes -r requirements.txt".to_owned()
        } else {
            format!("{TOOL}=={VERSION}")
        };
        Failure::new(format!(
            "no {TOOL} in {}, nor on PATH",
            project.join(".venv").display()
        ))
        .because("it turns Python into a component, and is a Python package")
        .hint(format!(
            "in {}: python3 -m venv .venv && .venv/bin/pip install {what}",
            project.display()
        ))
    })?;
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::new("cannot make a temporary folder").cause(&error))?;
    let made = folder.path().join("component.wasm");
    let mut command = Command::new(&program);
    // The tool asks `python3` where packages are: the one beside it, so that those of its environment are found.
    if let Some(beside) = program.parent() {
        let rest = env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(beside.to_path_buf()).chain(env::split_paths(&rest));
        if let Ok(path) = env::join_paths(path) {
            command.env("PATH", path);
        }
    }
    tool::run(
        project,
        command
            .args(["--wit-path", "wit", "--world", "matcher", "componentize"])
            .args(["--stub-wasi", "--python-path", ".", ENTRY, "--output"])
            .arg(&made),
    )?;
    let component = fs::read(&made)
        .map_err(|error| Failure::new(format!("cannot read what {TOOL} made")).cause(&error))?;
    Ok(Built {
        name: None,
        component,
    })
}

/// The project's environment, the one that is active, or `PATH`.
fn find(project: &Path) -> Option<PathBuf> {
    let project = project.canonicalize().ok()?;
    [".venv/bin", "venv/bin"]
        .iter()
        .map(|folder| project.join(folder).join(TOOL))
        .find(|file| tool::is_program(file))
        .or_else(|| tool::on_path(TOOL))
}
