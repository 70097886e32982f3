//! Cursors of SQL and portals of the protocol, which share their names.

use super::*;

#[test]
fn a_cursor_of_sql_is_not_taken_for_the_portal_whose_name_it_has() {
    let begun = (b'Z', &b"T"[..]);
    let run: &[(u8, &[u8])] = &[(b'E', b"c\0\0\0\0\0"), (b'S', b"")];
    let error: (u8, &[u8]) = (b'E', b"C22P02\0Mno number: \"secret\"\0\0");
    let closes = "CLOSE c; DECLARE c CURSOR FOR SELECT * FROM payroll";
    let goes_back = "ROLLBACK TO a; DECLARE c CURSOR FOR SELECT * FROM payroll";
    let mut play = play();
    play.client(&all(PREPARE)).server(&all(PREPARED));
    for (sql, first) in [(closes, "CLOSE CURSOR\0"), (goes_back, "ROLLBACK\0")] {
        play.client(&all(&[(b'B', b"c\0s1\0\0\0\0\0\0\0"), (b'S', b"")]))
            .server(&all(&[(b'2', b""), begun]))
            .client(&m(b'Q', format!("{sql}\0").as_bytes()))
            .server(&all(&[
                (b'C', first.as_bytes()),
                (b'C', b"DECLARE CURSOR\0"),
                begun,
            ]));
        play.lines.events.clear();
        play.client(&all(run))
            .server(&all(&[(b'D', b"\0\0"), (b'C', b"SELECT 1\0"), begun]))
            .client(&all(run))
            .server(&all(&[error, READY]))
            .wrote(&[
                "execute [c] -> ok SELECT 1 rows 1",
                "execute [c] -> 22P02 [redacted]",
            ]);
    }
    // What is declared by a portal of the protocol has its own text, and its prepared statement stays.
    play.client(&all(&[
        (b'P', b"\0DECLARE c CURSOR FOR SELECT 1\0\0\0"),
        (b'B', b"p\0\0\0\0\0\0\0\0"),
        (b'E', b"p\0\0\0\0\0"),
        (b'S', b""),
    ]))
    .server(&all(&[
        (b'1', b""),
        (b'2', b""),
        (b'C', b"DECLARE CURSOR\0"),
        begun,
    ]))
    .wrote(&[
        "parse [] \"DECLARE c CURSOR FOR SELECT 1\" -> ok",
        "bind [] to [p] ()",
        "execute [p] of [] \"DECLARE c CURSOR FOR SELECT 1\" -> ok DECLARE CURSOR",
    ])
    .client(&all(RUN))
    .server(&all(RAN))
    .wrote(&[
        "bind [s1] to [] ('42')",
        "execute [] of [s1] \"SELECT $1\" -> ok SELECT 1 rows 1",
    ]);
}
