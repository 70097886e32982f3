//! The configuration against files: `fixtures/config/good` must parse, `fixtures/config/bad` must be refused with
//! the problems that stand beside each. `MUSTER_BLESS=1` writes what stands beside them anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod files;
mod hostile;
mod made;
mod secret;

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{ConfigError, Loaded, Located, Overrides, load, parse, show::show};

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares with a file of the repository, or writes it.
pub(super) fn golden(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os("MUSTER_BLESS").is_some() {
        fs::write(path, actual).unwrap();
        return Ok(());
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return Ok(());
    }
    Err(format!(
        "{} is not what comes out:\n--- file\n{expected}\n--- now\n{actual}\n",
        path.display()
    ))
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(root().join("fixtures/config").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    cases.sort();
    assert!(cases.len() > 3, "no cases in {folder}");
    cases
}

/// Reads a case under its bare name, so that goldens are the same everywhere.
fn read(path: &Path) -> Result<Loaded, ConfigError> {
    let name = PathBuf::from(path.file_name().unwrap());
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, Some(&name)),
        Err(_) => load(path).map_err(|error| ConfigError {
            path: name,
            ..error
        }),
    }
}

#[test]
fn good_configurations_parse() {
    let mut wrong = String::new();
    for path in cases("good") {
        let loaded = read(&path).unwrap_or_else(|error| panic!("{error}"));
        let file = loaded.config.path.clone().unwrap();
        let warnings: String = loaded
            .warnings
            .iter()
            .map(|problem| {
                format!(
                    "# {}\n",
                    Located {
                        file: &file,
                        problem
                    }
                )
            })
            .collect();
        let shown = show(&loaded, &Overrides::default(), true);
        wrong += &golden(&path.with_extension("effective"), &(warnings + &shown))
            .err()
            .unwrap_or_default();
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn bad_configurations_are_refused_with_all_their_problems() {
    let mut wrong = String::new();
    for path in cases("bad") {
        let Err(error) = read(&path) else {
            panic!("{} parses", path.display())
        };
        assert!(
            error.problems.iter().any(|problem| !problem.warning),
            "{}: only warnings",
            path.display()
        );
        wrong += &golden(&path.with_extension("problems"), &format!("{error}\n"))
            .err()
            .unwrap_or_default();
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_shown_means_the_same() {
    for path in cases("good") {
        let loaded = read(&path).unwrap();
        for origin in [false, true] {
            let shown = show(&loaded, &Overrides::default(), origin);
            let again = parse(&shown, loaded.config.path.as_deref())
                .unwrap_or_else(|error| panic!("{error}\n{shown}"));
            let names = |shown: &Loaded| {
                format!("{:?}", shown.config).replace("sources.aws\"", "sources.aws[0]\"")
            };
            assert_eq!(names(&loaded), names(&again), "{}", path.display());
        }
    }
}

#[test]
fn show_says_who_overrides_the_store() {
    let loaded = read(&cases("good")[0]).unwrap();
    let overrides = Overrides {
        store: Some((PathBuf::from("/elsewhere"), "env MUSTER_STORE")),
    };
    let shown = show(&loaded, &overrides, true);
    assert!(
        shown.contains("\nstore: /elsewhere  # env MUSTER_STORE\n"),
        "{shown}"
    );
    assert!(show(&loaded, &overrides, false).contains("\nstore: /elsewhere\n"));
}

#[test]
fn a_relative_store_is_beside_the_file() {
    let text = fs::read_to_string(root().join("fixtures/config/good/minimal.yaml")).unwrap();
    let text = text.replace("/var/lib/muster", "./data/store");
    let store = |path: Option<&str>| parse(&text, path.map(Path::new)).unwrap().config.store;
    assert_eq!(
        store(Some("/etc/muster/muster.yaml")),
        Path::new("/etc/muster/data/store")
    );
    assert_eq!(store(Some("muster.yaml")), Path::new("data/store"));
    assert_eq!(store(None), Path::new("data/store"));
}

#[test]
fn a_missing_file_says_how_to_get_one() {
    let error = load(Path::new("/nowhere/muster.yaml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("/nowhere/muster.yaml: cannot read the file: "),
        "{error}"
    );
    assert!(error.contains("muster config create"), "{error}");
}
