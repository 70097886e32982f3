//! What a store of 100,000 databases costs: seconds, bytes on disk and in memory; written once, changed in part
//! over many cycles with compaction when it is due, rewritten as a whole, compacted.
//!
//!     cargo run -p muster-store --example size [RECORDS] [CYCLES] [REWRITES]
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, fs, ops::ControlFlow, sync::Arc, time::Instant};

use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Protocol, Record, ResourceId, Scope,
    Service, State, Timestamp,
};
use muster_store::{Batch, Expect, Order, SledStore, Store, tables::INVENTORY};

fn record(number: usize, version: usize) -> Record {
    let provider_id = format!(
        "arn:aws:rds:eu-west-1:123456789012:db:team-{}-orders-{number:06}",
        number % 40
    );
    let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let database = Database {
        id: ResourceId::of(&provider_id, "instance"),
        scope: Arc::new(Scope::aws("123456789012", "eu-west-1", Service::Rds)),
        kind: Kind::Rds,
        protocol: Some(Protocol::Postgres),
        identifier: format!("team-{}-orders-{number:06}", number % 40),
        role: EndpointRole::Instance,
        region: "eu-west-1".to_owned(),
        endpoint: Some(Endpoint {
            host: format!("team-orders-{number:06}.c8x1y2z3a4b5.eu-west-1.rds.amazonaws.com"),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: format!("16.{version}"),
        state: State {
            name: "available".to_owned(),
            availability: Availability::Available,
        },
        tags: text(&[
            ("env", "prod"),
            ("team", "orders"),
            ("cost-center", "4711"),
            ("owner", "a@example.org"),
        ]),
        derived: text(&[
            ("account-id", "123456789012"),
            ("endpoint-type", "instance"),
            ("engine", "postgres"),
            ("region", "eu-west-1"),
            ("vpc-id", "vpc-0123456789abcdef0"),
        ]),
        facts: text(&[
            ("iam-auth", "true"),
            ("resource-id", "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            ("public", "false"),
        ]),
        unsupported: None,
        unread: Default::default(),
        notes: Vec::new(),
    };
    let at = Timestamp::from_unix(1_700_000_000);
    Record {
        database,
        first_seen: at,
        changed: at.plus(version as i64),
        missing: None,
    }
}

/// What `/proc` says of this process, in MiB: what is resident, and the most that ever was.
fn memory(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .unwrap_or_default()
        / 1024.0
}

fn write(
    store: &SledStore,
    numbers: impl Iterator<Item = usize>,
    version: usize,
    per_batch: usize,
) {
    let mut batch = Batch::new();
    for number in numbers {
        let record = record(number, version);
        INVENTORY
            .put(
                &mut batch,
                record.database.id.as_str(),
                &record,
                Expect::Any,
            )
            .unwrap();
        if batch.len() == per_batch {
            store.commit(std::mem::take(&mut batch)).unwrap();
        }
    }
    store.commit(batch).unwrap();
}

/// Changes 1 % in each cycle, compacts when it is due, and returns the largest size in bytes and how often.
fn cycles(store: &SledStore, records: usize, cycles: usize) -> (u64, usize) {
    let (mut largest, mut compactions) = (0, 0);
    for cycle in 1..=cycles {
        let changed = (0..records).filter(|number| number % 100 == cycle % 100);
        write(store, changed, cycle, 1000);
        largest = largest.max(store.size().unwrap());
        if store.compaction_due().unwrap() {
            store.compact().unwrap();
            compactions += 1;
        }
    }
    (largest, compactions)
}

fn main() {
    let mut args = std::env::args()
        .skip(1)
        .map(|arg| arg.parse::<usize>().expect("a number"));
    let records = args.next().unwrap_or(100_000);
    let (count, rewrites) = (args.next().unwrap_or(300), args.next().unwrap_or(5));
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("store");
    let (mib, mut last) = (1024.0 * 1024.0, Instant::now());
    let mut say = |store: &SledStore, what: &str| {
        println!(
            "{what:<58} {:>7.2} s  {:>7.1} MiB on disk, {:>6.1} alive, {:>6.1} resident, {:>6.1} at most",
            last.elapsed().as_secs_f64(),
            store.size().unwrap() as f64 / mib,
            store.live().unwrap() as f64 / mib,
            memory("VmRSS"),
            memory("VmHWM"),
        );
        last = Instant::now();
    };
    let json = serde_json::to_vec(&record(1, 1)).unwrap().len();
    println!(
        "{records} records of {json} bytes JSON: {:.1} MiB",
        (records * json) as f64 / mib
    );
    let store = SledStore::open(&dir).unwrap();
    say(&store, "a new store");
    write(&store, 0..records, 0, 1000);
    say(&store, "written once, batches of 1000");
    drop(store);
    let store = SledStore::open(&dir).unwrap();
    say(&store, "opened again, which reads everything");
    let mut seen = 0;
    INVENTORY
        .each(&store, "", Order::Ascending, &mut |_, record| {
            seen += usize::from(record.is_ok());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, records);
    say(&store, "all records parsed, one by one");
    let (largest, compactions) = cycles(&store, records, count);
    let largest = largest as f64 / mib;
    say(
        &store,
        &format!("1 % changed, {count} times: {compactions} compactions, {largest:.0} MiB at most"),
    );
    for round in 1..=rewrites {
        write(&store, 0..records, round, 1000);
    }
    say(&store, &format!("everything rewritten, {rewrites} times"));
    store.compact().unwrap();
    say(&store, "compacted");
    for _ in 0..1000 {
        write(&store, 5..6, 1, 1);
    }
    say(&store, "1000 commits of one record");
    drop(store);
    let store = SledStore::open(&dir).unwrap();
    say(&store, "opened again, which reads everything");
}
