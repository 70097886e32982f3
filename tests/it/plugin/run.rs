//! `muster plugin run`.

use std::{io::Write, process::Stdio, sync::Arc};

use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Protocol, Record, ResourceId, Scope,
    Service, State, Timestamp,
};
use muster_store::{Batch, Expect, SledStore, Store, tables};

use super::kit::{CRASHES, Desk, REFUSES, golden, steady};

#[test]
fn shows_verdict_labels_log_and_cost() {
    let desk = Desk::with(&[]);
    desk.write(
        "db.yaml",
        "name: orders\ntags: { env: prod, by: hand, region: mars }\n",
    );
    desk.write(
        "settings.yaml",
        "aliases:\n  prod: [production, live]\nlimit: 3\n",
    );
    let args = [
        "run",
        "wat.wasm",
        "--database",
        "db.yaml",
        "--settings",
        "settings.yaml",
    ];
    let ended = desk.plugin(&args).ends(0);
    golden("run-enroll.txt", &steady(&ended.out));
    desk.write("db.json", r#"{"name": "cache", "protocol": "redis"}"#);
    let ended = desk
        .plugin(&["run", "wat.wasm", "--database", "db.json"])
        .ends(0);
    golden("run-skip.txt", &steady(&ended.out));
}

#[test]
fn json_has_all_of_it_for_each_database() {
    let desk = Desk::with(&[]);
    desk.write(
        "db.json",
        r#"[{"name": "a", "tags": {"by": "hand"}}, {"name": "b", "engine": "mysql"}]"#,
    );
    let shown = desk.json(&["run", "wat.wasm", "--database", "db.json", "-o", "json"]);
    assert_eq!(shown[0]["verdict"], "enroll");
    assert_eq!(shown[0]["identifier"], "a");
    assert_eq!(shown[0]["name"], serde_json::Value::Null);
    assert_eq!(shown[0]["labels_after"]["by"]["value"], "wat");
    assert_eq!(shown[0]["labels_after"]["by"]["before"], "hand");
    assert_eq!(shown[0]["labels_after"]["by"]["origin"], "wat");
    assert_eq!(shown[0]["labels_after"]["region"]["origin"], "derived");
    assert_eq!(shown[0]["log"][0]["message"], "null");
    assert_eq!(shown[1]["verdict"], "skip");
    assert_eq!(shown[1]["reason"], "not postgres");
    assert!(shown[1]["cost"]["memory_bytes"].as_u64() >= Some(65536));
}

#[test]
fn databases_come_from_standard_input_too() {
    let desk = Desk::with(&[]);
    let mut child = desk
        .command(&["plugin", "run", "wat.wasm", "--database", "-", "-o", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("muster runs");
    let mut stdin = child.stdin.take().expect("standard input");
    stdin.write_all(b"{name: piped}").expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("ended");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        shown[0]["id"],
        "arn:aws:rds:eu-west-1:111122223333:db:piped#instance"
    );
}

#[test]
fn a_plugin_that_fails_over_one_of_them_ends_with_1_and_says_over_which() {
    let desk = Desk::with(CRASHES);
    desk.write(
        "db.json",
        r#"[{"name": "a"}, {"name": "b", "engine": "mysql"}]"#,
    );
    let ended = desk
        .plugin(&["run", "wat.wasm", "--database", "db.json"])
        .ends(1);
    assert!(
        ended.out.contains("  verdict      enroll\n"),
        "{}",
        ended.out
    );
    assert!(
        ended
            .out
            .contains("  verdict      error\n  error        panicked: "),
        "{}",
        ended.out
    );
}

#[test]
fn settings_that_are_refused_are_named_by_the_plugin() {
    let desk = Desk::with(REFUSES);
    desk.write("db.json", "{}");
    desk.plugin(&["run", "wat.wasm", "--database", "db.json"])
        .ends(0);
    desk.write("settings.yaml", "aliases: { env: 3 }");
    desk.plugin(&[
        "run",
        "wat.wasm",
        "--database",
        "db.json",
        "--settings",
        "settings.yaml",
    ])
    .fails(&[
        "cannot configure the plugin wat (settings-refused)",
        "cause: aliases.env: must be a map",
    ]);
}

#[test]
fn one_of_two_sources_of_databases_is_needed() {
    let desk = Desk::with(&[]);
    let ended = desk.plugin(&["run", "wat.wasm"]).ends(64);
    assert!(ended.err.contains("--database <FILE>"), "{}", ended.err);
    desk.plugin(&["run", "wat.wasm", "--database", "x", "--from-store", "y"])
        .ends(64);
}

#[test]
fn a_database_of_the_store_is_judged_as_it_was_seen() {
    let desk = Desk::with(&[]);
    desk.write("db.json", r#"{"name": "orders", "tags": {"by": "hand"}}"#);
    let whole = desk.json(&["run", "wat.wasm", "--database", "db.json", "-o", "json"]);
    let args = |name| ["run", "wat.wasm", "--store", "store", "--from-store", name];
    desk.plugin(&args("orders")).fails(&[
        "cannot take databases from the store store",
        "it does not exist",
    ]);
    let database = stored(&desk);
    for name in ["orders", database.id.as_str(), "ORDERS.example.com"] {
        let shown = desk.json(&[&args(name)[..], &["-o", "json"]].concat());
        assert_eq!(
            shown[0]["labels_after"]["by"],
            whole[0]["labels_after"]["by"]
        );
        assert_eq!(shown[0]["id"], database.id.as_str());
    }
    desk.plugin(&args("ordres")).fails(&[
        "cannot find `ordres` in the store store",
        "none of its 1 databases is called so",
        "`muster explain ordres` looks for similar names",
    ]);
}

/// A store with one database in it.
fn stored(desk: &Desk) -> Database {
    let database = Database {
        id: ResourceId::of("arn:aws:rds:eu-west-1:1:db:orders", "instance"),
        scope: Arc::new(Scope::aws("1", "eu-west-1", Service::Rds)),
        kind: Kind::Rds,
        protocol: Some(Protocol::Postgres),
        identifier: "orders".to_owned(),
        role: EndpointRole::Instance,
        region: "eu-west-1".to_owned(),
        endpoint: Some(Endpoint {
            host: "orders.example.com".to_owned(),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: "16.4".to_owned(),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        tags: [("by".to_owned(), "hand".to_owned())].into(),
        derived: [("region".to_owned(), "eu-west-1".to_owned())].into(),
        facts: Default::default(),
        unsupported: None,
        unread: Default::default(),
        notes: Vec::new(),
    };
    let record = Record {
        database: database.clone(),
        first_seen: Timestamp::from_unix(1_767_225_600),
        changed: Timestamp::from_unix(1_767_225_600),
        missing: None,
    };
    let store = SledStore::open(desk.path("store")).expect("a store");
    let mut batch = Batch::new();
    tables::INVENTORY
        .put(&mut batch, database.id.as_str(), &record, Expect::Any)
        .expect("fits");
    store.commit(batch).expect("committed");
    database
}

/// What the store, the API and `db show` have is what the short form says in a few words.
#[test]
fn every_form_of_a_database_is_the_same_database() {
    let desk = Desk::with(&[]);
    let database = stored(&desk);
    let record = serde_json::json!({
        "database": database, "first_seen": "2026-01-01T00:00:00Z", "changed": "2026-01-01T00:00:00Z",
        "decision": null, "trace": null,
    });
    let target = serde_json::json!([{
        "id": database.id, "name": "orders-rds", "short_name": "orders", "kind": "rds", "protocol": "postgres",
        "endpoint": database.endpoint, "engine": "postgres", "engine_version": "16.4", "state": database.state,
        "labels": {
            "by": { "value": "hand", "origin": "tag" },
            "region": { "value": "eu-west-1", "origin": "derived" },
            "env": { "value": "prod", "origin": { "matcher": "rule \"env\"" } },
        },
        "scope": "aws/1/eu-west-1/rds", "owner": { "by": "discovery", "group": "default" }, "reason": "",
    }]);
    let ran = |name: &str, form: serde_json::Value| {
        desk.write(name, form.to_string());
        let shown = desk.json(&["run", "wat.wasm", "--database", name, "-o", "json"]);
        let mut shown = shown[0].clone();
        shown["cost"] = serde_json::Value::Null;
        shown
    };
    let plain = ran(
        "database.json",
        serde_json::to_value(&database).expect("JSON"),
    );
    assert_eq!(ran("record.json", record), plain);
    let enrolled = ran("target.json", target);
    assert_eq!(enrolled["labels_after"]["env"]["origin"], "rule \"env\"");
    for field in ["id", "identifier", "verdict", "reason", "log"] {
        assert_eq!(enrolled[field], plain[field], "{field}");
    }
    let short = ran(
        "short.json",
        serde_json::json!({"name": "orders", "tags": {"by": "hand"}}),
    );
    assert_eq!(short["labels_after"]["by"], plain["labels_after"]["by"]);
}
