#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use muster_store::MemoryStore;

use super::*;

pub(in crate::notify) fn notice(event: NoticeEvent, name: &str) -> Notice {
    Notice {
        event,
        at: Timestamp::from_unix(1_700_000_000),
        group: "default".to_owned(),
        run: "run".to_owned(),
        id: None,
        name: name.to_owned(),
        reason: "a test".to_owned(),
        would: None,
        safety: None,
        fields: Vec::new(),
    }
}

pub(in crate::notify) fn notices(names: std::ops::Range<usize>) -> Vec<Notice> {
    names
        .map(|name| notice(NoticeEvent::Enrolled, &name.to_string()))
        .collect()
}

pub(in crate::notify) fn append_now(store: &MemoryStore, notices: &[Notice], max: u64) {
    let mut batch = Batch::new();
    append_at_most(store, &mut batch, notices, max).unwrap();
    store.commit(batch).unwrap();
}

/// Makes a notice unreadable.
pub(in crate::notify) fn damage(store: &MemoryStore, seq: u64) {
    let mut batch = Batch::new();
    batch.put(
        QUEUE.key(&number(seq)).unwrap(),
        b"torn".to_vec(),
        Expect::Any,
    );
    store.commit(batch).unwrap();
}

/// Number and name of all that wait.
fn waiting(store: &MemoryStore) -> Vec<(u64, String)> {
    let listing = QUEUE.list(store).unwrap();
    listing
        .records
        .into_iter()
        .map(|(id, queued)| (parse(&id).unwrap(), queued.value.notice.name))
        .collect()
}

fn numbered(range: std::ops::Range<usize>, offset: i64) -> Vec<(u64, String)> {
    range
        .map(|name| ((name as i64 + offset) as u64, name.to_string()))
        .collect()
}

#[test]
fn notices_wait_in_the_order_they_came_under_numbers_that_grow() {
    let store = MemoryStore::new();
    append_now(&store, &notices(0..3), 100);
    append_now(&store, &notices(3..20), 100);
    assert_eq!(waiting(&store), numbered(0..20, 1));
}

#[test]
fn no_notice_changes_no_batch() {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    append(&store, &mut batch, &[]).unwrap();
    assert!(batch.is_empty());
    assert_eq!(trim(&store, &mut batch, 1_000).unwrap(), 0);
    assert!(batch.is_empty());
}

#[test]
fn beyond_the_bound_the_oldest_go() {
    let store = MemoryStore::new();
    append_now(&store, &notices(0..8), 10);
    append_now(&store, &notices(8..13), 10);
    assert_eq!(waiting(&store), numbered(3..13, 1));
    // More at once than may wait: the numbers of those that never got in are used up.
    append_now(&store, &notices(13..50), 10);
    assert_eq!(waiting(&store), numbered(40..50, 1));
}

#[test]
fn each_notice_knows_how_many_came_before_it_of_each_event() {
    let store = MemoryStore::new();
    let all = [
        notice(NoticeEvent::Enrolled, "a"),
        notice(NoticeEvent::ScopeFailed, "b"),
        notice(NoticeEvent::Enrolled, "c"),
        notice(NoticeEvent::Removed, "d"),
    ];
    append_now(&store, &all[..2], 2);
    append_now(&store, &all[2..], 2);
    let listing = QUEUE.list(&store).unwrap();
    let before: Vec<_> = listing
        .records
        .iter()
        .map(|(_, queued)| queued.value.before.clone())
        .collect();
    assert_eq!(
        before,
        [
            Counts::from([(NoticeEvent::Enrolled, 1), (NoticeEvent::ScopeFailed, 1)]),
            Counts::from([(NoticeEvent::Enrolled, 2), (NoticeEvent::ScopeFailed, 1)]),
        ]
    );
}

#[test]
fn numbers_go_on_after_all_were_trimmed() {
    let store = MemoryStore::new();
    append_now(&store, &notices(0..5), 100);
    let mut batch = Batch::new();
    assert_eq!(trim(&store, &mut batch, 4).unwrap(), 3);
    store.commit(batch).unwrap();
    assert_eq!(waiting(&store), numbered(3..5, 1));
    let mut batch = Batch::new();
    assert_eq!(trim(&store, &mut batch, u64::MAX).unwrap(), 2);
    store.commit(batch).unwrap();
    append_now(&store, &notices(5..6), 100);
    assert_eq!(waiting(&store), numbered(5..6, 1));
}

#[test]
fn one_trim_takes_a_bounded_number() {
    let store = MemoryStore::new();
    append_now(&store, &notices(0..MAX_TRIM + 5), u64::MAX);
    let mut gone = Vec::new();
    loop {
        let mut batch = Batch::new();
        let count = trim(&store, &mut batch, u64::MAX).unwrap();
        gone.push(count);
        if count == 0 {
            break;
        }
        store.commit(batch).unwrap();
    }
    assert_eq!(gone, [MAX_TRIM, 5, 0]);
}

#[test]
fn trimming_and_appending_share_a_batch() {
    let store = MemoryStore::new();
    append_now(&store, &notices(0..10), 10);
    let mut batch = Batch::new();
    trim(&store, &mut batch, 4).unwrap();
    append_at_most(&store, &mut batch, &notices(10..15), 10).unwrap();
    store.commit(batch).unwrap();
    assert_eq!(waiting(&store), numbered(5..15, 1));
}

#[test]
fn two_writers_cannot_both_append() {
    let store = MemoryStore::new();
    for _ in 0..2 {
        let (mut one, mut other) = (Batch::new(), Batch::new());
        append(&store, &mut one, &notices(0..1)).unwrap();
        append(&store, &mut other, &notices(1..2)).unwrap();
        store.commit(one).unwrap();
        let refused = store.commit(other).unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    }
}

#[test]
fn a_damaged_tail_is_had_from_the_newest_notice() {
    let store = MemoryStore::new();
    append_now(&store, &notices(0..3), 100);
    let (healthy, _) = tail(&store).unwrap().unwrap();
    let mut batch = Batch::new();
    batch.put(TAIL.key(TAIL_ID).unwrap(), b"torn".to_vec(), Expect::Any);
    store.commit(batch).unwrap();
    let (found, _) = tail(&store).unwrap().unwrap();
    assert_eq!((found.next, &found.counts), (4, &healthy.counts));
    assert_eq!(found.epoch, 0, "no sink's place is believed");
    append_now(&store, &notices(3..4), 100);
    assert_eq!(waiting(&store), numbered(0..4, 1));
    assert_ne!(tail(&store).unwrap().unwrap().0.epoch, 0);
}
