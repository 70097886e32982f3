//! What an event costs, and how fast a log is searched.
//!
//!     cargo run --release -p muster-audit --example audit_bench -- [EVENTS] [DIRECTORY]
//!
//! The costs are CPU of the whole process, both sides of the queue together, beside that of an anchor in the same run:
//! the same fields by serde_json through a buffered writer, without chain and without a queue. With a directory the log
//! stays there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use muster_audit::{
    Ended, Event, Log, Micros, Order, Outcome, Query, Settings, Subject, SubjectParts, search,
    verify,
};
use serde::Serialize;

const USERS: [&str; 8] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
];
const SID: &str = "0b8f1c1e-4a6e-4c5e-8f43-7d7a7a4b";
const TEXT: &str =
    "SELECT id, name, price FROM products WHERE category = $1 AND price < 100 ORDER BY name";

fn main() {
    let mut args = std::env::args().skip(1);
    let events: u64 = args
        .next()
        .map_or(1_000_000, |count| count.parse().unwrap());
    let temp = tempfile::tempdir().unwrap();
    let dir = args
        .next()
        .map_or_else(|| temp.path().join("log"), Into::into);

    let anchor = anchor(events, &temp.path().join("anchor"));
    println!("anchor (serde_json, BufWriter)   {anchor}");
    let log = write(events, &dir);
    println!("log    (queue, chain, file)      {log}");
    println!(
        "ratio of CPU                     {:.2}",
        log.cpu / anchor.cpu
    );
    println!("bytes on the disk                {} MB", size(&dir) >> 20);
    read(&dir);
}

struct Cost {
    events: u64,
    cpu: f64,
    wall: f64,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let each = |seconds: f64| seconds * 1e9 / self.events as f64;
        write!(
            f,
            "{:6.0} ns CPU, {:6.0} ns elapsed an event",
            each(self.cpu),
            each(self.wall)
        )
    }
}

/// CPU seconds of this process, in hundredths.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: f64 = [11, 12]
        .iter()
        .map(|at| fields[*at].parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

fn measure(events: u64, work: impl FnOnce()) -> Cost {
    let (before, start) = (cpu(), Instant::now());
    work();
    Cost {
        events,
        cpu: cpu() - before,
        wall: start.elapsed().as_secs_f64(),
    }
}

fn write(events: u64, dir: &Path) -> Cost {
    let log = Log::open(Settings::new(dir, "acme")).unwrap();
    let workers = 2;
    measure(events, || {
        thread::scope(|scope| {
            for worker in 0..workers {
                let mut pen = log.pen();
                scope.spawn(move || {
                    let mut subjects: Vec<Subject> =
                        (0..USERS.len()).map(|n| subject(worker, n)).collect();
                    for n in 0..events / workers {
                        let subject = &mut subjects[(n % 8) as usize];
                        let event = Event::Query {
                            query: TEXT.into(),
                            parameters: None,
                            outcome: Some(Outcome {
                                rows: Some(n),
                                tag: b"SELECT 17",
                                duration_us: 417,
                                error: None,
                            }),
                        };
                        let at = Micros(1_795_300_481_000_000 + (n * 100) as i64);
                        while pen.write(subject, at, &event).is_err() {
                            thread::sleep(Duration::from_millis(1));
                        }
                    }
                });
            }
        });
        assert_eq!(log.close(Duration::from_secs(60)), Ended::Whole);
    })
}

fn subject(worker: u64, n: usize) -> Subject {
    Subject::new(&SubjectParts {
        cluster_name: "acme",
        sid: &format!("{SID}{worker:02}{n:02}"),
        user: USERS[n],
        roles: &["dev", "oncall"],
        db_service: "orders-production",
        db_protocol: "postgres",
        db_type: "rds",
        db_origin: "discovery",
        db_uri: "orders-production.c9akciq32.eu-central-1.rds.amazonaws.com:5432",
        db_name: "shop",
        db_user: "reader",
        db_roles: &["dev"],
        client: Some("192.0.2.17:50612".parse().unwrap()),
        upstream: Some("10.1.2.3:5432".parse().unwrap()),
        ..SubjectParts::default()
    })
}

#[derive(Serialize)]
struct Plain<'a> {
    time: &'a str,
    event: &'a str,
    code: &'a str,
    uid: &'a str,
    ei: u64,
    db_query: &'a str,
    success: bool,
    affected_records: u64,
    command_tag: &'a str,
    duration_us: u64,
    cluster_name: &'a str,
    sid: &'a str,
    user: &'a str,
    db_service: &'a str,
    db_protocol: &'a str,
    db_type: &'a str,
    db_origin: &'a str,
    db_uri: &'a str,
    db_name: &'a str,
    db_user: &'a str,
    user_kind: u64,
    roles: &'a [&'a str],
    db_roles: &'a [&'a str],
    #[serde(rename = "addr.remote")]
    remote: &'a str,
    #[serde(rename = "addr.upstream")]
    upstream: &'a str,
}

