//! What is secret of who is told does not get into what is said of the configuration, wherever somebody wrote it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::parse;

/// What people paste, where it belongs and where it does not.
const PASTED: [&str; 14] = [
    "https://u:PASSW0RD@h:99999/SECRETPATH",
    "https://u:PASSW0RD@a b/SECRETPATH",
    "https://u:PASSW0RD@h/SECRETPATH",
    "http://h/SECRETPATH#PASSW0RD",
    "Bearer PASSW0RD",
    "/bin/x --token PASSW0RD",
    "bin/PASSW0RD",
    "PASSW0RD",
    "PASSW0RD:SECRETPATH",
    "~/PASSW0RD",
    "${PASSW0RD}",
    "5PASSW0RD",
    "x`, expected one of `PASSW0RD`, `SECRETPATH`",
    "x, expected PASSW0RD",
];

/// A token of digits alone.
const DIGITS: u64 = 48_151_623_424_815;

fn whole() -> Value {
    json!({
        "version": 1,
        "store": "x",
        "policy": "sync",
        "sources": { "aws": { "types": "rds", "regions": "us-east-1" } },
        "azure_endpoints": {
            "authority": "https://login.example.com",
            "management": "https://management.example.com",
        },
        "notify": [
            {
                "name": "chat",
                "events": ["removed", "held"],
                "webhook": {
                    "url": "https://hooks.example.com/",
                    "authorization_file": "/etc/muster/a",
                    "secret_file": "/etc/muster/b",
                },
                "timeout": "30s",
            },
            { "name": "pager", "events": "held", "command": ["/bin/announce", "--urgent"] },
            { "name": "one", "events": "*", "command": "/bin/announce" },
        ],
    })
}

/// Every text that has `put` in place of one value at or in `value`, or one of its keys.
fn variants(value: &Value, put: &Value) -> Vec<Value> {
    let mut made = vec![put.clone()];
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                for other in variants(item, put) {
                    let mut items = items.clone();
                    items[index] = other;
                    made.push(items.into());
                }
            }
            made.push(items.iter().chain([put, put]).cloned().collect());
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                for other in variants(item, put) {
                    let mut entries = entries.clone();
                    entries.insert(key.clone(), other);
                    made.push(entries.into());
                }
                if let Some(put) = put.as_str() {
                    let renamed = entries
                        .iter()
                        .map(|(name, item)| (if name == key { put } else { name }, item));
                    let renamed: Map<String, Value> = renamed
                        .map(|(name, item)| (name.to_owned(), item.clone()))
                        .collect();
                    made.push(renamed.into());
                    for beside in [json!(1), json!(null), json!(put)] {
                        let mut entries = entries.clone();
                        entries.insert(put.to_owned(), beside);
                        made.push(entries.into());
                    }
                }
            }
        }
        _ => {}
    }
    made
}

/// What is said of a text: its problems, or its warnings. Whether it was refused.
fn said(text: &str) -> (String, bool) {
    match parse(text, Some(Path::new("m.yaml"))) {
        Ok(loaded) => {
            let said: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
            (said.join("\n"), false)
        }
        Err(error) => (error.to_string(), true),
    }
}

fn assert_discreet(text: &str, said: &str) {
    let lower = said.to_lowercase();
    for secret in ["passw0rd", "secretpath", &DIGITS.to_string()] {
        assert!(!lower.contains(secret), "{text}\n{said}");
    }
}

#[test]
fn no_problem_repeats_what_may_be_secret() {
    let whole = whole();
    assert_eq!(said(&whole.to_string()), (String::new(), false));
    let mut refused = 0;
    for section in ["notify", "azure_endpoints"] {
        for pasted in PASTED.map(Value::from).iter().chain([&json!(DIGITS)]) {
            let mut puts = vec![pasted.clone(), json!([pasted]), json!([[pasted]])];
            if let Some(key) = pasted.as_str() {
                puts.extend([
                    json!({ key: 1 }),
                    json!({ key: null }),
                    json!([{ key: key }]),
                ]);
            }
            for variant in puts.iter().flat_map(|put| variants(&whole[section], put)) {
                let mut whole = whole.clone();
                whole[section] = variant;
                let text = whole.to_string();
                let (said, was_refused) = said(&text);
                assert_discreet(&text, &said);
                refused += u32::from(was_refused);
            }
        }
    }
    assert!(refused > 3000, "only {refused} were refused");
}

#[test]
fn a_secret_that_is_a_key_twice_is_not_repeated() {
    for section in ["notify", "azure_endpoints"] {
        let text = format!(
            "version: 1\n{section}:\n  https://u:PASSW0RD@h/SECRETPATH: 1\n  https://u:PASSW0RD@h/SECRETPATH: 2\n"
        );
        let (said, refused) = said(&text);
        assert!(refused);
        assert_discreet(&text, &said);
        assert!(
            said.contains(&format!("m.yaml:4: {section}.?: this key is given twice")),
            "{said}"
        );
    }
}

#[test]
fn a_hidden_key_still_has_its_line_and_plain_ones_are_shown() {
    let text = "version: 1\nstore: x\npolicy: sync\nsources: { aws: { types: rds, regions: us-east-1 } }\n\
                notify:\n  - name: chat\n    events: held\n    webhook:\n      https://PASSW0RD: 1\n      adress: x\n";
    let (said, _) = said(text);
    assert_discreet(text, &said);
    assert!(
        said.contains("m.yaml:9: notify[0].webhook.?: unknown key"),
        "{said}"
    );
    assert!(
        said.contains("m.yaml:10: notify[0].webhook.adress: unknown key"),
        "{said}"
    );
}
