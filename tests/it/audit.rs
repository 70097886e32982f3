//! The record of what people did, as a person looks at it: the real program over a log that was written.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use muster_audit::{Event, Log, Micros, Outcome, Settings, Subject, SubjectParts};
use serde_json::Value;

const SID: &str = "00000000-0000-8000-8000-000000000001";

/// A session of alice's in the audit directory of a store.
fn written(store: &Path) {
    let log = Log::open(Settings::new(store.join("audit"), "acme")).expect("a log");
    let mut subject = Subject::new(&SubjectParts {
        cluster_name: "acme",
        sid: SID,
        user: "alice",
        db_service: "orders",
        db_name: "shop",
        db_user: "reader",
        client: Some("192.0.2.1:50000".parse().expect("an address")),
        ..SubjectParts::default()
    });
    let start = 1_795_300_481_000_000;
    let events = [
        Event::SessionStart {
            backend: Some(7),
            user_agent: Some("psql"),
        },
        Event::Query {
            query: "alter role bob\u{1b}[2J password 'hunter2'".into(),
            parameters: None,
            outcome: Some(Outcome {
                tag: b"ALTER ROLE",
                duration_us: 1500,
                ..Outcome::default()
            }),
        },
        Event::SessionEnd {
            started: Micros(start),
            reason: None,
            statements: 1,
            from_client: 10,
            to_client: 20,
        },
    ];
    let mut pen = log.pen();
    for (n, event) in (0..).zip(&events) {
        pen.write(&mut subject, Micros(start + n * 61_000_000), event)
            .expect("queued");
    }
    log.close(Duration::from_secs(20));
}

fn muster(dir: &Path, args: &[&str]) -> Output {
    let config = "\
version: 1
policy: sync
store: store
sources: { aws: [{ types: [rds], regions: [eu-central-1] }] }
rules: [{ name: all, match: { '*': '*' }, enroll: true }]
";
    fs::write(dir.join("muster.yaml"), config).expect("written");
    Command::new(env!("CARGO_BIN_EXE_muster"))
        .current_dir(dir)
        .env_remove("MUSTER_CONFIG")
        .args(args)
        .output()
        .expect("the program")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn the_record_is_searched_played_and_verified() {
    let temp = tempfile::TempDir::new().expect("a directory");
    let dir = temp.path();
    let place = dir.join("store/audit").display().to_string();
    written(&dir.join("store"));
    let at = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--dir", &place]);
        muster(dir, &all)
    };

    let found = at(&[
        "audit",
        "search",
        "--user",
        "alice",
        "--text",
        "ALTER role",
        "-o",
        "json",
    ]);
    assert!(found.status.success(), "{}", text(&found));
    let found: Vec<Value> = serde_json::from_slice(&found.stdout).expect("JSON");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["code"], "TDB02I");
    assert_eq!(
        found[0]["db_query"],
        "alter role bob\u{1b}[2J password '***'"
    );

    let played = text(&at(&["play", SID]));
    let expected = "\
Session 00000000-0000-8000-8000-000000000001 of alice on orders, database shop as reader, from 192.0.2.1:50000
2026-11-21T22:34:41.000000Z

   0:00.000  the session began
   1:01.000  alter role bob\\u{1b}[2J password '***'
             -> ALTER ROLE, 1.500 ms
   2:02.000  the session ended after 1 statements, 10 bytes in and 20 bytes out
";
    assert_eq!(played, expected);
    let nobody = at(&["play", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody).contains("hint:"), "{}", text(&nobody));

    let verified = at(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", text(&verified));
    assert!(text(&verified).contains("The log is as it was written."));
    let file = fs::read_dir(dir.join("store/audit"))
        .expect("the log")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .expect("a file");
    let log = fs::read_to_string(&file).expect("the file");
    fs::write(&file, log.replace("bob", "joe")).expect("written");
    let verified = at(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        text(&verified).contains(".jsonl:4: this line, or the end of the one before, was changed"),
        "{}",
        text(&verified)
    );
    // What the configuration says is where it looks by itself.
    let found = muster(dir, &["audit", "search", "--code", "TDB01I", "--raw"]);
    assert!(found.status.success(), "{}", text(&found));
    let lines = String::from_utf8_lossy(&found.stdout).into_owned();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(lines.contains("\"statements\":1"), "{lines}");
    assert!(!text(&found).contains("warning"), "{}", text(&found));
    let mistyped = ["audit", "search", "--code", "TDB1I", "--event", "session"];
    let mistyped = muster(dir, &mistyped);
    assert!(mistyped.status.success(), "{}", text(&mistyped));
    for warning in ["the code `TDB1I`", "the type `session`"] {
        let warning = format!("warning: no event has {warning}");
        assert!(text(&mistyped).contains(&warning), "{}", text(&mistyped));
    }
    fs::remove_dir_all(dir.join("store")).expect("removed");
    let none = muster(dir, &["audit", "search"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none).contains("hint:"), "{}", text(&none));
}
