//! [`RemoteStore`]: the service's store, for reading.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use muster_store::{
    Batch, Changes, Entry, Key, Order, Revision, Store, StoreError, Versioned, Visit,
};

use super::{
    client::Client,
    error::ClientError,
    wire::{MAX_PAGE, Page},
};

/// The service's store. It can be read, and answers as the store itself does; only the service writes to it.
#[derive(Clone, Debug)]
pub struct RemoteStore {
    client: Client,
    page: usize,
}

impl RemoteStore {
    /// The store of that service.
    pub const fn new(client: Client) -> Self {
        Self {
            client,
            page: MAX_PAGE,
        }
    }

    /// The same, read in smaller pages.
    #[cfg(test)]
    pub(super) const fn in_pages_of(mut self, page: usize) -> Self {
        self.page = page;
        self
    }

    /// Which state of the store all that was shown and this page are of; none when they are of no one state.
    fn state(
        &self,
        prefix: &str,
        order: Order,
        shown: &Shown,
        page: &Page,
    ) -> Result<Option<Revision>, StoreError> {
        let revision = Revision(page.revision);
        let Shown { state, last } = shown;
        if *state == revision {
            return Ok(Some(revision));
        }
        let Changes::Known { keys, .. } = self.client.wait(self.client.changes(*state))? else {
            return Ok(None);
        };
        let is_before = |key: &str, end: &str| match order {
            Order::Ascending => key <= end,
            Order::Descending => key >= end,
        };
        let end = page.entries.last().map(|entry| entry.key.as_str());
        let (mut before, mut here) = (false, false);
        for key in keys.iter().map(Key::as_str) {
            if !key.starts_with(prefix) {
                continue;
            }
            if is_before(key, last.as_str()) {
                before = true;
            } else if !page.more || end.is_none_or(|end| is_before(key, end)) {
                here = true;
            }
        }
        Ok(match (before, here) {
            // What was shown is still so.
            (false, _) => Some(revision),
            // What is on this page was already so.
            (true, false) => Some(*state),
            (true, true) => None,
        })
    }
}

/// What a scan has shown so far.
struct Shown {
    /// The state that it is of.
    state: Revision,
    /// Its last key.
    last: Key,
}

impl Store for RemoteStore {
    fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.client.wait(self.client.revision())?)
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        Ok(self.client.wait(self.client.value(key))?)
    }

    /// Reads page by page. When the store changes meanwhile so that no page-wise reading can show one state any
    /// more, the scan ends with an error; that takes changes both in what was shown and in what comes next.
    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        let mut after = after.cloned();
        let mut shown: Option<Shown> = None;
        loop {
            let asked = self.client.page(prefix, after.as_ref(), order, self.page);
            let page = self.client.wait(asked)?;
            let state = match &shown {
                None => Revision(page.revision),
                Some(shown) => self.state(prefix, order, shown, &page)?.ok_or_else(moved)?,
            };
            for entry in &page.entries {
                let read = entry.read().ok_or_else(no_entry)?;
                let flow = match &read {
                    Ok((revision, value)) => visit(Ok(Entry {
                        key: &entry.key,
                        revision: *revision,
                        value,
                    })),
                    Err(damaged) => visit(Err(damaged.clone())),
                };
                if let ControlFlow::Break(()) = flow {
                    return Ok(state);
                }
            }
            let last = page.entries.last().filter(|_| page.more);
            let Some(last) = last else {
                return match page.more {
                    false => Ok(state),
                    true => Err(no_entry().into()),
                };
            };
            let last = Key::new(last.key.as_str()).map_err(|_| no_entry())?;
            after = Some(last.clone());
            shown = Some(Shown { state, last });
        }
    }

    fn commit(&self, _: Batch) -> Result<Revision, StoreError> {
        Err(StoreError::Backend {
            what: "write",
            why: "the service holds it, and only the service writes to it".to_owned(),
            source: None,
        })
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        Ok(self.client.wait(self.client.changes(since))?)
    }

    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError> {
        let begun = Instant::now();
        loop {
            let left = timeout.saturating_sub(begun.elapsed());
            let revision = self.client.wait(self.client.changed(after, left))?;
            if revision > after || begun.elapsed() >= timeout {
                return Ok(revision);
            }
        }
    }
}

fn moved() -> StoreError {
    StoreError::Backend {
        what: "read",
        why: "it changed while it was being read; try again".to_owned(),
        source: None,
    }
}

fn no_entry() -> ClientError {
    ClientError::malformed("a page of the store cannot be read in it")
}
