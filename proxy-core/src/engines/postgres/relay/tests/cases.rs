//! What is recorded of what is said, case by case.

use super::*;

#[test]
fn a_statement_is_one_event_with_its_outcome() {
    play()
        .client(&m(b'Q', b"SELECT 1\0"))
        .wrote(&[])
        .server(&[all(SELECT), all(&[READY])].concat())
        .wrote(&["query \"SELECT 1\" -> ok SELECT 1 rows 1"])
        .client(&m(b'Q', b"SELCT\0"))
        .server(&all(&[
            (b'E', b"SERROR\0VERROR\0C42601\0Msyntax error\0\0"),
            READY,
        ]))
        .wrote(&["query \"SELCT\" -> 42601 syntax error"])
        .client(&m(b'Q', b"\0"))
        .server(&all(&[(b'I', b""), READY]))
        .wrote(&["query \"\" -> ok"]);
}

#[test]
fn a_long_result_is_recorded_before_its_first_byte_and_its_end_follows() {
    let result = [all(SELECT), all(&[READY])].concat();
    for cut in 1..result.len() {
        let mut play = play();
        play.client(&m(b'Q', b"SELECT 1\0")).server(&result[..cut]);
        play.wrote(&["query \"SELECT 1\""])
            .server(&result[cut..])
            .wrote(&["result of 0 -> ok SELECT 1 rows 1"]);
    }
}

#[test]
fn a_failure_is_known_when_it_is_there() {
    play()
        .client(&m(b'Q', b"SELCT\0"))
        .server(&m(b'E', b"VERROR\0C42601\0Msyntax error\0\0"))
        .wrote(&["query \"SELCT\" -> 42601 syntax error"])
        .server(&all(&[READY]))
        .wrote(&[]);
}

#[test]
fn several_statements_in_one_query_are_one_event() {
    let mut answer = all(SELECT);
    answer.extend(all(&[
        (b'C', b"UPDATE 4\0"),
        (b'E', b"C23505\0Mduplicate\0\0"),
        READY,
    ]));
    play()
        .client(&m(b'Q', b"SELECT 1; UPDATE a; INSERT b\0"))
        .server(&answer)
        .wrote(&["query \"SELECT 1; UPDATE a; INSERT b\" -> 23505 duplicate UPDATE 4 rows 5"]);
}

#[test]
fn prepared_statements_say_what_was_run() {
    let mut play = play();
    play.client(&all(PREPARE))
        .server(&all(PREPARED))
        .wrote(&["parse [s1] \"SELECT $1\" -> ok"]);
    for _ in 0..3 {
        play.client(&all(RUN)).server(&all(RAN)).wrote(&[
            "bind [s1] to [] ('42')",
            "execute [] of [s1] \"SELECT $1\" -> ok SELECT 1 rows 1",
        ]);
        assert!(play.relay.idle());
    }
    play.client(&all(&[(b'C', b"Ss1\0"), (b'S', b"")]))
        .server(&all(&[(b'3', b""), READY]))
        .wrote(&["close statement [s1]"]);
    assert_eq!(play.relay.statements(), 3);
}

#[test]
fn a_pipeline_is_answered_in_order_and_what_is_passed_over_says_so() {
    let mut play = play();
    play.client(&all(PREPARE))
        .server(&all(PREPARED))
        .wrote(&["parse [s1] \"SELECT $1\" -> ok"]);
    let two_and_sync: Vec<u8> = [&RUN[..2], &RUN[..2], &RUN[2..]]
        .concat()
        .iter()
        .flat_map(|(tag, body)| m(*tag, body))
        .collect();
    play.client(&two_and_sync).client(&all(RUN));
    play.server(&all(&[
        (b'2', b""),
        (b'E', b"C22012\0Mdivision by zero\0\0"),
        READY,
    ]))
    .wrote(&[
        "bind [s1] to [] ('42')",
        "execute [] of [s1] \"SELECT $1\" -> 22012 division by zero",
        "bind [s1] to [] secret ('42')",
        "execute [] -> skipped not executed: an earlier message of the pipeline failed",
    ]);
    play.server(&all(RAN)).wrote(&[
        "bind [s1] to [] ('42')",
        "execute [] of [s1] \"SELECT $1\" -> ok SELECT 1 rows 1",
    ]);
}

