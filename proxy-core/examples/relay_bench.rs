//! What the PostgreSQL relay costs: processor time for a query and for a message, and how fast rows go through, beside a copy of the
//! same bytes as anchor. With a record that only counts, and with the audit log itself.
//!
//!     cargo run --release -p muster-proxy --example relay_bench -- [QUERIES]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;

use muster_audit::{
    Event, Log, Micros, NotWritten, Pen, Settings as LogSettings, Subject, SubjectParts,
};
use muster_proxy::{
    engine::{Record, Relay as _},
    engines::postgres::{
        codec::put,
        relay::{Encoding, Relay, Settings},
    },
};

/// Seconds of the processor that this thread has had: other programs on the machine do not count.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Counts, and writes nothing.
struct Count(u64);

impl Record for Count {
    fn write(&mut self, _: Micros, event: &Event<'_>) -> Result<u64, NotWritten> {
        black_box(event);
        self.0 += 1;
        Ok(self.0)
    }
}

/// Writes into the audit log, and waits where its queue is full.
struct Real {
    pen: Pen,
    subject: Subject,
    events: u64,
}

impl Record for Real {
    fn write(&mut self, at: Micros, event: &Event<'_>) -> Result<u64, NotWritten> {
        while let Err(NotWritten::Busy) = self.pen.write(&mut self.subject, at, event) {
            std::thread::yield_now();
        }
        self.events += 1;
        Ok(self.events)
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, tag, |out| out.extend_from_slice(body));
    out
}

fn all(messages: &[(u8, &[u8])]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(|(tag, body)| message(*tag, body))
        .collect()
}

fn relay() -> Relay {
    Relay::new(Settings {
        max_statement: 64 * 1024,
        replication: false,
        transaction: b'I',
        encoding: Encoding::Plain,
    })
}

fn say(relay: &mut Relay, record: &mut dyn Record, client: &[u8], server: &[u8]) {
    let at = Micros(0);
    assert_eq!(relay.from_client(client, at, record).unwrap(), client.len());
    assert_eq!(relay.from_server(server, at, record).unwrap(), server.len());
}

/// Nanoseconds for one exchange.
fn exchange(
    record: &mut dyn Record,
    count: u64,
    prepare: Option<(&[u8], &[u8])>,
    client: &[u8],
    server: &[u8],
) -> f64 {
    let mut relay = relay();
    if let Some((client, server)) = prepare {
        say(&mut relay, record, client, server);
    }
    let begin = cpu();
    for _ in 0..count {
        say(&mut relay, record, black_box(client), black_box(server));
    }
    (cpu() - begin) * 1e9 / count as f64
}

/// Gigabytes a second of rows of `size` bytes, in pieces of 64 KiB, and of a copy of the same pieces.
fn rows(size: usize) -> (f64, f64) {
    const PIECE: usize = 64 * 1024;
    let mut record = Count(0);
    let mut relay = relay();
    let rows = message(b'D', &vec![b'x'; size]).repeat((8 << 20) / (size + 5) + 1);
    let query = message(b'Q', b"SELECT * FROM big\0");
    assert_eq!(
        relay.from_client(&query, Micros(0), &mut record).unwrap(),
        query.len()
    );
    let relayed = rate(&rows, |piece| {
        assert_eq!(
            relay.from_server(piece, Micros(0), &mut record).unwrap(),
            piece.len()
        );
    });
    let mut to = vec![0; PIECE];
    let copied = rate(&rows, |piece| {
        if let Some(to) = to.get_mut(..piece.len()) {
            to.copy_from_slice(piece);
        }
        black_box(&mut to);
    });
    return (relayed, copied);

    fn rate(rows: &[u8], mut each: impl FnMut(&[u8])) -> f64 {
        let (begin, mut passed) = (cpu(), 0.0);
        loop {
            for _ in 0..100 {
                black_box(rows).chunks(PIECE).for_each(&mut each);
            }
            passed += 100.0 * rows.len() as f64 / 1e9;
            let time = cpu() - begin;
            if time > 0.3 {
                return passed / time;
            }
        }
    }
}

fn main() {
    let count: u64 = std::env::args()
        .nth(1)
        .map_or(1_000_000, |count| count.parse().unwrap());
    let row: (u8, &[u8]) = (b'D', b"\0\x01\0\0\0\x0a1234567890");
    let end: [(u8, &[u8]); 2] = [(b'C', b"SELECT 1\0"), (b'Z', b"I")];
    let prepare = all(&[
        (
            b'P',
            b"P_0\0SELECT abalance FROM pgbench_accounts WHERE aid = $1;\0\0\0",
        ),
        (b'S', b""),
    ]);
    let prepared = all(&[(b'1', b""), (b'Z', b"I")]);
    let run = all(&[
        (b'B', b"\0P_0\0\0\0\0\x01\0\0\0\x0654321\0\0\0"),
        (b'D', b"P\0"),
        (b'E', b"\0\0\0\0\0"),
        (b'S', b""),
    ]);
    let ran = [all(&[(b'2', b""), (b'T', &[0; 33]), row]), all(&end)].concat();
    let simple = message(
        b'Q',
        b"SELECT abalance FROM pgbench_accounts WHERE aid = 54321;\0",
    );
    let answer = [all(&[(b'T', &[0; 33]), row]), all(&end)].concat();

    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(LogSettings::new(dir.path().join("log"), "bench")).unwrap();
    let subject = Subject::new(&SubjectParts {
        sid: "0b8f1c1e",
        user: "alice",
        db_service: "orders",
        ..SubjectParts::default()
    });
    let mut real = Real {
        pen: log.pen(),
        subject,
        events: 0,
    };

    for (name, record) in [
        ("counting", &mut Count(0) as &mut dyn Record),
        ("audit log", &mut real),
    ] {
        let time = exchange(record, count, Some((&prepare, &prepared)), &run, &ran);
        println!(
            "prepared select, {name:<10} {time:7.0} ns, {:5.0} ns for each of 9 messages",
            time / 9.0
        );
        let time = exchange(record, count, None, &simple, &answer);
        println!(
            "simple select,   {name:<10} {time:7.0} ns, {:5.0} ns for each of 5 messages",
            time / 5.0
        );
    }
    for size in [20, 100, 1000, 8000, 1_000_000] {
        let (relayed, copied) = rows(size);
        println!(
            "rows of {size:>7} bytes: {relayed:7.1} GB/s, a copy {copied:5.1} GB/s, time of a copy's {:.2}",
            copied / relayed
        );
    }
    println!("a relay at rest: {} bytes", size_of::<Relay>());
}
