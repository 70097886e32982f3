//! [`History`]: what happened, in the order it happened; appended to, and trimmed at its old end.
//!
//! | key | holds |
//! |---|---|
//! | `history/LEN:ID/SEQ` | the entry; all of one database lie together |
//! | `history-log/SEQ` | whose entry it is and when: the order over all databases |
//! | `history-next/seq` | the number of the next entry, so that numbers are never used twice |
//!
//! `LEN` keeps an id that begins like another one, or holds slashes, out of the other's entries.

use std::{collections::BTreeSet, ops::ControlFlow};

use muster_model::{HistoryEntry, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    batch::{Batch, Expect},
    collection::Collection,
    error::{Damaged, StoreError, Why},
    key::{Key, KeyError, MAX_ID},
    store::{Order, Store},
};

/// The most entries that one trim takes away, so that its batch stays small. Trim again for the rest.
const MAX_TRIM: usize = 10_000;

const ENTRIES: Collection<HistoryEntry> = Collection::new("history", 1);
const LOG: Collection<LogLine> = Collection::new("history-log", 1);
const NEXT: Collection<u64> = Collection::new("history-next", 1);
const NEXT_ID: &str = "seq";

/// What happened to databases, newest first.
#[derive(Clone, Copy, Debug)]
pub struct History {
    _private: (),
}

/// How much of the history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Seconds: what is older goes.
    pub age: u64,
    /// How many entries of all databases together: the oldest beyond them go.
    pub entries: u64,
}

/// A part of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Newest first.
    pub entries: Vec<HistoryEntry>,
    /// Entries that are there and cannot be read.
    pub damaged: Vec<Damaged>,
}

/// A page of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What is on it.
    pub lines: Lines,
    /// Before which entry the next page begins; none after the last one.
    pub next: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct LogLine {
    id: String,
    at: Timestamp,
}

/// Where the history begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The time of the oldest entry that is left.
    pub at: Timestamp,
    /// How many entries there were before it, and were trimmed away.
    pub trimmed: u64,
}

impl History {
    pub(crate) const fn new() -> Self {
        Self { _private: () }
    }

