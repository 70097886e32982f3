//! A matcher in JavaScript: `componentize-qjs` puts it and QuickJS into one component.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Built, tool};
use crate::cli::Failure;

/// What the template was tried with.
const VERSION: &str = "0.4.5";
const TOOL: &str = "componentize-qjs";
/// Where the matcher meets muster; it imports the rest.
const ENTRY: &str = "component.js";

/// Builds the component.
///
/// # Errors
/// The tool is missing, or fails.
pub(super) fn build(project: &Path) -> Result<Built, Failure> {
    tool::needed(project, ENTRY)?;
    tool::needed(project, "wit")?;
    let program = find(project).ok_or_else(|| {
        let install = if project.join("package-lock.json").exists() {
            "npm install".to_owned()
        } else {
            format!("npm install --save-dev {TOOL}@{VERSION}")
        };
        Failure::new(format!(
            "no {TOOL} in {}, nor on PATH",
            project.join("node_modules").display()
        ))
        .because("it turns JavaScript into a component, and is an npm package")
        .hint(format!("in {}: {install}", project.display()))
    })?;
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::new("cannot make a temporary folder").cause(&error))?;
    let made = folder.path().join("component.wasm");
    // Synchronous: muster offers plugins nothing that they could wait for. And no WASI: there is none to be had.
    tool::run(
        project,
        Command::new(program)
            .args(["--wit", "wit", "--world", "matcher", "--js", ENTRY])
            .args(["--module-root", ".", "--sync", "--opt-size", "--stub-wasi"])
            .arg("--output")
            .arg(&made),
    )?;
    let component = fs::read(&made)
        .map_err(|error| Failure::new(format!("cannot read what {TOOL} made")).cause(&error))?;
    Ok(Built {
        name: name(project),
        component,
    })
}

/// What package.json calls the project; a scope does not belong to it.
fn name(project: &Path) -> Option<String> {
    let package = fs::read(project.join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_slice(&package).ok()?;
    let name = package.get("name")?.as_str()?.rsplit('/').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Where npm puts it for this project, or for one that this is a part of; then `PATH`.
fn find(project: &Path) -> Option<PathBuf> {
    let project = project.canonicalize().ok()?;
    project
        .ancestors()
        .map(|folder| folder.join("node_modules/.bin").join(TOOL))
        .find(|file| tool::is_program(file))
        .or_else(|| tool::on_path(TOOL))
}
