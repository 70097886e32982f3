//! A second opening of a store.

use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::{self as unix, PermissionsExt},
    path::Path,
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

#[test]
fn a_full_disk_is_told_with_what_to_do_and_is_no_damage() {
    let root = TempDir::new().unwrap();
    drop(SledStore::open(root.path()).unwrap());
    let mark = root.path().join("acknowledged");
    fs::remove_file(&mark).unwrap();
    unix::symlink("/dev/full", &mark).unwrap();
    let error = SledStore::open(root.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot sync {}", root.path().display())
    );
    assert_eq!(
        error.source().unwrap().to_string(),
        "no space left on the device: free some space and try again"
    );
}

fn mode(dir: &Path) -> u32 {
    fs::metadata(dir).unwrap().permissions().mode() & 0o7777
}

fn set_mode(dir: &Path, mode: u32) {
    fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_is_written_among_files_of_others() {
    // The last ones bear names that a store has, too.
    for path in [
        "notes.txt",
        ".hidden",
        "sub/file",
        "data/file",
        "damaged-1/file",
    ] {
        let root = TempDir::new().unwrap();
        let file = root.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "theirs").unwrap();
        set_mode(root.path(), 0o775);
        let before = names(root.path());
        for error in [
            SledStore::open(root.path()).unwrap_err(),
            SledStore::repair(root.path()).unwrap_err(),
        ] {
            assert_eq!(
                error.to_string(),
                format!(
                    "{} is not empty and holds no store: name an empty or new directory",
                    root.path().display()
                )
            );
        }
        assert_eq!(
            (names(root.path()), mode(root.path())),
            (before, 0o775),
            "{path}"
        );
    }
}

#[test]
fn a_store_that_was_only_begun_or_has_a_file_beside_it_is_opened() {
    // Killed after the lock was made, and a file system of its own.
    let begun = TempDir::new().unwrap();
    fs::write(begun.path().join("lock"), "").unwrap();
    fs::create_dir_all(begun.path().join("data/blobs")).unwrap();
    fs::create_dir(begun.path().join("lost+found")).unwrap();
    // Users and roles may have been written first.
    fs::create_dir(begun.path().join("authority")).unwrap();
    drop(SledStore::open(begun.path()).unwrap());
    fs::write(begun.path().join("README"), "what this is").unwrap();
    drop(SledStore::open(begun.path()).unwrap());
}

#[test]
fn a_directory_of_ours_is_closed_to_others_who_can_write_to_it() {
    let root = TempDir::new().unwrap();
    for open in [0o775, 0o707, 0o777, 0o720] {
        set_mode(root.path(), open);
        drop(SledStore::open(root.path()).unwrap());
        assert_eq!(mode(root.path()), 0o700, "{open:o}");
    }
    // Who can only read may have been let in on purpose.
    set_mode(root.path(), 0o750);
    drop(SledStore::open(root.path()).unwrap());
    assert_eq!(mode(root.path()), 0o750);
}

#[test]
fn a_directory_that_others_can_write_to_and_that_is_not_ours_alone_is_refused() {
    let root = TempDir::new().unwrap();
    let refused = |why: &str, open: u32| {
        assert_eq!(
            SledStore::open(root.path()).unwrap_err().to_string(),
            format!(
                "other users can write to {}, and {why}: name a directory of your own",
                root.path().display()
            )
        );
        assert_eq!((names(root.path()), mode(root.path())), (Vec::new(), open));
    };
    set_mode(root.path(), 0o1777);
    refused("its sticky bit says that it is there for all", 0o1777);
    set_mode(root.path(), 0o770);
    // Only root can give a directory away.
    if unix::chown(root.path(), Some(12_345), None).is_ok() {
        refused("it belongs to another user", 0o770);
    }
}