#[test]
fn what_comes_after_an_error_and_before_a_sync_is_passed_over() {
    play()
        .client(&all(&[(b'P', b"\0SELCT\0\0\0")]))
        .server(&m(b'E', b"C42601\0Msyntax error\0\0"))
        .wrote(&["parse [] \"SELCT\" -> 42601 syntax error"])
        .client(&all(&[
            (b'B', b"\0\0\0\0\0\0\0\0"),
            (b'D', b"P\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'Q', b"SELECT 1\0"),
        ]))
        .wrote(&[
            "bind [] to [] secret ()",
            "execute [] -> skipped not executed: an earlier message of the pipeline failed",
            "query \"SELECT 1\" -> skipped not executed: an earlier message of the pipeline failed",
        ])
        .client(&m(b'S', b""))
        .server(&all(&[READY]))
        .client(&m(b'Q', b"SELECT 1\0"))
        .server(&[all(SELECT), all(&[READY])].concat())
        .wrote(&["query \"SELECT 1\" -> ok SELECT 1 rows 1"]);
}

#[test]
fn what_takes_long_is_recorded_while_it_runs() {
    let mut play = play();
    play.client(&m(b'Q', b"SELECT pg_sleep(9)\0"))
        .tick(0)
        .wrote(&[])
        .tick(1)
        .wrote(&["query \"SELECT pg_sleep(9)\""])
        .tick(2)
        .wrote(&[])
        .server(&[all(SELECT), all(&[READY])].concat())
        .wrote(&["result of 0 -> ok SELECT 1 rows 1"]);
    // All of a pipeline, also what cannot be known yet: whether a value is bound to a password.
    play.client(&all(PREPARE))
        .server(&all(PREPARED))
        .wrote(&["parse [s1] \"SELECT $1\" -> ok"]);
    play.client(&all(RUN))
        .client(&all(&[(b'P', b"s1\0ALTER ROLE a PASSWORD $1\0\0\0")]))
        .client(&all(RUN))
        .tick(4)
        .wrote(&[
            "bind [s1] to [] ('42')",
            "execute []",
            "parse [s1] \"ALTER ROLE a PASSWORD $1\"",
            "bind [s1] to [] secret ('42')",
            "execute []",
        ]);
}

#[test]
fn what_was_never_answered_is_recorded_at_the_end() {
    play()
        .client(&m(b'Q', b"SELECT 1\0"))
        .client(&m(b'Q', b"SELECT 2\0"))
        .finish()
        .wrote(&["query \"SELECT 1\"", "query \"SELECT 2\""]);
    play()
        .client(&m(b'Q', b"SELECT 1\0"))
        .server(&m(b'E', b"VFATAL\0C57P01\0Mterminating connection\0\0"))
        .finish()
        .wrote(&["query \"SELECT 1\" -> 57P01 terminating connection"]);
    play()
        .server(&m(b'E', b"VFATAL\0C57P01\0Mterminating connection\0\0"))
        .finish()
        .wrote(&["result of nothing -> 57P01 terminating connection"]);
}

#[test]
fn a_commit_that_fails_at_the_sync_belongs_to_the_statement_before() {
    let mut play = play();
    play.client(&all(PREPARE))
        .server(&all(PREPARED))
        .client(&all(RUN))
        .server(&all(&[
            (b'2', b""),
            (b'C', b"INSERT 0 1\0"),
            (b'E', b"C23503\0Mforeign key\0\0"),
            READY,
        ]));
    play.wrote(&[
        "parse [s1] \"SELECT $1\" -> ok",
        "bind [s1] to [] ('42')",
        "execute [] of [s1] \"SELECT $1\" -> ok INSERT 0 1 rows 1",
        "result of 2 -> 23503 foreign key",
    ]);
    assert!(play.relay.idle());
}

#[test]
fn the_record_believes_the_server_and_not_the_client_about_names() {
    let mut play = play();
    play.client(&all(PREPARE))
        .server(&all(PREPARED))
        .wrote(&["parse [s1] \"SELECT $1\" -> ok"]);
    play.client(&all(&[(b'P', b"s1\0DROP TABLE a\0\0\0"), (b'S', b"")]))
        .server(&all(&[(b'E', b"C42P05\0Malready exists\0\0"), READY]))
        .wrote(&["parse [s1] \"DROP TABLE a\" -> 42P05 already exists"])
        .client(&all(RUN))
        .server(&all(RAN))
        .wrote(&[
            "bind [s1] to [] ('42')",
            "execute [] of [s1] \"SELECT $1\" -> ok SELECT 1 rows 1",
        ]);
}

#[test]
fn values_of_statements_with_a_place_for_a_password_are_marked() {
    play()
        .client(&all(&[(b'P', b"\0ALTER ROLE a PASSWORD $1\0\0\0")]))
        .client(&all(&[
            (b'B', b"\0\0\0\0\0\x01\0\0\0\x06secret\0\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'S', b""),
        ]))
        .server(&all(&[
            (b'1', b""),
            (b'2', b""),
            (b'C', b"ALTER ROLE\0"),
            READY,
        ]))
        .wrote(&[
            "parse [] \"ALTER ROLE a PASSWORD $1\" -> ok",
            "bind [] to [] secret ('secret')",
            "execute [] of [] \"ALTER ROLE a PASSWORD $1\" -> ok ALTER ROLE",
        ]);
}

#[test]
fn portals_end_with_their_transaction_and_fetch_in_parts() {
    let mut play = play();
    play.client(&all(PREPARE))
        .server(&all(PREPARED))
        .wrote(&["parse [s1] \"SELECT $1\" -> ok"]);
    play.client(&all(&[
        (b'B', b"p\0s1\0\0\0\0\0\0\0"),
        (b'E', b"p\0\0\0\0\x05"),
        (b'E', b"p\0\0\0\0\x05"),
        (b'S', b""),
    ]))
    .server(&all(&[
        (b'2', b""),
        (b'D', b"\0\0"),
        (b's', b""),
        (b'C', b"SELECT 1\0"),
        READY,
    ]))
    .wrote(&[
        "bind [s1] to [p] ()",
        "execute [p] of [s1] \"SELECT $1\" limit 5 -> ok",
        "execute [p] of [s1] \"SELECT $1\" limit 5 -> ok SELECT 1 rows 1",
    ]);
    play.client(&all(&[(b'E', b"p\0\0\0\0\0"), (b'S', b"")]))
        .server(&all(&[(b'E', b"C34000\0Mno portal\0\0"), READY]))
        .wrote(&["execute [p] -> 34000 no portal"]);
}

/// A portal keeps the statement that it was made of. When there is no more room for that, what it runs has no text in the
/// record but where it was prepared, and nobody reads an error that may quote a value.
#[test]
fn what_portals_keep_is_bounded_and_what_runs_without_its_text_says_so() {
    let mut play = play();
    let (begun, ended) = ((b'Z', &b"T"[..]), (b'Z', &b"I"[..]));
    let text = |index: usize| format!("SELECT {index}, '{}'", "x".repeat(8 * 1024));
    for index in 0..100 {
        play.client(&m(b'P', format!("\0{}\0\0\0", text(index)).as_bytes()))
            .client(&m(b'B', format!("p{index}\0\0\0\0\0\0\0\0").as_bytes()))
            .client(&m(b'S', b""))
            .server(&all(&[(b'1', b""), (b'2', b""), begun]));
    }
    play.lines.events.clear();
    let run = |portal: &str| {
        all(&[
            (b'E', format!("{portal}\0\0\0\0\0").as_bytes()),
            (b'S', b""),
        ])
    };
    let error: (u8, &[u8]) = (b'E', b"C22P02\0Mno number: \"secret\"\0\0");
    play.client(&run("p1"))
        .server(&all(&[error, begun]))
        .client(&run("p99"))
        .server(&all(&[error, begun]))
        .client(&run("p98"))
        .server(&all(&[(b'C', b"SELECT 1\0"), ended]))
        .wrote(&[
            "execute [p1] of [] \"SELECT 1, 'xxxxxxxxx… 8192 bytes\" of 8204 bytes -> 22P02 no number: \"secret\"",
            "execute [p99] -> 22P02 [redacted]",
            "execute [p98] -> ok SELECT 1 rows 1",
        ]);
    // With the transaction its portals end, and there is room again.
    play.client(&all(&[
        (b'P', b"\0SELECT 1\0\0\0"),
        (b'B', b"p99\0\0\0\0\0\0\0\0"),
    ]))
    .client(&run("p99"))
    .server(&all(&[
        (b'1', b""),
        (b'2', b""),
        (b'C', b"SELECT 1\0"),
        ended,
    ]))
    .wrote(&[
        "parse [] \"SELECT 1\" -> ok",
        "bind [] to [p99] ()",
        "execute [p99] of [] \"SELECT 1\" -> ok SELECT 1 rows 1",
    ]);
}

#[test]
fn functions_are_called_by_number() {
    play()
        .client(&m(b'F', b"\0\0\x05\x39\0\x01\0\x01\0\x01\0\0\0\x02hi\0\0"))
        .server(&all(&[(b'V', b"\0\0\0\0"), READY]))
        .wrote(&["function 1337 (x'hi') -> ok"]);
}

#[test]
fn what_sql_prepares_under_a_known_name_is_not_taken_for_what_was_known() {
    let mut play = play();
    play.client(&all(PREPARE))
        .server(&all(PREPARED))
        .wrote(&["parse [s1] \"SELECT $1\" -> ok"]);
    play.client(&m(
        b'Q',
        b"DEALLOCATE s1; PREPARE s1 AS DELETE FROM t WHERE a = $1\0",
    ))
    .server(&all(&[
        (b'C', b"DEALLOCATE\0"),
        (b'C', b"PREPARE\0"),
        READY,
    ]))
    .wrote(&["query \"DEALLOCATE s1; PREPARE s1 AS DELETE FROM t WHERE a = $1\" -> ok PREPARE"]);
    play.client(&all(RUN)).server(&all(RAN)).wrote(&[
        "bind [s1] to [] secret ('42')",
        "execute [] -> ok SELECT 1 rows 1",
    ]);
    // What is bound to it is not shown, and neither is an error that may quote it.
    play.client(&all(RUN))
        .server(&all(&[
            (b'2', b""),
            (b'E', b"C22P02\0Mno number: \"42\"\0\0"),
            READY,
        ]))
        .wrote(&[
            "bind [s1] to [] secret ('42')",
            "execute [] -> 22P02 [redacted]",
        ]);
    // The same in the extended protocol; others stay what they are.
    play.client(&all(PREPARE))
        .server(&all(PREPARED))
        .wrote(&["parse [s1] \"SELECT $1\" -> ok"]);
    play.client(&all(&[
        (b'P', b"\0DEALLOCATE other\0\0\0"),
        (b'B', b"\0\0\0\0\0\0\0\0"),
        (b'E', b"\0\0\0\0\0"),
        (b'S', b""),
    ]))
    .server(&all(&[
        (b'1', b""),
        (b'2', b""),
        (b'C', b"DEALLOCATE\0"),
        READY,
    ]))
    .wrote(&[
        "parse [] \"DEALLOCATE other\" -> ok",
        "bind [] to [] ()",
        "execute [] of [] \"DEALLOCATE other\" -> ok DEALLOCATE",
    ]);
    play.client(&all(RUN)).server(&all(RAN)).wrote(&[
        "bind [s1] to [] ('42')",
        "execute [] of [s1] \"SELECT $1\" -> ok SELECT 1 rows 1",
    ]);
}
