//! What is recorded of what is said, case by case.

use super::*;

fn play() -> Play {
    Play::new(SETTINGS)
}

const SELECT: &[(u8, &[u8])] = &[(b'T', b"\0\0"), (b'D', b"\0\0"), (b'C', b"SELECT 1\0")];
const READY: (u8, &[u8]) = (b'Z', b"I");

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

const PREPARE: &[(u8, &[u8])] = &[
    (b'P', b"s1\0SELECT $1\0\0\0"),
    (b'D', b"Ss1\0"),
    (b'S', b""),
];
const PREPARED: &[(u8, &[u8])] = &[
    (b'1', b""),
    (b't', b"\0\x01\0\0\0\x17"),
    (b'T', b"\0\0"),
    READY,
];
const RUN: &[(u8, &[u8])] = &[
    (b'B', b"\0s1\0\0\x01\0\0\0\x01\0\0\0\x0242\0\0"),
    (b'E', b"\0\0\0\0\0"),
    (b'S', b""),
];
const RAN: &[(u8, &[u8])] = &[(b'2', b""), (b'D', b"\0\0"), (b'C', b"SELECT 1\0"), READY];

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
fn copy_in_says_how_much_came() {
    play()
        .client(&m(b'Q', b"COPY t FROM STDIN\0"))
        .server(&m(b'G', b"\0\0\x01\0\0"))
        .wrote(&["query \"COPY t FROM STDIN\"", "copy in"])
        .client(&all(&[(b'd', b"1\n"), (b'd', b"22\n"), (b'c', b"")]))
        .server(&all(&[(b'C', b"COPY 2\0"), READY]))
        .wrote(&[
            "copied in 5 bytes in 2 -> ok COPY 2 rows 2",
            "result of 0 -> ok COPY 2 rows 2",
        ]);
}

#[test]
fn copy_out_says_how_much_went() {
    play()
        .client(&m(b'Q', b"COPY t TO STDOUT (FORMAT binary)\0"))
        .server(&all(&[
            (b'H', b"\x01\0\x01\0\x01"),
            (b'd', b"1\n"),
            (b'd', b"22\n"),
            (b'c', b""),
            (b'C', b"COPY 2\0"),
            READY,
        ]))
        .wrote(&[
            "query \"COPY t TO STDOUT (FORMAT binary)\"",
            "copy out binary",
            "copied out 5 bytes in 2 -> ok COPY 2 rows 2",
            "result of 0 -> ok COPY 2 rows 2",
        ]);
}

#[test]
fn a_sync_among_rows_is_no_sync() {
    // As libpq sends it: Sync behind Execute, and another behind the rows. The server answers only the second.
    let mut play = play();
    play.client(&all(&[
        (b'P', b"\0COPY t FROM STDIN\0\0\0"),
        (b'B', b"\0\0\0\0\0\0\0\0"),
        (b'E', b"\0\0\0\0\0"),
        (b'S', b""),
    ]))
    .server(&all(&[(b'1', b""), (b'2', b""), (b'G', b"\0\0\0")]))
    .wrote(&[
        "parse [] \"COPY t FROM STDIN\" -> ok",
        "bind [] to [] ()",
        "execute [] of [] \"COPY t FROM STDIN\"",
        "copy in",
    ])
    .client(&all(&[
        (b'S', b""),
        (b'd', b"1\n"),
        (b'c', b""),
        (b'S', b""),
    ]))
    .server(&all(&[(b'C', b"COPY 1\0"), READY]))
    .wrote(&[
        "copied in 2 bytes in 1 -> ok COPY 1 rows 1",
        "result of 2 -> ok COPY 1 rows 1",
    ]);
    assert!(play.relay.idle());
    // The same without waiting for the server.
    play.client(&all(&[
        (b'P', b"\0COPY t FROM STDIN\0\0\0"),
        (b'B', b"\0\0\0\0\0\0\0\0"),
        (b'E', b"\0\0\0\0\0"),
        (b'S', b""),
        (b'd', b"1\n"),
        (b'c', b""),
        (b'S', b""),
    ]))
    .server(&all(&[
        (b'1', b""),
        (b'2', b""),
        (b'G', b"\0\0\0"),
        (b'C', b"COPY 1\0"),
        READY,
    ]));
    assert!(play.relay.idle());
}

