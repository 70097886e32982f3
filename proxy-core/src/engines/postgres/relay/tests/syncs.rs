//! Syncs among the rows of COPY, which the server passes over unless the COPY has failed by then.

use super::*;
use crate::engine::Side;

type Messages = &'static [(u8, &'static [u8])];

const COPY: Messages = &[
    (b'P', b"\0COPY t FROM STDIN\0\0\0"),
    (b'B', b"\0\0\0\0\0\0\0\0"),
    (b'E', b"\0\0\0\0\0"),
];
const COPIES: Messages = &[(b'1', b""), (b'2', b""), (b'G', b"\0\0\0")];
const DROP: Messages = &[
    (b'P', b"\0DROP TABLE payroll\0\0\0"),
    (b'B', b"\0\0\0\0\0\0\0\0"),
    (b'E', b"\0\0\0\0\0"),
    (b'S', b""),
];
const DROPPED: Messages = &[(b'1', b""), (b'2', b""), (b'C', b"DROP TABLE\0"), READY];
const FAILED: (u8, &[u8]) = (b'E', b"C22P02\0Minvalid input\0\0");
const FLUSH: (u8, &[u8]) = (b'H', b"");
const SYNC: (u8, &[u8]) = (b'S', b"");
const ROW: (u8, &[u8]) = (b'd', b"x\n");
const END: (u8, &[u8]) = (b'c', b"");
const AMONG: &str = "a message that has no place among the rows of COPY";
const BEHIND: &str = "a message behind the rows of a COPY that failed, before a Sync";

/// A relay in which COPY takes in rows, with what the client sent at once behind the Execute.
fn copying(behind: &[(u8, &[u8])]) -> Play {
    let mut play = play();
    play.client(&all(COPY))
        .client(&all(behind))
        .server(&all(COPIES));
    play.lines.events.clear();
    play
}

/// The statement behind it is executed and in the record, and nothing waits any more.
fn executed(play: &mut Play, what: &str) {
    play.server(&all(DROPPED));
    let expected = [
        "parse [] \"DROP TABLE payroll\" -> ok",
        "bind [] to [] ()",
        "execute [] of [] \"DROP TABLE payroll\" -> ok DROP TABLE",
    ];
    assert!(
        play.lines.events.ends_with(&expected.map(String::from)),
        "{what}"
    );
    assert!(play.relay.idle(), "{what}");
}

/// The session ends, and what may have been executed is not recorded as passed over.
fn ended(mut play: Play, what: &str) {
    play.finish();
    let events = play.lines.events.join("\n");
    assert!(!events.contains("skipped"), "{what}: {events}");
}

#[test]
fn nothing_but_rows_and_syncs_may_come_while_rows_are_taken_in() {
    for rows in [&[ROW, SYNC][..], &[SYNC], &[ROW], &[]] {
        for asked in [
            &all(DROP),
            &m(b'Q', b"DROP TABLE payroll\0"),
            &m(b'D', b"P\0"),
        ] {
            // When the server has said that it takes in rows,
            let mut play = copying(&[FLUSH]);
            play.client(&all(rows));
            assert_eq!(play.violation(true, asked), AMONG);
            ended(play, "seen");
            // and before.
            let mut play = play_ahead(rows, asked);
            let stop = play
                .relay
                .from_server(&all(COPIES), Micros(0), &mut play.lines);
            let Err(Stop::Violation(violation)) = stop else {
                panic!("{stop:?}");
            };
            assert_eq!((violation.side, &*violation.what), (Side::Client, AMONG));
            // Nothing more of it goes on.
            let more = play
                .relay
                .from_server(&all(COPIES), Micros(0), &mut play.lines);
            assert_eq!(more, Ok(0));
            ended(play, "ahead");
        }
    }
}

fn play_ahead(rows: &[(u8, &[u8])], asked: &[u8]) -> Play {
    let mut play = play();
    play.client(&all(COPY)).client(&all(rows)).client(asked);
    play
}

