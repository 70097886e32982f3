//! For tests of what is printed for Prometheus: Prometheus's own tool, and what a scrape really holds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::metrics::testkit::{everything, samples};

/// A program that `tests/tools/servers.sh` installs. Where it is missing a test fails and says so.
pub fn tool(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools");
    let tools = std::env::var_os("MUSTER_TEST_TOOLS").map_or(own, PathBuf::from);
    let path = tools.join("bin").join(name);
    assert!(
        path.exists(),
        "{} is not there: run tests/tools/servers.sh",
        path.display()
    );
    path
}

/// Runs `promtool` in a folder with these files; what it printed.
///
/// # Panics
/// When it finds fault with them.
pub fn promtool(arguments: &[&str], files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let output = Command::new(tool("promtool"))
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    printed(&output)
}

/// Runs `promtool` with this on its standard input.
///
/// # Panics
/// When it finds fault with it, or has anything to say.
pub fn promtool_reads(arguments: &[&str], text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    fs::write(&input, text).unwrap();
    let output = Command::new(tool("promtool"))
        .args(arguments)
        .stdin(fs::File::open(input).unwrap())
        .output()
        .unwrap();
    assert_eq!(printed(&output), "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Runs a program in Python, with the packages that `tests/tools/requirements.txt` lists.
///
/// # Panics
/// When it fails.
pub fn python(program: &str, folder: &Path) -> String {
    let output = Command::new(tool("python"))
        .args(["-c", program])
        .current_dir(folder)
        .output()
        .unwrap();
    printed(&output)
}

fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out
}

/// What a scrape holds: the metrics, and the values of their labels, with those that Prometheus puts to them.
pub struct Scraped(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Scraped {
    pub fn new() -> Self {
        let mut all: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for sample in samples(&everything()) {
            let labels = all.entry(sample.name).or_default();
            for (label, value) in sample.labels {
                labels.entry(label).or_default().insert(value);
            }
        }
        all.insert("up".to_owned(), BTreeMap::new());
        for labels in all.values_mut() {
            for label in ["job", "instance"] {
                labels.insert(label.to_owned(), BTreeSet::new());
            }
        }
        Self(all)
    }

    /// Asserts that an expression asks only for what there is: metrics, labels and, in matchers, values. Returns
    /// the labels that its series may have.
    pub fn check(&self, expr: &str) -> BTreeSet<String> {
        let metrics =
            regex::Regex::new(r"\b(?:up|(?:muster|process)_[a-z_]+)\b(?:\{([^}]*)\})?").unwrap();
        let matcher = regex::Regex::new(r#"([a-z_]+)\s*(=~|!=|=|!~)\s*"([^"]*)""#).unwrap();
        let grouping = regex::Regex::new(r"\b(?:by|on)\s*\(([^)]*)\)").unwrap();
        let mut labels = BTreeSet::new();
        for found in metrics.captures_iter(expr) {
            let name = found[0].split('{').next().unwrap();
            let there = self.0.get(name);
            let there = there.unwrap_or_else(|| panic!("there is no {name}: {expr}"));
            labels.extend(there.keys().cloned());
            let selector = found.get(1).map_or("", |selector| selector.as_str());
            for matched in matcher.captures_iter(selector) {
                let (label, values) = (&matched[1], &matched[3]);
                let known = there.get(label);
                let known = known.unwrap_or_else(|| panic!("{name} has no label {label}: {expr}"));
                for value in values.split('|').filter(|_| !known.is_empty()) {
                    assert!(
                        known.contains(value),
                        "{name} has no {label}={value}: {expr}"
                    );
                }
            }
        }
        assert!(!labels.is_empty(), "no metric of ours in {expr}");
        for found in grouping.captures_iter(expr) {
            for label in found[1].split(',').map(str::trim) {
                assert!(labels.contains(label), "there is no label {label}: {expr}");
            }
        }
        labels
    }
}
