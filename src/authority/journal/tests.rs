#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::{
    fs::Permissions,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use serde_json::json;

use super::*;

fn put(name: &str, value: &serde_json::Value) -> Op {
    Op::Put {
        id: Id::new("user", name),
        value: value.clone(),
    }
}

fn names(journal: &Journal) -> Vec<String> {
    journal.records().keys().map(|id| id.name.clone()).collect()
}

fn open(dir: &Path) -> Journal {
    Journal::open(dir).unwrap()
}

/// A journal of five batches, and where it ended after each.
fn five(dir: &Path) -> Vec<u64> {
    let mut journal = open(dir);
    let mut ends = vec![journal.length];
    for name in ["a", "b", "c", "d", "e"] {
        let batch = vec![put(name, &json!({"n": name})), put("last", &json!(name))];
        journal.append(batch).unwrap();
        ends.push(journal.length);
    }
    ends
}

#[test]
fn what_was_acknowledged_is_there_again_with_its_revision() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    assert_eq!(
        journal
            .append(vec![put("alice", &json!({"x": 1}))])
            .unwrap(),
        1
    );
    assert_eq!(journal.append(vec![put("bob", &json!(2))]).unwrap(), 2);
    let id = Id::new("user", "bob");
    journal.append(vec![Op::Remove { id }]).unwrap();
    drop(journal);
    let mut journal = open(dir.path());
    assert_eq!(names(&journal), ["alice"]);
    let alice = &journal.records()[&Id::new("user", "alice")];
    assert_eq!((alice.revision, &*alice.value), (1, &json!({"x": 1})));
    assert_eq!((journal.revision(), journal.cut()), (3, None));
    // Written anew it says the same.
    journal.compact().unwrap();
    let before = journal.records().clone();
    journal.append(vec![put("carol", &json!(3))]).unwrap();
    drop(journal);
    let journal = open(dir.path());
    assert_eq!(journal.revision(), 4);
    assert_eq!(names(&journal), ["alice", "carol"]);
    assert_eq!(before[&Id::new("user", "alice")].revision, 1);
}

#[test]
fn one_process_has_it_and_others_cannot_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("authority");
    let journal = open(&at);
    let Err(in_use @ JournalError::InUse { .. }) = Journal::open(&at) else {
        panic!("it was opened twice");
    };
    assert!(in_use.hint().is_some_and(|hint| hint.contains("fuser")));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&at), 0o700);
    assert_eq!(mode(&journal.path()), 0o600);
    drop(journal);
    // Somebody was generous.
    fs::set_permissions(&at, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(at.join(NAME), Permissions::from_mode(0o644)).unwrap();
    let mut journal = open(&at);
    assert_eq!((mode(&at), mode(&journal.path())), (0o700, 0o600));
    journal.compact().unwrap();
    assert_eq!(mode(&journal.path()), 0o600);
}

#[test]
fn a_file_that_is_cut_anywhere_holds_the_batches_before_the_cut() {
    let made = tempfile::tempdir().unwrap();
    let ends = five(made.path());
    let bytes = fs::read(made.path().join(NAME)).unwrap();
    assert_eq!(*ends.last().unwrap(), bytes.len() as u64);
    for cut in FILE.len()..=bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), &bytes[..cut]).unwrap();
        let mut journal = open(dir.path());
        // A frame counts without its mark.
        let whole = |end: &&u64| **end <= (cut + frame::MARK_LEN) as u64;
        let batches = ends[1..].iter().filter(whole).count();
        assert_eq!(journal.revision(), batches as u64, "cut at {cut}");
        let between = !ends.iter().any(|end| {
            let end = usize::try_from(*end).unwrap();
            (end - frame::MARK_LEN..=end).contains(&cut) || cut == FILE.len()
        });
        assert_eq!(journal.cut().is_some(), between, "cut at {cut}");
        // And it goes on from there.
        journal.append(vec![put("z", &json!(1))]).unwrap();
        drop(journal);
        let journal = open(dir.path());
        assert_eq!(journal.revision(), batches as u64 + 1);
        assert_eq!(journal.cut(), None);
    }
}

#[test]
fn blocks_that_were_promised_and_not_written_are_cut_off() {
    let made = tempfile::tempdir().unwrap();
    let ends = five(made.path());
    let bytes = fs::read(made.path().join(NAME)).unwrap();
    let fourth = usize::try_from(ends[4]).unwrap();
    // The last batch was being written; nothing of it, or part of it, or all but the mark before it, is there.
    for from in [fourth - frame::MARK_LEN, fourth, fourth + 3, fourth + 40] {
        let mut torn = bytes.clone();
        torn.truncate(bytes.len() - frame::MARK_LEN);
        torn[from..].fill(0);
        if from < fourth {
            torn[fourth + 5..fourth + 9].copy_from_slice(b"rest");
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), &torn).unwrap();
        assert_eq!(open(dir.path()).revision(), 4, "from {from}");
    }
}

#[test]
fn a_byte_that_was_changed_is_an_error_that_names_the_place() {
    let made = tempfile::tempdir().unwrap();
    let ends = five(made.path());
    let bytes = fs::read(made.path().join(NAME)).unwrap();
    for at in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(NAME), &changed).unwrap();
            let Err(JournalError::Damaged { at: said, .. }) = Journal::open(dir.path()) else {
                panic!("a change at {at} was not seen")
            };
            let start = ends.iter().rev().find(|end| **end <= at as u64);
            assert_eq!(said, start.copied().unwrap_or(0), "changed at {at}");
            assert_eq!(fs::read(dir.path().join(NAME)).unwrap(), changed);
        }
    }
}

