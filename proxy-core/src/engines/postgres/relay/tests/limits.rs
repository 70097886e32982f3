//! What is too long, too much, broken or held back.

use super::*;

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
fn answers_that_nobody_asked_for_end_the_session() {
    let answers: &[(u8, &[u8])] = &[
        (b'1', b""),
        (b'2', b""),
        (b'3', b""),
        (b'C', b"SELECT 1\0"),
        (b'I', b""),
        (b's', b""),
        (b'T', b"\0\0"),
        (b't', b"\0\0"),
        (b'n', b""),
        (b'D', b"\0\0"),
        (b'd', b"row"),
        (b'V', b"\0\0\0\0"),
        (b'G', b"\0\0\0"),
        (b'H', b"\0\0\0"),
    ];
    for (tag, body) in answers {
        // To nothing at all, and to a Sync.
        for sync in [false, true] {
            let mut play = play();
            if sync {
                play.client(&m(b'S', b""));
            }
            assert_eq!(
                play.violation(false, &m(*tag, body)),
                "an answer to nothing that was asked",
                "{}",
                tag.escape_ascii()
            );
            play.wrote(&[]);
        }
    }
}

#[test]
fn what_no_answer_is_and_answers_left_out_do_no_harm() {
    let mut play = play();
    play.server(&all(&[
        READY,
        (b'A', b"\0\0\0\x01a\0b\0"),
        (b'N', b"\0"),
        (b'S', b"a\0b\0"),
        READY,
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
fn a_result_whose_end_cannot_be_recorded_passes_up_to_where_the_client_can_be_told() {
    let result = [all(SELECT), all(&[READY])].concat();
    let ready = m(READY.0, READY.1).len();
    for cut in 1..=result.len() - ready {
        for kept in [false, true] {
            let mut play = play();
            play.client(&m(b'Q', b"SELECT 1\0"))
                .server(&result[..cut])
                .wrote(&["query \"SELECT 1\""]);
            (play.lines.failing, play.lines.keeping) = (!kept, kept);
            let rest = &result[cut..];
            let mut ask = |bytes| play.relay.from_server(bytes, Micros(0), &mut play.lines);
            let pass = if rest.len() > ready {
                let pass = ask(rest);
                assert_eq!(pass, Ok(rest.len() - ready), "cut at {cut}");
                rest.len() - ready
            } else {
                0
            };
            let over = ask(&rest[pass..]);
            assert!(matches!(over, Err(Stop::Record(_))), "{cut}: {over:?}");
            assert!(play.relay.between_messages(), "cut at {cut}");
            let more = m(b'Q', b"SELECT 2\0");
            let more = play.relay.from_client(&more, Micros(0), &mut play.lines);
            assert!(matches!(more, Err(Stop::Record(_))), "{cut}: {more:?}");
            // What was taken is in the record once, also when the record takes more.
            play.lines.failing = false;
            play.finish().wrote(&["result of 0 -> ok SELECT 1 rows 1"]);
        }
    }
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
