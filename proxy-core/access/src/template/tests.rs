#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

fn traits() -> Traits {
    let of = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    Traits::from([
        ("db_users".to_owned(), of(&["alice", "app"])),
        ("empty".to_owned(), of(&[])),
        ("blank".to_owned(), of(&[""])),
        ("any".to_owned(), of(&["*"])),
        (
            "email".to_owned(),
            of(&[
                "Alice.B@example.com",
                "nobody",
                "@x",
                "y@",
                "Bob <bob@example.com>",
                "a b@c",
            ]),
        ),
        ("groups".to_owned(), of(&["db-read", "db-write", "ops"])),
        ("odd-name".to_owned(), of(&["odd"])),
    ])
}

#[test]
fn a_template_stands_for_what_the_traits_say() {
    for (text, want) in [
        ("{{internal.db_users}}", &["alice", "app"][..]),
        ("{{ external.db_users }}", &["alice", "app"]),
        ("{{user.traits.db_users}}", &["alice", "app"]),
        ("{{user.spec.traits[\"db_users\"]}}", &["alice", "app"]),
        ("{{external[\"odd-name\"]}}", &["odd"]),
        ("{{external.odd-name}}", &["odd"]),
        ("{{external.missing}}", &[]),
        ("{{external.empty}}", &[]),
        ("{{external.blank}}", &[]),
        ("x-{{external.blank}}", &[]),
        ("{{external.any}}", &["*"]),
        (
            "dev-{{internal.db_users}}-ro",
            &["dev-alice-ro", "dev-app-ro"],
        ),
        ("{{email.local(external.email)}}", &["Alice.B", "bob"]),
        (
            "{{regexp.replace(external.groups, \"^db-(.*)$\", \"$1\")}}",
            &["read", "write"],
        ),
        (
            "{{regexp.replace(external.groups, \"^db-.*$\", \"\")}}",
            &[],
        ),
        (
            r#"{{regexp.replace(external.groups, "^db-(\w+)$", "${1}er")}}"#,
            &["reader", "writeer"],
        ),
        (
            r#"{{regexp.replace(external.groups, "^(o)ps$|}}", "$1")}}"#,
            &["o"],
        ),
        (
            "{{regexp.replace(email.local(external.email), \"^(.)lice.*$\", \"$1\")}}",
            &["A"],
        ),
    ] {
        let template = Template::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(template.values(&traits()), want, "{text}");
        assert_eq!(template.as_str(), text);
    }
}

#[test]
fn what_cannot_be_understood_says_why() {
    for (text, say) in [
        ("{{", "without `}}`"),
        ("}}", "without `{{`"),
        ("{{}}", "a name is missing"),
        ("{{internal.db_users}} {{internal.db_names}}", "one pair"),
        ("{{internal.db_user}}", "unknown trait `internal.db_user`"),
        ("{{external}}", "`.` is missing"),
        ("{{external.}}", "a name is missing"),
        ("{{external[\"\"]}}", "no name"),
        ("{{external[\"x]}}", "without `}}`"),
        ("{{intern.db_users}}", "unknown word `intern`"),
        ("{{user.roles}}", "unknown field `user.roles`"),
        (
            "{{email.domain(external.x)}}",
            "unknown function `email.domain`",
        ),
        ("{{email.local(external.x)", "without `}}`"),
        ("{{email.local(external.x}}", "`)` is missing"),
        (
            "{{regexp.replace(external.x, \"(\", \"\")}}",
            "not a regular expression",
        ),
        ("{{regexp.replace(external.x)}}", "expected `,`"),
        ("{{external.x external.y}}", "too much"),
        (
            "{{email.local(email.local(email.local(email.local(email.local(external.x)))))}}",
            "too deep",
        ),
    ] {
        let error = Template::parse(text).unwrap_err().to_string();
        assert!(error.contains(say), "{text}: {error}");
    }
}
