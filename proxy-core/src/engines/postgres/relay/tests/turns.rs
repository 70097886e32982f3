//! Whose turn it is: a session whose client has stopped in the middle of something is as idle as one that does nothing.

use super::*;

const PARSE: (u8, &[u8]) = (b'P', b"\0SELECT 1\0\0\0");
const EXECUTE: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");
const FLUSH: (u8, &[u8]) = (b'H', b"");
const SYNC: (u8, &[u8]) = (b'S', b"");
const COPIES: (u8, &[u8]) = (b'G', b"\0\0\0");
const ROW: (u8, &[u8]) = (b'd', b"1\n");
const END: (u8, &[u8]) = (b'c', b"");

/// Whose turn it is when the client has said this, and the server that.
fn waits(client: &[u8], server: &[(u8, &[u8])], then: &[(u8, &[u8])]) -> bool {
    let mut play = play();
    assert!(play.relay.waits_for_client());
    play.client(client).server(&all(server)).client(&all(then));
    play.relay.waits_for_client()
}

#[test]
fn the_client_is_waited_for_where_the_server_owes_nothing() {
    let copy = m(b'Q', b"COPY t FROM STDIN\0");
    // Where the client's turn is: with rows,
    assert!(waits(&copy, &[COPIES], &[]));
    assert!(waits(&copy, &[COPIES], &[ROW]));
    assert!(waits(&all(&[EXECUTE, SYNC]), &[COPIES], &[ROW]));
    // with what makes the server answer,
    assert!(waits(&all(&[PARSE]), &[], &[]));
    assert!(waits(&all(&[PARSE, FLUSH]), &[(b'1', b"")], &[]));
    assert!(waits(&all(&[PARSE, FLUSH]), &[(b'1', b"")], &[EXECUTE]));
    assert!(waits(&all(&[EXECUTE, FLUSH]), &[COPIES], &[ROW, END]));
    // and with the rest of a message.
    for length in 1..copy.len() {
        assert!(waits(&copy[..length], &[], &[]), "{length}");
    }

    // Where the server's turn is,
    assert!(!waits(&m(b'Q', b"SELECT 1\0"), &[], &[]));
    assert!(!waits(&all(&[PARSE, SYNC]), &[], &[]));
    assert!(!waits(&all(&[PARSE, FLUSH]), &[], &[]));
    assert!(!waits(&all(&[PARSE, FLUSH]), &[], &[EXECUTE]));
    assert!(!waits(&copy, &[COPIES], &[ROW, END]));
    assert!(!waits(&all(&[EXECUTE, SYNC]), &[COPIES], &[ROW, END, SYNC]));
    // also while the client has begun to say more,
    let more = [&m(b'Q', b"SELECT 1\0")[..], b"Q\0"].concat();
    assert!(!waits(&more, &[], &[]));
    // and with all that COPY gives out.
    let rows = (b'H', &b"\0\0\0"[..]);
    assert!(!waits(&m(b'Q', b"COPY t TO STDOUT\0"), &[rows, ROW], &[]));
}

/// In replication the server has the word, for as long as it likes.
#[test]
fn replication_does_not_wait_for_its_client() {
    let mut play = Play::new(Settings {
        replication: true,
        ..SETTINGS
    });
    play.client(&m(b'Q', b"START_REPLICATION 0/0\0"))
        .server(&all(&[(b'W', b"\0\0\0"), (b'd', b"wal")]))
        .client(&m(b'd', b"status"));
    assert!(!play.relay.waits_for_client());
}
