//! `muster plugin inspect`, and the cache that all these commands share.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::kit::{Desk, base, golden, steady};

#[test]
fn shows_what_a_plugin_is() {
    let desk = Desk::with(&[]);
    let first = desk.plugin(&["inspect", "wat.wasm"]).ends(0);
    golden("inspect.txt", &steady(&first.out));
    let shown = desk.json(&["inspect", "wat.wasm", "-o", "json"]);
    let sum = Command::new("sha256sum")
        .arg(desk.path("wat.wasm"))
        .output()
        .expect("sha256sum");
    let sum = String::from_utf8(sum.stdout).expect("UTF-8");
    assert_eq!(shown["sha256"].as_str(), sum.split(' ').next());
    assert_eq!(shown["size"], base(&[]).len());
    let plugin = &shown["plugin"];
    assert_eq!(plugin["name"], "wat");
    assert_eq!(plugin["contract"], "0.1");
    assert_eq!(plugin["imports"][0], "muster:matcher/host@0.1.0");
    assert_eq!(plugin["settings_schema"], serde_json::Value::Null);
    // The first one compiled it.
    assert_eq!(plugin["cached"], true);
}

#[test]
fn what_is_compiled_is_kept_where_nobody_else_can_write() {
    let desk = Desk::with(&[]);
    desk.plugin(&["inspect", "wat.wasm"]).ends(0);
    let folder = desk.path(".cache/muster/plugins");
    let mode = fs::metadata(&folder)
        .expect("the folder")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let elsewhere = desk.path("elsewhere");
    let cached = |desk: &Desk, cache: &std::path::Path| {
        let output = desk
            .command(&["plugin", "inspect", "wat.wasm", "-o", "json"])
            .env("XDG_CACHE_HOME", cache)
            .output()
            .expect("muster runs");
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (
            shown["plugin"]["cached"].as_bool(),
            String::from_utf8(output.stderr).expect("UTF-8"),
        )
    };
    assert_eq!(cached(&desk, &elsewhere), (Some(false), String::new()));
    assert_eq!(cached(&desk, &elsewhere), (Some(true), String::new()));
    // Somebody else may write there: it works, says so, and trusts nothing of it.
    let open = elsewhere.join("muster/plugins");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("opened");
    let (kept, said) = cached(&desk, &elsewhere);
    assert_eq!(kept, Some(false));
    assert!(
        said.contains("is not this user's alone (its mode is 0777)"),
        "{said}"
    );
    // A file in place of the folder.
    let (kept, said) = cached(&desk, &desk.path("wat.wasm"));
    assert_eq!(kept, Some(false));
    assert!(said.starts_with("warning: "), "{said}");
}

#[test]
fn the_schema_of_settings_is_shown_as_it_is() {
    let schema = r#"{"type":"object","properties":{"env":{"type":"string"}}}"#;
    let quoted = schema.replace('"', "\\22");
    let at = |text: &str| {
        format!(
            "(data (i32.const 1024) \"{text}\") (data (i32.const 168) \"\\00\\04\\00\\00\\{:02x}\\00\\00\\00\")",
            schema.len()
        )
    };
    let desk = Desk::with(&[("code", &at(&quoted))]);
    let shown = desk.json(&["inspect", "wat.wasm", "-o", "json"]);
    assert_eq!(
        shown["plugin"]["settings_schema"]["properties"]["env"]["type"],
        "string"
    );
    let text = desk.plugin(&["inspect", "wat.wasm"]).ends(0).out;
    assert!(
        text.contains("Settings (JSON Schema)\n{\n  \"type\": \"object\","),
        "{text}"
    );
}

#[test]
fn what_is_refused_is_still_described_as_a_file() {
    let wants = "(import \"wasi:clocks/monotonic-clock@0.2.0\" (instance $clock (export \"now\" (func (result u64)))))";
    let desk = Desk::with(&[("imports", wants)]);
    let ended = desk.plugin(&["inspect", "wat.wasm"]).fails(&[
        "cannot load the plugin wat.wasm (unknown-import)",
        "wants `wasi:clocks/monotonic-clock@0.2.0`",
        "hint:  build it without WASI",
    ]);
    assert!(
        ended.out.contains("\n  refused      unknown-import: "),
        "{}",
        ended.out
    );
    let ended = desk.plugin(&["inspect", "wat.wasm", "-o", "json"]).ends(1);
    let shown: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(shown["error"]["code"], "unknown-import");
    assert_eq!(shown.get("plugin"), None);
}
