//! What nobody may read in the record.

use super::*;

/// Errors quote what they do not understand. Nobody reads that, whatever the statement is recorded with.
#[test]
fn the_error_of_a_statement_with_a_password_is_not_shown_apart_from_it_either() {
    let secret = format!("ALTER USER bob WITH PASSWORD hunter2 {}", "-".repeat(200));
    let error = m(b'E', b"C42601\0Msyntax error at or near \"hunter2\"\0\0");
    let masked = "result of 0 -> 42601 [redacted]";
    for (most, shed) in [(1024, false), (1024, true), (100, false), (100, true)] {
        for tag in [b'P', b'Q'] {
            let mut play = Play::new(Settings {
                max_statement: most,
                ..SETTINGS
            });
            let body = match tag {
                b'P' => format!("\0{secret}\0\0\0"),
                _ => format!("{secret}\0"),
            };
            play.client(&m(tag, body.as_bytes())).tick(1);
            if shed {
                play.relay.ask.shed(&mut play.lines).unwrap();
            }
            play.client(&m(b'S', b"")).lines.events.clear();
            play.server(&[error.clone(), m(READY.0, READY.1)].concat())
                .wrote(&[masked]);
        }
        // In two reads the same.
        let mut play = Play::new(Settings {
            max_statement: most,
            ..SETTINGS
        });
        play.client(&m(b'P', format!("\0{secret}\0\0\0").as_bytes()))
            .server(&error[..10])
            .lines
            .events
            .clear();
        play.server(&error[10..]).wrote(&[masked]);
    }
}
