//! Stores that can be read and do not hold what they should, and stores of another muster.

use std::{fs, path::Path};

use muster_store::{
    Batch, Changes, Expect, Key, OpenError, Revision, SledStore, Store, StoreError, Why,
};
use tempfile::TempDir;

fn put(store: &SledStore, key: &str, value: &[u8]) -> Revision {
    let mut batch = Batch::new();
    batch.put(Key::new(key).unwrap(), value.to_vec(), Expect::Any);
    store.commit(batch).unwrap()
}

fn get(store: &SledStore, key: &str) -> Option<(Vec<u8>, Revision)> {
    let found = store.get(&Key::new(key).unwrap()).unwrap();
    found.map(|found| (found.value, found.revision))
}

/// A change to the files behind the store's back.
fn tamper(dir: &Path, change: impl FnOnce(&sled::Db)) {
    // A child that another test is just starting may still have the file.
    let db = loop {
        match sled::open(dir.join("data")) {
            Err(error) if error.to_string().contains("acquire lock") => std::thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    change(&db);
    db.flush().unwrap();
}

fn why_lost(dir: &Path) -> String {
    match SledStore::open(dir) {
        Err(OpenError::Lost { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_older_copy_of_the_files_is_noticed_and_can_be_gone_on_with() {
    let root = TempDir::new().unwrap();
    let (dir, backup) = (root.path().join("store"), root.path().join("backup"));
    let store = SledStore::open(&dir).unwrap();
    put(&store, "a", b"old");
    put(&store, "big", &[7; 50_000]);
    drop(store);
    // What is closed may be moved: a backup is a copy of the directory.
    fs::rename(dir.join("data"), &backup).unwrap();
    let error = SledStore::open(&dir).unwrap_err();
    assert!(matches!(error, OpenError::Lost { .. }), "{error}");
    assert!(!dir.join("data").exists(), "the place is free for it");
    fs::create_dir_all(dir.join("data/blobs")).unwrap();
    for entry in fs::read_dir(&backup).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            fs::copy(entry.path(), dir.join("data").join(entry.file_name())).unwrap();
        }
    }
    let store = SledStore::open(&dir).unwrap();
    put(&store, "a", b"new");
    put(&store, "b", b"new");
    drop(store);
    fs::remove_dir_all(dir.join("data")).unwrap();
    fs::rename(&backup, dir.join("data")).unwrap();

    assert_eq!(
        why_lost(&dir),
        "revision 4 was acknowledged, and the files end at revision 2"
    );
    let (store, repair) = SledStore::repair(&dir).unwrap();
    assert_eq!(
        (repair.acknowledged, repair.found),
        (Some(Revision(4)), Revision(2))
    );
    assert_eq!((repair.revision, repair.records), (Revision(5), 2));
    assert_eq!(repair.dropped, []);
    assert_eq!(get(&store, "a"), Some((b"old".to_vec(), Revision(1))));
    assert_eq!(get(&store, "big"), Some((vec![7; 50_000], Revision(2))));
    // Whoever watched the lost revisions has to read everything again.
    assert_eq!(
        store.changes_since(Revision(4)).unwrap(),
        Changes::TooOld { upto: Revision(5) }
    );
    assert_eq!(put(&store, "b", b"again"), Revision(6));
    drop(store);
    let store = SledStore::open(&dir).unwrap();
    assert_eq!(get(&store, "b"), Some((b"again".to_vec(), Revision(6))));
    assert!(repair.aside.join("db").is_file());
}

#[test]
fn a_record_that_went_missing_is_noticed_when_the_store_is_opened() {
    let root = TempDir::new().unwrap();
    let store = SledStore::open(root.path()).unwrap();
    put(&store, "a", b"1");
    put(&store, "b", b"1");
    drop(store);
    tamper(root.path(), |db| drop(db.remove(b"da").unwrap().unwrap()));
    assert_eq!(
        why_lost(root.path()),
        "it should hold 2 records, and 1 can be read"
    );
    let (store, repair) = SledStore::repair(root.path()).unwrap();
    assert_eq!((repair.records, get(&store, "a")), (1, None));
}

#[test]
fn a_record_without_one_of_its_parts_is_named_and_the_rest_is_shown() {
    let root = TempDir::new().unwrap();
    let store = SledStore::open(root.path()).unwrap();
    put(&store, "a", &[1; 10_000]);
    put(&store, "b", &[2; 10_000]);
    drop(store);
    tamper(root.path(), |db| {
        let part = db.scan_prefix(b"p\0\x01a").nth(1).unwrap().unwrap().0;
        db.remove(part).unwrap();
    });
    assert_eq!(
        why_lost(root.path()),
        "it should hold 2 records, and 1 can be read"
    );
    let (store, repair) = SledStore::repair(root.path()).unwrap();
    assert_eq!(repair.dropped.len(), 1);
    assert_eq!(
        (repair.dropped[0].key.as_str(), &repair.dropped[0].why),
        ("a", &Why::Part(1))
    );
    assert_eq!(get(&store, "b").unwrap().0, vec![2; 10_000]);
    assert_eq!(get(&store, "a"), None);
}

#[test]
fn a_store_of_a_newer_muster_is_left_alone() {
    let root = TempDir::new().unwrap();
    drop(SledStore::open(root.path()).unwrap());
    tamper(root.path(), |db| {
        let mut head = db.get(b"h").unwrap().unwrap().to_vec();
        head[3] = 2;
        db.insert(b"h", head).unwrap();
    });
    for error in [
        SledStore::open(root.path()).unwrap_err(),
        SledStore::repair(root.path()).unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                OpenError::Newer {
                    has: 2,
                    knows: 1,
                    ..
                }
            ),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .ends_with("formats up to 1: upgrade muster"),
            "{error}"
        );
    }
}

#[test]
fn a_repair_that_was_broken_off_is_finished_or_forgotten() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    drop(SledStore::open(dir).unwrap());
    let store = SledStore::open(dir).unwrap();
    put(&store, "a", b"1");
    drop(store);
    // Between the two renames.
    fs::rename(dir.join("data"), dir.join("repaired")).unwrap();
    assert!(get(&SledStore::open(dir).unwrap(), "a").is_some());
    // Before them.
    fs::create_dir(dir.join("repaired")).unwrap();
    fs::create_dir(dir.join("repairing")).unwrap();
    assert!(get(&SledStore::open(dir).unwrap(), "a").is_some());
    let (store, repair) = SledStore::repair(dir).unwrap();
    assert_eq!((repair.records, repair.revision), (1, Revision(2)));
    assert!(get(&store, "a").is_some());
}

#[test]
fn pages_that_break_while_the_store_is_open_are_an_error_and_no_panic() {
    let root = TempDir::new().unwrap();
    let store = SledStore::open(root.path()).unwrap();
    for number in 0..400 {
        put(&store, &format!("k/{number}"), &[7; 3000]);
    }
    drop(store);
    let store = SledStore::open(root.path()).unwrap();
    let file = root.path().join("data/db");
    let len = fs::metadata(&file).unwrap().len();
    fs::write(&file, vec![0xA5; usize::try_from(len).unwrap()]).unwrap();
    // What is in sled's cache may still be read and written; nothing else may be made up.
    for number in 0..400 {
        match store.get(&Key::new(format!("k/{number}")).unwrap()) {
            Ok(found) => assert_eq!(found.unwrap().value, [7; 3000]),
            Err(error) => assert!(matches!(error, StoreError::Backend { .. }), "{error}"),
        }
    }
    drop(store);
    let error = SledStore::open(root.path()).unwrap_err();
    assert!(
        matches!(error, OpenError::Damaged { .. } | OpenError::Lost { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("restore the directory from a backup"),
        "{error}"
    );
}
