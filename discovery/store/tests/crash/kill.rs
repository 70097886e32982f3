//! A writer that is killed again and again.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    thread,
};

use muster_store::{Batch, Changes, Expect, Key, Revision, SledStore, Store};
use tempfile::TempDir;

use crate::{
    child,
    work::{self, Draw, Expected, seed},
};

const ROUNDS: u32 = 30;

#[test]
fn nothing_acknowledged_is_lost_and_no_half_batch_is_seen_when_the_writer_is_killed() {
    let seed = seed();
    eprintln!("seed {seed} (set MUSTER_STORE_TEST_SEED to run it again)");
    let mut draw = Draw(seed);
    let root = TempDir::new().unwrap();
    let dir = root.path().join("store");
    let mut expected = Expected::default();
    let (mut acknowledged, mut before_any_ack, mut unheard) = (0, 0, 0);
    for round in 0..ROUNDS {
        let mut child = child::start(&["write", dir.to_str().unwrap(), &seed.to_string()]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Now and then before the first acknowledgement: while it opens or makes the store.
        let upto = if draw.below(5) == 0 {
            0
        } else {
            1 + draw.below(40)
        };
        let mut last = 0;
        let mut hear = |line: std::io::Result<String>| {
            if let Some(number) = line.unwrap().strip_prefix("ack ") {
                last = number.parse::<u64>().unwrap();
                return true;
            }
            false
        };
        let mut heard = 0;
        while heard < upto {
            heard += u64::from(hear(lines.next().expect("the writer ended by itself")));
        }
        // And then at any point of the next batches, or of its start.
        let spins = if upto == 0 {
            draw.below(60_000)
        } else {
            draw.below(4_000)
        };
        (0..spins).for_each(|_| thread::yield_now());
        child.kill().unwrap();
        // What it said before its end has been acknowledged, too.
        for line in lines {
            hear(line);
        }
        let status = child.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "round {round}: the writer ended by itself"
        );
        before_any_ack += u32::from(last == 0);

        let store = SledStore::open(&dir).unwrap();
        let revision = store.revision().unwrap();
        assert!(
            revision.0 >= last.max(acknowledged),
            "round {round}: {last} acknowledged, {revision} there"
        );
        assert!(
            revision.0 <= last.max(acknowledged) + 1 || last == 0,
            "round {round}: {last} acknowledged, {revision} there"
        );
        unheard += u32::from(last != 0 && revision.0 > last);
        assert!(
            &work::entries(&store) == expected.upto(seed, revision),
            "round {round}: half a batch"
        );
        assert_eq!(store.check().unwrap().missing, None, "round {round}");
        if revision > Revision(0) {
            let Changes::Known { keys, .. } =
                store.changes_since(Revision(revision.0 - 1)).unwrap()
            else {
                panic!("round {round}: the last batch is not in the log");
            };
            assert!(keys.contains(&Key::new("last").unwrap()), "round {round}");
        }
        acknowledged = revision.0;
    }
    eprintln!(
        "{ROUNDS} kills, {before_any_ack} before any acknowledgement, {unheard} after an unheard commit"
    );
    assert!(
        acknowledged > u64::from(ROUNDS),
        "hardly anything was written: {acknowledged}"
    );
}

#[test]
fn a_kill_while_the_first_files_are_made_leaves_a_store_that_opens() {
    let root = TempDir::new().unwrap();
    let whole = root.path().join("whole");
    drop(SledStore::open(&whole).unwrap());
    let parameters = fs::read(whole.join("data/conf")).unwrap();
    for size in 0..=parameters.len() {
        let dir = root.path().join(size.to_string());
        let data = dir.join("data");
        fs::create_dir_all(data.join("blobs")).unwrap();
        fs::write(dir.join("lock"), b"").unwrap();
        fs::write(data.join("conf"), &parameters[..size]).unwrap();
        let store = SledStore::open(&dir).unwrap_or_else(|error| panic!("{size}: {error}"));
        let mut batch = Batch::new();
        batch.put(Key::new("a").unwrap(), b"1".to_vec(), Expect::Absent);
        store.commit(batch).unwrap();
        drop(store);
        assert_eq!(fs::read(data.join("conf")).unwrap(), parameters, "{size}");
        assert_eq!(SledStore::open(&dir).unwrap().revision().unwrap().0, 1);
    }
}

/// sled writes one whenever it opens a log that has grown, and reads the last by name, also one that is not whole.
#[test]
fn a_kill_while_a_snapshot_is_written_leaves_a_store_that_opens() {
    let root = TempDir::new().unwrap();
    let (dir, seed) = (root.path().join("store"), seed());
    let mut expected = Expected::default();
    let snapshots = || {
        let files = fs::read_dir(dir.join("data")).unwrap();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("snap."))
            .collect();
        names.sort();
        names
    };
    let mut revision = Revision::default();
    // Without any snapshot at first; then beside the one of the opening before.
    for round in 0..4 {
        let store = SledStore::open(&dir).unwrap();
        (0..40).for_each(|_| revision = work::commit(&store, seed));
        drop(store);
        let there = snapshots();
        let whole = match there.last() {
            Some(last) => fs::read(dir.join("data").join(last)).unwrap(),
            None => vec![0; 200],
        };
        assert_eq!(there.len(), usize::from(round > 0), "{there:?}");
        for size in [0, 5, 12, 13, whole.len() / 2, whole.len() - 1, whole.len()] {
            for position in [1, 0x00FF_FFFF] {
                let half = format!("data/snap.{position:016X}.generating");
                fs::write(dir.join(half), &whole[..size]).unwrap();
            }
            let store = SledStore::open(&dir)
                .unwrap_or_else(|error| panic!("round {round}, {size} bytes: {error}"));
            assert!(
                work::entries(&store) == *expected.upto(seed, revision),
                "round {round}, {size} bytes: not what was written"
            );
            drop(store);
            assert_eq!(snapshots().len(), 1, "{:?}", snapshots());
        }
    }
}
