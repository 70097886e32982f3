//! The history in pages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use muster_model::{Event, HistoryEntry, ResourceId, Timestamp};
use muster_store::{Batch, Expect, Key, MAX_ID, MemoryStore, Page, Store, tables::HISTORY};

fn append(store: &dyn Store, entries: &[(&str, i64)]) {
    let entries: Vec<_> = entries
        .iter()
        .map(|(id, at)| HistoryEntry {
            at: Timestamp::from_unix(*at),
            id: ResourceId::new(*id),
            name: "name".to_owned(),
            event: Event::Changed,
            run: "run".to_owned(),
            by: "scan".to_owned(),
            fields: Vec::new(),
            reason: String::new(),
        })
        .collect();
    let mut batch = Batch::new();
    HISTORY.append(store, &mut batch, &entries).unwrap();
    store.commit(batch).unwrap();
}

/// The times on each page.
fn pages(store: &dyn Store, id: Option<&str>, limit: usize) -> Vec<Vec<i64>> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let Page { lines, next } = HISTORY.page(store, id, before, limit).unwrap();
        assert!(lines.entries.len() + lines.damaged.len() <= limit);
        let times = lines.entries.iter().map(|entry| entry.at.unix());
        all.push(times.collect());
        match next {
            Some(next) => before = Some(next),
            None => return all,
        }
    }
}

#[test]
fn pages_of_the_history_hold_each_entry_once_newest_first() {
    let store = MemoryStore::new();
    assert_eq!(pages(&store, None, 2), [[0; 0]]);
    append(&store, &[("a", 1), ("b", 2), ("a", 3), ("b", 4), ("a", 5)]);
    assert_eq!(pages(&store, None, 2), [vec![5, 4], vec![3, 2], vec![1]]);
    assert_eq!(pages(&store, None, 9), [[5, 4, 3, 2, 1]]);
    assert_eq!(pages(&store, Some("a"), 2), [vec![5, 3], vec![1]]);
    assert_eq!(pages(&store, Some("b"), 2), [vec![4, 2], vec![]]);
    assert_eq!(pages(&store, Some("c"), 2), [[0; 0]]);
    assert_eq!(
        HISTORY.page(&store, None, None, 0).unwrap(),
        Page::default()
    );
    // What is written between two pages is on neither.
    let first = HISTORY.page(&store, None, None, 2).unwrap();
    append(&store, &[("a", 6)]);
    let second = HISTORY.page(&store, None, first.next, 2).unwrap();
    let times: Vec<_> = second.lines.entries.iter().map(|e| e.at.unix()).collect();
    assert_eq!(times, [3, 2]);
}

#[test]
fn a_damaged_entry_takes_its_place_on_a_page() {
    let store = MemoryStore::new();
    append(&store, &[("a", 1), ("a", 2), ("a", 3)]);
    for key in [
        "history-log/0000000000000003",
        "history/0001:a/0000000000000002",
    ] {
        let mut batch = Batch::new();
        batch.put(Key::new(key).unwrap(), b"MR".to_vec(), Expect::Any);
        store.commit(batch).unwrap();
    }
    assert_eq!(pages(&store, None, 1), [vec![], vec![], vec![1], vec![]]);
    assert_eq!(
        pages(&store, Some("a"), 1),
        [vec![3], vec![], vec![1], vec![]]
    );
}

#[test]
fn the_longest_id_has_pages() {
    let store = MemoryStore::new();
    let id = "x".repeat(MAX_ID);
    append(&store, &[(&id, 1), (&id, 2)]);
    assert_eq!(pages(&store, Some(&id), 1), [vec![2], vec![1], vec![]]);
}
