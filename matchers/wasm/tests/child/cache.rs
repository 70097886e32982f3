//! The cache of compiled plugins: damaged, shared, full, and not ours.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use muster_wasm::{CacheError, Host, HostError, Limits};

use crate::{LOAD, base, cached, files, options, own_file, this_program};

pub fn a_damaged_file_is_compiled_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let component = base();
    cached(&cache).load(&component).expect("it loads");
    let file = files(&cache).pop().expect("a file");
    let good = std::fs::read(&file).expect("it is there");
    let mut flipped = good.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    let damaged = [
        ("empty", Vec::new()),
        ("cut short", good[..good.len() / 2].to_vec()),
        ("one bit", flipped),
        ("something else", b"#!/bin/sh\n".to_vec()),
    ];
    for (what, bytes) in damaged {
        std::fs::write(&file, bytes).expect("written");
        let plugin = cached(&cache)
            .load(&component)
            .expect("it loads all the same");
        assert!(!plugin.was_cached(), "{what}");
        let again = cached(&cache).load(&component).expect("it loads");
        assert!(again.was_cached(), "{what}: it is whole again");
    }
}

pub fn another_engine_does_not_take_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let component = base();
    cached(&cache).load(&component).expect("it loads");
    let limits = Limits {
        fuel: Some(1_000_000_000),
        ..Limits::default()
    };
    let other = Host::new(options(limits, Some(cache.clone()))).expect("a host");
    assert!(!other.load(&component).expect("it loads").was_cached());
    assert_eq!(files(&cache).len(), 2);
    assert!(other.load(&component).expect("it loads").was_cached());
    assert!(
        cached(&cache)
            .load(&component)
            .expect("it loads")
            .was_cached()
    );
}

pub fn a_folder_that_others_can_write_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = folder.path().join("open");
    std::fs::create_dir(&open).expect("made");
    for mode in [0o777, 0o770, 0o701, 0o740] {
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(mode)).expect("changed");
        match Host::new(options(Limits::default(), Some(open.clone()))) {
            Err(HostError::Cache(error @ CacheError::NotOurs { .. })) => {
                assert!(
                    error.to_string().contains(&format!("{mode:04o}")),
                    "{error}"
                );
            }
            other => panic!("{mode:o}: {:?}", other.map(|_| ())),
        }
    }
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o700)).expect("changed");
    cached(&open);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&open, &link).expect("linked");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    for path in [link, file] {
        match Host::new(options(Limits::default(), Some(path.clone()))) {
            Err(HostError::Cache(CacheError::Open { .. })) => {}
            other => panic!("{}: {:?}", path.display(), other.map(|_| ())),
        }
    }
}

pub fn a_cache_that_cannot_be_written_is_told_and_no_hindrance() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let host = cached(&cache);
    let first = host.load(&base()).expect("it loads");
    assert_eq!(first.not_kept(), None);
    // Opened, and gone since: nothing can be made in it any more, whoever runs this.
    std::fs::remove_dir_all(&cache).expect("gone");
    let second = host.load(&base()).expect("it loads all the same");
    assert!(!second.was_cached());
    assert!(second.not_kept().is_some());
}

pub fn the_cache_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let host = cached(&cache);
    std::fs::write(cache.join("somebody's notes"), "kept").expect("written");
    for old in 0..80 {
        std::fs::write(cache.join(format!("{old}.compiled")), "").expect("written");
    }
    host.load(&base()).expect("it loads");
    assert_eq!(
        files(&cache).len(),
        64 + 1,
        "64 of ours, and what is not ours"
    );
    assert!(
        host.load(&base()).expect("it loads").was_cached(),
        "the newest stays"
    );
}

/// Loads, but into another file.
fn another() -> Vec<u8> {
    let mut component = base();
    let version = component
        .windows(6)
        .position(|bytes| bytes == b"0.1.0\0")
        .expect("its version");
    component[version + 4] = b'9';
    component
}

pub fn a_file_of_another_component_is_not_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    cached(&cache).load(&base()).expect("it loads");
    let first = files(&cache).pop().expect("a file");
    cached(&cache).load(&another()).expect("it loads");
    let second = files(&cache)
        .into_iter()
        .find(|path| *path != first)
        .expect("another file");
    // Whole and good, and not what its name says.
    std::fs::copy(&second, &first).expect("copied");
    let plugin = cached(&cache).load(&base()).expect("it loads");
    assert!(!plugin.was_cached());
    assert_eq!(plugin.description().version, "0.1.0");
}

pub fn what_was_begun_by_others_is_left_to_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let host = cached(&cache);
    // As by a process with the same number in another container.
    let theirs: Vec<_> = (0..200)
        .map(|serial| cache.join(format!(".{}.{serial}.new", std::process::id())))
        .collect();
    for path in &theirs {
        std::fs::write(path, "half").expect("written");
    }
    let abandoned = cache.join(".1.0.new");
    std::fs::write(&abandoned, "half").expect("written");
    let file = std::fs::File::options()
        .write(true)
        .open(&abandoned)
        .expect("opened");
    file.set_modified(SystemTime::now() - Duration::from_secs(7200))
        .expect("set");
    assert_eq!(host.load(&base()).expect("it loads").not_kept(), None);
    for path in &theirs {
        assert_eq!(std::fs::read(path).expect("it is there"), b"half");
    }
    assert!(!abandoned.exists(), "nobody will finish it");
}

pub fn what_is_used_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    cached(&cache).load(&base()).expect("it loads");
    let age = |path: &Path, seconds: u64| {
        std::fs::File::open(path)
            .expect("opened")
            .set_modified(SystemTime::now() - Duration::from_secs(seconds))
            .expect("set");
    };
    age(&files(&cache)[0], 1000);
    for other in 0..63 {
        let path = cache.join(format!("{other}.compiled"));
        std::fs::write(&path, "").expect("written");
        age(&path, 500);
    }
    // It is the oldest, and used now.
    assert!(cached(&cache).load(&base()).expect("it loads").was_cached());
    cached(&cache).load(&another()).expect("it loads");
    assert_eq!(files(&cache).len(), 64, "one had to go");
    assert!(cached(&cache).load(&base()).expect("it loads").was_cached());
}

pub fn several_processes_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let children: Vec<_> = (0..4)
        .map(|_| {
            this_program(&own_file(), LOAD, &cache)
                .spawn()
                .expect("it runs")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "wat\n");
    }
    assert_eq!(files(&cache).len(), 1, "one file, and nothing beside it");
    assert!(cached(&cache).load(&base()).expect("it loads").was_cached());
}
