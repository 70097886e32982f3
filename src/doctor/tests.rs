//! `fixtures/doctor/NAME.yaml` is evidence, and the findings that it leads to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{collections::BTreeSet, fs, path::Path};

use serde::Deserialize;

use super::*;

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it is about.
    case: String,
    evidence: Evidence,
    findings: Vec<Expected>,
}

/// What a finding has to be, and words that have to be in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    is: String,
    severity: Severity,
    subject: String,
    #[serde(default)]
    what: String,
    #[serde(default)]
    why: String,
    remedy: String,
}

fn cases() -> Vec<(String, Case)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/doctor");
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let cases: Vec<Case> =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        all.extend(
            cases
                .into_iter()
                .map(|case| (format!("{file}: {}", case.case), case)),
        );
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn evidence_leads_to_the_findings_of_the_table() {
    for (name, case) in cases() {
        let findings = examine(&case.evidence);
        let is: Vec<String> = findings
            .iter()
            .map(|finding| format!("{}/{}", finding.check, finding.code))
            .collect();
        let expected: Vec<&str> = case.findings.iter().map(|one| one.is.as_str()).collect();
        assert_eq!(is, expected, "{name}: {findings:#?}");
        for (finding, expected) in findings.iter().zip(&case.findings) {
            assert_eq!(finding.severity, expected.severity, "{name}: {finding:#?}");
            assert_eq!(finding.subject, expected.subject, "{name}");
            for (text, words) in [
                (&finding.what, &expected.what),
                (&finding.why, &expected.why),
                (&finding.remedy, &expected.remedy),
            ] {
                assert!(
                    text.contains(words.as_str()),
                    "{name}: {text:?} has no {words:?}"
                );
            }
        }
    }
}

#[test]
fn every_finding_has_a_remedy_and_a_place_on_the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    let page = fs::read_to_string(page).unwrap();
    let mut made = BTreeSet::new();
    for (name, case) in cases() {
        for finding in examine(&case.evidence) {
            assert!(!finding.what.is_empty(), "{name}: {finding:#?}");
            assert!(finding.remedy.len() > 10, "{name}: {finding:#?}");
            made.insert(format!("{}/{}", finding.check, finding.code));
        }
    }
    let listed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|word| word.contains('/'))
        .map(str::to_owned)
        .collect();
    // What the page lists, some case leads to, and the other way about.
    assert_eq!(made, listed);
}

#[test]
fn nothing_is_said_of_what_was_not_looked_at() {
    assert_eq!(examine(&Evidence::default()), Vec::new());
}

fn about(subject: &str, why: &str) -> Finding {
    Finding {
        check: Check::Configuration,
        code: "invalid".to_owned(),
        severity: Severity::Warning,
        subject: subject.to_owned(),
        what: "it cannot be used".to_owned(),
        why: why.to_owned(),
        remedy: "correct it".to_owned(),
    }
}

fn written(found: &[Finding]) -> String {
    let mut out = Vec::new();
    report::findings(found, 100, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_wrong_with_one_thing_is_written_in_full() {
    let whys: Vec<String> = (1..=9)
        .map(|line| format!("line {line} is wrong"))
        .collect();
    let of_one: Vec<_> = whys.iter().map(|why| about("bad.yaml", why)).collect();
    let text = written(&of_one);
    for why in &whys {
        assert!(text.contains(why.as_str()), "{text}");
    }
    assert!(!text.contains("more"), "{text}");
}

#[test]
fn of_several_things_some_are_named_alone_and_marked_as_what_they_are() {
    let several: Vec<_> = (1..=9)
        .map(|n| about(&format!("{n}.yaml"), "it is wrong"))
        .collect();
    let text = written(&several);
    assert_eq!(text.matches("why: it is wrong").count(), 3, "{text}");
    assert!(
        text.contains("\n~ configuration/invalid  and 6 more: 4.yaml, 5.yaml"),
        "{text}"
    );
    assert!(!text.contains("! "), "{text}");
}