#[test]
fn a_part_that_is_missing_or_moved_or_twice_is_seen() {
    let made = tempfile::tempdir().unwrap();
    let ends: Vec<usize> = five(made.path())
        .into_iter()
        .map(|end| usize::try_from(end).unwrap())
        .collect();
    let bytes = fs::read(made.path().join(NAME)).unwrap();
    let part = |n: usize| &bytes[ends[n]..ends[n + 1]];
    let head = &bytes[..ends[0]];
    let cases = [
        [head, part(0), part(2), part(3), part(4)].concat(),
        [head, part(0), part(2), part(1), part(3), part(4)].concat(),
        [head, part(0), part(1), part(1), part(2)].concat(),
        [head, part(4)].concat(),
    ];
    for case in cases {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), case).unwrap();
        let opened = Journal::open(dir.path());
        assert!(matches!(opened, Err(JournalError::Damaged { .. })));
    }
}

#[test]
fn a_journal_that_is_gone_is_not_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    five(dir.path());
    for left in [None, Some(&b""[..]), Some(&FILE[..10])] {
        let path = dir.path().join(NAME);
        match left {
            None => fs::remove_file(&path).unwrap(),
            Some(left) => fs::write(&path, left).unwrap(),
        }
        let opened = Journal::open(dir.path());
        assert!(matches!(opened, Err(JournalError::Damaged { at: 0, .. })));
    }
}

#[test]
fn the_file_does_not_grow_with_what_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let text = "x".repeat(100_000);
    for n in 0..100 {
        journal.append(vec![put("one", &json!([n, text]))]).unwrap();
    }
    let length = fs::metadata(journal.path()).unwrap().len();
    assert!(length < 2_000_000, "{length}");
    drop(journal);
    let journal = open(dir.path());
    assert_eq!(journal.records()[&Id::new("user", "one")].value[0], 99);
    assert_eq!(journal.revision(), 100);
}

#[test]
fn what_is_too_large_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let large = json!("x".repeat(frame::MAX_PAYLOAD));
    let refused = journal.append(vec![put("large", &large)]);
    assert!(matches!(refused, Err(JournalError::TooLarge { .. })));
    assert_eq!(journal.append(vec![put("small", &json!(1))]).unwrap(), 1);
    assert_eq!(names(&journal), ["small"]);
}

/// Not a test of its own: what the next one kills.
#[test]
fn child() {
    let Some(dir) = std::env::var_os("MUSTER_TEST_JOURNAL") else {
        return;
    };
    let mut journal = open(Path::new(&dir));
    let mut out = io::stdout();
    for _ in 0..100_000 {
        let next = journal.revision() + 1;
        let text = "x".repeat(usize::try_from(next % 50).unwrap() * 1000);
        let name = format!("n{}", next % 40);
        journal
            .append(vec![put(&name, &json!([next, text]))])
            .unwrap();
        writeln!(out, "\nacknowledged {next}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg(format!(
                "{}::child",
                module_path!().split_once("::").unwrap().1
            ))
            .env("MUSTER_TEST_JOURNAL", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Each round is killed after another number of batches, in whatever it is doing then.
        let mut seen = 0;
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("acknowledged ") {
                acknowledged = number.parse().unwrap();
                seen += 1;
                if seen == 5 + round * 7 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(seen >= 5, "the child did nothing");
        let journal = open(dir.path());
        assert!(journal.revision() >= acknowledged);
        for (id, stored) in journal.records() {
            assert_eq!(stored.value[0], stored.revision, "{}", id.name);
        }
    }
}

/// Not a test of its own: what the next one runs, with the signal for files that are too large ignored.
#[test]
fn child_on_a_full_disk() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(dir) = std::env::var_os("MUSTER_TEST_FULL") else {
        return;
    };
    let mut journal = open(Path::new(&dir));
    journal
        .append(vec![put("before", &json!("x".repeat(5000)))])
        .unwrap();
    // The limit of a file's size stands for the end of a disk: part of the next batch still fits.
    let free = getrlimit(Resource::Fsize);
    let full = Rlimit {
        current: Some(journal.length + 300),
        ..free
    };
    setrlimit(Resource::Fsize, full).unwrap();
    for _ in 0..3 {
        let refused = journal.append(vec![put("large", &json!("x".repeat(8000)))]);
        assert!(
            matches!(refused, Err(JournalError::Io { .. })),
            "{refused:?}"
        );
        assert_eq!(
            (names(&journal), journal.revision()),
            (vec!["before".to_owned()], 1)
        );
    }
    // What is small still fits, in a file that is written anew.
    assert_eq!(journal.append(vec![put("small", &json!(1))]).unwrap(), 2);
    setrlimit(Resource::Fsize, free).unwrap();
    let again = journal.append(vec![put("large", &json!("x".repeat(8000)))]);
    assert_eq!(again.unwrap(), 3);
    println!("\nall of it");
}

#[test]
fn a_full_disk_refuses_a_batch_and_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let name = format!(
        "{}::child_on_a_full_disk",
        module_path!().split_once("::").unwrap().1
    );
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &name])
        .env("MUSTER_TEST_FULL", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(
        child.status.success() && said.contains("all of it"),
        "{said}"
    );
    let journal = open(dir.path());
    assert_eq!(names(&journal), ["before", "large", "small"]);
    assert_eq!((journal.revision(), journal.cut()), (3, None));
    assert!(!dir.path().join(NEW).exists());
}
