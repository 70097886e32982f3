//! The authority as a person meets it: users, tokens, locks and certificates, held against `openssl`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use super::{Ended, bare};

const ROLES: &str = "\
kind: role
version: v7
metadata: { name: dev }
spec:
  allow: { db_labels: { env: dev }, db_users: [app], db_names: [shop] }
  options: { max_session_ttl: 2h }
";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().expect("a directory"));
        fs::write(place.path().join("roles.yaml"), ROLES).expect("written");
        place.run(&["create", "roles.yaml"]).done();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(self.path(), args);
        command.env("MUSTER_STORE", self.path().join("store"));
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().expect("muster runs"))
    }

    fn openssl(&self, args: &[&str]) -> Output {
        let mut command = Command::new("openssl");
        command.args(args).current_dir(self.path());
        command.output().expect("openssl runs")
    }
}

fn said(output: &Output) -> String {
    let said = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn openssl_takes_what_auth_sign_writes() {
    let place = Place::new();
    place
        .run(&["user", "add", "alice", "--roles", "dev"])
        .done();
    let args = [
        "auth",
        "sign",
        "--user",
        "alice",
        "--db",
        "orders",
        "--db-user",
        "app",
        "--out",
        "alice",
    ];
    let ended = place.run(&args).done();
    assert!(
        ended.out.contains("because the role dev allows 2h"),
        "{}",
        ended.out
    );
    let warning = "warning: there is no database `orders`";
    assert!(ended.err.contains(warning), "{}", ended.err);
    let mode = fs::metadata(place.path().join("alice.key")).expect("a key");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    place
        .run(&["auth", "export", "--ca", "user", "--out", "user.pem"])
        .done();
    let verify = |ca: &str| {
        place.openssl(&[
            "verify",
            "-purpose",
            "sslclient",
            "-CAfile",
            ca,
            "alice.crt",
        ])
    };
    let verified = verify("user.pem");
    assert!(verified.status.success(), "{}", said(&verified));
    // The authority that is handed to people is the one of the proxy, and does not vouch for them.
    assert!(!verify("alice.ca").status.success());
    let host = place.run(&["auth", "export", "--ca", "host"]).done().out;
    let handed = fs::read_to_string(place.path().join("alice.ca")).expect("an authority");
    assert_eq!(host, handed);
    let shown = said(&place.openssl(&["x509", "-in", "alice.crt", "-noout", "-text"]));
    for part in [
        "CN = alice",
        "spiffe://muster/user/alice",
        "\"target\":\"orders\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // Nothing is signed that could not be kept, and what is refused leaves nothing behind.
    let signed = || {
        let log = fs::read_dir(place.path().join("store/audit")).expect("the audit log");
        let texts = log.map(|file| fs::read_to_string(file.unwrap().path()).unwrap_or_default());
        let events: String = texts.collect();
        events.matches("cert.create").count()
    };
    let before = signed();
    let found = place.run(&["audit", "search", "--event", "cert.create"]);
    assert_eq!(found.done().out.matches("alice").count(), 1);
    let nowhere = place.run(&[
        "auth",
        "sign",
        "--user",
        "alice",
        "--out",
        "not/there/alice",
    ]);
    assert_eq!(nowhere.code, 1);
    assert!(
        nowhere.err.contains("cannot write not/there/alice.key")
            && nowhere.err.contains("make the directory not/there"),
        "{}",
        nowhere.err
    );
    assert_eq!((before, signed()), (1, 1));
    let key = fs::read(place.path().join("alice.key")).expect("a key");
    let refused = place.run(&["auth", "sign", "--user", "nobody", "--out", "alice"]);
    assert_eq!(refused.code, 1);
    assert_eq!(fs::read(place.path().join("alice.key")).unwrap(), key);
    assert!(!place.path().join("alice.key.partial").exists());
    // The key belongs to the certificate.
    let of_key = said(&place.openssl(&["pkey", "-in", "alice.key", "-pubout"]));
    let of_certificate = said(&place.openssl(&["x509", "-in", "alice.crt", "-noout", "-pubkey"]));
    assert_eq!(of_key, of_certificate);
}

#[test]
fn an_exchange_is_shown_and_taken_back() {
    let place = Place::new();
    place
        .run(&["user", "add", "alice", "--roles", "dev"])
        .done();
    let sign = |out: &str| {
        place
            .run(&["auth", "sign", "--user", "alice", "--out", out])
            .done()
    };
    let verified = |name: &str| {
        place
            .run(&["auth", "export", "--ca", "user", "--out", "user.pem"])
            .done();
        let certificate = format!("{name}.crt");
        let verify = ["verify", "-CAfile", "user.pem", &certificate];
        place.openssl(&verify).status.success()
    };
    sign("before");
    let ended = place
        .run(&["auth", "rotate", "--ca", "user", "--grace", "1h"])
        .done();
    assert_eq!(
        ended
            .out
            .lines()
            .filter(|line| line.starts_with("user"))
            .count(),
        2,
        "{}",
        ended.out
    );
    sign("within");
    assert!(verified("before") && verified("within"));
    let again = place.run(&["auth", "rotate", "--ca", "user"]);
    assert!(
        again.code == 1 && again.err.contains("is being exchanged until"),
        "{}",
        again.err
    );
    place
        .run(&["auth", "rotate", "--ca", "user", "--rollback"])
        .done();
    assert!(verified("before") && !verified("within"));
    place
        .run(&["auth", "rotate", "--ca", "user", "--grace", "0"])
        .done();
    assert!(!verified("before"));
}

#[test]
fn users_are_added_changed_reset_and_removed() {
    let place = Place::new();
    let args = [
        "user",
        "add",
        "alice",
        "--roles",
        "dev,guest",
        "--db-users",
        "app",
        "--traits",
        "team=red,blue",
    ];
    let ended = place.run(&args).done();
    assert!(
        ended.err.contains("there is no role `guest` yet"),
        "{}",
        ended.err
    );
    assert!(
        ended.out.contains("alice is invited, until "),
        "{}",
        ended.out
    );
    let again = place.run(&args);
    assert!(
        again.code == 1 && again.err.contains("there is a user `alice` already"),
        "{}",
        again.err
    );
    let list = place.run(&["user", "ls"]).done().out;
    assert!(
        list.contains("dev, guest") && list.contains("team=red,blue"),
        "{list}"
    );
    place
        .run(&[
            "user", "update", "alice", "--roles", "dev", "--traits", "team=",
        ])
        .done();
    let list = place.run(&["user", "ls"]).done().out;
    assert!(
        list.contains("db_users=app") && !list.contains("team") && !list.contains("guest"),
        "{list}"
    );
    let first = place.run(&["user", "reset", "alice"]).done().out;
    assert_ne!(first, place.run(&["user", "reset", "alice"]).done().out);
    place
        .run(&[
            "lock",
            "add",
            "--user",
            "alice",
            "--message",
            "call the office",
        ])
        .done();
    let locked = place.run(&["auth", "sign", "--user", "alice", "--out", "alice"]);
    assert!(
        locked.code == 1 && locked.err.contains("call the office"),
        "{}",
        locked.err
    );
    assert!(!place.path().join("alice.crt").exists());
    let unknown = place.run(&["auth", "sign", "--user", "nobody", "--out", "nobody"]);
    assert!(
        unknown.code == 1 && unknown.err.contains("user `nobody` does not exist"),
        "{}",
        unknown.err
    );
    let lock = place.run(&["lock", "ls", "--output", "name"]).done().out;
    place.run(&["lock", "rm", lock.trim()]).done();
    place
        .run(&["auth", "sign", "--user", "alice", "--out", "alice"])
        .done();
    place.run(&["user", "rm", "alice"]).done();
    let gone = place.run(&["user", "reset", "alice"]);
    assert!(
        gone.code == 1 && gone.err.contains("there is no user `alice`"),
        "{}",
        gone.err
    );
}

#[test]
fn a_tokens_secret_is_shown_once_and_kept_by_nobody() {
    let place = Place::new();
    let args = [
        "token", "add", "--type", "db", "--name", "rack-7", "--ttl", "2h",
    ];
    let ended = place.run(&args).done();
    let secret = ended
        .out
        .lines()
        .nth(1)
        .expect("a secret")
        .trim()
        .to_owned();
    assert_eq!(secret.len(), 43);
    let list = place.run(&["token", "ls"]).done().out;
    assert!(list.contains("rack-7") && !list.contains(&secret), "{list}");
    let invited = place
        .run(&["user", "add", "bob", "--roles", "dev"])
        .done()
        .out;
    let invitation = invited.lines().nth(1).expect("an invitation").trim();
    let kept = fs::read(place.path().join("store/authority/journal")).expect("a journal");
    let kept = String::from_utf8_lossy(&kept);
    assert!(kept.contains("rack-7"));
    assert!(!kept.contains(&secret) && !kept.contains(invitation));
    place.run(&["token", "rm", "rack-7"]).done();
    assert!(!place.run(&["token", "ls"]).done().out.contains("rack-7"));
}

#[test]
fn a_lock_of_a_name_that_nobody_has_is_kept_and_warned_of() {
    let place = Place::new();
    place
        .run(&["user", "add", "mallory", "--roles", "dev"])
        .done();
    let meant = place.run(&["lock", "add", "--user", "mallory"]).done();
    assert!(!meant.err.contains("warning"), "{}", meant.err);
    // One that holds nobody is not said to.
    let none = place.run(&["lock", "add", "--user", "mallory", "--ttl", "0"]);
    assert_eq!(none.code, 64);
    assert!(none.err.contains("keeps nobody out"), "{}", none.err);
    let db = "kind: db\nversion: v3\nmetadata: { name: orders }\n\
              spec: { protocol: postgres, uri: \"orders.db.test:5432\" }\n";
    let file = place.path().join("orders.yaml");
    fs::write(&file, db).unwrap();
    place.run(&["create", "-f", file.to_str().unwrap()]).done();
    let meant = place.run(&["lock", "add", "--target", "orders"]).done();
    assert!(!meant.err.contains("warning"), "{}", meant.err);
    for (word, what, who) in [
        ("user", "user", "malory"),
        ("role", "role", "nix"),
        ("target", "database", "odrers"),
        ("node", "node", "gate-9"),
    ] {
        let lock = ["lock", "add", &format!("--{word}"), who, "--name", who];
        let typed = place.run(&lock).done();
        let warning = format!("warning: there is no {what} `{who}`");
        assert!(typed.err.contains(&warning), "{}", typed.err);
        let list = place.run(&["lock", "ls", "--output", "name"]).done().out;
        assert!(list.lines().any(|line| line == who), "{list}");
    }
}

#[test]
fn what_was_said_to_be_done_is_there_after_kill_9() {
    let place = Place::new();
    let mut done = Vec::new();
    for n in 0..24 {
        let name = format!("lock-{n}");
        let mut child = place
            .command(&["lock", "add", "--user", "mallory", "--name", &name])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("muster starts");
        // At another point of its way each time; the last ones are let go.
        if n < 20 {
            for _ in 0..n * 40 {
                std::hint::black_box(fs::metadata(place.path()).is_ok());
                std::thread::yield_now();
            }
            child.kill().expect("killed");
        }
        let output = child.wait_with_output().expect("it ends");
        if String::from_utf8_lossy(&output.stdout).contains("is locked") {
            done.push(name);
        }
    }
    assert!(done.len() >= 4);
    let list = place.run(&["lock", "ls", "--output", "name"]).done().out;
    for name in done {
        assert!(
            list.lines().any(|line| line == name),
            "{name} is gone: {list}"
        );
    }
}

#[test]
fn a_journal_that_was_changed_is_not_guessed_at() {
    let place = Place::new();
    place
        .run(&["lock", "add", "--user", "mallory", "--name", "first"])
        .done();
    place
        .run(&["lock", "add", "--user", "mallory", "--name", "second"])
        .done();
    let path = place.path().join("store/authority/journal");
    let good = fs::read(&path).expect("a journal");
    let at = good
        .windows(5)
        .position(|part| part == b"first")
        .expect("the lock");
    let mut bad = good.clone();
    bad[at] ^= 1;
    fs::write(&path, &bad).expect("written");
    let ended = place.run(&["lock", "ls"]);
    assert!(
        ended.code == 1 && ended.err.contains("is damaged at byte"),
        "{}",
        ended.err
    );
    assert_eq!(fs::read(&path).expect("a journal"), bad);
    // Half of the last record: a machine that lost power.
    fs::write(&path, &good[..good.len() - 40]).expect("written");
    let list = place.run(&["lock", "ls", "--output", "name"]).done().out;
    assert_eq!(list, "first\n");
}
