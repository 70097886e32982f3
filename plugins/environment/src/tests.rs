use muster_plugin::{
    Verdict,
    testing::{self, Builder, database},
};

use super::Environment;

/// The labels, or the reason against it.
fn judge(settings: &str, database: Builder) -> String {
    match testing::verdict::<Environment>(settings, database) {
        Verdict::Pass(labels) => labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(" "),
        Verdict::Skip(why) => format!("skip: {why}"),
        Verdict::Undecided(why) => format!("undecided: {why}"),
        Verdict::Enroll(enroll) => format!("{enroll:?}"),
    }
}

#[test]
fn the_usual_spellings_need_no_settings() {
    for (tags, labels) in [
        (&[("env", "PRD")][..], "environment=prod"),
        (&[("Environment", "Production")], "environment=prod"),
        (&[("STAGE", "pre-production")], "environment=staging"),
        (&[("env", " Development ")], "environment=dev"),
        (&[("env", "moon")], ""),
        // What says nothing that is known does not stand in the way of what does.
        (
            &[("environment", "moon"), ("env", "qa")],
            "environment=test",
        ),
        (&[("environment", "  "), ("env", "qa")], "environment=test"),
        (&[("team", "Team Payments")], "owner=team-payments"),
        (
            &[("team", "checkout"), ("Owner", "payments")],
            "owner=payments",
        ),
        // Says it already.
        (&[("environment", "prod"), ("owner", "payments")], ""),
        (&[], ""),
    ] {
        let database = tags.iter().fold(database("a"), |database, (key, value)| {
            database.tag(key, value)
        });
        assert_eq!(judge("null", database), labels, "{tags:?}");
    }
}

const TABLE: &str = r#"{"labels": {
    "tier": {
        "tags": ["tier"],
        "values": {"gold": ["g*", "Tier 1"], "iron": ["tier-?"]},
        "only": true,
        "patterns": [
            {"in": "name", "pattern": "^vip-", "value": "gold"},
            {"in": "host", "pattern": "-(g[0-9]+|iron)\\."},
            {"in": "tag:legacy", "pattern": "(?i)class=([a-z]+)"}
        ],
        "accounts": {"444455556666": "copper"},
        "default": "wood"
    }
}}"#;

#[test]
fn the_first_that_says_something_counts() {
    for (database, labels) in [
        (database("vip-1").tag("tier", "TIER 1"), "tier=gold"),
        (database("a").tag("tier", "tier_2"), "tier=iron"),
        (database("vip-1").tag("tier", "platinum"), "tier=gold"),
        (database("x-g2"), "tier=gold"),
        (database("x-iron"), "tier=iron"),
        (database("x").tag("Legacy", "CLASS=iron;x"), "tier=iron"),
        (database("x").tag("legacy", "class=moon"), "tier=wood"),
        (database("x").account("444455556666"), "tier=copper"),
        (database("x"), "tier=wood"),
    ] {
        let shown = format!("{:?}", database.clone().done());
        assert_eq!(judge(TABLE, database), labels, "{shown}");
    }
}

#[test]
fn what_is_required_and_not_said_is_skipped() {
    let settings = r#"{"labels": {
        "owner": {"tags": ["owner"], "required": true},
        "cost-center": {"tags": ["cc"], "required": true}
    }}"#;
    assert_eq!(
        judge(settings, database("a")),
        "skip: nothing says the cost-center, nor the owner"
    );
    assert_eq!(
        judge(settings, database("a").tag("cc", "7")),
        "skip: nothing says the owner"
    );
    assert_eq!(
        judge(
            settings,
            database("a").tag("cc", "7").fact("unread", "vpc,tags")
        ),
        "undecided: nothing says the owner, and the tags could not be read"
    );
}

#[test]
fn all_that_is_wrong_with_the_settings_is_said_at_once() {
    let problems = testing::problems::<Environment>(
        r#"{"labels": {
            "region": {"default": "x"},
            "a": {},
            "b": {"tags": ["b"], "only": true},
            "c": {"patterns": [
                {"in": "nmae", "pattern": "x"},
                {"in": "name", "pattern": "("}
            ]}
        }}"#,
    );
    let wanted = [
        "labels.a: nothing can say it: name `tags`, `patterns`, `accounts` or a `default`",
        "labels.b.only: there are no `values` that could count",
        "labels.c.patterns.0.in: `nmae` is none of name, host, id, account, resource-group, tag:KEY",
        "labels.c.patterns.1.pattern: ",
        "labels.region: is muster's own to write",
    ];
    assert_eq!(problems.len(), wanted.len(), "{problems:#?}");
    for (problem, wanted) in problems.iter().zip(wanted) {
        assert!(problem.starts_with(wanted), "{problem}");
    }
    assert!(!testing::problems::<Environment>(r#"{"labels": {}}"#).is_empty());
    assert!(!testing::problems::<Environment>(r#"{"labels": {"a": {"tgas": []}}}"#).is_empty());
}

#[test]
fn muster_would_load_it() {
    assert_eq!(testing::about::<Environment>().name, "environment");
}
