//! What happens to a log when its process is killed, its last line is cut off, or its disk is full. One file, as these tests
//! start their own program again for the process that ends so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use muster_audit::{
    Ended, Event, Health, Log, Micros, NotWritten, Order, Query, Report, Settings, Sink, Subject,
    SubjectParts, search, verify,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const LIMIT: Duration = Duration::from_secs(60);
const DIR: &str = "MUSTER_AUDIT_TEST_DIR";
const SIZE: &str = "MUSTER_AUDIT_TEST_SIZE";

fn subject() -> Subject {
    Subject::new(&SubjectParts {
        sid: "00000000-0000-8000-8000-000000000001",
        user: "alice",
        ..SubjectParts::default()
    })
}

fn query(text: &str) -> Event<'_> {
    Event::Query {
        query: text.into(),
        parameters: None,
        outcome: None,
    }
}

fn queries(dir: &Path) -> Vec<String> {
    let query = Query {
        code: Some("TDB02I".to_owned()),
        order: Order::Oldest,
        ..Query::default()
    };
    let text = |found: muster_audit::Found| found.event["db_query"].as_str().unwrap().to_owned();
    search(dir, query)
        .unwrap()
        .map(|found| text(found.unwrap()))
        .collect()
}

fn whole(dir: &Path) -> Report {
    let report = verify(dir, &[]).unwrap();
    assert!(report.is_whole(), "{:?}", report.problems);
    report
}

/// Starts this program again for one of its tests, with signals of limits ignored.
fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--ignored"])
        .env(DIR, dir)
        .stdout(Stdio::piped());
    command
}

/// A cut after each byte of the last line.
#[test]
fn a_line_that_was_cut_off_is_taken_out_and_told_of() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    let settings = Settings::new(&dir, "acme");
    Log::open(settings.clone()).unwrap().close(LIMIT);
    // A process that is killed leaves the head behind.
    let head = fs::read(dir.join("head.json")).unwrap();
    let log = Log::open(settings).unwrap();
    let mut pen = log.pen();
    let mut subject = subject();
    for text in ["select 1", "select 2"] {
        pen.write(&mut subject, Micros::now(), &query(text))
            .unwrap();
    }
    log.close(LIMIT);
    let path = files(&dir).remove(0);
    let text = fs::read(&path).unwrap();
    // Without the line that says that the log was closed: that of a process that was killed is not there.
    let end = text[..text.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    let start = text[..end - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for cut in start..=end {
        let copy = tempfile::tempdir().unwrap();
        let dir = copy.path().join("log");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("head.json"), &head).unwrap();
        fs::write(dir.join(path.file_name().unwrap()), &text[..cut]).unwrap();
        let log = Log::open(Settings::new(&dir, "acme")).unwrap();
        log.pen()
            .write(&mut subject, Micros::now(), &query("select 3"))
            .unwrap();
        assert_eq!(log.close(LIMIT), Ended::Whole);
        let report = whole(&dir);
        let expected: &[&str] = if cut == end {
            &["select 1", "select 2", "select 3"]
        } else {
            &["select 1", "select 3"]
        };
        assert_eq!(queries(&dir), expected, "cut at {cut}");
        let told = usize::from(cut != start && cut != end);
        assert_eq!(report.notes.len(), told, "{:?}", report.notes);
    }
}

/// What a killed process had seen written is there, and the next one goes on.
#[test]
fn a_killed_process_loses_nothing_that_was_written() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    let mut process = child("child_that_is_killed", &dir).spawn().unwrap();
    let mut written = 0;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        if let Some(count) = line.unwrap().strip_prefix("written ") {
            written = count.parse().unwrap();
        }
        if written > 5000 {
            break;
        }
    }
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(written > 5000);
    let log = Log::open(Settings::new(&dir, "acme")).unwrap();
    assert_eq!(log.close(LIMIT), Ended::Whole);
    whole(&dir);
    let all = queries(&dir);
    assert!(all.len() >= written, "{} of {written}", all.len());
    assert!(
        all.iter()
            .enumerate()
            .all(|(n, text)| *text == format!("select {n}"))
    );
}

#[test]
#[ignore = "a process of another test"]
fn child_that_is_killed() {
    let log = Log::open(Settings::new(env::var(DIR).unwrap(), "acme")).unwrap();
    let mut pen = log.pen();
    let mut subject = subject();
    let mut written = 0;
    loop {
        for _ in 0..100 {
            let text = format!("select {written}");
            while pen
                .write(&mut subject, Micros::now(), &query(&text))
                .is_err()
            {
                assert!(log.flush(LIMIT));
            }
            written += 1;
        }
        assert!(log.flush(LIMIT));
        println!("\nwritten {written}");
    }
}

