//! `muster plugin build`: from a project to a component, with the tools of its language.

mod c;
mod js;
mod python;
mod rust;
mod tool;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use wit_component::ComponentEncoder;

use super::{file, view::size};
use crate::{
    cli::{Common, Failure, context::write_file, print},
    exit::Exit,
    report::escape::shown,
};

/// What every component begins with: the magic number, and which layer of WebAssembly it is.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// What every plain module begins with.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// What a matcher exports, in any version.
const EXPORT: &[u8] = b"muster:matcher/plugin@";

/// Arguments of `muster plugin build`.
#[derive(Args, Debug)]
#[command(after_help = "\
The language is known by a file in the project: Cargo.toml (Rust), plugin.js, plugin.py or plugin.c. Nothing is \
installed: what is missing is named, with the command that installs it.")]
pub struct Build {
    /// The project's folder; or a module of WebAssembly (`.wasm`) that was built for the contract, to be made a component.
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Where to write the component [default: NAME.wasm in the project's folder].
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    Js,
    Python,
    C,
}

/// What was built.
struct Built {
    /// The project's name, where its files say one.
    name: Option<String>,
    component: Vec<u8>,
}

impl Build {
    pub(super) fn run(self, _: &Common) -> Result<Exit, Failure> {
        let Self { project, out } = self;
        let meta = fs::metadata(&project).map_err(|error| {
            Failure::new(format!("cannot read {}", project.display())).cause(&error)
        })?;
        let (folder, built) = if meta.is_dir() {
            let built = Language::of(&project)?.build(&project)?;
            (project.as_path(), built)
        } else {
            (Path::new("."), module(&project)?)
        };
        let out = match out {
            Some(out) => out,
            None => folder.join(format!("{}.wasm", name(&project, &built)?)),
        };
        if same_file(&project, &out) {
            return Err(Failure::new(format!(
                "the component would replace the module {}",
                project.display()
            ))
            .hint("say where to write it: --out FILE")
            .exits(Exit::Usage));
        }
        // Whole or not at all: a service may be reading the one that is there.
        write_file(&out, &built.component).map_err(|error| {
            Failure::new(format!("cannot write {}", out.display())).cause(&error)
        })?;
        let shown = shown(&out.to_string_lossy()).into_owned();
        print::<Failure>(|to| {
            writeln!(to, "wrote {shown} ({})", size(built.component.len()))?;
            let tests = folder.join("tests.yaml");
            if tests.exists() {
                writeln!(to, "next: muster plugin test {shown}")?;
            } else {
                writeln!(to, "next: muster plugin inspect {shown}")?;
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}

impl Language {
    const ALL: [Self; 4] = [Self::Rust, Self::Js, Self::Python, Self::C];

    /// The file that a project of this language has, and no other.
    const fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Js => "plugin.js",
            Self::Python => "plugin.py",
            Self::C => "plugin.c",
        }
    }

    fn of(project: &Path) -> Result<Self, Failure> {
        let is_there = |language: &Self| project.join(language.mark()).is_file();
        let found: Vec<Self> = Self::ALL.into_iter().filter(is_there).collect();
        let marks = |languages: &[Self]| {
            let marks: Vec<_> = languages.iter().map(|language| language.mark()).collect();
            marks.join(", ")
        };
        match found.as_slice() {
            [language] => Ok(*language),
            [] => Err(
                Failure::new(format!("no plugin's project in {}", project.display()))
                    .because(format!("it has none of {}", marks(&Self::ALL)))
                    .hint("`muster plugin new NAME` writes one"),
            ),
            several => Err(Failure::new(format!(
                "cannot tell which language {} is in",
                project.display()
            ))
            .because(format!("it has all of {}", marks(several)))
            .hint("keep each plugin in a folder of its own")),
        }
    }

    fn build(self, project: &Path) -> Result<Built, Failure> {
        match self {
            Self::Rust => rust::build(project),
            Self::Js => js::build(project),
            Self::Python => python::build(project),
            Self::C => c::build(project),
        }
    }
}

/// A file that somebody else built.
fn module(path: &Path) -> Result<Built, Failure> {
    let bytes = file::read(path)?;
    if bytes.starts_with(COMPONENT) {
        return Err(
            Failure::new(format!("{} is a component already", path.display())).hint(format!(
                "`muster plugin inspect {}` says what it is",
                path.display()
            )),
        );
    }
    Ok(Built {
        name: path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned()),
        component: component(bytes, &path.display().to_string())?,
    })
}

/// Makes a component of what a compiler wrote, unless it is one; in both cases one that is a matcher.
fn component(bytes: Vec<u8>, what: &str) -> Result<Vec<u8>, Failure> {
    let component = encoded(bytes, what)?;
    // Names are in it as they are written. `muster plugin inspect` looks closer.
    if component.windows(EXPORT.len()).any(|part| part == EXPORT) {
        Ok(component)
    } else {
        Err(Failure::new(format!("{what} is no matcher"))
            .because("it does not export the contract `muster:matcher/plugin`")
            .hint("in Rust, `muster_plugin::export!(MyMatcher)` exports it"))
    }
}

fn encoded(bytes: Vec<u8>, what: &str) -> Result<Vec<u8>, Failure> {
    if bytes.starts_with(COMPONENT) {
        return Ok(bytes);
    }
    if !bytes.starts_with(MODULE) {
        return Err(Failure::new(format!("{what} is no WebAssembly")));
    }
    ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| {
            let failure = Failure::new(format!("cannot make a component of {what}"));
            error
                .chain()
                .fold(failure, |failure, cause| {
                    failure.because(cause.to_string())
                })
                .hint("the module has to bring the contract along in a section of its own, as bindings that are generated from it do")
        })
}

/// By what the project says, or else by its folder.
fn name(project: &Path, built: &Built) -> Result<String, Failure> {
    if let Some(name) = &built.name {
        return Ok(name.clone());
    }
    let folder = project.canonicalize().ok();
    folder
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned())
        .ok_or_else(|| {
            Failure::new(format!("no name for what {} makes", project.display()))
                .hint("say where to write it: --out FILE")
        })
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