/// As libpq and tokio-postgres send it: a Sync behind the Execute, and one behind the rows.
#[test]
fn a_copy_that_fails_is_followed_by_what_comes_behind_its_last_sync() {
    let rows = all(&[ROW, END, SYNC]);
    // The server may have failed before it read the first Sync, or after; and the client may know that, or not.
    for answers in [1, 2] {
        for ahead in [false, true] {
            let what = format!("{answers} {ahead}");
            let mut play = copying(&[SYNC]);
            play.client(&rows);
            if ahead {
                play.client(&all(DROP));
            }
            play.server(&all(&[FAILED, READY]));
            if answers == 2 {
                play.server(&all(&[READY]));
            }
            if !ahead {
                assert!(play.relay.idle(), "{what}");
                play.client(&all(DROP));
            }
            executed(&mut play, &what);
        }
    }
    // Failed and answered before any row came.
    let mut play = copying(&[SYNC]);
    play.server(&all(&[FAILED, READY])).client(&rows);
    play.server(&all(&[READY])).client(&all(DROP));
    executed(&mut play, "before");
    // The answer to the Sync that was passed over in the end comes late.
    let mut play = copying(&[SYNC]);
    play.client(&rows).server(&all(&[FAILED, READY]));
    play.client(&all(DROP)).server(&all(&[READY]));
    executed(&mut play, "late");
}

#[test]
fn however_many_syncs_among_rows_are_answered_what_follows_has_its_own_answers() {
    for answers in 1..=5 {
        for ahead in [false, true] {
            let mut play = copying(&[SYNC]);
            play.client(&all(&[SYNC, ROW, SYNC, ROW, SYNC, END, SYNC]));
            if ahead {
                play.client(&all(DROP));
            }
            play.server(&m(FAILED.0, FAILED.1));
            for _ in 0..answers {
                play.server(&all(&[READY]));
            }
            if !ahead {
                play.client(&all(DROP));
            }
            executed(&mut play, &format!("{answers} {ahead}"));
        }
        // The same in the simple protocol, whose error has an answer of its own.
        let mut play = play();
        play.client(&m(b'Q', b"COPY t FROM STDIN\0"))
            .server(&m(b'G', b"\0\0\0"))
            .client(&all(&[SYNC, ROW, SYNC, ROW, SYNC, SYNC]))
            .server(&all(&[FAILED, READY]))
            .client(&all(DROP));
        for _ in 1..answers {
            play.server(&all(&[READY]));
        }
        executed(&mut play, &format!("simple {answers}"));
    }
}

/// When the server had read the Sync, it passes the statement over; else it executes it.
#[test]
fn what_may_or_may_not_be_passed_over_ends_the_session() {
    for sync in [false, true] {
        let behind = if sync { SYNC } else { FLUSH };
        // Behind the rows without a Sync of its own,
        let mut play = copying(&[behind]);
        play.client(&all(&[ROW, END])).client(&all(DROP));
        if sync {
            assert_eq!(play.violation(false, &all(&[FAILED, READY])), BEHIND);
            ended(play, "ahead");
        } else {
            let passed_over =
                "execute [] -> skipped not executed: an earlier message of the pipeline failed";
            play.server(&all(&[FAILED, READY]));
            assert!(play.lines.events.contains(&passed_over.to_owned()));
            assert!(play.relay.idle());
        }
        // and behind the error.
        let mut play = copying(&[behind, ROW]);
        play.server(&m(FAILED.0, FAILED.1));
        if sync {
            assert_eq!(play.violation(true, &all(DROP)), BEHIND);
            ended(play, "behind");
            // Not any more when it is known which Sync it was.
            let mut play = copying(&[SYNC, ROW]);
            play.server(&all(&[FAILED, READY])).client(&all(DROP));
            executed(&mut play, "known");
        } else {
            play.client(&all(DROP)).server(&all(&[READY]));
            assert!(play.relay.idle());
        }
    }
}

#[test]
fn each_copy_of_a_statement_has_rows_of_its_own() {
    let (begin, copied) = ((b'G', &b"\0\0\0"[..]), (b'C', &b"COPY 1\0"[..]));
    let rows: &[&[(u8, &[u8])]] = &[&[ROW, END], &[END], &[SYNC, ROW, END]];
    for first in rows {
        for second in rows {
            // One after the other, the second ahead, and both ahead.
            for ahead in 0..=2 {
                let mut play = play();
                play.client(&m(b'Q', b"COPY a FROM STDIN; COPY b FROM STDIN\0"));
                if ahead == 2 {
                    play.client(&all(first)).client(&all(second));
                }
                play.server(&all(&[begin]));
                if ahead < 2 {
                    play.client(&all(first));
                }
                if ahead == 1 {
                    play.client(&all(second));
                }
                play.server(&all(&[copied, begin]));
                if ahead == 0 {
                    play.client(&all(second));
                }
                play.server(&all(&[copied, READY])).client(&all(DROP));
                executed(&mut play, &format!("{ahead}"));
            }
        }
    }
}
