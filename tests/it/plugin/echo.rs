//! The SDK's side of the contract, which is written by hand: all that muster hands over arrives as it is, whatever its
//! size and letters, and all that a matcher can say comes back.

use std::{collections::BTreeMap, sync::Arc};

use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Labels, Protocol, ResourceId, Scope,
    Service, State, Timestamp, Unread,
};
use muster_wasm::{
    Candidate, Compiler, Configured, Enroll, Failure, Host, Level, Limits, Options, Verdict,
};

use super::guests::guest;

fn echo() -> Configured {
    let host = Host::new(Options {
        limits: Limits {
            threads: 2,
            ..Limits::default()
        },
        compiler: Compiler::InProcess,
        cache: None,
    })
    .expect("a host");
    let plugin = host.load(&guest("echo")).expect("a plugin");
    plugin.configured("null").expect("settings")
}

/// FNV-1a, as the SDK has it.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn all<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> u64 {
    pairs
        .into_iter()
        .map(|(key, value)| hash(&format!("{key}={value}")))
        .fold(0, u64::wrapping_add)
}

/// Texts of all lengths: none, a few bytes, more than the room that the SDK takes at once; of letters of all lengths.
fn text(i: usize, what: &str) -> String {
    let letters = ["a", "ß", "数", "😀"][i % 4];
    match i % 7 {
        0 => String::new(),
        // Now and then one that is longer than anything real.
        1 if i % 97 == 1 => format!("{what}{}", letters.repeat(70_000)),
        1 => format!("{what}{}", letters.repeat(700)),
        2 => what.to_owned(),
        n => format!("{what}-{i}-{}", letters.repeat(n * 40)),
    }
}

fn database(i: usize) -> Database {
    let tags: BTreeMap<String, String> = (0..i % 30)
        .map(|n| (format!("tag-{n}"), text(i + n, "value")))
        .collect();
    let mut derived = BTreeMap::new();
    if !i.is_multiple_of(3) {
        derived.insert("region".to_owned(), "eu-west-1".to_owned());
        derived.insert("engine".to_owned(), text(i, "engine"));
    }
    let facts = (0..i % 5)
        .map(|n| (format!("fact-{n}"), text(i * n, "fact")))
        .collect();
    let endpoint = (!i.is_multiple_of(4)).then(|| Endpoint {
        host: format!("{i}.example.com"),
        port: if i % 4 == 1 { 65_535 } else { 5432 },
    });
    Database {
        id: ResourceId::of(&format!("arn:aws:rds:eu-west-1:1:db:{i}"), "instance"),
        scope: Arc::new(Scope::aws("111122223333", "eu-west-1", Service::Rds)),
        kind: Kind::Rds,
        protocol: (!i.is_multiple_of(6)).then_some(Protocol::Postgres),
        identifier: format!("orders-{i}"),
        role: if i.is_multiple_of(2) {
            EndpointRole::Instance
        } else {
            EndpointRole::Custom(format!("c{i}"))
        },
        region: "eu-west-1".to_owned(),
        endpoint,
        tls_server_name: (i.is_multiple_of(5)).then(|| format!("tls-{i}")),
        engine: text(i, "engine"),
        engine_version: text(i + 3, "15"),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        tags,
        derived,
        facts,
        unsupported: None,
        unread: if i.is_multiple_of(8) {
            [Unread::Tags].into()
        } else {
            Default::default()
        },
        notes: Vec::new(),
    }
}

fn evaluate(databases: &[Database]) -> muster_wasm::Evaluation {
    let labels: Vec<Labels> = databases
        .iter()
        .map(|database| database.labels().0)
        .collect();
    let candidates: Vec<Candidate<'_>> = databases
        .iter()
        .zip(&labels)
        .map(|(database, labels)| Candidate {
            database,
            labels,
            first_seen: Some(Timestamp::from_unix(1_767_225_600)),
        })
        .collect();
    echo().evaluate(&candidates)
}

