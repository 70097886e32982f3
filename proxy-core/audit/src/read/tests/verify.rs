//! What is done to a log is found.

use proptest::prelude::*;
use rustix::fs::{CWD, Mode, mkfifoat};

use super::*;
use crate::{Order, Problem, Query, Wrong, script, search, verify};

/// Changes the lines of one file.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    change(&mut lines);
    fs::write(
        path,
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    )
    .unwrap();
}

fn problems(dir: &Path) -> Vec<(u64, Wrong)> {
    let report = verify(dir, &[]).unwrap();
    report
        .problems
        .into_iter()
        .map(|problem| (problem.line, problem.wrong))
        .collect()
}

#[test]
fn a_log_that_nobody_touched_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path());
    let report = verify(&path, &[]).unwrap();
    assert!(report.is_whole(), "{:?}", report.problems);
    assert_eq!(report.first_seq, 1);
    assert_eq!(report.last_seq, report.lines);
    assert!(!report.running);
    // What was noted down is there, also in the middle.
    let text = fs::read_to_string(&files_of(&path)[1]).unwrap();
    let (_, noted) = text.lines().nth(1).unwrap().rsplit_once(":\"").unwrap();
    let noted = [noted.trim_end_matches("\"}").to_owned(), report.chain];
    assert!(verify(&path, &noted).unwrap().is_whole());
}

#[test]
fn every_kind_of_tampering_is_found_where_it_is() {
    type Change = fn(&mut Vec<String>);
    let changes: [(Change, u64, Wrong); 6] = [
        (
            |lines| lines[2] = lines[2].replace("SELECT", "DELETE"),
            3,
            Wrong::Changed,
        ),
        (
            |lines| drop(lines.remove(2)),
            3,
            Wrong::Missing { count: 1 },
        ),
        (
            |lines| drop(lines.drain(1..4)),
            2,
            Wrong::Missing { count: 3 },
        ),
        (
            |lines| lines.insert(3, lines[2].clone()),
            4,
            Wrong::Misplaced,
        ),
        (
            |lines| lines.insert(3, "{\"time\":\"now\"}".to_owned()),
            4,
            Wrong::Foreign,
        ),
        (|lines| lines.swap(2, 3), 3, Wrong::Missing { count: 1 }),
    ];
    for (change, line, wrong) in changes {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        edit(&files_of(&path)[1], change);
        let found = problems(&path);
        assert_eq!(found.first(), Some(&(line, wrong)), "{found:?}");
    }
}

#[test]
fn a_file_that_is_gone_is_missed() {
    for gone in [0, 1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let all = files_of(&path);
        let lines = fs::read_to_string(&all[gone]).unwrap().lines().count() as u64;
        fs::remove_file(&all[gone]).unwrap();
        assert_eq!(problems(&path), [(1, Wrong::Missing { count: lines })]);
    }
}

#[test]
fn an_end_that_is_gone_is_missed_and_so_is_the_head() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path());
    let last = files_of(&path).pop().unwrap();
    let report = verify(&path, &[]).unwrap();
    edit(&last, |lines| drop(lines.pop()));
    let (expected, found) = (report.last_seq, report.last_seq - 1);
    assert_eq!(problems(&path), [(0, Wrong::Truncated { expected, found })]);
    let noted = verify(&path, std::slice::from_ref(&report.chain)).unwrap();
    assert!(noted.problems.iter().any(|problem| problem.wrong
        == Wrong::NotThere {
            chain: report.chain.clone()
        }));
    fs::remove_file(path.join("head.json")).unwrap();
    assert_eq!(problems(&path), [(0, Wrong::NoHead)]);
    // The next start finds it as well, and writes it down.
    let log = Log::open(Settings::new(&path, "acme")).unwrap();
    assert_eq!(log.close(LIMIT), Ended::Whole);
    assert!(matches!(problems(&path)[..], [(_, Wrong::Recorded { .. })]));
}

/// A pipe, a socket and a directory under the name of a file of the log: whoever reads or writes it names them, and waits for
/// nobody.
#[test]
fn what_is_no_file_is_named_and_not_waited_for() {
    type Make = fn(&Path);
    let makes: [Make; 3] = [
        |path| mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap(),
        |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        |path| fs::create_dir(path).unwrap(),
    ];
    for make in makes {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let follow = crate::follow(&path, Query::default());
        let foreign = path.join("audit-20270101T000000Z-999999.jsonl");
        make(&foreign);
        let named = |error: String| assert!(error.contains("999999.jsonl"), "{error}");
        let found = verify(&path, &[]).unwrap().problems;
        assert!(
            matches!(&found[..], [Problem { file, wrong: Wrong::Unreadable { why }, .. }]
                if file.ends_with("999999.jsonl") && why.contains("does not belong there")),
            "{found:?}"
        );
        let searched: Result<Vec<_>, _> = search(&path, Query::default()).unwrap().collect();
        named(searched.unwrap_err().to_string());
        named(crate::play(&path, SESSIONS[2].0).unwrap_err().to_string());
        named(follow.unwrap().poll().unwrap_err().to_string());
        named(
            crate::follow(&path, Query::default())
                .err()
                .unwrap()
                .to_string(),
        );
        let error = Log::open(Settings::new(&path, "acme")).unwrap_err();
        named(error.to_string());
        fs::rename(&foreign, dir.path().join("elsewhere")).unwrap();
        for (name, wrong) in [("lock", vec![]), ("head.json", vec![(0, Wrong::NoHead)])] {
            let (own, aside) = (path.join(name), dir.path().join(name));
            fs::rename(&own, &aside).unwrap();
            make(&own);
            assert_eq!(problems(&path), wrong);
            let error = Log::open(Settings::new(&path, "acme")).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            fs::rename(&own, dir.path().join("foreign")).unwrap();
            fs::rename(&aside, &own).unwrap();
        }
    }
}

#[test]
fn what_was_removed_for_its_age_is_not_missed() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path());
    let mut settings = Settings::new(&path, "acme");
    settings.keep.files = Some(2);
    let log = Log::open(settings).unwrap();
    assert!(log.flush(LIMIT));
    assert_eq!(log.close(LIMIT), Ended::Whole);
    let report = verify(&path, &[]).unwrap();
    assert!(report.is_whole(), "{:?}", report.problems);
    assert!(report.first_seq > 1);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing that can be in a file makes a reader fall over, and verify never calls a damaged file whole.
    #[test]
    fn damaged_files_are_read(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let name = "audit-20261121T223441Z-000001.jsonl";
        let path = dir.path().join(name);
        let mut bytes = sample();
        let original = bytes.clone();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, &bytes).unwrap();
        let report = verify(dir.path(), &[]).unwrap();
        // There is no head: that is one problem.
        if !original.starts_with(&bytes) {
            prop_assert!(report.problems.len() > 1 || !report.notes.is_empty(), "{:?}", report);
        }
        for order in [Order::Newest, Order::Oldest] {
            for text in [None, Some("select".to_owned())] {
                let query = Query { text, order, ..Query::default() };
                for found in search(dir.path(), query).unwrap() {
                    let _ = script(&[found.unwrap().event]);
                }
            }
        }
    }
}
