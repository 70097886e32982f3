#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::Path;

use super::diff;
use crate::config::{Config, parse};

const BASE: &str = "\
version: 1
store: /var/lib/muster
policy: upsert-only
sources:
  aws:
    - { types: rds, regions: us-east-1 }
    - { types: docdb, regions: [us-east-1, eu-west-1] }
rules:
  - { name: scratch, match: { purpose: scratch }, skip: no }
  - { name: prod, match: { env: prod }, enroll: true }
  - { name: rest, enroll: true }
notify:
  - { name: chat, events: [held], webhook: { url: \"https://hooks.example.com/\" } }
";

fn config(text: &str) -> Config {
    let loaded = parse(text, Some(Path::new("muster.yaml")));
    loaded
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .config
}

/// What is different after some replacements in the text.
fn after(changes: &[(&str, &str)]) -> Vec<String> {
    let mut text = BASE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    diff(&config(BASE), &config(&text))
}

#[test]
fn what_means_the_same_is_no_difference() {
    assert!(after(&[]).is_empty());
    let same = [
        ("version: 1\n", "# A comment.\nversion: 1\n\n"),
        (
            "types: rds, regions: us-east-1",
            "regions: [us-east-1], types: [rds], accounts: ambient",
        ),
        ("[us-east-1, eu-west-1]", "[eu-west-1, us-east-1]"),
        (
            "policy: upsert-only\n",
            "policy: upsert-only\ngroup: default\nschedule: { every: 300s }\n",
        ),
    ];
    assert_eq!(after(&same), Vec::<String>::new());
}

#[test]
fn values_are_shown_before_and_after() {
    let lines = after(&[
        (
            "policy: upsert-only",
            "policy: sync\nremoval: { brake: { share: 5% }, grace: { time: 2h } }",
        ),
        ("[us-east-1, eu-west-1]", "eu-west-1"),
        ("events: [held]", "events: [held, removed]"),
    ]);
    assert_eq!(
        lines,
        [
            "policy: upsert-only -> sync",
            "sources.aws[1].regions: [eu-west-1, us-east-1] -> [eu-west-1]",
            "removal.grace.time: 30m -> 2h",
            "removal.brake.share: 20% -> 5%",
            "notify[0].events: [held] -> [removed, held]",
        ]
    );
}

#[test]
fn sections_and_entries_come_and_go() {
    let lines = after(&[
        (
            "  aws:\n",
            "  azure: { types: mysql }\n  aws:\n    - { types: elasticache, regions: us-east-1 }\n",
        ),
        (
            "    - { types: docdb, regions: [us-east-1, eu-west-1] }\n",
            "",
        ),
        (
            "notify:\n  - { name: chat",
            "notify:\n  - { name: pager, events: [held], command: [/bin/page] }\n  - { name: chat",
        ),
    ]);
    assert_eq!(
        lines,
        [
            "sources.aws[1]: removed",
            "sources.aws[0]: added",
            "sources.azure: added",
            "notify[0] \"pager\": added",
        ]
    );
    let lines = after(&[(
        "notify:\n  - { name: chat, events: [held], webhook: { url: \"https://hooks.example.com/\" } }\n",
        "schedule: { cron: \"@hourly\" }\n",
    )]);
    assert_eq!(
        lines,
        [
            "schedule.every: removed: 5m",
            "schedule.cron: added: \"@hourly\"",
            "schedule.time_zone: added: UTC",
            "notify: removed",
        ]
    );
}

#[test]
fn a_rule_is_named_and_not_taken_apart() {
    let lines = after(&[("match: { env: prod }", "match: { env: [prod, production] }")]);
    assert_eq!(lines, ["rules[1] \"prod\": changed"]);
    let lines = after(&[
        (
            "rules:\n",
            "rules:\n  - { name: first, match: { a: b }, skip: no }\n",
        ),
        ("env: prod", "env: live"),
    ]);
    assert_eq!(
        lines,
        ["rules[2] \"prod\": changed", "rules[0] \"first\": added"]
    );
    let lines = after(&[
        ("  - { name: rest, enroll: true }\n", ""),
        ("name: prod", "name: production"),
    ]);
    assert_eq!(
        lines,
        [
            "rules[1] \"production\": changed",
            "rules[2] \"rest\": removed"
        ]
    );
}

#[test]
fn order_matters_and_is_said() {
    let prod = "  - { name: prod, match: { env: prod }, enroll: true }\n";
    let scratch = "  - { name: scratch, match: { purpose: scratch }, skip: no }\n";
    let lines = after(&[(prod, ""), (scratch, &format!("{prod}{scratch}"))]);
    assert_eq!(lines, ["rules: in another order"]);
}

#[test]
fn the_matching_digest_follows_what_decides_and_nothing_else() {
    let digest = |changes: &[(&str, &str)]| {
        let text = changes
            .iter()
            .fold(BASE.to_owned(), |text, (from, to)| text.replace(from, to));
        config(&text).matching_digest()
    };
    let base = digest(&[]);
    assert_eq!(base.len(), 64);
    for same in [
        ("version: 1\n", "version: 1 # one\n"),
        ("upsert-only", "sync"),
        ("/var/lib/muster", "/elsewhere"),
        ("events: [held]", "events: [removed]"),
        (
            "regions: us-east-1 }",
            "regions: us-east-1, schedule: { every: 1h } }",
        ),
        ("policy:", "requests: { per_second: 1 }\npolicy:"),
    ] {
        assert_eq!(digest(&[same]), base, "{same:?}");
    }
    for other in [
        ("regions: us-east-1 }", "regions: us-east-2 }"),
        (
            "regions: us-east-1 }",
            "regions: us-east-1, tags: { env: prod } }",
        ),
        ("types: docdb", "types: [docdb, rds]"),
        ("env: prod", "env: live"),
        ("name: prod", "name: production"),
        ("skip: no", "skip: never"),
        ("  - { name: rest, enroll: true }\n", ""),
    ] {
        assert_ne!(digest(&[other]), base, "{other:?}");
    }
}
