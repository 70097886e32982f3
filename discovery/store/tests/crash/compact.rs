//! A store that is compacted: killed in the middle of it, at each step of it, and kept small by it.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    thread,
};

use muster_store::{Batch, Expect, Key, OpenError, Revision, SledStore, Store};
use tempfile::TempDir;

use crate::{
    child,
    work::{self, Draw, Expected, seed},
};

const ROUNDS: u32 = 40;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The one directory that holds the data of a store that is whole.
fn data(dir: &Path) -> String {
    let mut data = names(dir);
    data.retain(|name| name.starts_with("data"));
    assert_eq!(data.len(), 1, "{data:?}");
    data.remove(0)
}

#[test]
fn nothing_acknowledged_is_lost_when_it_is_killed_while_it_is_compacted() {
    let seed = seed();
    eprintln!("seed {seed} (set MUSTER_STORE_TEST_SEED to run it again)");
    let mut draw = Draw(seed);
    let root = TempDir::new().unwrap();
    let dir = root.path().join("store");
    let mut expected = Expected::default();
    let (mut acknowledged, mut inside, mut leftovers, mut generations) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        let mut child = child::start(&["compact", dir.to_str().unwrap(), &seed.to_string()]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut last, mut compacting) = (0, false);
        let mut hear = |line: std::io::Result<String>| {
            let line = line.unwrap();
            if let Some(number) = line.strip_prefix("ack ") {
                last = number.parse::<u64>().unwrap();
            }
            match line.as_str() {
                "compacting" => compacting = true,
                "compacted" => compacting = false,
                _ => {}
            }
            line == "compacting"
        };
        let upto = 1 + draw.below(4);
        let mut heard = 0;
        while heard < upto {
            heard += u64::from(hear(lines.next().expect("the writer ended by itself")));
        }
        // At any point of the compaction, which takes some milliseconds, or shortly after it.
        let spins = draw.below(60_000);
        (0..spins).for_each(|_| thread::yield_now());
        child.kill().unwrap();
        for line in lines {
            hear(line);
        }
        let status = child.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "round {round}: it ended by itself"
        );
        inside += u32::from(compacting);
        leftovers += u32::from(
            names(&dir)
                .iter()
                .filter(|name| name.starts_with("data"))
                .count()
                > 1,
        );

        let store = SledStore::open(&dir).unwrap();
        let revision = store.revision().unwrap();
        assert!(
            revision.0 >= last.max(acknowledged) && revision.0 <= last.max(acknowledged) + 1,
            "round {round}: {last} acknowledged, {revision} there"
        );
        assert!(
            &work::entries(&store) == expected.upto(seed, revision),
            "round {round}: half a batch"
        );
        assert_eq!(store.check().unwrap().missing, None, "round {round}");
        let live = store.live().unwrap();
        drop(store);
        let store = SledStore::open(&dir).unwrap();
        assert_eq!(store.live().unwrap(), live);
        let generation = data(&dir);
        let number = generation.trim_start_matches("data-").parse().unwrap_or(1);
        assert!(number >= generations, "round {round}: {generation}");
        generations = number;
        assert!(!names(&dir).contains(&"current.new".to_owned()));
        acknowledged = revision.0;
    }
    eprintln!("{ROUNDS} kills, {inside} inside of compactions, {leftovers} left something over");
    assert!(inside >= ROUNDS / 4, "hardly ever inside: {inside}");
    assert!(generations > u64::from(ROUNDS) / 4, "{generations}");
}

