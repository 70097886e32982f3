//! A log that was written, and what was then done to it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

mod search;
mod verify;

use crate::{
    Actor, AdminEvent, Ended, Event, Log, Micros, Outcome, Settings, Subject, SubjectParts, Value,
    kinds,
};

const LIMIT: Duration = Duration::from_secs(20);
const START: i64 = 1_795_300_481_000_000;
const SESSIONS: [(&str, &str, &str); 3] = [
    ("00000000-0000-8000-8000-000000000001", "alice", "orders"),
    ("00000000-0000-8000-8000-000000000002", "bob", "orders"),
    ("00000000-0000-8000-8000-000000000003", "alice", "billing"),
];

fn subject((sid, user, db_service): (&str, &str, &str)) -> Subject {
    Subject::new(&SubjectParts {
        cluster_name: "acme",
        sid,
        user,
        db_service,
        db_protocol: "postgres",
        db_user: "reader",
        ..SubjectParts::default()
    })
}

/// A log of several files: three sessions of ten statements each, a second apart, and a role.
fn written(dir: &Path) -> PathBuf {
    let path = dir.join("audit");
    let mut settings = Settings::new(&path, "acme");
    settings.rotate.bytes = 5000;
    let log = Log::open_with(settings, Arc::new(|| Micros(START)), [9; 16]).unwrap();
    let mut pen = log.pen();
    let mut subjects = SESSIONS.map(subject);
    let mut at = Micros(START);
    for n in 0..10 {
        for subject in &mut subjects {
            let text = format!("SELECT {n} FROM t WHERE name = \"x\ny\"");
            let event = Event::Query {
                query: (&*text).into(),
                parameters: None,
                outcome: Some(Outcome {
                    rows: Some(1),
                    tag: b"SELECT 1",
                    duration_us: 1234,
                    error: None,
                }),
            };
            pen.write(subject, at, &event).unwrap();
            at.0 += 1_000_000;
        }
        assert!(log.flush(LIMIT));
    }
    let by = Actor {
        user: "carol",
        remote: None,
    };
    let event = AdminEvent::new(&kinds::DB_DELETE, at, by).with("name", Value::Text("orders"));
    log.emit(&event).unwrap();
    assert_eq!(log.close(LIMIT), Ended::Whole);
    path
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let files = crate::files::list(dir).unwrap();
    assert!(files.len() > 3);
    files.into_iter().map(|file| file.path(dir)).collect()
}

/// The bytes of a short log, made once.
fn sample() -> Vec<u8> {
    static SAMPLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    SAMPLE
        .get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let path = written(dir.path());
            fs::read(&files_of(&path)[0]).unwrap()
        })
        .clone()
}
