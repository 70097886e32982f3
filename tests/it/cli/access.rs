//! Records of access: `create`, `get`, `edit`, `rm`, `role`, `access explain` and `export`, as a person runs them.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{Ended, World, bare};

const RECORDS: &str = "\
kind: role
version: v7
metadata: { name: dev }
spec:
  allow: { db_labels: { env: dev }, db_users: [\"{{internal.db_users}}\"], db_names: [shop] }
  deny: { db_users: [postgres] }
  options: { max_session_ttl: 8h }
---
kind: user
version: v2
metadata: { name: alice }
spec: { roles: [dev], traits: { db_users: [app, postgres] } }
---
kind: db
version: v3
metadata: { name: orders, labels: { env: dev } }
spec: { protocol: postgres, uri: \"127.0.0.1:5432\" }
";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    /// With the records above.
    fn filled() -> Self {
        let place = Self::new();
        place.write("records.yaml", RECORDS);
        place.run(&["create", "-f", "records.yaml"]).done();
        place
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("written");
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.with(args, &[])
    }

    fn with(&self, args: &[&str], env: &[(&str, &str)]) -> Ended {
        let mut command = bare(self.0.path(), args);
        command.env("MUSTER_STORE", self.0.path().join("store"));
        command.envs(env.iter().copied());
        Ended::of(command.output().expect("muster runs"))
    }

    /// A program that edits the file that it is given.
    fn editor(&self, script: &str) -> String {
        let path = self.0.path().join("editor");
        fs::write(&path, format!("#!/bin/sh\nset -e\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path.display().to_string()
    }
}

#[test]
fn records_come_back_as_they_were_created() {
    let place = Place::new();
    place.write("records.yaml", RECORDS);
    let ended = place.run(&["create", "-f", "records.yaml"]).done();
    assert_eq!(
        ended.out,
        "role/dev created\nuser/alice created\ndb/orders created\n"
    );
    let names = place.run(&["get", "all", "-o", "name"]).done().out;
    for name in ["role/dev", "user/alice", "db/orders"] {
        assert!(names.lines().any(|line| line == name), "{names}");
    }
    let all = place.run(&["get", "role,user,db", "-o", "yaml"]).done().out;
    place.write("again.yaml", &all);
    let ended = place.run(&["create", "--force", "again.yaml"]).done();
    assert_eq!(
        ended.out,
        "role/dev unchanged\nuser/alice unchanged\ndb/orders unchanged\n"
    );

    place
        .run(&["rm", "user/alice", "role/dev", "db/orders", "--force"])
        .done();
    let other = Place::new();
    other.write("again.yaml", &all);
    other.run(&["create", "-f", "again.yaml"]).done();
    assert_eq!(
        other.run(&["get", "role,user,db", "-o", "yaml"]).done().out,
        all
    );
    let role: Value =
        serde_json::from_str(&other.run(&["get", "role/dev", "-o", "json"]).done().out)
            .expect("JSON");
    assert_eq!(role["spec"]["deny"]["db_users"][0], "postgres");
    let list = other.run(&["role", "ls"]).done().out;
    assert!(
        list.contains("role/dev") && list.contains("deny users postgres"),
        "{list}"
    );
}

#[test]
fn files_with_a_problem_write_nothing_and_all_problems_are_told() {
    let place = Place::new();
    place.write("good.yaml", RECORDS);
    place.write(
        "bad.yaml",
        "kind: role\nversion: v7\nmetadata: { name: x }\nspec:\n  allow: { db_user: [a] }\n  options: { pin_source_ip: true }\n---\nkind: user\nmetadata: { name: alice }\nspec: { roles: [] }\n",
    );
    let ended = place.run(&["create", "-f", "good.yaml", "-f", "bad.yaml"]);
    assert_eq!(ended.code, 1);
    for told in [
        "error: bad.yaml: line 5: role/x: spec.allow.db_user: unknown key; did you mean `db_users`?",
        "error: bad.yaml: line 6: role/x: spec.options.pin_source_ip:",
        "error: bad.yaml: user/alice: this record is also in good.yaml",
        "nothing was written",
    ] {
        assert!(ended.err.contains(told), "{told}: {}", ended.err);
    }
    let ended = place.run(&["get", "all", "-o", "name"]);
    assert!(ended.out.is_empty(), "{}", ended.out);

    let ended = place.run(&["create", "--check", "good.yaml"]).done();
    assert!(
        ended.out.contains("role/dev can be written"),
        "{}",
        ended.out
    );
    assert!(place.run(&["get", "all", "-o", "name"]).out.is_empty());
}

#[test]
fn what_is_there_is_replaced_only_when_that_is_asked_for() {
    let place = Place::filled();
    let other = RECORDS.replace("[shop]", "[shop, billing]");
    place.write("other.yaml", &other);
    let ended = place.run(&["create", "other.yaml"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .err
            .contains("role/dev, user/alice, db/orders: they are there already"),
        "{}",
        ended.err
    );
    assert!(
        !place
            .run(&["get", "role/dev"])
            .done()
            .out
            .contains("billing")
    );

    let mut command = bare(place.0.path(), &["create", "--force", "-f", "-"]);
    command.env("MUSTER_STORE", place.0.path().join("store"));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("muster runs");
    let mut stdin = child.stdin.take().expect("standard input");
    stdin.write_all(other.as_bytes()).expect("written");
    drop(stdin);
    let ended = Ended::of(child.wait_with_output().expect("ended")).done();
    assert_eq!(
        ended.out,
        "role/dev updated\nuser/alice unchanged\ndb/orders unchanged\n"
    );
    assert!(
        place
            .run(&["get", "role/dev"])
            .done()
            .out
            .contains("billing")
    );
}

#[test]
fn a_role_that_users_have_is_removed_only_by_force() {
    let place = Place::filled();
    for args in [&["rm", "role/dev"][..], &["role", "rm", "dev"]] {
        let ended = place.run(args);
        assert_eq!(ended.code, 1);
        assert!(ended.err.contains("alice"), "{}", ended.err);
    }
    let ended = place.run(&["rm", "role/dev", "role/ghost", "--force"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("ghost"), "{}", ended.err);
    place.run(&["role", "show", "dev"]).done();
    assert_eq!(
        place.run(&["rm", "role/dev", "--force"]).done().out,
        "role/dev removed\n"
    );
    assert_eq!(place.run(&["get", "role/dev"]).code, 1);
    assert_eq!(place.run(&["rm", "dev"]).code, 64);
}

#[test]
fn an_edited_record_is_opened_again_until_it_can_be_used() {
    let place = Place::filled();
    let editor = place.editor(
        "if grep -q '^#! error: ' \"$1\"; then cp \"$1\" second; sed -i 's/db_usr/db_users/; s/shop/billing/' \"$1\"\n\
         else sed -i 's/db_users/db_usr/' \"$1\"; fi",
    );
    let ended = place
        .with(&["edit", "role/dev"], &[("EDITOR", &editor)])
        .done();
    assert_eq!(ended.out, "role/dev updated\n");
    let second = fs::read_to_string(place.0.path().join("second")).expect("opened twice");
    assert!(second.contains("did you mean `db_users`?"), "{second}");
    let role = place.run(&["get", "role/dev"]).done().out;
    assert!(role.contains("billing") && !role.contains("#!"), "{role}");

    let ended = place
        .with(&["edit", "role/dev"], &[("EDITOR", "true")])
        .done();
    assert_eq!(ended.out, "role/dev unchanged\n");
    let ended = place.with(&["edit", "role/dev"], &[("EDITOR", "false")]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("nothing was changed"), "{}", ended.err);

    // Somebody who gives up leaves the file as it was told to be wrong.
    let editor = place.editor("sed -i 's/name: dev/name: ops/' \"$1\"");
    let ended = place.with(&["edit", "role/dev"], &[("EDITOR", &editor)]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("kind and name stay"), "{}", ended.err);
    assert!(kept(&ended).contains("name: ops"));
}

#[test]
fn an_edit_is_refused_when_somebody_else_was_faster() {
    let place = Place::filled();
    place.write("other.yaml", &RECORDS.replace("8h", "4h"));
    let muster = env!("CARGO_BIN_EXE_muster");
    let editor = place.editor(&format!(
        "{muster} create --force other.yaml\nsed -i 's/shop/billing/' \"$1\""
    ));
    let ended = place.with(&["edit", "role/dev"], &[("EDITOR", &editor)]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("meanwhile"), "{}", ended.err);
    let role = place.run(&["get", "role/dev"]).done().out;
    assert!(role.contains("4h") && !role.contains("billing"), "{role}");
    assert!(kept(&ended).contains("billing"));
}

/// What stands in the file that an edit that failed has left.
fn kept(ended: &Ended) -> String {
    let line = ended
        .err
        .lines()
        .find_map(|line| line.strip_prefix("what was edited is kept in "));
    let path = Path::new(line.expect("the file is named")).to_owned();
    let text = fs::read_to_string(&path).expect("the file is there");
    fs::remove_file(path).expect("removed");
    text
}

#[test]
fn access_is_explained_role_by_role() {
    let place = Place::filled();
    let explain = |args: &[&str]| {
        let args = [&["access", "explain", "alice", "orders"], args].concat();
        place.run(&args).done().out
    };
    let text = explain(&["--db-user", "app", "--db-name", "shop"]);
    assert!(
        text.starts_with(
            "Allowed: alice on orders as app, database name shop\n  role `dev` allows it"
        ),
        "{text}"
    );
    assert!(text.contains("`app` by {{internal.db_users}}"), "{text}");
    assert!(text.contains("(role `dev`)\n"), "{text}");
    let text = explain(&["--db-user", "app"]);
    assert!(
        text.contains("db_names    no   `app` is not among `shop`"),
        "{text}"
    );
    let json: Value =
        serde_json::from_str(&explain(&["-u", "postgres", "-n", "shop", "-o", "json"]))
            .expect("JSON");
    assert_eq!(json["allowed"], false);
    assert_eq!(json["code"], "denied");
    assert_eq!(json["roles"][0]["verdict"], "denies");
    assert_eq!(json["roles"][0]["denies_by"], "db_users: postgres");

    place
        .run(&[
            "lock",
            "add",
            "--user",
            "alice",
            "--message",
            "on leave",
            "--name",
            "leave",
        ])
        .done();
    let text = explain(&["--db-user", "app", "--db-name", "shop"]);
    assert!(
        text.starts_with("Denied") && text.contains("on leave"),
        "{text}"
    );

    // A lock on the node counts where the configuration says that this is the one.
    place.run(&["lock", "rm", "leave"]).done();
    let gate = "version: 1\nstore: store\npolicy: upsert-only\n\
                proxy: { listen: '127.0.0.1:0', node_name: gate-1 }\n";
    fs::write(place.0.path().join("gate.yaml"), gate).expect("written");
    let node = ["lock", "add", "--node", "gate-1", "--config", "gate.yaml"];
    let locked = place.run(&node).done();
    assert!(!locked.err.contains("warning"), "{}", locked.err);
    let asked = ["--db-user", "app", "--db-name", "shop"];
    assert!(explain(&asked).starts_with("Allowed"));
    let text = explain(&[&asked[..], &["--config", "gate.yaml"]].concat());
    assert!(
        text.starts_with("Denied") && text.contains("on node `gate-1`"),
        "{text}"
    );

    let ended = place.run(&["access", "explain", "bob", "orders", "--db-user", "app"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("user `bob` does not exist"),
        "{}",
        ended.err
    );
    let ended = place.run(&["access", "explain", "alice", "billing", "--db-user", "app"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("no enrolled database `billing`"),
        "{}",
        ended.err
    );
}

#[test]
fn the_enrolled_databases_are_exported_as_records_that_can_be_created() {
    let world = World::demo();
    world.run(&["apply"]).done();
    let ended = world.run(&["export", "--format", "teleport"]).done();
    let now = muster_model::Timestamp::from_unix(1_800_000_000);
    let (records, problems) = muster_access::parse_records(&ended.out, now);
    assert!(
        problems.iter().all(|problem| !problem.is_error()),
        "{problems:?}"
    );
    let names: std::collections::BTreeSet<String> = records
        .iter()
        .map(|record| record.name().to_owned())
        .collect();
    let enrolled = world.names();
    let left_out = ended
        .err
        .lines()
        .filter(|line| line.contains("is left out"))
        .count();
    assert_eq!(names.len() + left_out, enrolled.len(), "{}", ended.err);
    assert!(names.is_subset(&enrolled) && names.len() > 3);

    let file = world.dir.path().join("export.yaml");
    world
        .run(&[
            "export",
            "-f",
            "teleport",
            "-o",
            &file.display().to_string(),
        ])
        .done();
    assert_eq!(fs::read_to_string(file).expect("written"), ended.out);
}

#[test]
fn a_lock_on_a_database_by_any_of_its_names_is_taken_for_one_on_it() {
    let world = World::demo();
    world.run(&["apply"]).done();
    let databases = world.json(&["db", "ls", "-o", "json"]);
    let text = |database: &serde_json::Value, key: &str| database[key].as_str().unwrap().to_owned();
    let one = databases
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] != one["short_name"])
        .unwrap();
    for key in ["name", "short_name", "id"] {
        let name = text(one, key);
        let meant = world.run(&["lock", "add", "--target", &name]).done();
        assert!(!meant.err.contains("warning"), "{key}: {}", meant.err);
    }
    let part = &text(one, "name")[1..];
    let other = world.run(&["lock", "add", "--target", part]).done();
    assert!(other.err.contains("there is no database"), "{}", other.err);
}
