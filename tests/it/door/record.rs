//! What is written down of it all.

use std::fs;

use serde_json::Value;

use super::town::{POSTGRES, Town, said};

#[test]
fn a_session_can_be_found_and_replayed_and_its_log_verified() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let ana = town.ana();
    let rows = "select generate_series(1, 5)";
    said(&ana.sql(&proxy, rows));
    let failing = ana.sql(&proxy, "select 1/0");
    assert!(!failing.status.success());
    // Whether it is allowed or not: it was asked for.
    ana.sql(
        &proxy,
        "alter user alice password 'a password & as long/as=a token? 0123456789'",
    );
    service.stop();

    let events = town.events();
    let of = |code: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["code"] == code)
            .collect()
    };
    assert_eq!(of("TDB00I").len(), 3);
    assert_eq!(of("TDB01I").len(), 3);
    let query = of("TDB02I")
        .into_iter()
        .find(|event| event["db_query"] == rows)
        .unwrap_or_else(|| panic!("{events:#?}"));
    for (key, wanted) in [
        ("event", "db.session.query"),
        ("cluster_name", "test"),
        ("user", "ana"),
        ("db_service", "orders"),
        ("db_protocol", "postgres"),
        ("db_user", "alice"),
        ("db_name", "shop"),
    ] {
        assert_eq!(query[key], wanted, "{query:#}");
    }
    assert_eq!(
        query["db_uri"],
        format!("{}:{}", POSTGRES.name, POSTGRES.port)
    );
    for key in [
        "ei",
        "sid",
        "success",
        "time",
        "uid",
        "db_origin",
        "db_type",
        "db_roles",
        "chain",
    ] {
        assert!(!query[key].is_null(), "{key} of {query:#}");
    }
    let everything = format!("{events:?}");
    assert!(
        !everything.contains("as long/as=a token"),
        "a password in {everything}"
    );

    town.muster(&["audit", "verify"]);
    let found = town.muster(&[
        "audit", "search", "--user", "ana", "--code", "TDB02I", "-o", "json",
    ]);
    assert!(found.contains("generate_series"), "{found}");
    let sid = query["sid"].as_str().unwrap();
    let played = town.muster(&["play", "--format", "json", sid]);
    assert!(
        played.contains("generate_series") && played.contains("db.session.end"),
        "{played}"
    );
    assert!(town.muster(&["play", sid]).contains("generate_series"));
}

#[test]
fn a_log_that_was_changed_while_it_was_closed_is_told_of_by_all_who_look() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let ana = town.ana();
    said(&ana.sql(&proxy, "select 1"));
    service.stop();
    let files = fs::read_dir(town.world.store().join("audit")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let mut logs: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .collect();
    logs.sort();
    let log = logs.pop().expect("a file");
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    fs::write(&log, lines[..lines.len() - 3].join("\n") + "\n").unwrap();

    let (service, proxy) = town.open();
    let gone = "lines that were on the disk are gone from its end";
    let damage = proxy.audit.damage.expect("what is wrong");
    assert!(damage.contains(gone), "{damage}");
    let line = service.hears("damage", |line| {
        let said = line["fields"]["message"].as_str().unwrap_or_default();
        said.starts_with("the audit log is not as it was left")
    });
    assert_eq!(line["level"], "ERROR");
    let status = service.shows("the finding", |status| {
        let mut findings = status.findings.iter();
        findings.any(|finding| finding.why.contains(gone))
    });
    assert!(!status.findings.is_empty());
    service.stop();
    // It has gone on, and with the next start that is how it was left.
    let (service, proxy) = town.open();
    assert_eq!(proxy.audit.damage, None);
    service.stop();
}