    /// Adds entries in a batch, oldest first. Append once to a batch: a second time would be refused at the
    /// commit ([`StoreError::Twice`]), as would a batch beside another writer's ([`StoreError::Conflict`]).
    ///
    /// # Errors
    /// [`StoreError::Id`] when an entry's id is too long; those of [`Store::get`].
    pub fn append(
        &self,
        store: &dyn Store,
        batch: &mut Batch,
        entries: &[HistoryEntry],
    ) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let (mut seq, expect) = next(store)?;
        for entry in entries {
            let id = entry.id.as_str();
            let line = LogLine {
                id: id.to_owned(),
                at: entry.at,
            };
            ENTRIES.put_at(batch, entry_key(id, seq)?, entry, Expect::Absent)?;
            LOG.put(batch, &number(seq), &line, Expect::Absent)?;
            seq = seq.saturating_add(1);
        }
        NEXT.put(batch, NEXT_ID, &seq, expect)
    }

    /// The newest entries of one database, without reading those of others.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub fn of(&self, store: &dyn Store, id: &str, limit: usize) -> Result<Lines, StoreError> {
        Ok(self.page(store, Some(id), None, limit)?.lines)
    }

    /// The newest entries of all databases.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub fn recent(&self, store: &dyn Store, limit: usize) -> Result<Lines, StoreError> {
        Ok(self.page(store, None, None, limit)?.lines)
    }

    /// The newest entries of one database, or of all, that are older than `before`: for reading in pages, each
    /// from [`Page::next`] of the one before. Damaged entries count for the limit.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub fn page(
        &self,
        store: &dyn Store,
        id: Option<&str>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        match id {
            _ if limit == 0 => Ok(Page::default()),
            Some(id) => Self::page_of(store, id, before, limit),
            None => Self::page_of_all(store, before, limit),
        }
    }

    fn page_of(
        store: &dyn Store,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let start = start_of(id);
        let before = before.map(|seq| format!("{start}{}", number(seq)));
        let mut page = Page::default();
        ENTRIES.each_after(
            store,
            &start,
            before.as_deref(),
            Order::Descending,
            &mut |entry, record| {
                page.next = entry.strip_prefix(&start).and_then(parse).or(page.next);
                page.lines.add(record.map(|record| record.value));
                page.lines.until(limit)
            },
        )?;
        Ok(page.or_last(limit))
    }

    fn page_of_all(
        store: &dyn Store,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let before = before.map(number);
        let mut found = Vec::new();
        LOG.each_after(
            store,
            "",
            before.as_deref(),
            Order::Descending,
            &mut |seq, line| {
                found.push((seq.to_owned(), line));
                if found.len() < limit {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            },
        )?;
        let mut page = Page::default();
        for (seq, line) in found {
            let line = match line {
                Ok(line) => line.value,
                Err(damaged) => {
                    page.next = parse(&seq).or(page.next);
                    page.lines.damaged.push(damaged);
                    continue;
                }
            };
            let Some(seq) = parse(&seq) else { continue };
            page.next = Some(seq);
            let key = entry_key(&line.id, seq)?;
            match ENTRIES.get_at(store, &key) {
                Ok(Some(entry)) => page.lines.entries.push(entry.value),
                Ok(None) => page.lines.damaged.push(Damaged {
                    key: key.to_string(),
                    why: Why::Content("the history's order names it, and it is missing".to_owned()),
                }),
                Err(StoreError::Damaged(damaged)) => page.lines.damaged.push(damaged),
                Err(other) => return Err(other),
            }
        }
        Ok(page.or_last(limit))
    }

    /// Where the history begins; none when there is none.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub fn begin(&self, store: &dyn Store) -> Result<Option<Begin>, StoreError> {
        let mut begin = None;
        LOG.each(store, "", Order::Ascending, &mut |seq, line| {
            let (Some(seq), Ok(line)) = (parse(seq), line) else {
                return ControlFlow::Continue(());
            };
            begin = Some(Begin {
                at: line.value.at,
                // The first entry has the number 1.
                trimmed: seq.saturating_sub(1),
            });
            ControlFlow::Break(())
        })?;
        Ok(begin)
    }

    /// The ids of all databases that were once called so: also of those that nothing else is known of any more.
    /// It reads the whole history.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub fn called(&self, store: &dyn Store, name: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut ids = BTreeSet::new();
        ENTRIES.each(store, "", Order::Ascending, &mut |_, entry| {
            if let Ok(entry) = entry
                && entry.value.name == name
            {
                ids.insert(entry.value.id.as_str().to_owned());
            }
            ControlFlow::Continue(())
        })?;
        Ok(ids)
    }

    /// Takes the oldest entries away, in a batch: those that are too old and those that are too many, at most
    /// 10,000 in one go. Damaged ones go with their neighbours. Returns how many go.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub fn trim(
        &self,
        store: &dyn Store,
        batch: &mut Batch,
        keep: Keep,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (next, _) = next(store)?;
        let mut going: Vec<(String, Option<String>)> = Vec::new();
        // Damaged lines have no time: they go when a younger neighbour does.
        let mut unsure: Vec<(String, Option<String>)> = Vec::new();
        LOG.each(store, "", Order::Ascending, &mut |seq, line| {
            let too_many = parse(seq).is_none_or(|seq| seq.saturating_add(keep.entries) < next);
            match line {
                Ok(line) if too_many || now.since(line.value.at) > keep.age => {
                    going.append(&mut unsure);
                    going.push((seq.to_owned(), Some(line.value.id)));
                }
                Ok(_) => return ControlFlow::Break(()),
                Err(_) if too_many => going.push((seq.to_owned(), None)),
                Err(_) => unsure.push((seq.to_owned(), None)),
            }
            if going.len() < MAX_TRIM {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        let mut orphans = BTreeSet::new();
        for (seq, id) in &going {
            LOG.delete(batch, seq, Expect::Any)?;
            match (id, parse(seq)) {
                (Some(id), Some(number)) => batch.delete(entry_key(id, number)?, Expect::Any),
                _ => {
                    orphans.insert(seq.clone());
                }
            }
        }
        if !orphans.is_empty() {
            remove_orphans(store, batch, &orphans)?;
        }
        Ok(going.len())
    }
}

impl Lines {
    fn add(&mut self, entry: Result<HistoryEntry, Damaged>) {
        match entry {
            Ok(entry) => self.entries.push(entry),
            Err(damaged) => self.damaged.push(damaged),
        }
    }

    fn until(&self, limit: usize) -> ControlFlow<()> {
        if self.entries.len() + self.damaged.len() < limit {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

impl Page {
    /// A page that is not full is the last one.
    fn or_last(mut self, limit: usize) -> Self {
        if self.lines.until(limit).is_continue() {
            self.next = None;
        }
        self
    }
}

/// The next entry's number, and what the batch that uses it must find.
fn next(store: &dyn Store) -> Result<(u64, Expect), StoreError> {
    match NEXT.get(store, NEXT_ID) {
        Ok(Some(next)) => Ok((next.value, Expect::At(next.revision))),
        Ok(None) => Ok((1, Expect::Absent)),
        // The number can be had from the newest line, so that one bad record does not end the history.
        Err(StoreError::Damaged(_)) => {
            let mut newest = 0;
            LOG.each(store, "", Order::Descending, &mut |seq, _| {
                newest = parse(seq).unwrap_or(0);
                ControlFlow::Break(())
            })?;
            Ok((newest.saturating_add(1), Expect::Any))
        }
        Err(other) => Err(other),
    }
}

/// Takes away the entries of lines that no longer say whose they are. It reads every key of the history.
fn remove_orphans(
    store: &dyn Store,
    batch: &mut Batch,
    orphans: &BTreeSet<String>,
) -> Result<(), StoreError> {
    let mut keys = Vec::new();
    store.scan(&ENTRIES.prefix(), Order::Ascending, &mut |entry| {
        let key = entry.map_or_else(|damaged| damaged.key, |entry| entry.key.to_owned());
        if key
            .rsplit_once('/')
            .is_some_and(|(_, seq)| orphans.contains(seq))
        {
            keys.push(key);
        }
        ControlFlow::Continue(())
    })?;
    for key in keys {
        if let Ok(key) = Key::new(key) {
            batch.delete(key, Expect::Any);
        }
    }
    Ok(())
}

/// Hexadecimal, so that the order of the text is that of the numbers.
fn number(seq: u64) -> String {
    format!("{seq:016x}")
}

fn parse(seq: &str) -> Option<u64> {
    u64::from_str_radix(seq, 16).ok()
}

fn start_of(id: &str) -> String {
    format!("{:04x}:{id}/", id.len())
}

fn entry_key(id: &str, seq: u64) -> Result<Key, StoreError> {
    let wrong = |source| StoreError::Id {
        collection: ENTRIES.name(),
        id: id.chars().take(80).collect(),
        source,
    };
    if id.len() > MAX_ID {
        return Err(wrong(KeyError::TooLong {
            len: id.len(),
            max: MAX_ID,
        }));
    }
    Key::new(format!(
        "{}/{}{}",
        ENTRIES.name(),
        start_of(id),
        number(seq)
    ))
    .map_err(wrong)
}
