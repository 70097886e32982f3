//! Rows on the move: COPY and replication.

use super::*;

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
