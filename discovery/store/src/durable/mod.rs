//! [`SledStore`]: the store in a directory.

use std::{
    cell::RefCell,
    fmt, io,
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

mod commit;
mod compact;
mod data;
mod fault;
mod files;
mod generation;
mod guard;
mod layout;
mod lock;
mod open;
mod place;
mod repair;

pub use self::{compact::Compaction, layout::FORMAT, open::OpenError, repair::Repair};

use self::{
    data::{Data, Pass},
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
    dir: PathBuf,
    /// Held by whoever changes the files: a commit, and a compaction, which lets readers read meanwhile.
    writing: Mutex<()>,
    state: RwLock<State>,
    signal: (Mutex<Revision>, Condvar),
    broken: OnceLock<String>,
    /// Let go after the data.
    _lock: Lock,
}

struct State {
    data: Data,
    head: Head,
    log: Log,
    files: Files,
    /// Bytes of the entries, see [`layout::weight`].
    live: u64,
    /// Bytes on disk after the last compaction; 0 when there was none since the store was opened.
    compacted: u64,
}

/// What a store is made of once its directory has been opened.
struct Parts {
    dir: PathBuf,
    data: Data,
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
            dir,
            data,
            files,
            lock,
            head,
            log,
        }: Parts,
    ) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            dir,
            writing: Mutex::new(()),
            state: RwLock::new(State {
                data,
                head,
                log,
                files,
                live: 0,
                compacted: 0,
            }),
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
        self.survey(&state).map(|(health, _)| health)
    }

    /// The same, and measures what is alive. To be called before anybody else has the store.
    fn measure(&self) -> Result<Health, StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let (health, live) = self.survey(&state)?;
        state.live = live;
        Ok(health)
    }

    /// What is there, and how many bytes are alive.
    fn survey(&self, state: &State) -> Result<(Health, u64), StoreError> {
        let mut live = 0_u64;
        let mut health = Health::default();
        let mut seen = Head {
            revision: state.head.revision,
            ..Head::default()
        };
        self.walk(&state.data, "", None, Order::Ascending, &mut |entry| {
            match entry {
                Ok(entry) => {
                    seen.add(entry.key.as_bytes(), entry.revision);
                    live = live.saturating_add(layout::weight(entry.key, entry.value.len()));
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
        Ok((health, live))
    }

    /// What became of the file that holds the data, when it is no longer the one that is open, or has been cut
    /// off: what is written to it would be gone with this process. Each commit looks for itself, and fails then.
    /// Two or three looks at files: cheap. Waits for a commit that is under way.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        // A writer that panicked has marked the store broken, or has not begun to write.
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.files.lost()
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
        data: &Data,
        what: &'static str,
        fatal: bool,
        call: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        let (why, fatal, source) = match data.call(call) {
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
        data: &Data,
        key: &str,
        body: Body<'a>,
    ) -> Result<Result<std::borrow::Cow<'a, [u8]>, Why>, StoreError> {
        let parts = match body {
            Body::Whole(value) => return Ok(Ok(value.into())),
            Body::Parts(parts) => parts,
        };
        let mut value = Vec::new();
        for number in 0..parts {
            let Some(part) =
                self.run(data, "read", false, |db| db.get(layout::part(key, number)))?
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
        data: &Data,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let Some(range) = layout::range(prefix, after, order) else {
            return Ok(());
        };
        let mut entries = self.run(data, "read", false, |db| Ok(Pass::new(db.range(range))))?;
        loop {
            let next = self.run(data, "read", false, |db| entries.next(db, order))?;
            let Some((raw, bytes)) = next else {
                return Ok(());
            };
            let flow = match layout::text(&raw) {
                Err(damaged) => visit(Err(damaged)),
                Ok(key) => {
                    let read = match Raw::decode(&bytes) {
                        Ok(entry) => self.value(data, key, entry.body)?.map(|value| Versioned {
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
        let state = self.read()?;
        let raw = layout::data(key.as_str());
        let Some(bytes) = self.run(&state.data, "read", false, |db| db.get(raw))? else {
            return Ok(None);
        };
        let damaged = |why| Damaged {
            key: key.to_string(),
            why,
        };
        let Raw { revision, body } = Raw::decode(&bytes).map_err(damaged)?;
        let value = self
            .value(&state.data, key.as_str(), body)?
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
        self.walk(&state.data, prefix, after, order, visit)?;
        Ok(state.head.revision)
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        batch.validate()?;
        self.usable("write")?;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
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
