//! Projects as `muster plugin new` writes them. That they build, and pass their tests, is what page.rs sees.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wit_component::StringEncoding;
use wit_parser::Resolve;

use super::kit::Desk;

/// All files, by path.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(within) = folders.pop() {
        for entry in fs::read_dir(folder.join(&within)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = within.join(entry.file_name());
            if entry.file_type().expect("a type").is_dir() {
                folders.push(path);
            } else {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_project_in_rust_has_all_that_it_needs() {
    let desk = Desk::new();
    let ended = desk.plugin(&["new", "some/where/owner-ship"]).ends(0);
    assert!(ended.out.contains("src/lib.rs"), "{}", ended.out);
    let there = files(&desk.path("some/where/owner-ship"));
    for file in [
        ".gitignore",
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "sdk/Cargo.toml",
        "sdk/src/lib.rs",
        "sdk/src/world.bin",
        "settings.schema.json",
        "src/lib.rs",
        "tests.yaml",
        "wit/matcher.wit",
    ] {
        assert!(there.iter().any(|path| path == file), "{file}: {there:?}");
    }
    for file in there.iter().filter(|file| !file.starts_with("sdk/")) {
        let text = desk.read(&format!("some/where/owner-ship/{file}"));
        assert!(!text.contains("my-matcher"), "{file}");
    }
    assert!(
        desk.read("some/where/owner-ship/Cargo.toml")
            .contains("name = \"owner-ship\"")
    );
}

#[test]
fn an_sdk_of_ones_own_is_used_where_it_is() {
    let desk = Desk::new();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/sdk");
    let sdk = sdk.to_string_lossy();
    desk.plugin(&["new", "a", "--sdk", &sdk]).ends(0);
    assert!(!desk.path("a/sdk").exists());
    let manifest = desk.read("a/Cargo.toml");
    assert!(
        manifest.contains(&format!("muster-plugin = {{ path = \"{sdk}\" }}")),
        "{manifest}"
    );
    desk.plugin(&["new", "b", "--sdk", "nowhere"]).ends(64);
    assert!(!desk.path("b").exists());
}

#[test]
fn nothing_is_written_over() {
    let desk = Desk::new();
    desk.plugin(&["new", "a"]).ends(0);
    desk.write("a/src/lib.rs", "mine");
    desk.plugin(&["new", "a"]).fails(&["a is not empty"]);
    assert_eq!(desk.read("a/src/lib.rs"), "mine");
}

#[test]
fn a_name_is_one_that_labels_can_come_from() {
    let desk = Desk::new();
    let long = "a".repeat(65);
    for name in ["Owner", "7up", "a_b", "-", "a-", "..", "x/", &long] {
        let ended = desk.plugin(&["new", "--", name]);
        // `x/` is `x`.
        if name == "x/" {
            ended.ends(0);
        } else {
            let ended = ended.ends(64);
            assert!(
                ended.err.contains("no name for a matcher"),
                "{name}: {}",
                ended.err
            );
        }
    }
}

#[test]
fn the_sdk_brings_the_contract_along_as_it_is() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(plugins.join("wit/0.1")).expect("the WIT");
    let world = resolve
        .select_world(&[package], Some("matcher"))
        .expect("its world");
    let now = wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None)
        .expect("encoded");
    let path = plugins.join("sdk/src/world.bin");
    if std::env::var_os("MUSTER_BLESS").is_some() {
        fs::write(&path, &now).expect("written");
    }
    assert!(
        fs::read(&path).expect("world.bin") == now,
        "plugins/sdk/src/world.bin: MUSTER_BLESS=1 writes it anew"
    );
}