fn anchor(events: u64, path: &Path) -> Cost {
    measure(events, || {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
        for n in 0..events {
            let plain = Plain {
                time: "2026-11-21T22:34:41.000000Z",
                event: "db.session.query",
                code: "TDB02I",
                uid: "0b8f1c1e-4a6e-8c5e-8f43-7d7a7a4b0001",
                ei: n,
                db_query: TEXT,
                success: true,
                affected_records: n,
                command_tag: "SELECT 17",
                duration_us: 417,
                cluster_name: "acme",
                sid: "0b8f1c1e-4a6e-4c5e-8f43-7d7a7a4b0001",
                user: USERS[(n % 8) as usize],
                db_service: "orders-production",
                db_protocol: "postgres",
                db_type: "rds",
                db_origin: "discovery",
                db_uri: "orders-production.c9akciq32.eu-central-1.rds.amazonaws.com:5432",
                db_name: "shop",
                db_user: "reader",
                user_kind: 1,
                roles: &["dev", "oncall"],
                db_roles: &["dev"],
                remote: "192.0.2.17:50612",
                upstream: "10.1.2.3:5432",
            };
            serde_json::to_writer(&mut out, &plain).unwrap();
            out.write_all(b"\n").unwrap();
        }
        out.flush().unwrap();
    })
}

fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

fn read(dir: &Path) {
    let some = |text: &str| Some(text.to_owned());
    let none = Query::default();
    let cases = [
        (
            "all of one session",
            Query {
                sid: some(&format!("{SID}0003")),
                limit: Some(100),
                order: Order::Oldest,
                ..none.clone()
            },
        ),
        (
            "a user that is nowhere",
            Query {
                user: some("mallory"),
                ..none.clone()
            },
        ),
        (
            "a text that is nowhere",
            Query {
                text: some("drop table orders"),
                ..none.clone()
            },
        ),
        (
            "the newest 20 of a user",
            Query {
                user: some("alice"),
                limit: Some(20),
                ..none.clone()
            },
        ),
        (
            "a second, in the middle",
            Query {
                from: Some(Micros(1_795_300_481_000_000 + 30_000_000)),
                to: Some(Micros(1_795_300_481_000_000 + 30_010_000)),
                ..none.clone()
            },
        ),
    ];
    for (name, query) in cases {
        let mut hits = 0;
        let cost = measure(1, || hits = search(dir, query).unwrap().count());
        println!(
            "search {name:28} {:6.2} s CPU, {:6.2} s elapsed, {hits} hits",
            cost.cpu, cost.wall
        );
    }
    let mut lines = 0;
    let cost = measure(1, || {
        let report = verify(dir, &[]).unwrap();
        assert!(report.is_whole(), "{:?}", report.problems);
        lines = report.lines;
    });
    println!(
        "verify {:28} {:6.2} s CPU, {:6.2} s elapsed, {lines} lines",
        "", cost.cpu, cost.wall
    );
}
