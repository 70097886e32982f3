//! Encodings in which the second byte of a character may be a quote or a backslash.

use super::*;

/// `E'<83 5c>', 'secret'`: one character and then another literal, or a backslash and a quote that is escaped.
const INSERT: &[u8] = b"insert into acc(note,password) values (E'\x83\x5c', 'secret')\0";
const INSERTED: &[(u8, &[u8])] = &[(b'C', b"INSERT 0 1\0"), READY];

fn status(encoding: &str) -> Vec<u8> {
    m(b'S', format!("client_encoding\0{encoding}\0").as_bytes())
}

#[test]
fn nothing_is_recorded_of_what_cannot_be_read() {
    for name in [
        "SJIS",
        "SHIFT_JIS_2004",
        "BIG5",
        "GBK",
        "GB18030",
        "UHC",
        "JOHAB",
    ] {
        let mut play = play();
        play.server(&status(name))
            .client(&m(b'Q', INSERT))
            .server(&all(INSERTED))
            .wrote(&["query \"***\" -> ok INSERT 0 1 rows 1"]);
        play.client(&m(b'Q', INSERT))
            .server(&all(&[(b'E', b"C22000\0Mbad 'secret'\0\0"), READY]))
            .wrote(&["query \"***\" -> 22000 [redacted]"]);
        play.server(&status("UTF8"))
            .client(&m(b'Q', b"select 1\0"))
            .server(&[all(SELECT), all(&[READY])].concat())
            .wrote(&["query \"select 1\" -> ok SELECT 1 rows 1"]);
    }
}

#[test]
fn it_may_be_so_from_the_beginning_and_in_the_middle() {
    let asked = |value: &str| [("client_encoding".to_owned(), value.to_owned())];
    let at_start = |greeting: &[u8], value| Encoding::at_start(greeting, &asked(value));
    assert_eq!(at_start(b"", "Shift-JIS"), Encoding::Ambiguous);
    assert_eq!(at_start(b"", "'utf-8'"), Encoding::Plain);
    let greeting = [
        m(b'S', b"TimeZone\0Asia/Tokyo\0"),
        status("SJIS"),
        m(b'N', b"\0"),
    ]
    .concat();
    assert_eq!(Encoding::at_start(&greeting, &[]), Encoding::Ambiguous);
    assert_eq!(at_start(&status("UTF8"), "SJIS"), Encoding::Plain);

    // The statement that changes it, what was sent behind it, and a status that comes byte by byte.
    let mut play = Play::new(Settings {
        encoding: Encoding::Ambiguous,
        ..SETTINGS
    });
    play.client(&m(b'Q', b"set client_encoding to utf8\0"))
        .client(&m(b'Q', INSERT));
    for byte in status("UTF8") {
        play.server(&[byte]);
    }
    play.server(&all(&[(b'C', b"SET\0"), READY]))
        .server(&all(INSERTED))
        .wrote(&[
            "query \"***\" -> ok SET",
            "query \"***\" -> ok INSERT 0 1 rows 1",
        ]);
    play.client(&m(b'Q', b"set client_encoding to gbk\0"))
        .client(&m(b'Q', INSERT))
        .server(&[status("GBK"), all(&[(b'C', b"SET\0"), READY])].concat())
        .server(&all(INSERTED))
        .wrote(&[
            "query \"***\" -> ok SET",
            "query \"***\" -> ok INSERT 0 1 rows 1",
        ]);
}

#[test]
fn what_was_prepared_and_bound_then_is_not_recorded_either() {
    let mut play = Play::new(Settings {
        encoding: Encoding::Ambiguous,
        ..SETTINGS
    });
    play.client(&all(PREPARE)).server(&all(PREPARED));
    play.client(&all(RUN)).server(&all(RAN));
    play.wrote(&[
        "parse [s1] \"***\" -> ok",
        "bind [s1] to [] secret ('42')",
        "execute [] of [s1] -> ok SELECT 1 rows 1",
    ]);
    // What was prepared then is still not known.
    play.server(&status("UTF8"));
    play.client(&all(RUN)).server(&all(RAN));
    play.wrote(&[
        "bind [s1] to [] secret ('42')",
        "execute [] of [s1] -> ok SELECT 1 rows 1",
    ]);
    play.client(&all(PREPARE)).server(&all(PREPARED));
    play.client(&all(RUN)).server(&all(RAN));
    play.wrote(&[
        "parse [s1] \"SELECT $1\" -> ok",
        "bind [s1] to [] ('42')",
        "execute [] of [s1] \"SELECT $1\" -> ok SELECT 1 rows 1",
    ]);
}