#[test]
fn each_step_of_a_compaction_that_was_broken_off_is_opened_and_tidied() {
    let root = TempDir::new().unwrap();
    let store = SledStore::open(root.path().join("old")).unwrap();
    write(&store);
    let expected = work::entries(&store);
    drop(store);
    let copy = |name: &str| {
        let to = root.path().join(name);
        copy_dir(&root.path().join("old"), &to);
        to
    };
    let opens = |dir: &Path, generation: &str| {
        let store = SledStore::open(dir).unwrap();
        assert!(work::entries(&store) == expected);
        assert_eq!(data(dir), generation);
        store.compact().unwrap();
        assert!(work::entries(&store) == expected);
    };
    // The new files are there in part.
    let dir = copy("half");
    fs::create_dir_all(dir.join("data-2/blobs")).unwrap();
    fs::write(dir.join("data-2/db"), [7; 5000]).unwrap();
    opens(&dir, "data");
    // And the pointer to them, in part.
    let dir = copy("unnamed");
    copy_dir(&dir.join("data"), &dir.join("data-2"));
    fs::write(dir.join("current.new"), "dat").unwrap();
    opens(&dir, "data");
    // They are named, and the old ones are still there; in part.
    let dir = copy("named");
    copy_dir(&dir.join("data"), &dir.join("data-2"));
    fs::write(dir.join("current"), "data-2\n").unwrap();
    fs::remove_file(dir.join("data/db")).unwrap();
    opens(&dir, "data-2");
    // What others have put beside them is none of ours.
    assert_eq!(data(&dir), "data-3");
    for name in ["data-old", "data-", "data-2b", "database"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    drop(SledStore::open(&dir).unwrap());
    assert_eq!(
        names(&dir),
        [
            "acknowledged",
            "current",
            "data-",
            "data-2b",
            "data-3",
            "data-old",
            "database",
            "lock"
        ]
    );
}

#[test]
fn a_compacted_store_that_misses_its_files_is_not_taken_for_a_new_one() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    let store = SledStore::open(dir).unwrap();
    write(&store);
    store.compact().unwrap();
    let expected = work::entries(&store);
    drop(store);
    // Without the pointer, there is one directory that it can be.
    fs::remove_file(dir.join("current")).unwrap();
    assert!(work::entries(&SledStore::open(dir).unwrap()) == expected);
    // With two of them nobody knows.
    copy_dir(&dir.join("data-2"), &dir.join("data-3"));
    let error = SledStore::open(dir).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("`current`"), "{error}");
    assert!(dir.join("data-2").is_dir() && dir.join("data-3").is_dir());
    // A pointer to what is not there, or to what cannot be ours.
    for (name, why) in [
        ("data-9\n", "its directory data-9 is missing"),
        ("../x\n", "does not name a directory of the store"),
    ] {
        fs::write(dir.join("current"), name).unwrap();
        for _ in 0..2 {
            let error = SledStore::open(dir).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
    fs::write(dir.join("current"), "data-3\n").unwrap();
    assert!(work::entries(&SledStore::open(dir).unwrap()) == expected);
}

#[test]
fn a_compacted_store_can_be_repaired() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    let store = SledStore::open(dir).unwrap();
    write(&store);
    store.compact().unwrap();
    drop(store);
    let backup = dir.join("backup");
    fs::create_dir(&backup).unwrap();
    copy_dir(&dir.join("data-2"), &backup);
    let store = SledStore::open(dir).unwrap();
    work::commit(&store, 1);
    drop(store);
    fs::remove_dir_all(dir.join("data-2")).unwrap();
    fs::rename(&backup, dir.join("data-2")).unwrap();
    let error = SledStore::open(dir).unwrap_err();
    assert!(matches!(error, OpenError::Lost { .. }), "{error}");
    let (store, repair) = SledStore::repair(dir).unwrap();
    assert_eq!(repair.found, Revision(20));
    let left = work::entries(&store);
    assert!(&left == Expected::default().upto(1, Revision(20)));
    store.compact().unwrap();
    drop(store);
    let store = SledStore::open(dir).unwrap();
    assert!(work::entries(&store) == left);
    assert!(repair.aside.join("db").is_file());
}

/// Twenty batches.
fn write(store: &SledStore) {
    (0..20).for_each(|_| assert!(work::commit(store, 1) > Revision(0)));
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_store_that_is_compacted_when_due_stays_small_however_often_it_is_rewritten() {
    const RECORDS: u32 = 3_500;
    const CYCLES: u32 = 16;
    let root = TempDir::new().unwrap();
    let store = SledStore::open(root.path()).unwrap();
    let (mut largest, mut compactions) = (0, 0);
    for cycle in 0..CYCLES {
        let mut batch = Batch::new();
        for number in 0..RECORDS {
            let value = [cycle.to_be_bytes(), number.to_be_bytes()]
                .concat()
                .repeat(400);
            let key = Key::new(format!("inventory/arn:aws:rds:eu-west-1:1:db:{number:06}"));
            batch.put(key.unwrap(), value, Expect::Any);
        }
        store.commit(batch).unwrap();
        if store.compaction_due().unwrap() {
            let compaction = store.compact().unwrap();
            assert!(
                compaction.after < 2 * store.live().unwrap(),
                "{compaction:?}"
            );
            assert_eq!(compaction.after, store.size().unwrap());
            assert!(!store.compaction_due().unwrap(), "due at once again");
            compactions += 1;
        }
        let size = store.size().unwrap();
        let on_disk: u64 = names(root.path())
            .iter()
            .filter(|name| name.starts_with("data"))
            .flat_map(|name| fs::read_dir(root.path().join(name)).unwrap())
            .map(|file| file.unwrap().metadata().unwrap())
            .filter(fs::Metadata::is_file)
            .map(|file| file.len())
            .sum();
        assert_eq!(on_disk, size);
        largest = largest.max(size);
    }
    let live = store.live().unwrap();
    assert_eq!(live, u64::from(RECORDS) * (10 + 43 + 3200));
    eprintln!("{live} bytes alive, {compactions} compactions, at most {largest} bytes");
    assert!(compactions >= 2, "{compactions}");
    assert!(largest < 3 * live, "{largest} of {live}");
    drop(store);
    let store = SledStore::open(root.path()).unwrap();
    assert_eq!(store.live().unwrap(), live);
    assert_eq!(store.revision().unwrap(), Revision(u64::from(CYCLES)));
}
