//! A second opening of a store.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
};

use muster_store::{OpenError, SledStore, Store};
use tempfile::TempDir;

use crate::child;

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let root = TempDir::new().unwrap();
    let dir = root.path().join("store");
    let mut child = child::start(&["hold", dir.to_str().unwrap()]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap() == "held"));
    let error = SledStore::open(&dir).unwrap_err();
    let text = error.to_string();
    let OpenError::InUse {
        dir: named,
        pid,
        since,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((named, pid), (dir.clone(), Some(child.id())));
    let since = since.unwrap();
    assert_eq!(
        text,
        format!(
            "the store in {} is in use by process {} since {since}: wait until it ends, or stop it",
            dir.display(),
            child.id()
        )
    );
    child.kill().unwrap();
    child.wait().unwrap();
    // However it ended, the lock went with it.
    SledStore::open(&dir).unwrap();
}

#[test]
fn a_store_cannot_be_opened_twice_in_one_process_and_can_be_once_more_after_it_was_closed() {
    let root = TempDir::new().unwrap();
    let store = SledStore::open(root.path()).unwrap();
    let error = SledStore::open(root.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { pid: Some(pid), .. } if pid == std::process::id()));
    assert_eq!(store.revision().unwrap().0, 0);
    drop(store);
    for _ in 0..20 {
        drop(SledStore::open(root.path()).unwrap());
    }
}

#[test]
fn the_directory_is_made_for_its_owner_alone() {
    let root = TempDir::new().unwrap();
    let dir = root.path().join("a/b/store");
    drop(SledStore::open(&dir).unwrap());
    for made in [&dir, &root.path().join("a")] {
        assert_eq!(
            fs::metadata(made).unwrap().permissions().mode() & 0o777,
            0o700,
            "{made:?}"
        );
    }
}

#[test]
fn what_cannot_be_a_store_is_named() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "text").unwrap();
    let error = SledStore::open(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot create the store's directory {}", file.display())
    );
}
