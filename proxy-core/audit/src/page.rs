//! `docs/audit.md`: made from the list of kinds, held against what events really have, and its verifier is run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    collections::BTreeSet, fmt::Write as _, fs, path::Path, process::Command, time::Duration,
};

use serde_json::{Map, Value as Json};

use crate::{
    Closed, Direction, Event, Failure, KINDS, Log, Micros, Outcome, Parameter, Parameters,
    Sensitive, Settings, Statement, Subject, SubjectParts, Value, kinds, verify,
};

fn table(rows: &[(&str, &str)]) -> String {
    let mut out = "| field | what |\n|---|---|\n".to_owned();
    for (field, what) in rows {
        writeln!(out, "| `{field}` | {what} |").unwrap();
    }
    out.trim_end().to_owned()
}

fn page() -> String {
    let mut events = "| event | code | when | fields |\n|---|---|---|---|\n".to_owned();
    for kind in KINDS {
        let fields: Vec<String> = kind
            .fields
            .iter()
            .map(|field| format!("`{field}`"))
            .collect();
        writeln!(
            events,
            "| `{}` | {} | {} | {} |",
            kind.event,
            kind.code,
            kind.when,
            fields.join(", ")
        )
        .unwrap();
    }
    include_str!("page.md")
        .replace("{{EVERY}}", &table(kinds::EVERY))
        .replace("{{SESSION}}", &table(kinds::SESSION))
        .replace("{{EVENTS}}", events.trim_end())
        .replace("{{MEANINGS}}", &table(kinds::MEANINGS))
        .replace("{{ENDINGS}}", &table(kinds::ENDINGS))
}

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/audit.md");
    if std::env::var_os("MUSTER_BLESS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap();
    assert!(
        there == page(),
        "docs/audit.md is stale: run with MUSTER_BLESS=1 and read the difference"
    );
}

#[test]
fn codes_and_types_are_one_each_and_every_field_has_a_meaning() {
    let codes: BTreeSet<&str> = KINDS.iter().map(|kind| kind.code).collect();
    assert_eq!(codes.len(), KINDS.len());
    let known = |field: &&str| {
        let lists = [kinds::EVERY, kinds::SESSION, kinds::MEANINGS];
        lists
            .iter()
            .any(|list| list.iter().any(|(name, _)| name == field))
            || kinds::ENDINGS.iter().any(|(end, _)| field.ends_with(end))
    };
    let all = KINDS.iter().flat_map(|kind| kind.fields);
    let unknown: Vec<&&str> = all.clone().filter(|field| !known(field)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let used: BTreeSet<&&str> = all.collect();
    let unused: Vec<&str> = kinds::MEANINGS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !used.contains(name))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// One of each, with all that it can have.
fn events<'a>(outcome: Outcome<'a>, parameters: Parameters<'a>, long: &'a [u8]) -> Vec<Event<'a>> {
    let of_result = outcome;
    let outcome = Some(outcome);
    let query = Statement::whole(long);
    let parameters = Some(parameters);
    let start = |user_agent| Event::SessionStart {
        backend: Some(1),
        user_agent,
    };
    vec![
        start(Some("psql")),
        Event::SessionRefused {
            error: "e",
            message: "m",
            user_agent: Some("psql"),
        },
        Event::SessionEnd {
            started: Micros(0),
            reason: Some("idle"),
            statements: 1,
            from_client: 2,
            to_client: 3,
        },
        Event::Query {
            query,
            parameters,
            outcome,
        },
        Event::Malformed {
            error: "e",
            payload: b"\xff\0",
        },
        Event::Result {
            of: Some(1),
            outcome: of_result,
        },
        Event::Parse {
            statement: b"s",
            query,
            outcome,
        },
        Event::Bind {
            portal: b"",
            statement: b"s",
            parameters,
        },
        Event::Execute {
            portal: b"",
            statement: Some(b"s"),
            query: Some(query),
            parameters,
            limit: 5,
            outcome,
        },
        Event::Close {
            what: Closed::Statement(b"s"),
        },
        Event::Close {
            what: Closed::Portal(b"p"),
        },
        Event::Function {
            oid: 7,
            arguments: parameters,
            outcome,
        },
        Event::CopyStart {
            direction: Direction::In,
            binary: true,
        },
        Event::CopyEnd {
            direction: Direction::Out,
            bytes: 1,
            messages: 2,
            outcome,
        },
        Event::Cancel { error: None },
        Event::Cancel {
            error: Some("the database could not be asked"),
        },
        Event::Disconnect { reason: "locked" },
        Event::Other {
            kind: &kinds::LOGIN,
            fields: &[("method", Value::Text("password"))],
        },
    ]
}

