//! The service's store answers through the socket as it answers by itself.

use std::{ops::ControlFlow, sync::Mutex};

use muster_store::{
    Batch, Changes, Expect, Key, LOG_KEYS, Order, Revision, StoreError, Versioned, Visit,
    conformance::{self, Reopened, Subject},
};

use super::*;
use crate::service::handle::RefusedKind;

/// A store that is written to by itself and read through the socket.
struct Both {
    remote: RemoteStore,
    _world: World,
}

impl Store for Both {
    fn revision(&self) -> Result<Revision, StoreError> {
        self.remote.revision()
    }

    fn get(&self, key: &Key) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        self.remote.get(key)
    }

    fn scan_after(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<Revision, StoreError> {
        self.remote.scan_after(prefix, after, order, visit)
    }

    fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        self._world.store.commit(batch)
    }

    fn changes_since(&self, since: Revision) -> Result<Changes, StoreError> {
        self.remote.changes_since(since)
    }

    fn wait(&self, after: Revision, timeout: Duration) -> Result<Revision, StoreError> {
        self.remote.wait(after, timeout)
    }
}

struct Through;

impl Subject for Through {
    fn fresh(&mut self) -> Result<Box<dyn Store>, String> {
        let world = World::new();
        Ok(Box::new(Both {
            remote: world.remote(),
            _world: world,
        }))
    }

    fn reopen(&mut self, _: Box<dyn Store>) -> Result<Reopened, String> {
        Ok(Reopened::NotDurable)
    }
}

#[test]
fn it_passes_what_every_store_must_pass() {
    conformance::run(&mut Through).unwrap();
}

fn put(store: &MemoryStore, names: &[&str]) -> Revision {
    let mut batch = Batch::new();
    for name in names {
        batch.put(Key::new(*name).unwrap(), b"value".to_vec(), Expect::Any);
    }
    store.commit(batch).unwrap()
}

/// Scans, with something done to the store when the `nth` entry is shown; what was shown, and how it ended.
fn scan_while(
    world: &World,
    order: Order,
    nth: usize,
    change: impl FnOnce(&MemoryStore) + Send,
) -> (Vec<String>, Result<Revision, StoreError>) {
    let remote = world.remote().in_pages_of(2);
    let (mut shown, change) = (Vec::new(), Mutex::new(Some(change)));
    let ended = remote.scan_after("a/", None, order, &mut |entry| {
        shown.push(entry.unwrap().key.to_owned());
        if shown.len() == nth
            && let Some(change) = change.lock().unwrap().take()
        {
            change(&world.store);
        }
        ControlFlow::Continue(())
    });
    (shown, ended)
}

#[test]
fn a_scan_of_many_pages_is_of_one_state_or_fails() {
    let six = ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6"];
    let world = || {
        let world = World::new();
        put(&world.store, &six);
        world
    };

    let quiet = world();
    let (shown, ended) = scan_while(&quiet, Order::Ascending, 1, |_| {});
    assert_eq!(shown, six);
    assert_eq!(ended.unwrap(), Revision(1));

    // Others' keys, and what is still to come: the later state.
    let ahead = world();
    let (shown, ended) = scan_while(&ahead, Order::Ascending, 3, |store| {
        put(store, &["b/1", "a/5", "a/7"]);
    });
    assert_eq!(shown, ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/7"]);
    assert_eq!(ended.unwrap(), Revision(2));

    // What was shown: the earlier state. So the history can be read while it grows.
    for order in [Order::Ascending, Order::Descending] {
        let behind = world();
        let (shown, ended) = scan_while(&behind, order, 4, |store| match order {
            Order::Ascending => drop(put(store, &["a/0", "a/2"])),
            Order::Descending => drop(put(store, &["a/7", "a/5"])),
        });
        assert_eq!(shown.len(), 6, "{shown:?}");
        assert_eq!(ended.unwrap(), Revision(1));
    }

    // Both: no state has what was shown and what is there now.
    let both = world();
    let (shown, ended) = scan_while(&both, Order::Ascending, 2, |store| {
        put(store, &["a/1", "a/4"]);
    });
    assert_eq!(shown, ["a/1", "a/2"]);
    assert!(ended.unwrap_err().to_string().contains("it changed while"));

    // More than the log of changes holds.
    let much = world();
    let (_, ended) = scan_while(&much, Order::Ascending, 2, |store| {
        let names: Vec<String> = (0..=LOG_KEYS).map(|n| format!("c/{n}")).collect();
        put(store, &names.iter().map(String::as_str).collect::<Vec<_>>());
    });
    assert!(ended.is_err());
}

#[test]
fn only_the_service_writes() {
    let world = World::new();
    let mut batch = Batch::new();
    batch.put(Key::new("a").unwrap(), Vec::new(), Expect::Any);
    let refused = world.remote().commit(batch).unwrap_err();
    assert!(
        refused.to_string().contains("only the service writes"),
        "{refused}"
    );
    assert_eq!(world.store.revision().unwrap(), Revision(0));
}

#[test]
fn a_store_that_has_failed_says_why_through_the_socket() {
    let world = World::new();
    let remote = world.remote();
    world
        .handle
        .set_store(Err(refused(RefusedKind::Unavailable)));
    let error = remote.revision().unwrap_err().to_string();
    for part in ["cannot do that", "it is late", "wait"] {
        assert!(error.contains(part), "{error}");
    }
    world.handle.set_store(Ok(Arc::clone(&world.store) as _));
    assert_eq!(remote.revision().unwrap(), Revision(0));
}

#[test]
fn the_store_is_checked_on_the_services_side() {
    let world = World::new();
    let names: Vec<String> = (0..3_000).map(|n| format!("a/{n}")).collect();
    put(
        &world.store,
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let client = world.client();
    let health = client.wait(client.check()).unwrap();
    assert_eq!((health.records, health.damaged.len()), (3_000, 0));
}

#[test]
fn it_can_be_read_within_a_runtime_and_without_one() {
    let world = World::new();
    put(&world.store, &["a/1"]);
    let remote = world.remote();
    assert_eq!(remote.revision().unwrap(), Revision(1));
    let inside = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    inside.block_on(async move {
        assert_eq!(remote.revision().unwrap(), Revision(1));
        drop(remote);
    });
}
