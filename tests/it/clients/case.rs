//! The behaviours, as they stand in files.

use std::{fs, path::Path};

use serde::Deserialize;

/// A behaviour.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is, for people.
    #[serde(rename = "about")]
    pub _about: String,
    /// What is done.
    pub steps: Vec<Step>,
    /// The file's name.
    #[serde(skip)]
    pub file: String,
}

/// One thing that a client does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// A verb and its words.
    #[serde(rename = "do")]
    pub words: Vec<String>,
    /// What every client has to say.
    pub says: Option<Vec<String>>,
    /// A verb: clients that have no means for it leave this step out.
    pub needs: Option<String>,
}

impl Case {
    /// All of them, by the names of their files.
    pub fn all() -> Vec<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/clients");
        let mut cases: Vec<Self> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
            .map(|path| {
                let text = fs::read_to_string(&path).unwrap();
                let mut case: Self = serde_yaml::from_str(&text)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                case.file = path.file_name().unwrap().to_string_lossy().into_owned();
                case
            })
            .collect();
        cases.sort_by(|one, other| one.file.cmp(&other.file));
        assert!(!cases.is_empty());
        cases
    }
}
