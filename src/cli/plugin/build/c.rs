//! A matcher in C: clang and lld make a module, and the contract in `wit/` makes that a component.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::{Built, component, tool};
use crate::cli::Failure;

/// Bytes of stack, which lies below the data: what grows beyond it traps instead of overwriting anything.
const STACK: &str = "-Wl,-z,stack-size=131072,--stack-first";
/// Debian has each version under a name of its own.
const VERSIONS: std::ops::RangeInclusive<u32> = 14..=24;

/// Builds the component.
///
/// # Errors
/// clang or lld is missing or fails, or the module is not what the contract asks for.
pub(super) fn build(project: &Path) -> Result<Built, Failure> {
    tool::needed(project, "muster.c")?;
    tool::needed(project, "wit")?;
    let clang = find().ok_or_else(|| {
        Failure::new("no clang on PATH")
            .because("clang and lld compile C for WebAssembly; gcc does not")
            .hint("install clang and lld, 14 or later (on Debian: apt-get install clang lld)")
    })?;
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::new("cannot make a temporary folder").cause(&error))?;
    let made = folder.path().join("core.wasm");
    tool::run(
        project,
        Command::new(clang)
            .args(["--target=wasm32", "-std=c11", "-Os", "-Wall", "-Wextra"])
            .args([
                "-ffreestanding",
                "-nostdlib",
                "-Wl,--no-entry",
                "-Wl,--strip-all",
            ])
            .arg(STACK)
            .args(sources(project)?)
            .arg("-o")
            .arg(&made),
    )
    .map_err(|failure| {
        failure.hint(
            "where it says that wasm-ld is missing: install lld (on Debian: apt-get install lld)",
        )
    })?;
    let core = fs::read(&made)
        .map_err(|error| Failure::new("cannot read what clang made").cause(&error))?;
    let core = described(core, &project.join("wit"))?;
    Ok(Built {
        name: None,
        component: component(core, "what clang made")?,
    })
}

/// `*.c` but the tests, by name.
fn sources(project: &Path) -> Result<Vec<String>, Failure> {
    let unreadable = |error: &std::io::Error| {
        Failure::new(format!("cannot read {}", project.display())).cause(error)
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(project).map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".c") && !name.starts_with("test_") && !name.starts_with('.') {
            // `./`, so that no name is taken for an option.
            names.push(format!("./{name}"));
        }
    }
    names.sort();
    Ok(names)
}

/// `$CC` when that is clang, or clang of any version.
fn find() -> Option<PathBuf> {
    let wanted = env::var("CC").ok().filter(|cc| {
        let name = cc.rsplit('/').next().unwrap_or_default();
        name.starts_with("clang") && !cc.contains(' ')
    });
    if let Some(cc) = wanted {
        let found = if cc.contains('/') {
            Some(PathBuf::from(cc)).filter(|file| tool::is_program(file))
        } else {
            tool::on_path(&cc)
        };
        if found.is_some() {
            return found;
        }
    }
    tool::on_path("clang").or_else(|| {
        VERSIONS
            .rev()
            .find_map(|version| tool::on_path(&format!("clang-{version}")))
    })
}

/// Adds the contract to a module that says nothing of it.
fn described(mut core: Vec<u8>, wit: &Path) -> Result<Vec<u8>, Failure> {
    let mut resolve = Resolve::default();
    let world = resolve
        .push_path(wit)
        .and_then(|(package, _)| resolve.select_world(&[package], Some("matcher")))
        .and_then(|world| {
            embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)
        });
    match world {
        Ok(()) => Ok(core),
        Err(error) => Err(error.chain().fold(
            Failure::new(format!("cannot use the contract in {}", wit.display())),
            |failure, cause| failure.because(cause.to_string()),
        )),
    }
}
