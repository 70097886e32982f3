//! What names stand for, and how much is kept for them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

fn name(prepared: Option<&Prepared>) -> Option<(&str, &str)> {
    prepared.map(|p| {
        (
            std::str::from_utf8(&p.name).unwrap(),
            std::str::from_utf8(&p.text).unwrap(),
        )
    })
}

#[test]
fn a_portal_stays_what_it_was_made_of() {
    let mut names = Names::default();
    for statement in [&b""[..], b"s"] {
        for portal in [&b""[..], b"p"] {
            names.prepare(statement, b"SELECT 1", 8, None, Sensitive::No);
            names.bind(portal, statement);
            names.prepare(statement, b"SELECT 2", 8, None, Sensitive::No);
            assert_eq!(name(names.portal(portal)).unwrap().1, "SELECT 1");
            assert_eq!(name(names.statement(statement)).unwrap().1, "SELECT 2");
            names.close_statement(statement);
            assert_eq!(name(names.statement(statement)), None);
            assert_eq!(name(names.portal(portal)).unwrap().1, "SELECT 1");
        }
    }
    names.end_transaction();
    assert_eq!(
        (name(names.portal(b"")), name(names.portal(b"p"))),
        (None, None)
    );
    assert_eq!((names.bytes, names.free.len()), (0, names.places.len()));
}

#[test]
fn memory_is_bounded_and_what_is_used_stays() {
    let mut names = Names::default();
    let text = vec![b'x'; 100_000];
    names.prepare(b"used", b"SELECT 1", 8, None, Sensitive::No);
    for index in 0..3 * MAX_NAMES {
        names.prepare(
            format!("s{index}").as_bytes(),
            &text,
            100_000,
            None,
            Sensitive::No,
        );
        names.bind(b"", b"used");
        assert!(names.bytes <= MAX_TEXTS + 2 * MAX_TEXT && names.statements.len() <= MAX_NAMES);
    }
    assert_eq!(name(names.portal(b"")), Some(("used", "SELECT 1")));
    for index in 0..3 * MAX_NAMES {
        names.prepare(format!("t{index}").as_bytes(), b"", 0, None, Sensitive::No);
        names.bind(format!("p{index}").as_bytes(), b"used");
    }
    assert!(names.statements.len() <= MAX_NAMES && names.portals.len() <= MAX_NAMES);
    assert!(names.places.len() <= 2 * MAX_NAMES + 2);
}

/// Bytes that are really held, but for the tables.
fn held(names: &Names) -> usize {
    let texts: usize = names.places.iter().map(Prepared::memory).sum();
    let keys = names.portals.keys().chain(names.statements.keys());
    texts + keys.map(|name| name.len()).sum::<usize>()
}

#[test]
fn what_portals_keep_of_statements_is_bounded_too() {
    let most = MAX_TEXTS + 4 * MAX_TEXT;
    let mut names = Names::default();
    let portal = |index: usize| format!("{index:04}{}", "p".repeat(1000)).into_bytes();
    names.prepare(b"used", b"SELECT 1", 8, None, Sensitive::No);
    for round in 0..2 {
        for index in 0..MAX_NAMES {
            let text = format!("SELECT {index}, '{}'", "x".repeat(MAX_TEXT));
            names.prepare(b"", text.as_bytes(), 8, None, Sensitive::No);
            names.bind(&portal(index), b"");
            assert!(held(&names) <= most, "{}", held(&names));
        }
        // The first ones are what they were made of; the last ones are not known, and what they run may be anything.
        let first = names.portal(&portal(0)).unwrap();
        assert!(first.text.starts_with(b"SELECT 0, "));
        assert_eq!(names.is_sensitive(&portal(0)), Sensitive::No);
        assert!(names.portal(&portal(MAX_NAMES - 1)).is_none());
        assert_eq!(names.is_sensitive(&portal(MAX_NAMES - 1)), Sensitive::Yes);
        names.end_transaction();
        assert_eq!(names.is_sensitive(&portal(MAX_NAMES - 1)), Sensitive::No);
        names.close_statement(b"");
        assert!(held(&names) <= KEEPING * (KEEP + 1024) + 64, "{round}");
    }
    names.close_statement(b"used");
    assert_eq!(names.bytes, 0);
}

#[test]
fn unused_places_keep_no_memory_together() {
    let mut names = Names::default();
    let name = |index: usize| format!("s{index}").into_bytes();
    // Every place has had a long text at one time, never many of them at the same time.
    for index in 0..MAX_NAMES / 2 {
        names.prepare(&name(index), &[b'x'; 2 * KEEP], 8, None, Sensitive::No);
        names.close_statement(&name(index));
        names.prepare(&name(index), b"SELECT 1", 8, None, Sensitive::No);
    }
    assert_eq!(names.statements.len(), MAX_NAMES / 2);
    assert!(held(&names) <= MAX_NAMES / 2 * 64);
    for index in 0..MAX_NAMES / 2 {
        names.prepare(&name(index), &[b'x'; 2 * KEEP], 8, None, Sensitive::No);
    }
    for index in 0..MAX_NAMES / 2 {
        names.close_statement(&name(index));
    }
    assert!(held(&names) <= KEEPING * 2 * KEEP);
}

#[test]
fn the_unnamed_statement_takes_no_new_memory() {
    let mut names = Names::default();
    for _ in 0..1000 {
        names.prepare(b"", b"SELECT 1", 8, None, Sensitive::No);
        names.bind(b"", b"");
    }
    assert!(names.places.len() <= 3);
}

#[test]
fn names_are_told_apart_as_the_server_does() {
    let mut names = Names::default();
    let long = |end: &str| format!("{}{end}", "n".repeat(63)).into_bytes();
    names.prepare(&long("x"), b"SELECT 1", 8, None, Sensitive::No);
    assert_eq!(name(names.statement(&long("y"))).unwrap().1, "SELECT 1");
    assert_eq!(name(names.statement(&long(""))).unwrap().1, "SELECT 1");
    assert_eq!(name(names.statement(&long("")[..62])), None);
    names.prepare(&long("yy"), b"SELECT 2", 8, None, Sensitive::No);
    names.close_statement(&long("z"));
    assert_eq!(names.statements.len(), 0);
}

#[test]
fn what_sql_closes_is_closed() {
    let cases: &[(&str, &[&str])] = &[
        ("DEALLOCATE b", &["A", "c d"]),
        ("deallocate prepare B ;", &["A", "c d"]),
        ("DEALLOCATE \"A\"", &["b", "c d"]),
        ("DEALLOCATE a", &["A", "b", "c d"]),
        // Not plain to see: nothing is believed any more.
        ("DEALLOCATE \"c d\"", &[]),
        ("DEALLOCATE ALL", &[]),
        ("DISCARD ALL", &[]),
        ("DEALLOCATE b; PREPARE b AS SELECT 2", &[]),
        ("DEALLOCATE /* */ b", &[]),
        ("DEALLOCATE b--", &[]),
    ];
    for (text, left) in cases {
        let mut names = Names::default();
        for name in ["", "A", "b", "c d"] {
            names.prepare(name.as_bytes(), b"SELECT 1", 8, None, Sensitive::No);
        }
        names.deallocate(text.as_bytes());
        let mut still: Vec<_> = names
            .statements
            .keys()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        still.sort();
        assert_eq!(still, *left, "{text}");
    }
}
