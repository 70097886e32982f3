//! Who may import whom: the table of ARCHITECTURE.md, checked against `cargo metadata`.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Crate, and which of our crates it may depend on.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("muster-model", &[]),
    ("muster-cloud", &[]),
    ("muster-plan", &["muster-model"]),
    ("muster-schedule", &["muster-model"]),
    ("muster-store", &["muster-model"]),
    ("muster-discovery", &["muster-model", "muster-cloud"]),
    ("muster-matchers", &["muster-model"]),
    ("muster-wasm", &["muster-model"]),
    ("muster-socket", &[]),
    ("muster-yaml", &[]),
    ("muster-access", &["muster-model", "muster-yaml"]),
    ("muster-audit", &["muster-model"]),
    ("muster-client", &["muster-model"]),
    ("muster-credentials", &["muster-model", "muster-cloud"]),
    (
        "muster-proxy",
        &[
            "muster-model",
            "muster-access",
            "muster-audit",
            "muster-credentials",
            "muster-socket",
        ],
    ),
    (
        "muster",
        &[
            "muster-model",
            "muster-access",
            "muster-audit",
            "muster-client",
            "muster-credentials",
            "muster-proxy",
            "muster-cloud",
            "muster-plan",
            "muster-schedule",
            "muster-store",
            "muster-discovery",
            "muster-matchers",
            "muster-wasm",
            "muster-yaml",
        ],
    ),
];

/// Crate, and what it must never depend on directly: no I/O in the nouns, the plan and the matchers, sled
/// only behind the store, and wasmtime only behind its host.
const MUST_NOT_USE: &[(&str, &[&str])] = &[
    ("muster-socket", &["tokio", "async-trait"]),
    ("muster-model", &["tokio", "reqwest", "sled", "async-trait"]),
    ("muster-plan", &["tokio", "reqwest", "sled", "async-trait"]),
    (
        "muster-matchers",
        &["tokio", "reqwest", "sled", "async-trait", "wasmtime"],
    ),
    ("muster-wasm", &["tokio", "reqwest", "sled", "async-trait"]),
    (
        "muster-access",
        &["tokio", "reqwest", "sled", "async-trait"],
    ),
    ("muster-audit", &["tokio", "reqwest", "sled", "async-trait"]),
    ("muster-client", &["reqwest", "sled", "wasmtime"]),
    ("muster-credentials", &["sled", "wasmtime"]),
    ("muster-proxy", &["reqwest", "sled", "wasmtime"]),
    ("muster-schedule", &["reqwest", "sled", "async-trait"]),
    ("muster-store", &["tokio", "reqwest"]),
    (
        "muster-cloud",
        &[
            "sled",
            "aws-sdk-rds",
            "aws-sdk-docdb",
            "aws-sdk-elasticache",
        ],
    ),
    ("muster-discovery", &["sled"]),
    (
        "muster",
        &[
            "sled",
            "wasmtime",
            "aws-sdk-rds",
            "aws-sdk-docdb",
            "aws-sdk-elasticache",
        ],
    ),
];

fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--locked",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let normal = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| dependency["name"].as_str().expect("name").to_owned())
                .collect();
            (package["name"].as_str().expect("name").to_owned(), normal)
        })
        .collect()
}

#[test]
fn every_crate_imports_only_what_the_table_allows() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    assert_eq!(
        ours,
        table.keys().copied().collect(),
        "every crate has a line in the table, and no other"
    );
    for (name, dependencies) in &packages {
        for dependency in dependencies
            .iter()
            .filter(|dependency| ours.contains(dependency.as_str()))
        {
            assert!(
                table[name.as_str()].contains(&dependency.as_str()),
                "{name} must not import {dependency}"
            );
        }
    }
}

#[test]
fn pure_crates_stay_pure_and_the_backends_stay_behind_their_crate() {
    let packages = packages();
    for (name, banned) in MUST_NOT_USE {
        for dependency in &packages[*name] {
            assert!(
                !banned.contains(&dependency.as_str()),
                "{name} must not use {dependency}"
            );
        }
    }
}

#[test]
fn the_top_level_holds_only_what_was_agreed() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let allowed = [
        "discovery",
        "matchers",
        "proxy-core",
        "plugins",
        "fixtures",
        "tests",
        "src",
        "docs",
        "target",
    ];
    for entry in std::fs::read_dir(root).expect("the repository") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().expect("a type").is_dir() && !name.starts_with('.') {
            assert!(
                allowed.contains(&name.as_str()),
                "unexpected top-level folder {name}"
            );
        }
    }
}
