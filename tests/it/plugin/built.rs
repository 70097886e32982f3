//! The plugins of this repository, as components in the host: what they say of themselves, their own tests, and what
//! they say of a fleet. One test each, because compiling them takes most of the time.

use serde_json::Value;

use super::{
    guests::guest,
    kit::{Desk, fixtures, golden},
};

#[test]
fn environment_says_what_it_always_said() {
    holds("environment");
}

#[test]
fn naming_says_what_it_always_said() {
    holds("naming");
}

#[test]
fn guard_says_what_it_always_said_and_what_is_wrong_with_its_settings() {
    let desk = holds("guard");
    desk.write("settings.yaml", "public: {unknown: maybe}\n");
    desk.write("db.yaml", "name: orders\n");
    let run = ["run", "plugin.wasm", "--database", "db.yaml"];
    desk.plugin(&[&run[..], &["--settings", "settings.yaml"]].concat())
        .fails(&["public.unknown", "unknown variant `maybe`"]);
    // Without any it would let everything through.
    desk.plugin(&run).fails(&["nothing is checked"]);
}

fn holds(name: &str) -> Desk {
    let desk = Desk::new();
    desk.write("plugin.wasm", guest(name));

    let shown = desk.json(&["inspect", "plugin.wasm", "-o", "json"]);
    let plugin = &shown["plugin"];
    assert_eq!(plugin["name"], *name, "{shown}");
    assert_eq!(plugin["version"], "0.1.0", "{shown}");
    assert_eq!(plugin["licence"], "Apache-2.0", "{shown}");
    assert_eq!(plugin["settings_schema"]["type"], "object", "{shown}");

    let own = fixtures().join("../../plugins").join(name);
    desk.write(
        "tests.yaml",
        std::fs::read(own.join("tests.yaml")).expect("its tests"),
    );
    desk.plugin(&["test", "plugin.wasm"]).ends(0);

    let file = |name: &str| {
        let path = fixtures().join("built").join(name);
        path.to_string_lossy().into_owned()
    };
    let ran = desk.json(&[
        "run",
        "plugin.wasm",
        "--database",
        &file("fleet.yaml"),
        "--settings",
        &file(&format!("{name}.settings.yaml")),
        "-o",
        "json",
    ]);
    let ran = ran.as_array().expect("a list");
    let lines: Vec<String> = ran.iter().map(said).collect();
    golden(&format!("../built/{name}.golden"), &lines.concat());
    desk
}

/// On a line, without what differs from run to run, and what the verdict says already.
fn said(ran: &Value) -> String {
    let mut ran = ran.clone();
    let fields = ran.as_object_mut().expect("a map");
    for key in ["cost", "id", "labels_after"] {
        fields.remove(key).expect(key);
    }
    format!("{ran}\n")
}
