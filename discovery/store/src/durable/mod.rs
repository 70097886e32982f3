//! [`SledStore`]: the store in a directory.

use std::{
    cell::RefCell,
    fmt, io,
    ops::ControlFlow,
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

mod commit;
mod fault;
mod files;
mod guard;
mod layout;
mod lock;
mod open;
mod place;
mod repair;

pub use self::{layout::FORMAT, open::OpenError, repair::Repair};

use self::{
    files::Files,
    guard::Broke,
    layout::{Body, Head, Raw},
    lock::Lock,
};
use crate::{
    batch::Batch,
    changes::{Changes, Log},
    error::{Damaged, StoreError, Why},
    key::Key,
    store::{Entry, Order, Revision, Store, Versioned, Visit},
};

/// A durable store in a directory, for one process at a time.
///
/// A commit is one batch in one sled tree, with the new head and the change log in it; it returns after sled
/// has flushed and the file has been synced. A panic or an I/O error inside sled makes the store refuse
/// everything from then on: whether the batch is durable is then known only after opening it again.
///
/// Panics inside sled are caught, which needs unwinding: do not build with `panic = "abort"`.
pub struct SledStore {
    id: u64,
    /// None only while it is being dropped.
    db: Option<sled::Db>,
    state: RwLock<State>,
    signal: (Mutex<Revision>, Condvar),
    broken: OnceLock<String>,
    /// Let go after the database.
    _lock: Lock,
}

struct State {
    head: Head,
    log: Log,
    files: Files,
}

/// What a store is made of once its directory has been opened.
struct Parts {
    db: sled::Db,
    files: Files,
    lock: Lock,
    head: Head,
    log: Log,
}

/// What a pass over the whole store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Records that can be read, down to their last byte; whether they mean anything is their collection's
    /// business.
    pub records: u64,
    /// Records that cannot be read.
    pub damaged: Vec<Damaged>,
    /// What the store should hold and does not; none when nothing is missing.
    pub missing: Option<String>,
}

thread_local! {
    /// The stores that this thread is scanning.
    static SCANNING: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Takes the store out of [`SCANNING`] again, also when a visitor panics.
struct Scanning;

impl Drop for Scanning {
    fn drop(&mut self) {
        SCANNING.with_borrow_mut(|stores| stores.truncate(stores.len().saturating_sub(1)));
    }
}

// === impl SledStore ===

impl SledStore {
    fn assemble(
        Parts {
            db,
            files,
            lock,
            head,
            log,
        }: Parts,
    ) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            db: Some(db),
            state: RwLock::new(State { head, log, files }),
            signal: (Mutex::new(head.revision), Condvar::new()),
            broken: OnceLock::new(),
            _lock: lock,
        }
    }

    /// Reads every record once, and compares what is there with what should be.
    ///
    /// # Errors
    /// [`StoreError::Backend`] when sled cannot even walk its tree.
    pub fn check(&self) -> Result<Health, StoreError> {
        let state = self.read()?;
        let mut health = Health::default();
        let mut seen = Head {
            revision: state.head.revision,
            ..Head::default()
        };
        self.walk("", None, Order::Ascending, &mut |entry| {
            match entry {
                Ok(entry) => {
                    seen.add(entry.key.as_bytes(), entry.revision);
                    health.records += 1;
                }
                Err(damaged) => health.damaged.push(damaged),
            }
            ControlFlow::Continue(())
        })?;
        if seen != state.head {
            health.missing = Some(if seen.entries == state.head.entries {
                "records are not those that were written last".to_owned()
            } else {
                format!(
                    "it should hold {} records, and {} can be read",
                    state.head.entries, seen.entries
                )
            });
        }
        Ok(health)
    }

    /// The state, for as long as no commit is to be seen.
    fn read(&self) -> Result<RwLockReadGuard<'_, State>, StoreError> {
        self.usable("read")?;
        // A writer that panicked has marked the store broken, or has not begun to write.
        Ok(self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn usable(&self, what: &'static str) -> Result<(), StoreError> {
        if SCANNING.with_borrow(|stores| stores.contains(&self.id)) {
            return Err(StoreError::InScan);
        }
        match self.broken.get() {
            None => Ok(()),
            Some(why) => Err(StoreError::Backend {
                what,
                why: format!("it failed before, and has to be opened again: {why}"),
                source: None,
            }),
        }
    }

    /// A call of sled's. A panic in it ends the use of the store; an error does when `fatal`.
    fn run<T>(
        &self,
        what: &'static str,
        fatal: bool,
        call: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        let Some(db) = &self.db else {
            return Err(StoreError::Backend {
                what,
                why: "it is closed".to_owned(),
                source: None,
            });
        };
        let (why, fatal, source) = match guard::catch(|| call(db)) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(sled::Error::Io(error))) => {
                ("input or output failed".to_owned(), fatal, Some(error))
            }
            Ok(Err(error)) => (fault::of_sled(error), fatal, None),
            Err(Broke { system, .. }) if system.is_some() => {
                ("input or output failed".to_owned(), true, system)
            }
            Err(broke) => (broke.why, true, None),
        };
        Err(self.fail(what, why, fatal, source))
    }

    fn fail(
        &self,
        what: &'static str,
        why: String,
        fatal: bool,
        source: Option<io::Error>,
    ) -> StoreError {
        let source = source.map(fault::plain);
        if fatal {
            let why = source
                .as_ref()
                .map_or_else(|| why.clone(), |error| format!("{why}: {error}"));
            tracing::error!(
                what,
                why,
                "the store failed and refuses everything from now on"
            );
            let _first_reason_stays = self.broken.set(why);
        }
        StoreError::Backend {
            what,
            why,
            source: source.map(Arc::new),
        }
    }

    /// The value of an entry, joined from its parts.
    fn value<'a>(
        &self,
        key: &str,
        body: Body<'a>,
    ) -> Result<Result<std::borrow::Cow<'a, [u8]>, Why>, StoreError> {
        let parts = match body {
            Body::Whole(value) => return Ok(Ok(value.into())),
            Body::Parts(parts) => parts,
        };
        let mut value = Vec::new();
        for number in 0..parts {
            let Some(part) = self.run("read", false, |db| db.get(layout::part(key, number)))?
            else {
                return Ok(Err(Why::Part(number)));
            };
            if !layout::fits(&part, number, parts) {
                return Ok(Err(Why::Part(number)));
            }
            value.extend_from_slice(&part);
        }
        Ok(Ok(value.into()))
    }

    /// Shows entries; the caller holds the state.
    fn walk(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let Some(range) = layout::range(prefix, after, order) else {
            return Ok(());
        };
        let mut entries = self.run("read", false, |db| Ok(db.range(range)))?;
        loop {
            let next = self.run("read", false, |_| {
                match order {
                    Order::Ascending => entries.next(),
                    Order::Descending => entries.next_back(),
                }
                .transpose()
            })?;
            let Some((raw, bytes)) = next else {
                return Ok(());
            };
            let flow = match layout::text(&raw) {
                Err(damaged) => visit(Err(damaged)),
                Ok(key) => {
                    let read = match Raw::decode(&bytes) {
                        Ok(entry) => self.value(key, entry.body)?.map(|value| Versioned {
                            value,
                            revision: entry.revision,
                        }),
                        Err(why) => Err(why),
                    };
                    match read {
                        Ok(Versioned { value, revision }) => visit(Ok(Entry {
                            key,
                            revision,
                            value: &value,
                        })),
                        Err(why) => visit(Err(Damaged {
                            key: key.to_owned(),
                            why,
                        })),
                    }
                }
            };
            if flow.is_break() {
                return Ok(());
            }
        }
    }
}

