//! Tools of others that turn a project into a component: found, named, run.
//!
//! They come from the user's machine. Nothing is downloaded here, ever: what is missing is named, with the command that
//! installs it.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{cli::Failure, report::escape::shown};

/// How many of the last lines that a tool wrote are shown when it fails.
const LAST_LINES: usize = 40;

/// The first program of that name on `PATH`.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| is_program(file))
}

/// Whether it is a file that may be run.
pub(super) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Runs a tool in the project's folder, after saying so on standard error.
///
/// # Errors
/// It cannot be started, or fails: with the last lines that it wrote.
pub(super) fn run(project: &Path, command: &mut Command) -> Result<(), Failure> {
    let name = command
        .get_program()
        .to_string_lossy()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let line = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| shown(&word.to_string_lossy()).into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    // Where standard error is gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "running: {line}");
    let output = command
        .current_dir(project)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(format!("cannot run {name}")).cause(&error))?;
    if output.status.success() {
        return Ok(());
    }
    let wrote = [output.stdout, output.stderr].concat();
    let wrote = String::from_utf8_lossy(&wrote);
    let lines: Vec<_> = wrote
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines.len().saturating_sub(LAST_LINES);
    Err(lines.iter().skip(last).fold(
        Failure::new(format!("{name} failed ({})", output.status)),
        |failure, line| failure.because(*line),
    ))
}

/// A file that the template brought, and that the build needs.
///
/// # Errors
/// It is not there.
pub(super) fn needed(project: &Path, name: &str) -> Result<(), Failure> {
    if project.join(name).exists() {
        return Ok(());
    }
    Err(
        Failure::new(format!("no {name} in {}", project.display())).hint(format!(
            "`muster plugin new` writes it; take {name} from a new project"
        )),
    )
}