#[test]
fn a_full_disk_loses_nothing_and_nobody_hangs() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    let out = child("child_with_a_full_disk", &dir).output().unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stdout)
    );
    let report = whole(&dir);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.what.contains("could not be written")),
        "{:?}",
        report.notes
    );
}

/// The limit of a file's size stands for the end of a disk.
#[test]
#[ignore = "a process of another test"]
fn child_with_a_full_disk() {
    let dir = env::var(DIR).unwrap();
    let log = Log::open(Settings::new(&dir, "acme")).unwrap();
    let before = getrlimit(Resource::Fsize);
    let limit = Rlimit {
        current: Some(100_001),
        ..before
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    let mut pen = log.pen();
    let mut subject = subject();
    let mut taken = Vec::new();
    let mut next = 0;
    let mut refused = 0;
    // Until the queue is full too.
    while refused < 3 {
        let text = format!("select {next}");
        next += 1;
        match pen.write(&mut subject, Micros::now(), &query(&text)) {
            Ok(()) | Err(NotWritten::Failing { kept: true, .. }) => taken.push(text),
            Err(NotWritten::Failing { kept: false, why }) => {
                assert!(why.contains("cannot write `"), "{why}");
                refused += 1;
                pen.skip(&mut subject);
            }
            Err(NotWritten::Busy) => {}
        }
    }
    assert!(matches!(log.health(), Health::Failing { .. }));
    setrlimit(Resource::Fsize, before).unwrap();
    let until = Instant::now() + LIMIT;
    while log.health() != Health::Ok {
        assert!(Instant::now() < until);
        log.flush(Duration::from_millis(10));
    }
    while pen
        .write(&mut subject, Micros::now(), &query("last"))
        .is_err()
    {
        assert!(log.flush(LIMIT));
    }
    taken.push("last".to_owned());
    assert_eq!(log.close(LIMIT), Ended::Whole);
    assert_eq!(queries(Path::new(&dir)), taken);
}

/// A directory that cannot be made again is a log that cannot be written.
#[test]
fn a_directory_that_is_taken_is_told_of_until_it_is_back() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    let log = Log::open(Settings::new(&dir, "acme")).unwrap();
    let mut pen = log.pen();
    let mut subject = subject();
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, "in the way").unwrap();
    let mut taken = 0;
    let until = Instant::now() + LIMIT;
    let mut write = |wanted: fn(&Health) -> bool| {
        while !wanted(&log.health()) {
            assert!(Instant::now() < until);
            match pen.write(&mut subject, Micros::now(), &query("select 1")) {
                Ok(()) | Err(NotWritten::Failing { kept: true, .. }) => taken += 1,
                Err(_) => {}
            }
            log.flush(Duration::from_millis(10));
        }
    };
    write(|health| *health != Health::Ok);
    fs::remove_file(&dir).unwrap();
    write(|health| *health == Health::Ok);
    assert_eq!(log.close(LIMIT), Ended::Whole);
    assert_eq!(queries(&dir).len(), taken);
    whole(&dir);
}

/// A log that cannot be written to its end says how much it lost, and in time: to who closed it, and to who opens it again.
/// Wherever the disk ended, in a line or between two, nobody is accused afterwards of having taken away what never was there.
#[test]
fn a_log_that_cannot_be_finished_says_what_is_lost() {
    for size in (520..3000).step_by(310) {
        for new in [true, false] {
            let temp = tempfile::tempdir().unwrap();
            let dir = temp.path().join("log");
            if !new {
                Log::open(Settings::new(&dir, "acme")).unwrap().close(LIMIT);
            }
            for written in [3, 6] {
                let lost = ends_at(&dir, size);
                let notes = whole(&dir).notes;
                let said = format!("{lost} events were not recorded");
                assert!(
                    notes.iter().any(|note| note.what.starts_with(&said)),
                    "{notes:?}"
                );
                let recorded = queries(&dir).len() as u64;
                assert_eq!(recorded + skipped(&dir) + lost, written, "{size} {new}");
            }
            let head = fs::read(dir.join("head.json")).unwrap();
            assert_eq!(head.len(), 512);
            // The second one finds a head that was not written again, as after `kill -9`; the third one all in order.
            for before in [Some(&head), Some(&head), None] {
                if let Some(head) = before {
                    fs::write(dir.join("head.json"), head).unwrap();
                }
                let log = Log::open(Settings::new(&dir, "acme")).unwrap();
                assert_eq!(log.close(LIMIT), Ended::Whole);
                let report = whole(&dir);
                assert_eq!(report.last_seq, report.lines);
                let recorded = queries(&dir).len() as u64;
                assert_eq!(recorded + skipped(&dir), 6, "{size} {new}");
                let text = String::from_utf8(written(&dir)).unwrap();
                let told = text.matches("\"code\":\"MAU04W\"").count();
                assert_eq!(report.notes.len(), told, "{:?}", report.notes);
            }
        }
    }
}

