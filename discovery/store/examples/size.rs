//! What a store of 100,000 databases costs: bytes on disk and seconds, written once and then rewritten 20
//! times with 1 % changed each time.
//!
//!     cargo run --release -p muster-store --example size [RECORDS] [REWRITES]
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Instant};

use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Protocol, Record, ResourceId, Scope,
    Service, State, Timestamp,
};
use muster_store::{Batch, Expect, SledStore, Store, tables::INVENTORY};

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

fn size(dir: &Path) -> u64 {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                size(&entry.path())
            } else {
                meta.len()
            }
        })
        .sum()
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

fn main() {
    let mut args = std::env::args()
        .skip(1)
        .map(|arg| arg.parse::<usize>().expect("a number"));
    let (records, rewrites) = (args.next().unwrap_or(100_000), args.next().unwrap_or(20));
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("store");
    let (mib, mut last) = (1024.0 * 1024.0, Instant::now());
    let mut say = |what: &str| {
        println!(
            "{what:<44} {:>7.2} s  {:>7.1} MiB",
            last.elapsed().as_secs_f64(),
            size(&dir) as f64 / mib
        );
        last = Instant::now();
    };
    let json = serde_json::to_vec(&record(1, 1)).unwrap().len();
    println!(
        "{records} records of {json} bytes JSON: {:.1} MiB",
        (records * json) as f64 / mib
    );
    let store = SledStore::open(&dir).unwrap();
    write(&store, 0..records, 0, 1000);
    say("written once, batches of 1000");
    for round in 1..=rewrites {
        write(
            &store,
            (0..records).filter(|number| number % 100 == round % 100),
            round,
            usize::MAX,
        );
    }
    say(&format!("1 % changed, {rewrites} times"));
    drop(store);
    say("closed");
    let store = SledStore::open(&dir).unwrap();
    say("opened again (reads everything once)");
    assert_eq!(INVENTORY.list(&store).unwrap().records.len(), records);
    say("listed");
    for round in 1..=rewrites {
        write(&store, 0..records, round, usize::MAX);
    }
    say(&format!("everything rewritten, {rewrites} times"));
    for _ in 0..1000 {
        write(&store, 5..6, 1, 1);
    }
    say("1000 commits of one record");
    drop(store);
    say("closed");
    let store = SledStore::open(&dir).unwrap();
    say("opened again (reads everything once)");
    drop(store);
}
