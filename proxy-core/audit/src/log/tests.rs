//! What a user of the log can see.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicI64},
};

use serde_json::Value as Json;

use super::*;
use crate::{Event, Subject, SubjectParts};

const LIMIT: Duration = Duration::from_secs(20);
const START: i64 = 1_795_300_481_000_000;

pub(super) fn settings(dir: &Path) -> Settings {
    Settings::new(dir.join("audit"), "acme")
}

pub(super) fn open(settings: &Settings) -> Log {
    Log::open_with(settings.clone(), Arc::new(|| Micros(START)), [7; 16]).unwrap()
}

pub(super) fn subject() -> Subject {
    Subject::new(&SubjectParts {
        cluster_name: "acme",
        sid: "0b8f1c1e-4a6e-4c5e-8f43-7d7a7a4b0001",
        user: "alice",
        db_service: "orders",
        db_protocol: "postgres",
        db_name: "shop",
        db_user: "reader",
        roles: &["dev"],
        client: Some("192.0.2.1:50000".parse().unwrap()),
        ..SubjectParts::default()
    })
}

pub(super) fn query(text: &str) -> Event<'_> {
    Event::Query {
        query: text.into(),
        parameters: None,
        outcome: None,
    }
}

pub(super) fn files(dir: &Path) -> Vec<String> {
    let all = crate::files::list(&dir.join("audit")).unwrap();
    all.into_iter().map(|file| file.name).collect()
}

/// All lines of all files, in order.
pub(super) fn lines(dir: &Path) -> Vec<Json> {
    let mut lines = Vec::new();
    for name in files(dir) {
        let text = fs::read_to_string(dir.join("audit").join(name)).unwrap();
        lines.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
    }
    lines
}

/// The events of sessions among them: their statements.
pub(super) fn queries(dir: &Path) -> Vec<String> {
    let queries = lines(dir)
        .into_iter()
        .filter(|line| line["code"] == "TDB02I");
    queries
        .map(|line| line["db_query"].as_str().unwrap().to_owned())
        .collect()
}

fn codes(dir: &Path) -> Vec<String> {
    let codes = lines(dir).into_iter();
    codes
        .map(|line| line["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn events_are_in_the_file_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&settings(dir.path()));
    let (mut pen, mut subject) = (log.pen(), subject());
    for n in 0..3 {
        pen.write(
            &mut subject,
            Micros(START + n),
            &query(&format!("select {n}")),
        )
        .unwrap();
    }
    assert_eq!(log.close(LIMIT), Ended::Whole);
    assert_eq!(queries(dir.path()), ["select 0", "select 1", "select 2"]);
    assert_eq!(
        codes(dir.path()),
        ["MAU10I", "MAU00I", "TDB02I", "TDB02I", "TDB02I", "MAU01I"]
    );
    let line = &lines(dir.path())[4];
    assert_eq!(line["ei"], 2);
    assert_eq!(line["seq"], 5);
    assert_eq!(line["time"], "2026-11-21T22:34:41.000002Z");
    assert_eq!(line["addr.remote"], "192.0.2.1:50000");
    assert_eq!(line["cluster_name"], "acme");
}

#[test]
fn only_the_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    open(&settings(dir.path())).close(LIMIT);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let audit = dir.path().join("audit");
    assert_eq!(mode(&audit), 0o700);
    for entry in fs::read_dir(&audit).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn a_second_writer_is_told_who_is_first() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&settings(dir.path()));
    let error = Log::open(settings(dir.path())).unwrap_err();
    let expected = format!(
        "is being written by another process ({})",
        std::process::id()
    );
    assert!(error.to_string().ends_with(&expected), "{error}");
    log.close(LIMIT);
    drop(log);
    open(&settings(dir.path())).close(LIMIT);
}