/// Every line of a new log that was given these events, by one pen.
fn written(dir: &Path, mask_literals: bool, events: &[Event<'_>]) -> Vec<Map<String, Json>> {
    let mut settings = Settings::new(dir, "acme");
    settings.max_statement = 256;
    settings.mask_literals = mask_literals;
    let log = Log::open(settings).unwrap();
    let mut pen = log.pen();
    let mut subject = Subject::new(&SubjectParts {
        cluster_name: "acme",
        sid: "s",
        user: "alice",
        service: true,
        roles: &["a"],
        db_service: "orders",
        db_protocol: "postgres",
        db_type: "rds",
        db_origin: "discovery",
        db_uri: "db:5432",
        db_name: "shop",
        db_user: "reader",
        db_roles: &["a"],
        client: Some("192.0.2.1:1".parse().unwrap()),
        ..SubjectParts::default()
    });
    subject.reached("192.0.2.2:2".parse().unwrap());
    for event in events {
        pen.write(&mut subject, Micros::now(), event).unwrap();
    }
    log.close(Duration::from_secs(20));
    let query = crate::Query {
        sid: Some("s".to_owned()),
        order: crate::Order::Oldest,
        ..crate::Query::default()
    };
    crate::search(dir, query)
        .unwrap()
        .map(|found| found.unwrap().event)
        .collect()
}

#[test]
fn events_have_the_fields_of_their_kind_and_no_others() {
    let values = [
        Parameter::Text(b"x"),
        Parameter::Cut {
            binary: true,
            prefix: b"ab",
            length: 99,
        },
    ];
    let parameters = Parameters {
        values: &values,
        sensitive: Sensitive::No,
    };
    let failure = Failure {
        code: b"42P01",
        message: b"no such table",
    };
    let outcomes = [
        Outcome {
            rows: Some(5),
            tag: b"SELECT 5",
            duration_us: 9,
            error: None,
        },
        Outcome {
            error: Some(failure),
            ..Outcome::default()
        },
    ];
    let mut seen: std::collections::BTreeMap<String, BTreeSet<String>> =
        std::collections::BTreeMap::new();
    let long = "select 1, ".repeat(99);
    let secret = format!("alter role a password 'x' \u{ff} {long}");
    for text in [long.as_bytes(), secret.as_bytes(), b"latin \xe9"] {
        for outcome in outcomes {
            for mask in [false, true] {
                let temp = tempfile::tempdir().unwrap();
                let events = events(outcome, parameters, text);
                let lines = written(&temp.path().join("log"), mask, &events);
                assert_eq!(lines.len(), events.len());
                for line in lines {
                    let own = seen
                        .entry(line["code"].as_str().unwrap().to_owned())
                        .or_default();
                    own.extend(line.keys().cloned());
                }
            }
        }
    }
    let common: BTreeSet<&str> = kinds::EVERY
        .iter()
        .chain(kinds::SESSION)
        .map(|(name, _)| *name)
        .collect();
    for (code, fields) in seen {
        let kind = KINDS.iter().find(|kind| kind.code == code).unwrap();
        let own: BTreeSet<&str> = fields
            .iter()
            .map(|field| &**field)
            .filter(|field| !common.contains(field))
            .collect();
        let said: BTreeSet<&str> = kind
            .fields
            .iter()
            .copied()
            .filter(|field| !common.contains(field))
            .collect();
        if kind.code == kinds::LOGIN.code {
            assert!(own.is_subset(&said), "{code}: {own:?}");
        } else {
            assert_eq!(own, said, "{code}");
        }
    }
}

#[test]
fn a_statement_says_what_it_was_when_it_is_cut() {
    let temp = tempfile::tempdir().unwrap();
    let long = "select '\u{e9}', ".repeat(40);
    let secret = format!("{long} password 'hunter'");
    let values = [
        Parameter::Text(b"hunter"),
        Parameter::Null,
        Parameter::Binary(b"\0\x01"),
    ];
    let parameters = |sensitive| {
        Some(Parameters {
            values: &values,
            sensitive,
        })
    };
    let query = |query, parameters| Event::Query {
        query,
        parameters,
        outcome: None,
    };
    let events = [
        query(Statement::whole(long.as_bytes()), parameters(Sensitive::No)),
        query(
            Statement::part(&long.as_bytes()[..300], 1 << 40, Some([0xab; 32])),
            None,
        ),
        query(Statement::whole(secret.as_bytes()), None),
        Event::Bind {
            portal: b"",
            statement: b"",
            parameters: parameters(crate::Redaction::of(secret.as_bytes())),
        },
        query(
            "update users set password = $1".into(),
            parameters(Sensitive::No),
        ),
        query(Statement::hidden(), parameters(Sensitive::No)),
    ];
    let lines = written(&temp.path().join("log"), false, &events);
    // Computed by another program:
    // python3 -c 'import hashlib; print(hashlib.sha256(("select \x27\u00e9\x27, " * 40).encode()).hexdigest())'
    assert_eq!(lines[0]["db_query_sha256"], LONG_SHA256);
    assert_eq!(lines[0]["db_query_length"], long.len());
    let shown = lines[0]["db_query"].as_str().unwrap();
    assert!(
        long.starts_with(shown) && (253..=256).contains(&shown.len()),
        "{}",
        shown.len()
    );
    assert_eq!(
        lines[0]["db_query_parameters"],
        serde_json::json!(["hunter", null, "AAE="])
    );
    assert_eq!(lines[1]["db_query_length"], 1_u64 << 40);
    assert_eq!(lines[1]["db_query_sha256"], "ab".repeat(32));
    // The secret is behind the cut here: what is recorded has none, and the digest says nothing of it.
    assert!(!lines[2]["db_query"].as_str().unwrap().contains("hunter"));
    assert_eq!(lines[2].get("db_query_sha256"), None);
    assert_eq!(lines[2]["db_query_redacted"], true);
    assert_eq!(
        lines[3]["parameters"],
        serde_json::json!(["***", null, "***"])
    );
    for line in &lines[4..] {
        assert_eq!(
            line["db_query_parameters"],
            serde_json::json!(["***", null, "***"])
        );
        assert_eq!(line["db_query_redacted"], true);
    }
    assert_eq!(lines[5]["db_query"], "***");
}

#[test]
fn a_connection_string_that_is_bound_is_redacted_as_one_that_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let values = [
        Parameter::Text(b"host=h user=x password=hunter1"),
        Parameter::Text(b"postgresql://u:hunter2@h:1/d"),
        Parameter::Binary(b"host=h password=hunter3"),
        Parameter::Cut {
            binary: false,
            prefix: b"postgresql://u:hunt",
            length: 99,
        },
        Parameter::Text(b"bob"),
    ];
    let bound = Some(Parameters {
        values: &values,
        sensitive: Sensitive::No,
    });
    let failure = Failure {
        code: b"08001",
        message: b"could not connect with host=h password=hunter4",
    };
    let events = [
        Event::Bind {
            portal: b"",
            statement: b"",
            parameters: bound,
        },
        Event::Query {
            query: "select dblink_connect($1)".into(),
            parameters: bound,
            outcome: Some(Outcome {
                error: Some(failure),
                ..Outcome::default()
            }),
        },
        Event::Function {
            oid: 1,
            arguments: bound,
            outcome: None,
        },
    ];
    let lines = written(&temp.path().join("log"), false, &events);
    let masked = serde_json::json!([
        "host=h user=x password=***",
        "postgresql://u:***@h:1/d",
        "***",
        "postgresql://u:***",
        "bob"
    ]);
    assert_eq!(lines[0]["parameters"], masked);
    assert_eq!(lines[1]["db_query_parameters"], masked);
    assert_eq!(
        lines[1]["error"],
        "could not connect with host=h password=***"
    );
    assert_eq!(lines[2]["function_args"], masked);
}

const LONG_SHA256: &str = "662c0e422990aaa6a93c2d744e876103b44fbce80b75f98239eb6336f13f4e8d";

/// The program of the page, as it stands there.
#[test]
fn the_verifier_of_the_page_says_the_same() {
    let page = page();
    let (_, code) = page.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    written(
        &dir,
        false,
        &[
            Event::Disconnect { reason: "idle" },
            Event::Disconnect { reason: "locked" },
        ],
    );
    let run = || {
        let mut python = Command::new("python3");
        python.args(["-c", code]).arg(&dir).output()
    };
    let out = run().expect("python3 is needed: `apt-get install python3`");
    let report = verify(&dir, &[]).unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), report.chain);
    let file = crate::files::list(&dir).unwrap().pop().unwrap().path(&dir);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("locked", "logged")).unwrap();
    let out = run().unwrap();
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let line = verify(&dir, &[]).unwrap().problems[0].line;
    assert!(
        said.trim_end()
            .ends_with(&format!(":{line}: the chain is broken")),
        "{said}"
    );
}
