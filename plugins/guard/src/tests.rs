use muster_plugin::{
    Verdict,
    testing::{self, Builder, database},
};

use super::Guard;

fn judge(settings: &str, database: Builder) -> String {
    match testing::verdict::<Guard>(settings, database) {
        Verdict::Pass(labels) if labels.is_empty() => "pass".to_owned(),
        Verdict::Skip(why) => format!("skip: {why}"),
        Verdict::Undecided(why) => format!("undecided: {why}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn each_check_has_its_reason() {
    for (settings, database, verdict) in [
        (
            r#"{"public": null}"#,
            database("a").fact("public", "true"),
            "skip: it has a public address",
        ),
        (
            r#"{"public": null}"#,
            database("a").fact("public", "false"),
            "pass",
        ),
        (
            r#"{"in-the-clear": {}}"#,
            database("a").fact("tls", "optional"),
            "skip: it takes clients that do not encrypt",
        ),
        (
            r#"{"in-the-clear": {}}"#,
            database("a").fact("tls", "off"),
            "skip: it takes clients that do not encrypt",
        ),
        (
            r#"{"in-the-clear": {}}"#,
            database("a").fact("tls", "required"),
            "pass",
        ),
        (
            r#"{"no-cloud-login": {}}"#,
            database("a").fact("iam-auth", "false"),
            "skip: neither IAM nor Entra authentication is on",
        ),
        (
            r#"{"no-cloud-login": {}}"#,
            database("a").fact("entra-auth", "true"),
            "pass",
        ),
        (
            r#"{"no-cloud-login": {}}"#,
            database("a")
                .fact("iam-auth", "true")
                .fact("entra-auth", "false"),
            "pass",
        ),
        (
            r#"{"oldest": {"postgres": 16}}"#,
            database("a"),
            "skip: postgres 15.4 is older than 16.0",
        ),
        (r#"{"oldest": {"postgres": "15.4"}}"#, database("a"), "pass"),
        (r#"{"oldest": {"mysql": "8.0"}}"#, database("a"), "pass"),
    ] {
        let shown = format!("{settings} {:?}", database.clone().done());
        assert_eq!(judge(settings, database), verdict, "{shown}");
    }
}

#[test]
fn what_is_not_known_counts_as_the_operator_says() {
    for (unknown, verdict) in [
        ("allow", "pass"),
        (
            "refuse",
            "skip: whether it has a public address is not known",
        ),
        (
            "undecided",
            "undecided: whether it has a public address is not known",
        ),
    ] {
        let settings = format!(r#"{{"public": {{"unknown": "{unknown}"}}}}"#);
        assert_eq!(judge(&settings, database("a")), verdict);
    }
    let version = |unknown| {
        let settings =
            format!(r#"{{"oldest": {{"postgres": 15}}, "unknown-version": "{unknown}"}}"#);
        judge(&settings, database("a").engine_version(""))
    };
    assert_eq!(version("allow"), "pass");
    assert_eq!(version("refuse"), "skip: its version is not known");
    // What is not known otherwise is refused: a guard that lets it through would have to be told so.
    assert_eq!(
        judge(r#"{"in-the-clear": {}}"#, database("a")),
        "skip: whether it takes clients that do not encrypt is not known"
    );
}

#[test]
fn what_is_known_to_be_wrong_outweighs_what_is_not_known() {
    assert_eq!(
        judge(
            r#"{"public": {"unknown": "undecided"}, "in-the-clear": {}, "oldest": {"postgres": 16}}"#,
            database("a").fact("tls", "off")
        ),
        "skip: it takes clients that do not encrypt; postgres 15.4 is older than 16.0"
    );
}

#[test]
fn a_check_may_be_for_some_kinds_only_and_have_exceptions() {
    let settings = r#"{
        "public": {"kinds": ["aurora", "azure-*"]},
        "except": ["legacy-*", "*:444455556666:*"]
    }"#;
    let public = |name| database(name).kind("azure-mysql").fact("public", "true");
    assert_eq!(
        judge(settings, database("a").fact("public", "true")),
        "pass"
    );
    assert_eq!(
        judge(settings, public("a")),
        "skip: it has a public address"
    );
    assert_eq!(judge(settings, public("legacy-7")), "pass");
    assert_eq!(
        judge(
            settings,
            public("a").id("arn:aws:rds:eu-west-1:444455556666:db:a#instance")
        ),
        "pass"
    );
}

#[test]
fn settings_that_check_nothing_are_a_mistake() {
    let problems = |settings| {
        testing::problems::<Guard>(settings).join(
            "
",
        )
    };
    assert!(problems("null").starts_with("nothing is checked"));
    assert!(problems(r#"{"except": []}"#).starts_with("nothing is checked"));
    assert!(problems(r#"{"pubic": {}}"#).starts_with("pubic: unknown field `pubic`"));
    assert!(
        problems(r#"{"public": {"unknown": "maybe"}}"#)
            .starts_with("public.unknown: unknown variant")
    );
    assert!(problems(r#"{"oldest": {"postgres": 9.6}}"#).starts_with("oldest.postgres: "));
}

#[test]
fn muster_would_load_it() {
    assert_eq!(testing::about::<Guard>().name, "guard");
}
