//! The typed view: envelopes, schemas, damage, and the history.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{error::Error as _, ops::ControlFlow};

use muster_model::{
    Coverage, Event, HistoryEntry, ResourceId, Scope, ScopeRecord, Service, Timestamp,
};
use muster_store::{
    Batch, Collection, Expect, Keep, Key, MAX_ID, MemoryStore, Order, Revision, Store, StoreError,
    Why,
    tables::{HISTORY, SCOPES},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pet {
    name: String,
    legs: u32,
}

const PETS: Collection<Pet> = Collection::new("pets", 3).with_migration(add_legs);
const OLD_PETS: Collection<Value> = Collection::new("pets", 1);
const OTHER: Collection<Pet> = Collection::new("pets2", 3);

fn add_legs(from: u16, mut record: Value) -> Result<Value, String> {
    if from == 0 {
        return Err("schema 0 was never released".to_owned());
    }
    record["legs"] = json!(4);
    Ok(record)
}

fn pet(name: &str) -> Pet {
    Pet {
        name: name.to_owned(),
        legs: 3,
    }
}

fn put<T: Serialize>(
    store: &dyn Store,
    collection: Collection<T>,
    id: &str,
    record: &T,
) -> Revision {
    let mut batch = Batch::new();
    collection.put(&mut batch, id, record, Expect::Any).unwrap();
    store.commit(batch).unwrap()
}

fn raw(store: &dyn Store, key: &str, bytes: Vec<u8>) {
    let mut batch = Batch::new();
    batch.put(Key::new(key).unwrap(), bytes, Expect::Any);
    store.commit(batch).unwrap();
}

fn bytes(store: &dyn Store, key: &str) -> Vec<u8> {
    store.get(&Key::new(key).unwrap()).unwrap().unwrap().value
}

#[test]
fn records_come_back_with_their_revision_and_collections_do_not_mix() {
    let store = MemoryStore::new();
    let id = "arn:aws:rds:eu-west-1:1:db:x/ü#reader";
    put(&store, PETS, id, &pet("a"));
    put(&store, OTHER, "b", &pet("b"));
    let second = put(&store, PETS, id, &pet("c"));
    let found = PETS.get(&store, id).unwrap().unwrap();
    assert_eq!((found.value, found.revision), (pet("c"), second));
    assert_eq!(PETS.get(&store, "b").unwrap(), None);
    let listing = PETS.list(&store).unwrap();
    assert_eq!(
        listing
            .records
            .iter()
            .map(|(id, _)| id.as_str())
            .collect::<Vec<_>>(),
        [id]
    );
    assert_eq!(listing.damaged, []);
    let mut batch = Batch::new();
    PETS.delete(&mut batch, id, Expect::At(second)).unwrap();
    store.commit(batch).unwrap();
    assert_eq!(PETS.list(&store).unwrap().records, []);
    assert_eq!(OTHER.list(&store).unwrap().records.len(), 1);
}

#[test]
fn a_collection_is_read_in_pages() {
    let store = MemoryStore::new();
    for name in ["a/1", "a/2", "a/3", "b"] {
        put(&store, PETS, name, &pet(name));
        put(&store, OTHER, name, &pet(name));
    }
    let page = |after: Option<&str>, order| {
        let mut ids = Vec::new();
        let revision = PETS.each_after(&store, "a/", after, order, &mut |id, record| {
            assert_eq!(record.unwrap().value, pet(id));
            ids.push(id.to_owned());
            ControlFlow::Continue(())
        });
        assert_eq!(revision.unwrap(), Revision(8));
        ids
    };
    assert_eq!(page(None, Order::Ascending), ["a/1", "a/2", "a/3"]);
    assert_eq!(page(Some("a/2"), Order::Ascending), ["a/3"]);
    assert_eq!(page(Some("a/2"), Order::Descending), ["a/1"]);
    assert_eq!(page(Some("b"), Order::Ascending), [""; 0]);
    let bad = PETS.each_after(&store, "", Some(""), Order::Ascending, &mut |_, _| {
        panic!("nothing is behind an id that can be none")
    });
    assert!(matches!(bad, Err(StoreError::Id { .. })), "{bad:?}");
}

#[test]
fn ids_are_bounded() {
    let mut batch = Batch::new();
    PETS.put(&mut batch, &"x".repeat(MAX_ID), &pet("a"), Expect::Any)
        .unwrap();
    for (id, why) in [
        ("x".repeat(MAX_ID + 1), "2049 bytes"),
        (String::new(), "empty"),
    ] {
        let error = PETS
            .put(&mut batch, &id, &pet("a"), Expect::Any)
            .unwrap_err();
        assert!(error.to_string().contains("pets"), "{error}");
        assert!(
            error.source().unwrap().to_string().contains(why),
            "{:?}",
            error.source()
        );
    }
    assert_eq!(batch.len(), 1);
}

#[test]
fn any_damage_to_a_record_is_told_with_its_key_and_the_rest_is_listed() {
    let store = MemoryStore::new();
    put(&store, PETS, "whole", &pet("w"));
    put(&store, PETS, "bad", &pet("b"));
    let good = bytes(&store, "pets/bad");
    let mut cases = Vec::new();
    for at in 0..good.len() {
        cases.push((format!("cut at {at}"), good[..at].to_vec()));
        let mut changed = good.clone();
        changed[at] ^= 0x41;
        cases.push((format!("byte {at} changed"), changed));
    }
    cases.push(("a byte more".to_owned(), [&good[..], b" "].concat()));
    for (what, bytes) in cases {
        raw(&store, "pets/bad", bytes);
        let Err(StoreError::Damaged(damaged)) = PETS.get(&store, "bad") else {
            panic!("{what}: {:?}", PETS.get(&store, "bad"));
        };
        assert_eq!(damaged.key, "pets/bad", "{what}");
        let listing = PETS.list(&store).unwrap();
        assert_eq!(listing.records.len(), 1, "{what}");
        assert_eq!(listing.damaged, [damaged], "{what}");
    }
}

#[test]
fn what_is_wrong_with_a_record_is_said() {
    let store = MemoryStore::new();
    put(&store, OLD_PETS, "content", &json!({ "name": 7 }));
    put(
        &store,
        Collection::<Value>::new("pets", 0),
        "oldest",
        &json!({}),
    );
    raw(&store, "pets/short", b"MR".to_vec());
    raw(&store, "pets/text", b"{\"name\": \"x\"}".to_vec());
    raw(&store, "pets/format", b"MR\x09\0\x01\0\0\0\0{}".to_vec());
    let said: Vec<_> = PETS
        .list(&store)
        .unwrap()
        .damaged
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "cannot read pets/content: its content is not understood: invalid type: integer `7`, expected a string",
            "cannot read pets/format: its envelope has the unknown format 9",
            "cannot read pets/oldest: it could not be migrated from schema 0 to 3: schema 0 was never released",
            "cannot read pets/short: torn: 2 bytes, at least 9 are needed",
            "cannot read pets/text: it does not begin like a record",
        ]
    );
}