#[test]
fn rows_that_the_server_refuses_are_counted_and_the_error_kept() {
    let mut play = play();
    play.client(&m(b'Q', b"COPY t FROM STDIN\0"))
        .server(&m(b'G', b"\0\0\0"))
        .wrote(&["query \"COPY t FROM STDIN\"", "copy in"])
        .client(&all(&[(b'd', b"x\n")]))
        .server(&all(&[(b'E', b"C22P02\0Minvalid input\0\0"), READY]))
        .wrote(&[
            "copied in 2 bytes in 1 -> 22P02 invalid input",
            "result of 0 -> 22P02 invalid input",
        ])
        .client(&all(&[(b'd', b"y\n"), (b'c', b"")]));
    assert!(play.relay.idle());
    play.client(&m(b'Q', b"COPY t FROM STDIN\0"))
        .server(&m(b'G', b"\0\0\0"))
        .client(&all(&[(b'f', b"changed my mind\0")]))
        .server(&all(&[
            (b'E', b"C57014\0MCOPY from stdin failed\0\0"),
            READY,
        ]));
    assert!(play.relay.idle());
}

#[test]
fn replication_passes_only_where_it_is_permitted() {
    let mut play = Play::new(Settings {
        replication: true,
        ..SETTINGS
    });
    play.client(&m(b'Q', b"START_REPLICATION 0/0\0"))
        .server(&all(&[(b'W', b"\0\0\0"), (b'd', b"wal")]))
        .wrote(&["query \"START_REPLICATION 0/0\"", "copy both"])
        .client(&m(b'd', b"status"))
        .server(&m(b'd', b"more"))
        .client(&m(b'c', b""))
        .server(&all(&[(b'c', b""), (b'C', b"START_STREAMING\0"), READY]))
        .wrote(&[
            "copied both 13 bytes in 3 -> ok START_STREAMING",
            "result of 0 -> ok START_STREAMING",
        ]);
    let mut play = Play::new(SETTINGS);
    play.client(&m(b'Q', b"START_REPLICATION 0/0\0"));
    assert_eq!(
        play.violation(false, &m(b'W', b"\0\0\0")),
        "replication that was not asked for"
    );
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

#[test]
fn functions_are_called_by_number() {
    play()
        .client(&m(b'F', b"\0\0\x05\x39\0\x01\0\x01\0\x01\0\0\0\x02hi\0\0"))
        .server(&all(&[(b'V', b"\0\0\0\0"), READY]))
        .wrote(&["function 1337 (x'hi') -> ok"]);
}

#[test]
fn a_statement_of_any_length_is_recorded_by_its_beginning_its_length_and_its_hash() {
    let settings = Settings {
        max_statement: 100,
        ..SETTINGS
    };
    let text = "SELECT 'x'; ".repeat(100_000);
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hash = format!("{:02x}{:02x}", hash.as_ref()[0], hash.as_ref()[1]);
    let shown = format!("\"SELECT 'x'; SELECT '… 100 bytes\" of 1200000 bytes {hash}");
    for piece in [1_000_000_000, 16 * 1024, 4096, 7] {
        let mut play = Play::new(settings);
        for bytes in m(b'Q', format!("{text}\0").as_bytes()).chunks(piece) {
            play.client(bytes);
        }
        play.server(&all(&[(b'C', b"SELECT 1\0"), READY]))
            .wrote(&[&format!("query {shown} -> ok SELECT 1 rows 1")]);
        for bytes in m(b'P', format!("name\0{text}\0\0\0").as_bytes()).chunks(piece) {
            play.client(bytes);
        }
        play.client(&m(b'S', b""))
            .server(&all(&[(b'1', b""), READY]))
            .wrote(&[&format!("parse [name] {shown} -> ok")]);
        assert!(play.relay.idle());
    }
}

#[test]
fn values_of_any_length_are_recorded_by_their_beginnings() {
    let value = |length: usize| {
        [
            &u32::try_from(length).unwrap().to_be_bytes()[..],
            &vec![b'v'; length],
        ]
        .concat()
    };
    let body = [
        &b"\0s1\0\0\x02\0\0\0\x01\0\x02"[..],
        &value(200_000),
        &value(2000),
        b"\0\x01\0\x01",
    ]
    .concat();
    let null = [
        &b"\0s1\0\0\0\0\x03"[..],
        &value(200_000),
        b"\xff\xff\xff\xff",
        &value(2),
        b"\0\0",
    ]
    .concat();
    for piece in [1_000_000_000, 16 * 1024, 7] {
        let mut play = Play::new(SETTINGS);
        play.client(&all(PREPARE))
            .server(&all(PREPARED))
            .wrote(&["parse [s1] \"SELECT $1\" -> ok"]);
        for bytes in [m(b'B', &body), m(b'B', &null), m(b'S', b"")]
            .concat()
            .chunks(piece)
        {
            play.client(bytes);
        }
        play.server(&all(&[(b'2', b""), (b'2', b""), READY])).wrote(&[
            "bind [s1] to [] ('vvvvvvvvvvvvvvvvvvvv… 1024 bytes' of 200000, x'vvvvvvvvvvvvvvvvvvvv… 1024 bytes' of 2000)",
            "bind [s1] to [] ('vvvvvvvvvvvvvvvvvvvv… 1024 bytes' of 200000, null, 'vv')",
        ]);
    }
}

#[test]
fn what_no_client_may_say_ends_the_session() {
    let long = vec![b'n'; 10_001];
    let cases: &[(u8, &[u8], &str)] = &[
        (b'p', b"secret\0", "a password in the middle of a session"),
        (b'z', b"", "a message of an unknown type"),
        (0, b"", "a message of an unknown type"),
        (b'Q', b"", "a text without its end"),
        (b'Q', b"SELECT 1", "a text without its end"),
        (
            b'Q',
            b"SELECT 1\0; DROP TABLE a\0",
            "bytes behind the end of a message's fields",
        ),
        (b'P', b"s\0SELECT 1\0", "a text without its end"),
        (
            b'P',
            b"s\0SELECT 1\0\0\x01\0\0",
            "bytes behind the end of a message's fields",
        ),
        (b'B', b"p\0s", "a text without its end"),
        (
            b'B',
            b"p\0s\0\0\0\0\x01\0\0\0\x05x\0\0",
            "values that are not laid out as they should be",
        ),
        (
            b'B',
            b"p\0s\0\0\0\0\x01\0\0\0\x01x\0\0more",
            "values that are not laid out as they should be",
        ),
        (b'E', b"p\0\0\0", "a text without its end"),
        (
            b'E',
            b"p\0\0\0\0\0\0",
            "bytes behind the end of a message's fields",
        ),
        (b'E', &long, "a message that is too long for its type"),
        (b'D', b"Xp\0", "neither a statement nor a portal"),
        (
            b'C',
            b"Sp\0\0",
            "bytes behind the end of a message's fields",
        ),
        (b'S', b"x", "a message that is too long for its type"),
        (b'F', b"\0\0", "a text without its end"),
        (
            b'F',
            b"\0\0\0\x01\0\0\0\0\0",
            "values that are not laid out as they should be",
        ),
    ];
    for (tag, body, what) in cases {
        assert_eq!(
            play().violation(true, &m(*tag, body)),
            *what,
            "{}",
            tag.escape_ascii()
        );
    }
    assert_eq!(
        play().violation(true, b"Q\0\0\0\x03"),
        "a message of an impossible length"
    );
    assert_eq!(
        play().violation(true, b"Q\xff\xff\xff\xff"),
        "a message of an impossible length"
    );
    // The same in one long message, which is read as it goes by.
    let text = vec![b'x'; 200_000];
    assert_eq!(
        play().violation(true, &m(b'Q', &text)),
        "a message that ends inside a field"
    );
    assert_eq!(
        play().violation(true, &m(b'Q', &[&text[..], b"\0x\0"].concat())),
        "bytes behind the end of a statement"
    );
    assert_eq!(
        play().violation(true, &m(b'P', &text)),
        "a name that is too long"
    );
}

#[test]
fn what_no_database_may_say_ends_the_session() {
    let cases: &[(u8, &[u8], &str)] = &[
        (
            b'R',
            b"\0\0\0\x03",
            "authentication in the middle of a session",
        ),
        (
            b'K',
            b"\0\0\0\x01\0\0\0\x02",
            "a key in the middle of a session",
        ),
        (b'Z', b"", "a message that is too long for its type"),
        (b'1', b"x", "a message that is too long for its type"),
        (b'x', b"", "a message of an unknown type"),
    ];
    for (tag, body, what) in cases {
        assert_eq!(
            play().violation(false, &m(*tag, body)),
            *what,
            "{}",
            tag.escape_ascii()
        );
    }
    assert_eq!(
        play().violation(false, b"D\x40\0\0\0"),
        "a message of an impossible length"
    );
}

#[test]
fn answers_that_nobody_asked_for_and_those_left_out_do_no_harm() {
    let mut play = play();
    play.server(&all(&[
        (b'1', b""),
        (b'2', b""),
        (b'3', b""),
        (b'C', b"SELECT 1\0"),
        READY,
        (b'A', b"\0\0\0\x01a\0b\0"),
        (b'N', b"\0"),
    ]));
    play.wrote(&[]);
    play.client(&all(PREPARE))
        .client(&all(RUN))
        .server(&all(&[READY, (b'C', b"SELECT 1\0"), READY]))
        .wrote(&[
            "parse [s1] \"SELECT $1\"",
            "bind [s1] to [] secret ('42')",
            "execute [] -> ok SELECT 1 rows 1",
        ]);
    assert!(play.relay.idle());
}

#[test]
fn what_is_too_much_to_remember_is_recorded_and_let_go() {
    let mut play = play();
    let text = vec![b'x'; 50_000];
    let parse = m(b'P', &[&b"s1\0"[..], &text, b"\0\0\0"].concat());
    let parameters = [&b"\0s1\0\0\0\0\x01\0\0\xc3\x50"[..], &text, b"\0\0"].concat();
    // A batch as large as one likes without a Sync: the server need not answer before that comes.
    for _ in 0..20 {
        play.client(&parse)
            .client(&m(b'B', &parameters))
            .client(&m(b'E', b"\0\0\0\0\0"));
    }
    let early = play.lines.events.len();
    assert!((20..60).contains(&early), "{early}");
    play.client(&m(b'S', b""));
    for _ in 0..20 {
        play.server(&all(&[(b'1', b""), (b'2', b""), (b'C', b"INSERT 0 1\0")]));
    }
    play.server(&all(&[READY]));
    assert!(play.relay.idle());
    for (kind, count) in [("parse", 20), ("bind", 20), ("execute", 20)] {
        assert_eq!(
            play.lines
                .events
                .iter()
                .filter(|line| line.starts_with(kind))
                .count(),
            count
        );
    }
    let results = play
        .lines
        .events
        .iter()
        .filter(|line| line.contains("INSERT 0 1"))
        .count();
    assert_eq!(results, 20);
}

#[test]
fn no_more_is_taken_than_can_be_counted() {
    let mut play = play();
    let statements = m(b'Q', b"SELECT 1\0").repeat(10_000);
    let taken = play
        .relay
        .from_client(&statements, Micros(0), &mut play.lines)
        .unwrap();
    assert!(taken < statements.len() && taken > 0);
    assert_eq!(
        play.relay
            .from_client(&statements[taken..], Micros(0), &mut play.lines),
        Ok(0)
    );
    play.server(&all(&[(b'C', b"SELECT 1\0"), READY]))
        .server(&all(&[(b'C', b"SELECT 1\0"), READY]));
    play.client(&m(b'Q', b"SELECT 1\0"));
}

#[test]
fn bytes_wait_while_the_record_is_busy_and_a_record_that_fails_ends_the_session() {
    let mut play = play();
    play.client(&m(b'Q', b"SELECT 1\0"))
        .client(&m(b'Q', b"SELECT 2\0"));
    let one = [all(SELECT), all(&[READY])].concat();
    let both = [one.clone(), one.clone()].concat();
    let mut writes = 0;
    play.lines.busy = Some(Box::new(move || {
        writes += 1;
        writes == 2
    }));
    assert_eq!(
        play.relay.from_server(&both, Micros(0), &mut play.lines),
        Ok(one.len())
    );
    assert!(play.relay.between_messages() && !play.relay.idle());
    play.server(&one).wrote(&[
        "query \"SELECT 1\" -> ok SELECT 1 rows 1",
        "query \"SELECT 2\" -> ok SELECT 1 rows 1",
    ]);
    assert!(play.relay.idle());

    play.client(&m(b'Q', b"SELECT 3\0"));
    play.lines.failing = true;
    assert!(matches!(
        play.relay.from_server(&one, Micros(0), &mut play.lines),
        Err(Stop::Record(_))
    ));
}

#[test]
fn a_farewell_fits_only_between_messages() {
    let mut play = play();
    play.client(&m(b'Q', b"SELECT 1\0"));
    let bytes = all(SELECT);
    assert!(play.relay.between_messages());
    play.server(&bytes[..8]);
    assert!(!play.relay.between_messages());
    play.server(&bytes[8..]);
    assert!(play.relay.between_messages() && !play.relay.idle());
    play.server(&all(&[(b'Z', b"T")]));
    assert!(play.relay.idle() && play.relay.in_transaction());
    let mut out = Vec::new();
    play.relay.farewell(
        &crate::engine::Farewell::new(crate::engine::End::Idle, "idle for an hour"),
        &mut out,
    );
    assert!(out.starts_with(b"E") && out.windows(5).any(|window| window == b"57P05"));
    out.clear();
    play.relay.leave(&mut out);
    assert_eq!(out, b"X\0\0\0\x04");
    play.client(b"Q\0\0");
    out.clear();
    play.relay.leave(&mut out);
    assert_eq!(out, b"");
}