#[test]
fn every_pen_is_emptied_also_one_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&settings(dir.path()));
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let mut pen = log.pen();
            scope.spawn(move || {
                let mut subject = subject();
                for n in 0..500 {
                    let text = format!("select {worker}, {n}");
                    while pen
                        .write(&mut subject, Micros(START + n), &query(&text))
                        .is_err()
                    {}
                }
            });
        }
    });
    assert_eq!(log.close(LIMIT), Ended::Whole);
    let all = queries(dir.path());
    assert_eq!(all.len(), 2000);
    for worker in 0..4 {
        let own: Vec<_> = all
            .iter()
            .filter(|text| text.starts_with(&format!("select {worker},")))
            .collect();
        let expected: Vec<_> = (0..500).map(|n| format!("select {worker}, {n}")).collect();
        assert_eq!(own, expected.iter().collect::<Vec<_>>());
    }
    let ids: std::collections::HashSet<String> = lines(dir.path())
        .iter()
        .map(|line| line["uid"].to_string())
        .collect();
    assert_eq!(ids.len(), 2000 + 3);
}

#[test]
fn a_restart_goes_on_in_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["select 1", "select 2"] {
        let log = open(&settings(dir.path()));
        log.pen()
            .write(&mut subject(), Micros(START), &query(text))
            .unwrap();
        log.close(LIMIT);
    }
    assert_eq!(files(dir.path()).len(), 1);
    assert_eq!(queries(dir.path()), ["select 1", "select 2"]);
    let seqs: Vec<u64> = lines(dir.path())
        .iter()
        .map(|line| line["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=7).collect::<Vec<_>>());
}

#[test]
fn files_end_by_size_and_by_age_and_old_ones_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.rotate.bytes = 4096;
    settings.keep.files = Some(3);
    let clock = Arc::new(AtomicI64::new(START));
    let own = clock.clone();
    let now = Arc::new(move || Micros(own.load(Ordering::Relaxed)));
    let log = Log::open_with(settings, now, [7; 16]).unwrap();
    let (mut pen, mut subject) = (log.pen(), subject());
    for n in 0..40 {
        pen.write(&mut subject, Micros(START), &query(&format!("select {n}")))
            .unwrap();
        assert!(log.flush(LIMIT));
    }
    let before = files(dir.path());
    assert_eq!(before.len(), 3, "{before:?}");
    // A day later.
    clock.fetch_add(86_400_000_001, Ordering::Relaxed);
    pen.write(&mut subject, Micros(START), &query("late"))
        .unwrap();
    assert_eq!(log.close(LIMIT), Ended::Whole);
    let after = files(dir.path());
    assert_ne!(before, after);
    assert!(
        after.last().unwrap().starts_with("audit-20261122T223441Z-"),
        "{after:?}"
    );
    let all = lines(dir.path());
    let seqs: Vec<u64> = all
        .iter()
        .map(|line| line["seq"].as_u64().unwrap())
        .collect();
    assert!(
        seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{seqs:?}"
    );
    let gone: Vec<&Json> = all.iter().filter(|line| line["code"] == "MAU12I").collect();
    assert_eq!(gone.last().unwrap()["last_seq"], seqs[0] - 1);
    assert_eq!(gone.last().unwrap()["last_chain"], all[0]["previous_chain"]);
}

#[test]
fn what_is_too_long_for_the_queue_is_cut_until_it_fits() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.max_statement = 1 << 20;
    settings.queue = 1;
    let log = open(&settings);
    let text = "\u{1}".repeat(3 << 20);
    let values = [crate::Parameter::Text(text.as_bytes()); 3];
    let event = Event::Query {
        query: (&*text).into(),
        parameters: Some(crate::Parameters {
            values: &values,
            sensitive: crate::Sensitive::No,
        }),
        outcome: None,
    };
    log.pen()
        .write(&mut subject(), Micros(START), &event)
        .unwrap();
    assert_eq!(log.close(LIMIT), Ended::Whole);
    let all = lines(dir.path());
    let line = all.iter().find(|line| line["code"] == "TDB02I").unwrap();
    assert_eq!(line["db_query_length"], 3 << 20);
    assert!(line["db_query"].as_str().unwrap().len() >= 256 << 10);
}

