//! The child's side.

use std::{
    env,
    io::{Write, stdout},
    process::{Child, Command, Stdio},
};

use muster_store::{OpenError, SledStore, Store};

use crate::work;

const ROLE: &str = "MUSTER_STORE_TEST_CHILD";

/// A child in a role, with its standard output piped.
pub fn start(role: &[&str]) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "child::does_what_its_environment_says",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, role.join("\n"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A line for the parent: standard output past the test harness, which writes half lines of its own.
fn say(line: &str) {
    let mut out = stdout().lock();
    out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

#[test]
fn does_what_its_environment_says() {
    let Ok(role) = env::var(ROLE) else { return };
    let role: Vec<_> = role.split('\n').collect();
    match role.as_slice() {
        ["write", dir, seed] => write(dir, seed.parse().unwrap()),
        ["compact", dir, seed] => compact(dir, seed.parse().unwrap()),
        ["look", dir, seed] => look(dir, seed.parse().unwrap()),
        ["hold", dir] => hold(dir),
        other => panic!("unknown role {other:?}"),
    }
}

/// Writes until it is killed, and says which revisions were acknowledged.
fn write(dir: &str, seed: u64) {
    let store = SledStore::open(dir).unwrap();
    loop {
        let revision = work::commit(&store, seed);
        say(&format!("ack {revision}"));
    }
}

/// Writes and compacts until it is killed, and says how far it is.
fn compact(dir: &str, seed: u64) {
    let store = SledStore::open(dir).unwrap();
    loop {
        for _ in 0..3 {
            let revision = work::commit(&store, seed);
            say(&format!("ack {revision}"));
        }
        say("compacting");
        store.compact().unwrap();
        say("compacted");
    }
}

/// Opens a store and waits for the end of its standard input, which comes with the end of its parent.
fn hold(dir: &str) {
    let _store = SledStore::open(dir).unwrap();
    say("held");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

/// Opens a store that may be damaged, and says what a caller would learn.
fn look(dir: &str, seed: u64) {
    let verdict = match SledStore::open(dir) {
        Err(OpenError::Damaged { why, .. }) => format!("refused {why}"),
        Err(OpenError::Lost { why, .. }) => repair(dir, &why),
        Err(other) => format!("refused {other}: {other:?}"),
        Ok(store) => {
            let revision = store.revision().unwrap();
            let mut expected = work::Expected::default();
            if &work::entries(&store) == expected.upto(seed, revision) {
                // It must stay whole in use, too.
                (0..30).for_each(|_| assert!(work::commit(&store, seed) > revision));
                drop(store);
                let store = SledStore::open(dir).unwrap();
                let now = store.revision().unwrap();
                assert!(
                    &work::entries(&store) == expected.upto(seed, now),
                    "not whole any more"
                );
                format!("whole {revision}")
            } else {
                "silent loss".to_owned()
            }
        }
    };
    say(&format!("verdict {verdict}"));
}

/// Repairs what can be: then it has to be a whole store that can be used.
fn repair(dir: &str, why: &str) -> String {
    let (store, repair) = match SledStore::repair(dir) {
        Ok(repaired) => repaired,
        Err(OpenError::Damaged { .. }) => return format!("refused {why}"),
        Err(other) => panic!("{other}"),
    };
    let health = store.check().unwrap();
    assert_eq!((health.missing, health.damaged), (None, Vec::new()));
    assert_eq!(health.records, repair.records);
    assert!(
        repair
            .acknowledged
            .is_none_or(|revision| revision < repair.revision)
    );
    let left = work::entries(&store);
    assert_eq!(left.len() as u64, repair.records);
    work::commit(&store, seed_of_repairs());
    drop(store);
    let store = SledStore::open(dir).unwrap();
    assert_eq!(store.revision().unwrap(), repair.revision.next());
    assert!(repair.aside.is_dir());
    format!("repaired {why}")
}

/// Another one than that of the damaged store's batches.
fn seed_of_repairs() -> u64 {
    1
}
