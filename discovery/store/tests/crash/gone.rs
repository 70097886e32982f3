//! What becomes of the file of the data while the store is open is noticed before anything more is acknowledged.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use muster_store::{Batch, Expect, Key, OpenError, Revision, SledStore, Store, StoreError};
use tempfile::TempDir;

fn put(store: &SledStore, key: &str, value: &[u8]) -> Result<Revision, StoreError> {
    let mut batch = Batch::new();
    batch.put(Key::new(key).unwrap(), value.to_vec(), Expect::Any);
    store.commit(batch)
}

/// It says this, acknowledges nothing, and does not come back to life by itself.
fn refuses(store: &SledStore, why: &str) {
    assert_eq!(store.lost().as_deref(), Some(why));
    let error = put(store, "b", b"lost").unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
    let error = put(store, "b", b"lost").unwrap_err().to_string();
    assert!(error.contains("has to be opened again"), "{error}");
}

fn made(root: &TempDir) -> (PathBuf, SledStore) {
    let dir = root.path().join("store");
    let store = SledStore::open(&dir).unwrap();
    put(&store, "a", b"1").unwrap();
    assert_eq!(store.lost(), None);
    (dir, store)
}

fn held(dir: &Path) -> Option<Revision> {
    let store = SledStore::open(dir).unwrap();
    assert_eq!(store.lost(), None);
    assert_eq!(store.get(&Key::new("b").unwrap()).unwrap(), None);
    let found = store.get(&Key::new("a").unwrap()).unwrap();
    found.map(|found| found.revision)
}

#[test]
fn a_file_that_is_moved_away_is_named_and_is_whole_when_it_is_back() {
    let root = TempDir::new().unwrap();
    let (dir, store) = made(&root);
    let (db, aside) = (dir.join("data/db"), root.path().join("db"));
    fs::rename(&db, &aside).unwrap();
    let gone = format!("the file {} was deleted or moved away", db.display());
    assert_eq!(store.lost(), Some(gone));
    fs::rename(&aside, &db).unwrap();
    put(&store, "a", b"2").unwrap();

    fs::rename(&db, &aside).unwrap();
    refuses(
        &store,
        &format!("the file {} was deleted or moved away", db.display()),
    );
    drop(store);
    let error = SledStore::open(&dir).unwrap_err();
    assert!(matches!(error, OpenError::Lost { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("its file data/db is missing"), "{error}");
    assert!(!db.exists(), "the place is free for it");
    fs::rename(&aside, &db).unwrap();
    assert!(held(&dir) >= Some(Revision(2)));
}

#[test]
fn a_directory_that_is_moved_away_is_named() {
    let root = TempDir::new().unwrap();
    let (dir, store) = made(&root);
    let data = dir.join("data");
    fs::rename(&data, root.path().join("aside")).unwrap();
    let why = format!("the directory {} was deleted or moved away", data.display());
    refuses(&store, &why);
}

#[test]
fn a_file_in_whose_place_there_is_a_copy_is_not_written_to() {
    let root = TempDir::new().unwrap();
    let (dir, store) = made(&root);
    let (db, aside) = (dir.join("data/db"), root.path().join("db"));
    fs::rename(&db, &aside).unwrap();
    fs::copy(&aside, &db).unwrap();
    let why = format!("the file {} was replaced by another one", db.display());
    refuses(&store, &why);
    drop(store);
    assert_eq!(held(&dir), Some(Revision(1)));
}

#[test]
fn a_file_that_is_cut_off_is_noticed() {
    for keeps in [0, 1, 2] {
        let root = TempDir::new().unwrap();
        let (dir, store) = made(&root);
        let db = dir.join("data/db");
        let had = fs::metadata(&db).unwrap().len();
        let has = had / 2 * keeps - keeps / 2;
        let file = File::options().write(true).open(&db).unwrap();
        file.set_len(has).unwrap();
        let why = format!(
            "the file {} was cut off: it has {has} bytes, and had {had}",
            db.display()
        );
        refuses(&store, &why);
    }
}

#[test]
fn after_a_compaction_it_is_the_new_file_that_counts() {
    let root = TempDir::new().unwrap();
    let (dir, store) = made(&root);
    store.compact().unwrap();
    assert!(!dir.join("data").exists());
    assert_eq!(store.lost(), None);
    put(&store, "a", b"2").unwrap();
    let db = dir.join("data-2/db");
    fs::remove_file(&db).unwrap();
    let why = format!("the file {} was deleted or moved away", db.display());
    refuses(&store, &why);
}

#[test]
fn what_sled_does_with_its_file_is_no_loss() {
    let root = TempDir::new().unwrap();
    let (dir, store) = made(&root);
    // Long and short values by turns: sled cuts segments off the end now and then.
    for round in 0..30 {
        for key in 0..40 {
            let value = vec![round; if round % 6 < 3 { 30_000 } else { 10 }];
            put(&store, &format!("k/{key}"), &value).unwrap();
            assert_eq!(store.lost(), None);
        }
    }
    drop(store);
    assert_eq!(held(&dir), Some(Revision(1)));
}
