//! Stores with one flaw each, around the one in memory.

use std::{ops::ControlFlow, time::Duration};

use muster_store::{
    Batch, Changes, Expect, Key, MemoryStore, Op, Order, Revision, Store, StoreError, Versioned,
    Visit,
    conformance::{Reopened, Subject},
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flaw {
    /// Expectations are not looked at.
    NoExpectations,
    /// The batch is made write by write.
    NotAtomic,
    /// `a` is taken for a prefix of whole words only.
    Prefix,
    /// Descending scans ascend.
    Order,
    /// A scan behind a key begins with that key.
    After,
    /// Deletions are not in the log.
    Log,
}

impl Flaw {
    pub const ALL: &[Self] = &[
        Self::NoExpectations,
        Self::NotAtomic,
        Self::Prefix,
        Self::Order,
        Self::After,
        Self::Log,
    ];

    pub fn noticed_by(self) -> &'static str {
        match self {
            Self::NoExpectations => "a failed expectation changes nothing",
            Self::NotAtomic => "put, get and delete",
            Self::Prefix | Self::Order => "scans are in order and end with their prefix",
            Self::After => "a scan goes on behind a key",
            Self::Log => "changes since a revision",
        }
    }
}

pub struct Bad(pub Flaw);

impl Subject for Bad {
    fn fresh(&mut self) -> Result<Box<dyn Store>, String> {
        Ok(Box::new(Flawed {
            inner: MemoryStore::new(),
            flaw: self.0,
        }))
    }

    fn reopen(&mut self, _: Box<dyn Store>) -> Result<Reopened, String> {
        Ok(Reopened::NotDurable)
    }
}

struct Flawed {
    inner: MemoryStore,
    flaw: Flaw,
}

impl Store for Flawed {
    fn revision(&self) -> Result<Revision, StoreError> {
        self.inner.revision()
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        self.inner.get(key)
    }

    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        match (self.flaw, after) {
            (Flaw::Prefix, _) if !prefix.is_empty() && !prefix.ends_with('/') => self
                .inner
                .scan_after(&format!("{prefix}/"), after, order, visit),
            (Flaw::Order, _) => self
                .inner
                .scan_after(prefix, after, Order::Ascending, visit),
            (Flaw::After, Some(after)) if order == Order::Ascending => {
                let mut before = None;
                self.inner
                    .scan_after(prefix, None, Order::Descending, &mut |entry| {
                        let key = entry.map_or_else(|bad| bad.key, |entry| entry.key.to_owned());
                        if key.as_str() >= after.as_str() {
                            return ControlFlow::Continue(());
                        }
                        before = Key::new(key).ok();
                        ControlFlow::Break(())
                    })?;
                self.inner.scan_after(prefix, before.as_ref(), order, visit)
            }
            _ => self.inner.scan_after(prefix, after, order, visit),
        }
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        batch.validate()?;
        let parts = match self.flaw {
            Flaw::NoExpectations => {
                let mut plain = Batch::new();
                for write in batch.into_writes() {
                    match write.op {
                        Op::Put(value) => plain.put(write.key, value, Expect::Any),
                        Op::Delete => plain.delete(write.key, Expect::Any),
                        Op::Check => {}
                    }
                }
                vec![plain]
            }
            Flaw::NotAtomic => batch
                .into_writes()
                .into_iter()
                .map(|write| {
                    let mut single = Batch::new();
                    match write.op {
                        Op::Put(value) => single.put(write.key, value, write.expect),
                        Op::Delete => single.delete(write.key, write.expect),
                        Op::Check => single.check(write.key, write.expect),
                    }
                    single
                })
                .collect(),
            _ => vec![batch],
        };
        for part in parts {
            self.inner.commit(part)?;
        }
        self.inner.revision()
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        let mut changes = self.inner.changes_since(since)?;
        if let (Flaw::Log, Changes::Known { keys, .. }) = (self.flaw, &mut changes) {
            keys.retain(|key| matches!(self.inner.get(key), Ok(Some(_))));
        }
        Ok(changes)
    }

    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError> {
        self.inner.wait(after, timeout)
    }
}