#[test]
fn a_full_queue_says_so_and_is_empty_again_soon() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.max_statement = 256;
    settings.queue = 4096;
    let log = open(&settings);
    let (mut pen, mut subject) = (log.pen(), subject());
    let mut busy = 0;
    for _ in 0..1000 {
        while let Err(error) = pen.write(&mut subject, Micros(START), &query("select 1")) {
            assert_eq!(error, NotWritten::Busy);
            busy += 1;
            assert!(log.flush(LIMIT));
        }
    }
    assert!(busy > 0);
    assert_eq!(log.close(LIMIT), Ended::Whole);
    let numbers: Vec<u64> = lines(dir.path())
        .iter()
        .filter(|line| line["code"] == "TDB02I")
        .map(|line| line["ei"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_log_that_has_ended_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&settings(dir.path()));
    let mut pen = log.pen();
    assert_eq!(log.close(LIMIT), Ended::Whole);
    let event = AdminEvent::new(&kinds::ROLE_CREATED, Micros(START), Actor::default());
    assert!(matches!(
        log.emit(&event),
        Err(NotWritten::Failing { kept: false, .. })
    ));
    // The queue goes when the thread has.
    while pen
        .write(&mut subject(), Micros(START), &query("select 1"))
        .is_ok()
    {
        std::thread::yield_now();
    }
}

#[test]
fn skipped_events_are_counted_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&settings(dir.path()));
    let (mut pen, mut subject) = (log.pen(), subject());
    let write = |pen: &mut Pen, subject: &mut Subject| {
        pen.write(subject, Micros(START), &query("select 1"))
            .unwrap();
    };
    write(&mut pen, &mut subject);
    pen.skip(&mut subject);
    pen.skip(&mut subject);
    write(&mut pen, &mut subject);
    assert!(log.flush(LIMIT));
    log.close(LIMIT);
    let all = lines(dir.path());
    let skipped = all.iter().filter(|line| line["code"] == "MAU04W");
    let counted: u64 = skipped.map(|line| line["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, 2);
    // Each leaves a gap, and its number to nobody.
    let written = all.iter().filter(|line| line["code"] == "TDB02I");
    let numbers: Vec<_> = written.map(|line| line["ei"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 3]);
}

#[test]
fn nothing_is_put_where_a_volume_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let log = open(&settings(&store));
    let (mut pen, mut subject) = (log.pen(), subject());
    let aside = dir.path().join("aside");
    fs::rename(&store, &aside).unwrap();
    let mut n = 0;
    while log.health() == Health::Ok {
        // It looks once a second, when there is something to do.
        let _ = pen.write(&mut subject, Micros(START), &query("meanwhile"));
        log.flush(Duration::from_millis(20));
        n += 1;
        assert!(n < 1_000_000);
    }
    assert!(!store.exists());
    fs::rename(&aside, &store).unwrap();
    while log.health() != Health::Ok {
        std::thread::yield_now();
    }
    assert_eq!(log.close(LIMIT), Ended::Whole);
    assert!(queries(&store).contains(&"meanwhile".to_owned()));
}

#[test]
fn a_directory_that_is_removed_comes_back_with_all_that_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&settings(dir.path()));
    let (mut pen, mut subject) = (log.pen(), subject());
    pen.write(&mut subject, Micros(START), &query("before"))
        .unwrap();
    assert!(log.flush(LIMIT));
    fs::remove_dir_all(dir.path().join("audit")).unwrap();
    pen.write(&mut subject, Micros(START), &query("meanwhile"))
        .unwrap();
    let path = dir.path().join("audit");
    let mut n = 0;
    while !path.join("head.json").exists() {
        // It looks once a second, when there is something to do.
        pen.write(&mut subject, Micros(START), &query(&format!("{n}")))
            .unwrap();
        assert!(log.flush(LIMIT));
        n += 1;
        assert!(n < 1_000_000);
    }
    assert_eq!(log.close(LIMIT), Ended::Whole);
    let all = queries(dir.path());
    assert_eq!(all.len(), n + 2);
    assert_eq!(all[..2], ["before", "meanwhile"]);
    assert!(codes(dir.path()).contains(&"MAU13W".to_owned()));
}
