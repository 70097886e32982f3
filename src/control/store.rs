//! The service's store, read for somebody else: a page at a time, so that no reader keeps the service waiting.

use std::{ops::ControlFlow, time::Duration};

use muster_store::{Key, Order, Revision, Store, StoreError};

use super::wire::{AskChanges, AskKey, AskPage, At, Changed, Checked, Entry, Page, Value};
use super::wire::{MAX_PAGE, PAGE_BYTES};

/// How often somebody who waits for a change is looked after.
pub(super) const WAIT_SLICE: Duration = Duration::from_millis(500);

/// What was asked for cannot be: the key is none.
pub(super) struct NoKey(pub String);

/// # Errors
/// Those of the store.
pub(super) fn revision(store: &dyn Store) -> Result<At, StoreError> {
    let revision = store.revision()?.0;
    Ok(At { revision })
}

/// # Errors
/// Those of the store, within; [`NoKey`].
pub(super) fn value(store: &dyn Store, ask: AskKey) -> Result<Result<Value, StoreError>, NoKey> {
    let key = key(ask.key)?;
    Ok(store.get(&key).map(Value::of))
}

/// # Errors
/// Those of the store, within; [`NoKey`].
pub(super) fn page(store: &dyn Store, ask: AskPage) -> Result<Result<Page, StoreError>, NoKey> {
    let after = ask.after.map(key).transpose()?;
    let limit = ask.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    Ok(read_page(
        store,
        &ask.prefix,
        after.as_ref(),
        ask.order.into(),
        limit,
    ))
}

fn read_page(
    store: &dyn Store,
    prefix: &str,
    after: Option<&Key>,
    order: Order,
    limit: usize,
) -> Result<Page, StoreError> {
    let (mut entries, mut bytes, mut more) = (Vec::<Entry>::new(), 0_usize, false);
    let revision = store.scan_after(prefix, after, order, &mut |entry| {
        // The next page begins behind the last key of this one, so that has to be a text.
        let full = entries.len() >= limit || bytes >= PAGE_BYTES;
        if full && entries.last().is_some_and(Entry::has_text_key) {
            more = true;
            return ControlFlow::Break(());
        }
        if let Ok(entry) = &entry {
            bytes += entry.key.len() + entry.value.len();
        }
        entries.push(Entry::of(entry));
        ControlFlow::Continue(())
    })?;
    Ok(Page {
        revision: revision.0,
        more,
        entries,
    })
}

/// # Errors
/// Those of the store.
pub(super) fn changes(store: &dyn Store, ask: &AskChanges) -> Result<Changed, StoreError> {
    store.changes_since(Revision(ask.since)).map(Changed::of)
}

/// Reads every record, a page at a time.
///
/// # Errors
/// Those of the store.
pub(super) fn check(store: &dyn Store) -> Result<Checked, StoreError> {
    let mut checked = Checked {
        records: 0,
        damaged: Vec::new(),
    };
    let mut after: Option<Key> = None;
    loop {
        let (mut last, mut more, mut count) = (None, false, 0_usize);
        store.scan_after("", after.as_ref(), Order::Ascending, &mut |entry| {
            if count >= MAX_PAGE && last.is_some() {
                more = true;
                return ControlFlow::Break(());
            }
            count += 1;
            match entry {
                Ok(entry) => {
                    checked.records += 1;
                    last = Key::new(entry.key).ok();
                }
                Err(damaged) => {
                    // Where a page ends there is a record that can be read.
                    last = None;
                    checked.damaged.push(damaged.into());
                }
            }
            ControlFlow::Continue(())
        })?;
        match (more, last) {
            (true, Some(last)) => after = Some(last),
            _ => return Ok(checked),
        }
    }
}

fn key(text: String) -> Result<Key, NoKey> {
    Key::new(text).map_err(|error| NoKey(error.to_string()))
}