/// How many events the log says are not in it.
fn skipped(dir: &Path) -> u64 {
    let query = Query {
        code: Some("MAU04W".to_owned()),
        ..Query::default()
    };
    let count = |found: muster_audit::Found| found.event["count"].as_u64().unwrap();
    search(dir, query)
        .unwrap()
        .map(|found| count(found.unwrap()))
        .sum()
}

/// What was taken away is still told of when there was no room to say so at first.
#[test]
fn a_full_disk_hides_no_damage() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    Log::open(Settings::new(&dir, "acme")).unwrap().close(LIMIT);
    let text = written(&dir);
    let end = memchr::memrchr(b'\n', &text[..text.len() - 1]).unwrap() + 1;
    fs::write(&files(&dir)[0], &text[..end]).unwrap();
    for more in [10, 300] {
        ends_at(&dir, end as u64 + more);
        assert!(!verify(&dir, &[]).unwrap().is_whole());
    }
    let log = Log::open(Settings::new(&dir, "acme")).unwrap();
    assert_eq!(log.close(LIMIT), Ended::Whole);
    let text = String::from_utf8(written(&dir)).unwrap();
    assert!(text.contains("\"code\":\"MAU03E\""), "{text}");
}

/// The log's files, from the oldest on.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    paths.sort();
    paths
}

/// What is in them.
fn written(dir: &Path) -> Vec<u8> {
    let read = |path| fs::read(path).unwrap();
    files(dir).into_iter().flat_map(read).collect()
}

/// Opens a log, writes three events and closes it, on a disk that ends at such a size of the file: how many are lost.
fn ends_at(dir: &Path, size: u64) -> u64 {
    let out = child("child_that_ends_on_a_full_disk", dir)
        .env(SIZE, size.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}");
    let lost = text.lines().find_map(|line| line.strip_prefix("lost "));
    lost.unwrap().parse().unwrap()
}

#[test]
#[ignore = "a process of another test"]
fn child_that_ends_on_a_full_disk() {
    let limit = Rlimit {
        current: Some(env::var(SIZE).unwrap().parse().unwrap()),
        ..getrlimit(Resource::Fsize)
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    let log = Log::open(Settings::new(env::var(DIR).unwrap(), "acme")).unwrap();
    let mut pen = log.pen();
    let mut subject = subject();
    for _ in 0..3 {
        let _ = pen.write(&mut subject, Micros::now(), &query(&"x".repeat(700)));
    }
    // A long time would be waited for a slow disk, but not for a full one.
    let (limit, again) = (LIMIT, Duration::from_millis(30));
    let start = Instant::now();
    let ended = log.close_trying(limit, again);
    assert!(start.elapsed() < LIMIT / 2);
    match ended {
        Ended::Lost(lost) => println!("\nlost {lost}"),
        ended => panic!("{ended:?}"),
    }
}

/// Without files it is the same lines, chained.
#[test]
fn standard_output_gets_the_same_lines() {
    let temp = tempfile::tempdir().unwrap();
    let out = child("child_that_writes_to_standard_output", temp.path())
        .output()
        .unwrap();
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("{\"time\""))
        .collect();
    assert_eq!(lines.len(), 5, "{text}");
    let mut last = vec![0; 32];
    for (line, number) in lines.iter().zip(1..) {
        let (body, chain) = line.rsplit_once(",\"chain\":").unwrap();
        assert!(body.ends_with(&format!(",\"seq\":{number}")), "{line}");
        last.extend_from_slice(body.as_bytes());
        last = ring::digest::digest(&ring::digest::SHA256, &last)
            .as_ref()
            .to_vec();
        let hex: String = last.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(chain, format!("\"{hex}\"}}"));
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
#[ignore = "a process of another test"]
fn child_that_writes_to_standard_output() {
    let mut settings = Settings::new(env::var(DIR).unwrap(), "acme");
    settings.sink = Sink::Stdout;
    // What the test's harness has begun is a line of its own.
    println!();
    let log = Log::open(settings).unwrap();
    let mut pen = log.pen();
    let mut subject = subject();
    for _ in 0..3 {
        pen.write(&mut subject, Micros::now(), &query("select 1"))
            .unwrap();
    }
    assert_eq!(log.close(LIMIT), Ended::Whole);
}