#[test]
fn older_records_are_migrated_when_read_and_stay_as_they_are() {
    let store = MemoryStore::new();
    let written = put(&store, OLD_PETS, "rex", &json!({ "name": "rex" }));
    let before = bytes(&store, "pets/rex");
    let found = PETS.get(&store, "rex").unwrap().unwrap();
    assert_eq!(
        (found.value, found.revision),
        (
            Pet {
                name: "rex".to_owned(),
                legs: 4
            },
            written
        )
    );
    assert_eq!(bytes(&store, "pets/rex"), before);
    let older = Collection::<Pet>::new("pets", 2);
    let Err(StoreError::Damaged(damaged)) = older.get(&store, "rex") else {
        panic!()
    };
    assert_eq!(
        damaged.why,
        Why::Migration {
            from: 1,
            to: 2,
            message: "no migration is known".to_owned()
        }
    );
}

#[test]
fn a_newer_schema_refuses_the_whole_collection_and_says_what_to_do() {
    let store = MemoryStore::new();
    put(&store, PETS, "new", &pet("n"));
    put(&store, OLD_PETS, "old", &json!({ "name": "o" }));
    let error = OLD_PETS.list(&store).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pets/new has schema 3 of its collection and this muster knows schemas up to 1: upgrade muster"
    );
    assert!(matches!(
        OLD_PETS.get(&store, "new"),
        Err(StoreError::Newer {
            has: 3,
            knows: 1,
            ..
        })
    ));
}

