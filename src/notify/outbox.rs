//! The outbox: notices that wait in the store until every sink has had them.
//!
//! | key | holds |
//! |---|---|
//! | `outbox/SEQ` | a notice, and how many of each event were queued before it |
//! | `outbox-tail/tail` | the number of the next notice, and how many of each event were ever queued |
//!
//! The counts say how many notices lie between any two places of the queue without reading what lies between,
//! even when that is gone: so a sink knows what it missed, of the events that it wanted.
//!
//! Which sink has had what is not kept here: it would move the store's revision with each delivery.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use muster_model::Timestamp;
use muster_store::{Batch, Collection, Expect, Key, Order, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::service::notice::{Notice, NoticeEvent};

/// How many notices wait at most. Beyond that the oldest are dropped; each sink is told how many it missed.
pub const MAX_WAITING: u64 = 100_000;

/// The most notices that one trim takes away, so that its batch stays small. Trim again for the rest.
const MAX_TRIM: usize = 10_000;

const QUEUE: Collection<Queued> = Collection::new("outbox", 1);
const TAIL: Collection<Tail> = Collection::new("outbox-tail", 1);
const TAIL_ID: &str = "tail";

/// How many notices of each event.
pub(super) type Counts = BTreeMap<NoticeEvent, u64>;

/// A notice in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queued {
    pub(super) notice: Notice,
    /// How many of each event were queued before it, ever.
    pub(super) before: Counts,
}

/// The end of the queue, where the next notice goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tail {
    /// What tells the numbers of this store from those of one that was here before: when the first notice came.
    pub(super) epoch: i64,
    /// The number of the next notice. Numbers are never used twice.
    pub(super) next: u64,
    /// How many of each event were queued, ever.
    pub(super) counts: Counts,
}

/// Adds notices to the queue, in the batch that holds what they tell of. Append once to a batch: a second time
/// would be refused at the commit ([`StoreError::Twice`]), as would a batch beside another writer's
/// ([`StoreError::Conflict`]). When more than [`MAX_WAITING`] wait, the oldest go in the same batch.
///
/// Without notices nothing is added to the batch. Whoever has no sinks need not append.
///
/// # Errors
/// Those of [`Store::get`] and [`Store::scan`].
pub fn append(store: &dyn Store, batch: &mut Batch, notices: &[Notice]) -> Result<(), StoreError> {
    append_at_most(store, batch, notices, MAX_WAITING)
}

/// Takes notices away, in a batch, that come before the number `upto`, at most 10,000 in one go. Returns how
/// many go: when none do the batch is as it was, so that nothing need be committed. It may share a batch with
/// [`append`].
///
/// # Errors
/// Those of [`Store::scan`].
pub fn trim(store: &dyn Store, batch: &mut Batch, upto: u64) -> Result<usize, StoreError> {
    remove_before(store, batch, upto, MAX_TRIM)
}

/// The queue's two ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) tail: Tail,
    /// How many of each event were queued before the oldest that still waits.
    pub(super) before: Counts,
}

/// The queue's two ends; none when nothing was ever queued.
///
/// # Errors
/// Those of [`Store::get`] and [`Store::scan`].
pub(super) fn ends(store: &dyn Store) -> Result<Option<Ends>, StoreError> {
    let Some((tail, _)) = tail(store)? else {
        return Ok(None);
    };
    // What is queued between the two lies behind the oldest.
    let before = page(store, 0, 1)?.pop();
    let before = before.map_or_else(|| tail.counts.clone(), |(_, queued)| queued.before);
    Ok(Some(Ends { tail, before }))
}

/// The oldest notices with their numbers, from a number on. Those that are damaged are left out: the counts of
/// the next one say that they are missing.
///
/// # Errors
/// Those of [`Store::scan`].
pub(super) fn page(
    store: &dyn Store,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, Queued)>, StoreError> {
    let mut found = Vec::new();
    let after = from.checked_sub(1).map(number);
    QUEUE.each_after(
        store,
        "",
        after.as_deref(),
        Order::Ascending,
        &mut |id, queued| {
            if let (Some(seq), Ok(queued)) = (parse(id), queued) {
                found.push((seq, queued.value));
            }
            if found.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        },
    )?;
    Ok(found)
}

