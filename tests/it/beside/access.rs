//! Records of access, users, tokens and locks: the same answers with the service and without it, and the same comes of them.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::LazyLock};

use regex::Regex;

use super::Ended;
use crate::service::world::World;

/// The port is one that is free: links name it, with the service and without it.
fn config() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let address = free.expect("a free port");
    format!(
        "version: 1
store: muster-demo
policy: upsert-only
service: {{ listen: off }}
proxy: {{ listen: \"{address}\", cluster_name: test }}
"
    )
}

const RECORDS: &str = "kind: role
version: v7
metadata: { name: dev }
spec:
  allow: { db_labels: { env: dev }, db_users: [app], db_names: [shop] }
  options: { max_session_ttl: 8h }
---
kind: user
version: v2
metadata: { name: alice }
spec: { roles: [dev], traits: { team: [red] } }
---
kind: db
version: v3
metadata: { name: orders, labels: { env: dev } }
spec: { protocol: postgres, uri: \"127.0.0.1:5432\" }
";

/// In order: what one does, the next ones see.
const STEPS: &[&[&str]] = &[
    &["create", "--dry-run", "-f", "records.yaml"],
    &["create", "-f", "records.yaml"],
    &["create", "-f", "records.yaml"],
    &["create", "--force", "-f", "records.yaml"],
    &["create", "-f", "bad.yaml"],
    &["get", "all"],
    &["get", "all", "-o", "json"],
    &["get", "role/dev"],
    &["get", "role/nobody"],
    &["get", "nonsense/x"],
    &["edit", "role/dev"],
    &["edit", "role/nobody"],
    &["get", "role/dev"],
    &["role", "ls"],
    &["role", "ls", "-o", "json"],
    &["role", "show", "dev"],
    &["access", "explain", "alice", "orders"],
    &[
        "access",
        "explain",
        "alice",
        "orders",
        "--db-user",
        "app",
        "--db-name",
        "shop",
    ],
    &[
        "access",
        "explain",
        "alice",
        "orders",
        "--db-user",
        "root",
        "-o",
        "json",
    ],
    &["access", "explain", "bob", "orders"],
    &["access", "explain", "alice", "nothing"],
    &["user", "add", "bob", "--roles", "dev"],
    &["user", "add", "bob", "--roles", "dev"],
    &["user", "add", "carl", "--roles", "none"],
    &["user", "ls"],
    &["user", "ls", "-o", "json"],
    &[
        "user",
        "update",
        "bob",
        "--roles",
        "dev",
        "--traits",
        "team=blue",
    ],
    &["user", "update", "dora", "--roles", "dev"],
    &["user", "reset", "bob"],
    &[
        "token", "add", "--type", "db", "--name", "rack-7", "--ttl", "2h",
    ],
    &["token", "ls"],
    &["token", "rm", "rack-7"],
    &["token", "rm", "rack-7"],
    &["lock", "add", "--user", "alice", "--message", "on leave"],
    &["lock", "ls"],
    &["access", "explain", "alice", "orders", "--db-user", "app"],
    &["lock", "rm", "none-of-this-name"],
    &["export", "--format", "teleport"],
    &["db", "ls"],
    &["db", "ls", "-o", "name"],
    &["db", "show", "orders"],
    &["auth", "status"],
    &["auth", "export", "--ca", "nobody"],
    &["rm", "db/orders"],
    &["rm", "db/orders"],
    &["role", "rm", "dev"],
    &["user", "rm", "bob"],
    &["user", "rm", "bob"],
    &["get", "all", "-o", "name"],
];

fn place() -> World {
    let world = World::at("http://127.0.0.1:1");
    world.write(&config());
    let dir = world.dir.path();
    fs::write(dir.join("records.yaml"), RECORDS).expect("written");
    let bad = RECORDS.replace("db_users: [app]", "db_userz: [app]");
    fs::write(dir.join("bad.yaml"), bad).expect("written");
    let editor = dir.join("editor");
    fs::write(&editor, "#!/bin/sh\nsed -i 's/8h/4h/' \"$1\"\n").expect("written");
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).expect("executable");
    world
}

/// Without what differs from run to run: times, secrets and what is made of them, this place.
fn bare(world: &World, text: &str) -> String {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        let parts = [
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
            r"https://\S+",
            r"localhost:\d+",
            r"sha256:[0-9a-f:]+",
            r"\b[0-9a-f]{8}\b",
            r"\b[0-9a-f]{16,}\b",
            r"\b[A-Za-z0-9_-]{32,}",
            r"\b\d+(ms|s|m|h)\b",
        ];
        Regex::new(&parts.join("|")).expect("a pattern")
    });
    let dir = world.dir.path().display().to_string();
    let text = PATTERN.replace_all(text, "...").replace(&dir, "HERE");
    // Columns are as wide as what stands in them.
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn records_users_tokens_and_locks_answer_and_come_to_the_same() {
    let (beside, alone) = (place(), place());
    let service = beside.start();
    service.shows("a door", |status| status.proxy.is_some());
    let run = |world: &World, args: &[&str]| {
        let editor = world.dir.path().join("editor");
        let mut command = world.command(args);
        Ended::of(command.env("EDITOR", editor).output().expect("muster runs"))
    };
    let mut wrong = Vec::new();
    for args in STEPS {
        let (with, without) = (run(&beside, args), run(&alone, args));
        let same = with.code == without.code
            && bare(&beside, &with.out) == bare(&alone, &without.out)
            && bare(&beside, &with.err) == bare(&alone, &without.err);
        if !same {
            wrong.push(format!("{args:?}\nbeside: {with:#?}\nalone: {without:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // They were no mere refusals.
    let left = run(&beside, &["get", "all", "-o", "name"]).done().out;
    assert!(
        left.contains("user/alice") && !left.contains("db/orders"),
        "{left}"
    );
    service.stop();
    // What was done beside the service is there without it.
    assert_eq!(run(&beside, &["get", "all", "-o", "name"]).done().out, left);
}