#[test]
fn what_is_put_twice_alike_has_the_same_bytes() {
    let store = MemoryStore::new();
    let scope = std::sync::Arc::new(Scope::aws("1", "eu-west-1", Service::Rds));
    let record = ScopeRecord {
        scope: scope.clone(),
        attempted: Timestamp::from_unix(1_700_000_000),
        coverage: Coverage::Complete,
        complete: None,
        found: 3,
        failures_in_a_row: 0,
        malformed: Vec::new(),
    };
    put(&store, SCOPES, &scope.to_string(), &record);
    let key = format!("scopes/{scope}");
    let first = bytes(&store, &key);
    put(&store, SCOPES, &scope.to_string(), &record);
    assert_eq!(bytes(&store, &key), first);
    assert_eq!(
        SCOPES
            .get(&store, &scope.to_string())
            .unwrap()
            .unwrap()
            .value,
        record
    );
}

fn entry(id: &str, at: i64) -> HistoryEntry {
    HistoryEntry {
        at: Timestamp::from_unix(at),
        id: ResourceId::of(id, "instance"),
        name: id.to_owned(),
        event: Event::Changed,
        run: format!("run-{at}"),
        by: "aws/1/eu-west-1/rds".to_owned(),
        fields: Vec::new(),
        reason: String::new(),
    }
}

fn append(store: &dyn Store, entries: &[HistoryEntry]) {
    let mut batch = Batch::new();
    HISTORY.append(store, &mut batch, entries).unwrap();
    store.commit(batch).unwrap();
}

fn times(entries: &[HistoryEntry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.at.unix()).collect()
}

fn of(store: &dyn Store, id: &str, limit: usize) -> Vec<i64> {
    let lines = HISTORY
        .of(store, ResourceId::of(id, "instance").as_str(), limit)
        .unwrap();
    assert_eq!(lines.damaged, []);
    times(&lines.entries)
}

fn recent(store: &dyn Store, limit: usize) -> Vec<i64> {
    let lines = HISTORY.recent(store, limit).unwrap();
    assert_eq!(lines.damaged, []);
    times(&lines.entries)
}

fn trim(store: &dyn Store, age: u64, entries: u64, now: i64) -> usize {
    let mut batch = Batch::new();
    let gone = HISTORY
        .trim(
            store,
            &mut batch,
            Keep { age, entries },
            Timestamp::from_unix(now),
        )
        .unwrap();
    store.commit(batch).unwrap();
    gone
}

