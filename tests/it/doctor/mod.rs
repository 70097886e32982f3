//! `muster doctor` as it is run: beside a real PostgreSQL, recorded clouds, and a machine with which something is wrong.

mod clouds;
mod databases;
mod machine;
mod person;
mod service;

use std::process::Command;

use serde_json::Value;

/// What came of it: the code, and what it printed as JSON.
struct Found {
    code: i32,
    report: Value,
}

/// Runs it. `command` is `muster` with whatever comes before.
fn doctor(mut command: Command) -> Found {
    let output = command.args(["-o", "json"]).output().expect("muster runs");
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    let report = serde_json::from_str(&out).unwrap_or_else(|error| {
        panic!("{error}: {out}{}", String::from_utf8_lossy(&output.stderr))
    });
    Found {
        code: output.status.code().expect("it ends by itself"),
        report,
    }
}

impl Found {
    /// `CHECK/CODE SUBJECT` of each finding, without those that are the test machine's own.
    fn all(&self) -> Vec<String> {
        let findings = self.report["findings"].as_array().expect("findings");
        let text = |finding: &Value, key: &str| finding[key].as_str().expect("a text").to_owned();
        findings
            .iter()
            .filter(|finding| {
                let code = text(finding, "code");
                !code.starts_with("disk-") && code != "files-low" && code != "unsynchronized"
            })
            .map(|finding| {
                let (check, code) = (text(finding, "check"), text(finding, "code"));
                format!("{check}/{code} {}", text(finding, "subject"))
            })
            .collect()
    }

    /// A finding: `CHECK/CODE`.
    fn one(&self, is: &str) -> &Value {
        let (check, code) = is.split_once('/').expect("a check and a code");
        let findings = self.report["findings"].as_array().expect("findings");
        let mut of = findings
            .iter()
            .filter(|finding| finding["check"] == check && finding["code"] == code);
        of.next()
            .unwrap_or_else(|| panic!("no {is}: {:#}", self.report))
    }

    /// A check.
    fn check(&self, name: &str) -> &Value {
        let checks = self.report["checks"].as_array().expect("checks");
        let check = checks.iter().find(|check| check["check"] == name);
        check.unwrap_or_else(|| panic!("no {name}: {:#}", self.report))
    }

    /// Whether a text of a finding has these words.
    fn says(&self, is: &str, key: &str, words: &str) {
        let text = self.one(is)[key].as_str().unwrap_or_default();
        assert!(text.contains(words), "{is} {key}: {text}");
    }
}