impl Store for SledStore {
    fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.read()?.head.revision)
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        let _state = self.read()?;
        let data = layout::data(key.as_str());
        let Some(bytes) = self.run("read", false, |db| db.get(data))? else {
            return Ok(None);
        };
        let damaged = |why| Damaged {
            key: key.to_string(),
            why,
        };
        let Raw { revision, body } = Raw::decode(&bytes).map_err(damaged)?;
        let value = self
            .value(key.as_str(), body)?
            .map_err(damaged)?
            .into_owned();
        Ok(Some(Versioned { value, revision }))
    }

    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        let state = self.read()?;
        SCANNING.with_borrow_mut(|stores| stores.push(self.id));
        let _scanning = Scanning;
        self.walk(prefix, after, order, visit)?;
        Ok(state.head.revision)
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        batch.validate()?;
        self.usable("write")?;
        let mut guard = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // Another commit may have failed meanwhile.
        self.usable("write")?;
        let state = &mut *guard;
        if let Some(prepared) = self.prepare(batch, state)? {
            self.write(prepared, state)?;
        }
        let revision = state.head.revision;
        let (latest, changed) = &self.signal;
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = revision;
        drop(guard);
        changed.notify_all();
        Ok(revision)
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        let state = self.read()?;
        Ok(state.log.since(since, state.head.revision))
    }

    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError> {
        self.usable("read")?;
        let (latest, changed) = &self.signal;
        let latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(latest, timeout, |latest| *latest <= after);
        let revision = *waited.unwrap_or_else(PoisonError::into_inner).0;
        self.usable("read")?;
        Ok(revision)
    }
}

// sled's own shows every record.
impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("broken", &self.broken.get())
            .finish_non_exhaustive()
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // sled writes its last state when it is dropped, and may panic there after a failure.
        if let Some(db) = self.db.take()
            && let Err(broke) = guard::catch(|| drop(db))
        {
            tracing::warn!(why = broke.why, "closing the store failed");
        }
    }
}
