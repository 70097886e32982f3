//! Both implementations, through the whole suite and through steps that proptest shrinks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::HashMap;

use muster_store::{
    MemoryStore, SledStore, Store,
    conformance::{self, Expected, Reopened, Step, StepOp, StepWrite, Subject},
};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::Config as Cases};
use tempfile::TempDir;

struct Memory;

impl Subject for Memory {
    fn fresh(&mut self) -> Result<Box<dyn Store>, String> {
        Ok(Box::new(MemoryStore::new()))
    }

    fn reopen(&mut self, _: Box<dyn Store>) -> Result<Reopened, String> {
        Ok(Reopened::NotDurable)
    }
}

/// Stores in directories of their own, found again by where they are in memory.
#[derive(Default)]
struct Sled(HashMap<usize, TempDir>);

impl Sled {
    fn open(&mut self, dir: TempDir) -> Result<Box<dyn Store>, String> {
        let store = Box::new(SledStore::open(dir.path()).map_err(|error| error.to_string())?);
        self.0.insert(place(store.as_ref()), dir);
        Ok(store)
    }
}

fn place(store: &dyn Store) -> usize {
    (&raw const *store).addr()
}

impl Subject for Sled {
    fn fresh(&mut self) -> Result<Box<dyn Store>, String> {
        self.open(TempDir::new().map_err(|error| error.to_string())?)
    }

    fn reopen(&mut self, store: Box<dyn Store>) -> Result<Reopened, String> {
        let dir = self
            .0
            .remove(&place(store.as_ref()))
            .ok_or("not one of these stores")?;
        drop(store);
        let store = SledStore::open(dir.path()).map_err(|error| error.to_string())?;
        let health = store.check().map_err(|error| error.to_string())?;
        if health.missing.is_some() || !health.damaged.is_empty() {
            return Err(format!("{health:?}"));
        }
        drop(store);
        Ok(Reopened::Durable(self.open(dir)?))
    }
}

fn all(subject: &mut dyn Subject) {
    if let Err(failure) = conformance::run(subject) {
        panic!("{failure}");
    }
}

#[test]
fn the_store_in_memory_conforms() {
    all(&mut Memory);
}

#[test]
fn the_store_on_sled_conforms() {
    all(&mut Sled::default());
}

mod compacting;

#[test]
fn the_store_on_sled_conforms_when_it_is_compacted_meanwhile() {
    all(&mut compacting::Compacting);
}

/// A store that forgets one thing, to see that the suite would notice.
mod forgetful;

#[test]
fn the_suite_notices_what_a_bad_store_gets_wrong() {
    for flaw in forgetful::Flaw::ALL {
        let failure =
            conformance::run(&mut forgetful::Bad(*flaw)).expect_err("a bad store conforms");
        assert_eq!(failure.case, flaw.noticed_by(), "{flaw:?}: {failure}");
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = select(vec!["a/1", "a/2", "ab/1", "a", "ü/1", "ü/2\u{0}", "b/x/y"]);
    let op = prop_oneof![
        4 => vec(any::<u8>(), 0..20).prop_map(StepOp::Put),
        1 => (0_usize..20_000).prop_map(|len| StepOp::Put(vec![7; len])),
        2 => Just(StepOp::Delete),
        1 => Just(StepOp::Check),
    ];
    let expected = prop_oneof![
        6 => Just(Expected::Any),
        3 => Just(Expected::Right),
        1 => Just(Expected::Absent),
        1 => Just(Expected::Wrong),
    ];
    let write = (name, op, expected).prop_map(|(key, op, expected)| StepWrite {
        key: key.to_owned(),
        op,
        expected,
    });
    let step = (vec(write, 0..5), prop::bool::weighted(0.1))
        .prop_map(|(writes, reopen)| Step { writes, reopen });
    vec(step, 0..25)
}

proptest! {
    #![proptest_config(Cases { cases: 200, failure_persistence: None, ..Cases::default() })]
    #[test]
    fn memory_agrees_with_a_map(steps in steps()) {
        conformance::replay(&mut Memory, &steps).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(Cases { cases: 24, failure_persistence: None, ..Cases::default() })]
    #[test]
    fn sled_agrees_with_a_map(steps in steps()) {
        conformance::replay(&mut Sled::default(), &steps).map_err(TestCaseError::fail)?;
    }
}