fn append_at_most(
    store: &dyn Store,
    batch: &mut Batch,
    notices: &[Notice],
    max: u64,
) -> Result<(), StoreError> {
    let Some(first) = notices.first() else {
        return Ok(());
    };
    let (mut tail, expect) = match tail(store)? {
        Some((tail, expect)) => (tail, expect),
        None => (Tail::begin(first.at), Expect::Absent),
    };
    if tail.epoch == 0 {
        tail.epoch = epoch(first.at);
    }
    let end = tail.next.saturating_add(notices.len() as u64);
    let keep = end.saturating_sub(max);
    remove_before(store, batch, keep.min(tail.next), usize::MAX)?;
    for notice in notices {
        if tail.next >= keep {
            let queued = Queued {
                notice: notice.clone(),
                before: tail.counts.clone(),
            };
            QUEUE.put(batch, &number(tail.next), &queued, Expect::Absent)?;
        }
        tail.pass(notice.event);
    }
    TAIL.put(batch, TAIL_ID, &tail, expect)
}

/// Where the next notice goes and what the batch that puts it there must find; none when there never was one.
fn tail(store: &dyn Store) -> Result<Option<(Tail, Expect)>, StoreError> {
    match TAIL.get(store, TAIL_ID) {
        Ok(Some(tail)) => Ok(Some((tail.value, Expect::At(tail.revision)))),
        Ok(None) => Ok(None),
        // It can be had from the newest notice, so that one bad record does not end the queue. Without an
        // epoch no sink's place is believed: each is told again what waits.
        Err(StoreError::Damaged(_)) => {
            let mut found = Tail::default();
            QUEUE.each(store, "", Order::Descending, &mut |id, queued| {
                found.next = found.next.max(parse(id).unwrap_or(0).saturating_add(1));
                match queued {
                    Ok(queued) => {
                        found.counts = queued.value.before;
                        *found.counts.entry(queued.value.notice.event).or_default() += 1;
                        ControlFlow::Break(())
                    }
                    Err(_) => ControlFlow::Continue(()),
                }
            })?;
            found.next = found.next.max(1);
            Ok(Some((found, Expect::Any)))
        }
        Err(other) => Err(other),
    }
}

fn remove_before(
    store: &dyn Store,
    batch: &mut Batch,
    upto: u64,
    limit: usize,
) -> Result<usize, StoreError> {
    let mut going = Vec::new();
    store.scan(&QUEUE.prefix(), Order::Ascending, &mut |entry| {
        let key = entry.map_or_else(|damaged| damaged.key, |entry| entry.key.to_owned());
        let behind = QUEUE
            .id(&key)
            .and_then(parse)
            .is_some_and(|seq| seq >= upto);
        if behind || going.len() == limit {
            return ControlFlow::Break(());
        }
        going.push(key);
        ControlFlow::Continue(())
    })?;
    if going.is_empty() {
        return Ok(0);
    }
    let named: BTreeSet<Key> = batch
        .writes()
        .iter()
        .map(|write| write.key.clone())
        .collect();
    let mut gone = 0;
    for key in going {
        match Key::new(key) {
            Ok(key) if !named.contains(&key) => {
                batch.delete(key, Expect::Any);
                gone += 1;
            }
            _ => {}
        }
    }
    Ok(gone)
}

impl Tail {
    fn begin(at: Timestamp) -> Self {
        Self {
            epoch: epoch(at),
            next: 1,
            counts: Counts::new(),
        }
    }

    fn pass(&mut self, event: NoticeEvent) {
        self.next = self.next.saturating_add(1);
        let count = self.counts.entry(event).or_default();
        *count = count.saturating_add(1);
    }
}

/// Never 0, which stands for "before the first notice".
fn epoch(at: Timestamp) -> i64 {
    at.unix().max(1)
}

/// Hexadecimal, so that the order of the text is that of the numbers.
fn number(seq: u64) -> String {
    format!("{seq:016x}")
}

fn parse(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16).ok()
}

#[cfg(test)]
pub(super) mod tests;
