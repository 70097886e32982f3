//! `muster plugin new`: a project that builds and passes its tests as it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use include_dir::{Dir, DirEntry, include_dir};

use crate::{
    cli::{Common, Failure, print},
    exit::Exit,
    report::escape::shown,
};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/cli/plugin/templates");
/// It is not on crates.io: projects get it as it is in this muster.
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/plugins/sdk");
/// The versions that the SDK was tried with. cargo leaves out what a project has not.
const SDK_LOCK: &str = include_str!("../../../plugins/Cargo.lock");
/// The contract that new projects are written against.
const WIT: &str = include_str!("../../../plugins/wit/0.1/matcher.wit");

/// What the templates are called.
const PLACEHOLDER: &str = "my-matcher";
/// The longest name, in bytes: what the host takes.
const MAX_NAME: usize = 64;

/// Arguments of `muster plugin new`.
#[derive(Args, Debug)]
#[command(after_help = "\
The project builds and passes its tests as it is: see its README.md for how.")]
pub struct New {
    /// Where: the last part is the matcher's name, of small letters, digits and hyphens.
    #[arg(value_name = "NAME")]
    project: PathBuf,
    /// The language to write it in.
    #[arg(short, long, value_enum, default_value_t)]
    lang: Lang,
    /// A folder with the SDK for Rust, to be used in place of a copy of this muster's.
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// A language that there is a template for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// Small and fast; needs cargo and a compiler with the target wasm32-unknown-unknown.
    #[default]
    Rust,
    /// With QuickJS in it, 1 MB; needs npm for componentize-qjs.
    #[value(alias = "javascript")]
    Js,
    /// With CPython in it, 18 MB; needs pip for componentize-py.
    #[value(alias = "py")]
    Python,
    /// Small and fast, without a C library; needs clang and lld.
    C,
}

impl New {
    pub(super) fn run(self, _: &Common) -> Result<Exit, Failure> {
        let Self { project, lang, sdk } = self;
        let name = name(&project)?;
        let sdk = match (&sdk, lang) {
            (None, _) => None,
            (Some(sdk), Lang::Rust) => Some(own_sdk(sdk)?),
            (Some(_), Lang::Js | Lang::Python | Lang::C) => {
                return Err(Failure::new(
                    "--sdk is for Rust; the other templates bring all that they need",
                )
                .exits(Exit::Usage));
            }
        };
        let folder = match lang {
            Lang::Rust => "rust",
            Lang::Js => "js",
            Lang::Python => "python",
            Lang::C => "c",
        };
        let template = TEMPLATES
            .get_dir(folder)
            .ok_or_else(|| Failure::new(format!("this muster has no template for {folder}")))?;
        make(&project)?;
        let mut files = Vec::new();
        collect(template, template.path(), &mut files);
        files.push(("wit/matcher.wit".into(), WIT.into()));
        match (lang, &sdk) {
            (Lang::Js | Lang::Python | Lang::C, _) => {}
            (Lang::Rust, Some(_)) => files.push(("Cargo.lock".into(), SDK_LOCK.into())),
            (Lang::Rust, None) => {
                files.push(("Cargo.lock".into(), SDK_LOCK.into()));
                let mut own = Vec::new();
                collect(&SDK, SDK.path(), &mut own);
                files.extend(
                    own.into_iter()
                        .map(|(path, bytes)| (Path::new("sdk").join(path), bytes)),
                );
            }
        }
        let mut written = Vec::new();
        for (path, bytes) in files {
            let bytes = if path.starts_with("sdk") {
                bytes
            } else {
                named(bytes, &name, sdk.as_deref())
            };
            write(&project.join(&path), &bytes)?;
            written.push(path);
        }
        written.sort();
        let folder = shown(&project.to_string_lossy()).into_owned();
        print::<Failure>(|out| {
            writeln!(out, "wrote {folder}:")?;
            for path in written.iter().filter(|path| !path.starts_with("sdk")) {
                writeln!(out, "  {}", path.display())?;
            }
            if sdk.is_none() && lang == Lang::Rust {
                writeln!(out, "  sdk/ (what it is written with)")?;
            }
            writeln!(out, "next: cd {folder}, and see README.md")?;
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}

/// The last part of where the project is to be.
fn name(project: &Path) -> Result<String, Failure> {
    let name = project
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(fit);
    if good {
        Ok(name)
    } else {
        Err(Failure::new(format!("`{name}` is no name for a matcher"))
            .because(format!(
                "labels are shown as coming from it: up to {MAX_NAME} small letters, digits and hyphens, a letter first"
            ))
            .exits(Exit::Usage))
    }
}

/// Where an SDK of one's own is, from anywhere.
fn own_sdk(sdk: &Path) -> Result<String, Failure> {
    let refused = || Failure::new(format!("no SDK in {}", sdk.display()));
    let folder = sdk
        .canonicalize()
        .map_err(|error| refused().cause(&error).exits(Exit::Usage))?;
    if !folder.join("Cargo.toml").is_file() {
        return Err(refused().because("it has no Cargo.toml").exits(Exit::Usage));
    }
    match folder.to_str() {
        Some(path) if !path.contains(['"', '\\', '\n']) => Ok(path.to_owned()),
        _ => Err(refused()
            .because("its path cannot be written into Cargo.toml")
            .exits(Exit::Usage)),
    }
}

/// An empty folder: nothing that somebody has is written over.
fn make(project: &Path) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| {
        Failure::new(format!("cannot make {}", project.display())).cause(error)
    };
    fs::create_dir_all(project).map_err(|error| failed(&error))?;
    let mut there = fs::read_dir(project).map_err(|error| failed(&error))?;
    match there.next() {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!("{} is not empty", project.display()))
            .hint("name a folder that does not exist")),
    }
}

fn collect(dir: &Dir<'static>, root: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => collect(dir, root, files),
            DirEntry::File(file) => {
                let path = file.path().strip_prefix(root).unwrap_or(file.path());
                files.push((path.to_path_buf(), file.contents().to_vec()));
            }
        }
    }
}

/// With the project's own name in it, and where the SDK is.
fn named(bytes: Vec<u8>, name: &str, sdk: Option<&str>) -> Vec<u8> {
    match String::from_utf8(bytes) {
        Ok(text) => {
            let text = text.replace(PLACEHOLDER, name);
            match sdk {
                Some(sdk) => text.replace("path = \"sdk\"", &format!("path = \"{sdk}\"")),
                None => text,
            }
            .into_bytes()
        }
        // Not a text: as it is.
        Err(error) => error.into_bytes(),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let made = match path.parent() {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    };
    made.and_then(|()| fs::write(path, bytes))
        .map_err(|error| Failure::new(format!("cannot write {}", path.display())).cause(&error))
}
