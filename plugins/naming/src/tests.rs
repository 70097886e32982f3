use std::collections::BTreeSet;

use muster_plugin::{
    Verdict,
    testing::{self, Builder, database},
};

use super::{Naming, suffix};

fn judge(settings: &str, database: Builder) -> String {
    match testing::verdict::<Naming>(settings, database) {
        Verdict::Enroll(enroll) => {
            let labels: Vec<_> = enroll
                .labels
                .iter()
                .map(|(key, value)| format!(" {key}={value}"))
                .collect();
            format!("{}{}", enroll.name.unwrap_or_default(), labels.concat())
        }
        Verdict::Skip(why) => format!("skip: {why}"),
        Verdict::Undecided(why) => format!("undecided: {why}"),
        Verdict::Pass(_) => "pass".to_owned(),
    }
}

/// Without a suffix, which has tests of its own.
fn plain(template: &str, database: Builder) -> String {
    judge(
        &format!(r#"{{"template": "{template}", "suffix": 0}}"#),
        database,
    )
}

#[test]
fn names_are_what_the_template_says() {
    for (template, name) in [
        ("{name}", "orders-db"),
        (
            "{name}-{region}-{account}",
            "orders-db-eu-west-1-111122223333",
        ),
        ("{label:env}-{tag:team}", "prod-team-payments"),
        (
            "{fact:service}-{kind}-{engine}-{protocol}-{provider}",
            "rds-rds-postgres-postgres-aws",
        ),
        ("{name}-{label:tier|none}", "orders-db-none"),
        ("{name}-{label:tier|}", "orders-db"),
        ("db-{name}-{role}", "db-orders-db-instance"),
    ] {
        let database = database("Orders_DB")
            .tag("env", "Prod")
            .tag("Team", "Team Payments");
        assert_eq!(plain(template, database), name, "{template}");
    }
}

#[test]
fn what_is_missing_is_never_an_empty_part() {
    let missing = |missing| {
        let settings = format!(r#"{{"template": "{{label:env}}", "missing": "{missing}"}}"#);
        judge(&settings, database("a").tag("env", " "))
    };
    assert_eq!(missing("undecided"), "undecided: it has no label `env`");
    assert_eq!(missing("skip"), "skip: it has no label `env`");
    assert_eq!(missing("pass"), "pass");
    assert_eq!(plain("{name}", database("straße-7")), "stra-e-7");
    assert_eq!(
        plain("{name}", database("??")),
        "undecided: nothing is left of its name"
    );
}

#[test]
fn a_name_is_as_long_as_it_may_be_and_keeps_its_suffix() {
    let long = "a".repeat(40) + "-" + &"b".repeat(40);
    let name = judge(r#"{"longest": 48}"#, database(&long));
    assert_eq!(name.len(), 40 + 1 + 6, "{name}: not cut behind a hyphen");
    assert!(name.starts_with(&"a".repeat(40)), "{name}");
    let name = judge(r#"{"longest": 50}"#, database(&long));
    assert_eq!(name.len(), 50, "{name}");
}

#[test]
fn a_suffix_depends_on_the_id_alone() {
    let name = judge("null", database("orders"));
    assert_eq!(
        name,
        judge("null", database("orders").tag("a", "b").state("stopped"))
    );
    // Names are in people's configuration: this one must not change with a version.
    assert_eq!(name, "orders-eu-west-1-c90t7f");
    let other = judge("null", database("orders").id("another"));
    assert_ne!(name, other);
    assert_eq!(
        judge(r#"{"short_name_label": "short"}"#, database("orders")),
        format!("{name} short=orders-eu-west-1")
    );
}

#[test]
fn suffixes_keep_ids_apart_that_hardly_differ() {
    for letters in [4, 6, 12] {
        let ids =
            (0..500).map(|n| format!("arn:aws:rds:eu-west-1:111122223333:db:orders-{n}#instance"));
        let suffixes: BTreeSet<_> = ids.map(|id| suffix(&id, letters)).collect();
        // Of 500 in a million, one pair in eight such sets is equal.
        assert!(suffixes.len() >= 499, "{letters}: {}", suffixes.len());
        assert!(suffixes.iter().all(|suffix| suffix.len() == letters));
    }
}

#[test]
fn settings_that_name_nothing_are_refused() {
    for (settings, problem) in [
        (
            r#"{"template": "db"}"#,
            "template: has no field: all databases would have one name",
        ),
        (
            r#"{"template": "{nmae}"}"#,
            "template: `{nmae}` is none of name, provider,",
        ),
        (r#"{"template": "{name"}"#, "template: `{name` has no end"),
        (
            r#"{"template": "{label:}"}"#,
            "template: `{label:}` names no key",
        ),
        (
            r#"{"template": "{name} x"}"#,
            "template: ` ` cannot be in a name",
        ),
        (r#"{"suffix": 13}"#, "suffix: is more than 12"),
        (r#"{"longest": 3}"#, "longest: is not 16 to 255"),
        (
            r#"{"short_name_label": "region"}"#,
            "short_name_label: is muster's own to write",
        ),
        (r#"{"missing": "what"}"#, "missing: unknown variant `what`"),
    ] {
        let problems = testing::problems::<Naming>(settings);
        assert!(
            matches!(problems.as_slice(), [only] if only.starts_with(problem)),
            "{settings}: {problems:?}"
        );
    }
}

#[test]
fn muster_would_load_it() {
    assert_eq!(testing::about::<Naming>().name, "naming");
}