#[test]
fn everything_crosses_as_it_is() {
    let databases: Vec<Database> = (0..1100).map(database).collect();
    let evaluation = evaluate(&databases);
    assert_eq!(evaluation.verdicts.len(), databases.len());
    for (database, verdict) in databases.iter().zip(evaluation.verdicts) {
        let Verdict::Enroll(enroll) = verdict.expect("a verdict") else {
            panic!("{}: not enrolled", database.identifier);
        };
        assert_eq!(enroll, expected(database), "{}", database.identifier);
    }
}

fn expected(database: &Database) -> Enroll {
    let role = database.role.to_string();
    let texts = [
        ("f-id", database.id.as_str()),
        ("f-name", &database.identifier),
        ("f-provider", "aws"),
        ("f-kind", "rds"),
        ("f-protocol", database.protocol.map_or("", Protocol::as_str)),
        ("f-engine", &database.engine),
        ("f-engine-version", &database.engine_version),
        ("f-state", "available"),
        ("f-account", "111122223333"),
        ("f-region", "eu-west-1"),
        ("f-role", &role),
        (
            "f-host",
            database
                .endpoint
                .as_ref()
                .map_or("", |endpoint| &endpoint.host),
        ),
    ];
    let mut facts: Vec<(&str, &str)> = vec![
        ("availability", "available"),
        ("service", "rds"),
        ("first-seen", "2026-01-01T00:00:00Z"),
    ];
    facts.extend(
        database
            .tls_server_name
            .iter()
            .map(|name| ("tls-server-name", name.as_str())),
    );
    if !database.unread.is_empty() {
        facts.push(("unread", "tags"));
    }
    let own = |pairs: &BTreeMap<String, String>| {
        all(pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())))
    };
    let (labels, _) = database.labels();
    let pairs = [
        ("p-tags", own(&database.tags)),
        ("p-derived", own(&database.derived)),
        ("p-labels", all(labels.values())),
        ("p-facts", own(&database.facts).wrapping_add(all(facts))),
    ];
    let hashes = texts.map(|(field, text)| (field, hash(text)));
    let port = database.endpoint.as_ref().map(|endpoint| endpoint.port);
    Enroll {
        name: Some(database.identifier.clone()),
        labels: hashes
            .into_iter()
            .chain(pairs)
            .map(|(field, hash)| (field.to_owned(), format!("{hash:016x}")))
            .collect(),
        hints: vec![
            ("port".to_owned(), format!("{port:?}")),
            ("empty".to_owned(), String::new()),
        ],
        reason: "12 texts".to_owned(),
    }
}

#[test]
fn every_verdict_a_panic_and_the_log_come_back() {
    let databases: Vec<Database> = ["skip", "undecided", "borrow", "log", "panic", "skip"]
        .into_iter()
        .enumerate()
        .map(|(i, what)| {
            let mut database = database(i);
            database.tags.insert("do".to_owned(), what.to_owned());
            database
        })
        .collect();
    let evaluation = evaluate(&databases);
    let mut verdicts = evaluation.verdicts.into_iter();
    let mut next = || verdicts.next().expect("six");
    assert_eq!(next(), Ok(Verdict::Skip(String::new())));
    let undecided = next().expect_err("undecided");
    assert_eq!(undecided.code, Failure::Undecided);
    assert!(undecided.to_string().contains("orders-1"), "{undecided}");
    let labels = [("mine", "static"), ("theirs", "borrow")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(next(), Ok(Verdict::Pass(labels.to_vec())));
    assert_eq!(next(), Ok(Verdict::Pass(Vec::new())));
    let panicked = next().expect_err("panicked");
    assert_eq!(panicked.code, Failure::Panicked);
    let said = panicked.to_string();
    assert!(
        said.contains("echo/src/lib.rs:") && said.contains("asked to by orders-4"),
        "{said}"
    );
    assert_eq!(next(), Ok(Verdict::Skip(String::new())));

    let log: Vec<(Level, &str)> = evaluation
        .log
        .iter()
        .filter(|line| !line.message.contains("panicked"))
        .map(|line| (line.level, line.message.as_str()))
        .collect();
    let wanted = [
        (Level::Debug, "name orders-3"),
        (Level::Info, "kind rds"),
        (Level::Warn, "plain"),
    ];
    assert!(log.windows(3).any(|lines| lines == wanted), "{log:?}");
}
