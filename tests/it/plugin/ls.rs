//! `muster plugin ls`.

use super::kit::{CRASHES, Desk, base};

/// A configuration whose rules ask the same plugin in each way in which one can be trusted.
fn desk() -> Desk {
    let desk = Desk::with(&[]);
    desk.write("other.wasm", base(CRASHES));
    for line in [
        "genpkey -algorithm ed25519 -out ops.pem",
        "pkey -in ops.pem -pubout -out ops.pub",
    ] {
        let done = std::process::Command::new("openssl")
            .args(line.split(' '))
            .current_dir(desk.path(""))
            .output()
            .expect("openssl runs");
        assert!(done.status.success(), "{line}");
    }
    desk.plugin(&["sign", "wat.wasm", "--key", "ops.pem"])
        .ends(0);
    let digest = desk.json(&["inspect", "wat.wasm", "-o", "json"])["sha256"].clone();
    let digest = digest.as_str().expect("a digest");
    desk.write(
        "muster.yaml",
        format!(
            "version: 1\npolicy: sync\nstore: ./store\nsources:\n  aws:\n    - {{ types: [rds], regions: [eu-west-1] }}\nplugins:\n  keys: [ops.pub]\nrules:\n  \
             - name: first\n    plugin: {{ path: wat.wasm, sha256: {digest} }}\n  \
             - name: second\n    plugin: {{ path: wat.wasm, settings: {{ a: 1 }} }}\n  \
             - name: third\n    plugin: {{ path: other.wasm, unsigned: true }}\n"
        ),
    );
    desk
}

#[test]
fn lists_what_the_rules_ask_and_why_it_may_be_run() {
    let desk = desk();
    let listed = desk
        .plugin(&["ls"])
        .ends(0)
        .out
        .replace("no service", "no_service");
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows,
        [
            ["NAME", "VERSION", "RULE", "STATE", "TRUSTED", "FILE"],
            ["wat", "0.1.0", "first", "no_service", "pinned", "wat.wasm"],
            ["wat", "0.1.0", "second", "no_service", "signed", "wat.wasm"],
            [
                "wat",
                "0.1.0",
                "third",
                "no_service",
                "unsigned",
                "other.wasm"
            ],
        ]
    );
    let shown = desk.json(&["ls", "-o", "json"]);
    let key = desk.json(&["verify", "wat.wasm", "--key", "ops.pub", "-o", "json"])["key"].clone();
    assert_eq!(shown[1]["key"], key);
    assert_eq!(shown[0].get("key"), None);
    assert_eq!(shown[0]["contract"], "0.1");
}

#[test]
fn what_stands_against_one_is_said() {
    let desk = desk();
    desk.write("wat.wasm", base(CRASHES));
    let ended = desk.plugin(&["ls"]).ends(78);
    for words in [
        "rules[0].plugin.sha256: ",
        "rules[1].plugin.path: ",
        "is not by the key",
    ] {
        assert!(ended.err.contains(words), "{}", ended.err);
    }
    desk.write(
        "muster.yaml",
        "version: 1\npolicy: sync\nstore: ./store\nsources:\n  aws:\n    - { types: [rds], regions: [eu-west-1] }\n",
    );
    assert_eq!(desk.plugin(&["ls", "-o", "name"]).ends(0).out, "");
}

#[test]
fn the_keys_of_the_configuration_count_where_none_is_named() {
    let desk = desk();
    let verified = desk.plugin(&["verify", "wat.wasm"]).ends(0).out;
    assert!(verified.contains("(ops.pub)"), "{verified}");
    let config = desk.read("muster.yaml");
    desk.write(
        "muster.yaml",
        config.replace("keys: [ops.pub]", "keys: [ops.pem, lost.pub]"),
    );
    let ended = desk.plugin(&["verify", "wat.wasm"]).ends(78);
    for words in [
        "plugins.keys[0]: ",
        "its public half is needed",
        "plugins.keys[1]: ",
    ] {
        assert!(ended.err.contains(words), "{}", ended.err);
    }
    desk.write(
        "muster.yaml",
        config.replace("plugins:\n  keys: [ops.pub]\n", ""),
    );
    let ended = desk.plugin(&["verify", "wat.wasm"]).ends(78);
    assert!(
        ended
            .err
            .contains("the configuration lists no `plugins.keys`"),
        "{}",
        ended.err
    );
}