fn keys(store: &dyn Store, prefix: &str) -> usize {
    let mut keys = 0;
    store
        .scan(prefix, Order::Ascending, &mut |_| {
            keys += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    keys
}

#[test]
fn history_is_newest_first_for_one_database_and_for_all() {
    let store = MemoryStore::new();
    assert_eq!((of(&store, "a", 9), recent(&store, 9)), (vec![], vec![]));
    append(&store, &[entry("a", 1), entry("b", 2), entry("a/x", 3)]);
    append(&store, &[entry("a", 4), entry("a#", 5)]);
    append(&store, &[]);
    assert_eq!(
        store.revision().unwrap(),
        Revision(2),
        "nothing to append writes nothing"
    );
    assert_eq!(of(&store, "a", 9), [4, 1]);
    assert_eq!(of(&store, "a", 1), [4]);
    assert_eq!(of(&store, "a", 0), [0; 0]);
    assert_eq!(of(&store, "a/x", 9), [3]);
    assert_eq!(of(&store, "nobody", 9), [0; 0]);
    assert_eq!(recent(&store, 9), [5, 4, 3, 2, 1]);
    assert_eq!(recent(&store, 2), [5, 4]);
    // The order is that of the appending, and a clock that jumps back does not change it.
    append(&store, &[entry("a", -7)]);
    assert_eq!(of(&store, "a", 2), [-7, 4]);
}

#[test]
fn history_of_many_is_in_order_beyond_the_digits_of_a_number() {
    let store = MemoryStore::new();
    let entries: Vec<_> = (0..300).map(|at| entry("a", at)).collect();
    append(&store, &entries);
    assert_eq!(of(&store, "a", 300), (0..300).rev().collect::<Vec<_>>());
    assert_eq!(recent(&store, 300), (0..300).rev().collect::<Vec<_>>());
}

#[test]
fn two_appends_to_one_state_conflict_and_lose_nothing() {
    let store = MemoryStore::new();
    let (mut one, mut two) = (Batch::new(), Batch::new());
    HISTORY.append(&store, &mut one, &[entry("a", 1)]).unwrap();
    HISTORY.append(&store, &mut two, &[entry("b", 2)]).unwrap();
    store.commit(one.clone()).unwrap();
    assert!(matches!(
        store.commit(two),
        Err(StoreError::Conflict { .. })
    ));
    HISTORY.append(&store, &mut one, &[entry("b", 2)]).unwrap();
    assert!(matches!(store.commit(one), Err(StoreError::Twice { .. })));
    append(&store, &[entry("b", 2)]);
    assert_eq!(recent(&store, 9), [2, 1]);
}

#[test]
fn history_is_trimmed_by_age_and_by_number_and_leaves_nothing_behind() {
    let store = MemoryStore::new();
    append(
        &store,
        &(1..=10)
            .map(|at| entry(["a", "b"][at as usize % 2], at * 100))
            .collect::<Vec<_>>(),
    );
    assert_eq!(trim(&store, 10_000, 100, 1000), 0);
    assert_eq!(trim(&store, 700, 100, 1000), 2, "older than 300");
    assert_eq!(
        recent(&store, 99),
        (3..=10).rev().map(|at| at * 100).collect::<Vec<_>>()
    );
    assert_eq!(trim(&store, 10_000, 5, 1000), 3);
    assert_eq!(recent(&store, 99), [1000, 900, 800, 700, 600]);
    assert_eq!(of(&store, "a", 99), [1000, 800, 600]);
    assert_eq!(
        (keys(&store, "history/"), keys(&store, "history-log/")),
        (5, 5)
    );
    assert_eq!(trim(&store, 0, 5, 99_999), 5);
    assert_eq!(
        (keys(&store, "history/"), keys(&store, "history-log/")),
        (0, 0)
    );
    // Numbers are not used again.
    append(&store, &[entry("a", 5)]);
    assert_eq!(keys(&store, "history-log/000000000000000b"), 1);
}

#[test]
fn a_damaged_line_of_history_stops_neither_reading_nor_appending_nor_trimming() {
    let store = MemoryStore::new();
    append(
        &store,
        &[entry("a", 1), entry("a", 2), entry("b", 3), entry("b", 4)],
    );
    raw(&store, "history-log/0000000000000002", b"MR".to_vec());
    raw(&store, "history-next/seq", b"??".to_vec());
    let lines = HISTORY.recent(&store, 9).unwrap();
    assert_eq!(
        (times(&lines.entries), lines.damaged.len()),
        (vec![4, 3, 1], 1)
    );
    assert_eq!(of(&store, "a", 9), [2, 1]);
    append(&store, &[entry("c", 5)]);
    assert_eq!(of(&store, "c", 9), [5]);
    assert_eq!(
        trim(&store, 2, 99, 6),
        3,
        "with the damaged one between them"
    );
    assert_eq!(recent(&store, 9), [5, 4]);
    assert_eq!(
        (keys(&store, "history/"), keys(&store, "history-log/")),
        (2, 2)
    );
    let key = {
        let id = ResourceId::of("b", "instance");
        format!("history/{:04x}:{id}/0000000000000004", id.as_str().len())
    };
    raw(&store, &key, b"MR".to_vec());
    let lines = HISTORY.of(&store, "b#instance", 9).unwrap();
    assert_eq!(
        (lines.entries.len(), lines.damaged[0].key.as_str()),
        (0, key.as_str())
    );
}

#[test]
fn the_longest_id_has_a_history() {
    let store = MemoryStore::new();
    let id = "x".repeat(MAX_ID - "#instance".len());
    append(&store, &[entry(&id, 1)]);
    assert_eq!(of(&store, &id, 9), [1]);
    let mut batch = Batch::new();
    let too_long = entry(&"x".repeat(MAX_ID), 1);
    assert!(matches!(
        HISTORY.append(&store, &mut batch, &[too_long]),
        Err(StoreError::Id {
            collection: "history",
            ..
        })
    ));
}
