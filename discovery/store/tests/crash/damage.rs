//! Files that were cut off or changed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Child,
};

use muster_store::{SledStore, Store};
use tempfile::TempDir;

use crate::{
    child,
    work::{self, Draw, seed},
};

const SEED: u64 = 77;

/// A store with a few hundred batches, closed; with the files that it consists of.
fn store(root: &Path) -> Vec<PathBuf> {
    let dir = root.join("whole");
    for _ in 0..3 {
        let store = SledStore::open(&dir).unwrap();
        (0..60).for_each(|_| assert!(work::commit(&store, SEED).0 > 0));
    }
    // Only oversized pages are kept there, and the store makes none.
    assert_eq!(fs::read_dir(dir.join("data/blobs")).unwrap().count(), 0);
    let mut files = Vec::new();
    for folder in [&dir, &dir.join("data")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && fs::metadata(&path).unwrap().len() > 0 {
                files.push(path.strip_prefix(&dir).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// A file's path as one word.
fn flat(file: &Path) -> String {
    file.display().to_string().replace('/', "-")
}

fn copy(root: &Path, files: &[PathBuf], name: &str) -> PathBuf {
    let to = root.join(name);
    fs::create_dir_all(to.join("data/blobs")).unwrap();
    for file in files {
        fs::copy(root.join("whole").join(file), to.join(file)).unwrap();
    }
    to
}

fn look(dir: &Path) -> Child {
    child::start(&["look", dir.to_str().unwrap(), &SEED.to_string()])
}

/// What the child said of the store; it must have come to an end of its own.
fn verdict(child: Child, what: &str) -> String {
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let verdict = out.lines().find_map(|line| line.strip_prefix("verdict "));
    match verdict {
        Some(verdict) if output.status.success() => verdict.to_owned(),
        _ => panic!(
            "{what}: {:?}\n{out}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// Whether the store was not simply opened.
fn refused(verdict: &str) -> bool {
    verdict.starts_with("refused") || verdict.starts_with("repaired")
}

/// Damages copies of a store, and looks at each from another process.
fn damage(how: impl Fn(&mut Draw, &Path, &mut Vec<u8>) -> String, rounds: usize) {
    let root = TempDir::new().unwrap();
    let files = store(root.path());
    let full = SledStore::open(copy(root.path(), &files, "control"))
        .unwrap()
        .revision()
        .unwrap();
    let seed = seed();
    eprintln!("seed {seed}, revision {full}");
    let mut draw = Draw(seed);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..rounds {
        for file in &files {
            let dir = copy(root.path(), &files, &format!("{round}-{}", flat(file)));
            let path = dir.join(file);
            let mut bytes = fs::read(&path).unwrap();
            let what = how(&mut draw, file, &mut bytes);
            fs::write(&path, &bytes).unwrap();
            let verdict = verdict(look(&dir), &what);
            // Whole means all of it: a store that only lost its tail must say so.
            let good = verdict == format!("whole {full}") || refused(&verdict);
            assert!(good, "{what}: {verdict}");
            let kind = verdict.split(' ').next().unwrap().to_owned();
            *seen
                .entry(format!("{} {kind}", file.display()))
                .or_default() += 1;
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    eprintln!("{seen:?}");
}

#[test]
fn a_store_whose_files_were_cut_off_is_refused_or_whole() {
    let cut = |draw: &mut Draw, file: &Path, bytes: &mut Vec<u8>| {
        let len = bytes.len() as u64;
        let gone = 1 + match draw.below(3) {
            0 => draw.below(64).min(len - 1),
            1 => draw.below(len.min(20_000)),
            _ => draw.below(len),
        };
        bytes.truncate(usize::try_from(len - gone).unwrap());
        format!("{}: {gone} of {len} bytes cut off", file.display())
    };
    damage(cut, 8);
}

#[test]
fn a_store_whose_files_were_changed_in_the_middle_is_refused_or_whole() {
    let change = |draw: &mut Draw, file: &Path, bytes: &mut Vec<u8>| {
        let len = bytes.len() as u64;
        let mut what = format!("{} of {len} bytes changed:", file.display());
        // Most of sled's file is space that it has used before: several places, so that some count.
        for _ in 0..1 + draw.below(8) {
            let at = draw.below(len);
            let longest = [1, 64, 8192][usize::try_from(draw.below(3)).unwrap()];
            let end = (at + 1 + draw.below(longest)).min(len);
            for byte in &mut bytes[usize::try_from(at).unwrap()..usize::try_from(end).unwrap()] {
                *byte ^= 1 + u8::try_from(draw.below(255)).unwrap();
            }
            what.push_str(&format!(" {at} to {end}"));
        }
        what
    };
    damage(change, 10);
}

#[test]
fn a_store_without_one_of_its_files_is_refused_or_whole() {
    let root = TempDir::new().unwrap();
    let files = store(root.path());
    for gone in &files {
        let dir = copy(root.path(), &files, &format!("without-{}", flat(gone)));
        fs::remove_file(dir.join(gone)).unwrap();
        let verdict = verdict(look(&dir), &format!("without {}", gone.display()));
        assert!(
            verdict.starts_with("whole") || refused(&verdict),
            "{gone:?}: {verdict}"
        );
        if gone == Path::new("data/db") {
            assert!(refused(&verdict), "{verdict}");
        }
    }
}

#[test]
fn a_store_whose_records_were_overwritten_is_refused() {
    let root = TempDir::new().unwrap();
    let files = store(root.path());
    let log = Path::new("data/db");
    let len = fs::metadata(root.path().join("whole").join(log))
        .unwrap()
        .len();
    for (name, from, to) in [
        ("all", 0, len),
        ("first", 0, len / 2),
        ("last", len / 8, len),
    ] {
        let dir = copy(root.path(), &files, name);
        let mut bytes = fs::read(dir.join(log)).unwrap();
        bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()].fill(0xA5);
        fs::write(dir.join(log), bytes).unwrap();
        let verdict = verdict(look(&dir), name);
        assert!(refused(&verdict), "{name}: {verdict}");
    }
}
