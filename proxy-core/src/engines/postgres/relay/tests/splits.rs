//! However the bytes come in pieces, and whenever the record is busy: the same is recorded, and nothing goes on before it.

use proptest::prelude::*;

use super::*;

/// One thing that a client does and what the server says to it, in turns.
type Talk = Vec<(Vec<u8>, Vec<u8>)>;

fn talks() -> Vec<Talk> {
    let long = "x".repeat(3000);
    let one = |client: Vec<u8>, server: Vec<u8>| vec![(client, server)];
    vec![
        one(
            m(b'Q', b"SELECT 1\0"),
            [all(SELECT), all(&[READY])].concat(),
        ),
        one(
            m(b'Q', format!("SELECT '{long}'\0").as_bytes()),
            [all(SELECT), all(&[READY])].concat(),
        ),
        one(
            m(b'Q', b"SELCT\0"),
            all(&[(b'E', b"SERROR\0C42601\0Msyntax error\0\0"), READY]),
        ),
        one(m(b'Q', b"\0"), all(&[(b'I', b""), READY])),
        one(all(PREPARE), all(PREPARED)),
        one(all(RUN), all(RAN)),
        one(
            [all(&RUN[..2]), all(&RUN[..2]), all(RUN)].concat(),
            all(&[
                (b'2', b""),
                (b'C', b"SELECT 1\0"),
                (b'2', b""),
                (b'E', b"C22012\0Mdivision\0\0"),
                (b'Z', b"E"),
            ]),
        ),
        one(
            all(&[
                (b'P', b"\0BROKEN\0\0\0"),
                (b'B', b"\0\0\0\0\0\0\0\0"),
                (b'D', b"P\0"),
                (b'E', b"\0\0\0\0\0"),
                (b'S', b""),
            ]),
            all(&[(b'E', b"C42601\0Msyntax\0\0"), READY]),
        ),
        one(
            [
                m(
                    b'B',
                    &[
                        &b"\0s1\0\0\0\0\x01\0\0\x0b\xb8"[..],
                        long.as_bytes(),
                        b"\0\0",
                    ]
                    .concat(),
                ),
                all(&[(b'E', b"\0\0\0\0\x07"), (b'S', b"")]),
            ]
            .concat(),
            all(&[
                (b'2', b""),
                (b'D', b"\0\0"),
                (b's', b""),
                (b'N', b"\0"),
                READY,
            ]),
        ),
        vec![
            (m(b'Q', b"COPY t FROM STDIN\0"), m(b'G', b"\0\0\0")),
            (
                all(&[(b'd', b"1\n"), (b'd', b"2\n"), (b'c', b"")]),
                all(&[(b'C', b"COPY 2\0"), READY]),
            ),
        ],
        one(
            m(b'Q', b"COPY t TO STDOUT\0"),
            all(&[
                (b'H', b"\0\0\0"),
                (b'd', b"1\n"),
                (b'd', b"2\n"),
                (b'c', b""),
                (b'C', b"COPY 2\0"),
                READY,
            ]),
        ),
        one(
            m(b'F', b"\0\0\0\x07\0\0\0\x01\0\0\0\x01a\0\0"),
            all(&[(b'V', b"\0\0\0\0"), READY]),
        ),
        one(
            all(&[(b'C', b"Ss1\0"), (b'C', b"P\0"), (b'S', b"")]),
            all(&[(b'3', b""), (b'3', b""), READY]),
        ),
        one(
            Vec::new(),
            all(&[
                (b'A', b"\0\0\0\x01a\0b\0"),
                (b'S', b"a\0b\0"),
                (b'N', b"\0"),
            ]),
        ),
    ]
}

/// Results put into the events that they are of, so that one event and two say the same.
fn joined(lines: &[String]) -> Vec<String> {
    let mut out: Vec<Option<String>> = Vec::new();
    for line in lines {
        let of = line.strip_prefix("result of ").and_then(|rest| {
            let (of, outcome) = rest.split_once(" ->")?;
            Some((of.parse::<usize>().ok()?, outcome))
        });
        match of {
            Some((of, outcome)) => {
                let event = out[of].as_mut().expect("the event that a result is of");
                assert!(!event.contains(" ->"), "two outcomes of {event}");
                event.push_str(" ->");
                event.push_str(outcome);
                out.push(None);
            }
            None => out.push(Some(line.clone())),
        }
    }
    out.into_iter().flatten().collect()
}

/// Shows `bytes` in pieces of lengths that `sizes` gives, holding back what is to be held back, and checks what goes on.
fn pour(play: &mut Play, client: bool, bytes: &[u8], sizes: &mut impl FnMut() -> usize) {
    let (mut given, mut gone) = (0, 0);
    let mut stuck = 0;
    while gone < bytes.len() {
        given = (given + sizes()).clamp(gone + 1, bytes.len());
        let held = &bytes[gone..given];
        let passed = if client {
            play.relay.from_client(held, Micros(0), &mut play.lines)
        } else {
            play.relay.from_server(held, Micros(0), &mut play.lines)
        };
        let passed = passed.expect("no violation");
        assert!(passed <= held.len());
        stuck = if passed == 0 { stuck + 1 } else { 0 };
        assert!(stuck < 10_000, "nothing goes on any more");
        gone += passed;
    }
}

fn tell(script: &[usize], settings: Settings, seed: u64, split: bool, busy: bool) -> Vec<String> {
    let mut play = Play::new(settings);
    let mut state = seed | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    if busy {
        let mut state = seed.wrapping_mul(31) | 1;
        play.lines.busy = Some(Box::new(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 62 == 0
        }));
    }
    let mut sizes = move || {
        if split {
            1 + random() % 40
        } else {
            usize::MAX / 2
        }
    };
    for index in script {
        for (client, server) in &talks()[*index % talks().len()] {
            pour(&mut play, true, client, &mut sizes);
            pour(&mut play, false, server, &mut sizes);
        }
    }
    while play.relay.finish(Micros(0), &mut play.lines).is_err() {}
    assert!(play.relay.idle());
    joined(&play.lines.events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_and_a_busy_record_make_no_difference(script in proptest::collection::vec(0_usize..64, 1..12), seed: u64, small: bool) {
        let settings = Settings { max_statement: if small { 32 } else { 64 * 1024 }, ..SETTINGS };
        let whole = tell(&script, settings, seed, false, false);
        prop_assert_eq!(&tell(&script, settings, seed, true, false), &whole);
        prop_assert_eq!(&tell(&script, settings, seed, false, true), &whole);
        prop_assert_eq!(&tell(&script, settings, seed, true, true), &whole);
    }
}

#[test]
fn no_byte_of_a_result_goes_before_its_event() {
    // A record that takes nothing: nothing but the answer's own beginning, and never all of it, may go on.
    for talk in talks() {
        let mut play = play();
        play.client(&[all(PREPARE)].concat()).server(&all(PREPARED));
        play.lines.busy = Some(Box::new(|| true));
        for (client, server) in &talk {
            if client.is_empty() {
                continue;
            }
            play.client(client);
            let asynchronous = 0;
            for end in 1..=server.len() {
                let passed = play
                    .relay
                    .from_server(&server[..end], Micros(0), &mut play.lines)
                    .unwrap();
                assert_eq!(passed, asynchronous, "{}", client.escape_ascii());
            }
            break;
        }
    }
}

#[test]
fn an_ending_session_shows_no_more_than_whole_messages() {
    let row = m(b'D', &[b'x'; 100]);
    let two = [&row[..], &row].concat();
    // What is shown of two rows at once, and how many of its bytes go on.
    for (shown, expected) in [(50, 50), (105, 105), (150, 105), (209, 105), (210, 210)] {
        let mut play = play();
        play.client(&m(b'Q', b"select 1\0"));
        play.server(&two[..shown]);
        assert_eq!(play.relay.up_to_message(shown), expected, "{shown}");
        // With nothing but the beginning of a message there is no place for a farewell yet.
        assert_eq!(play.relay.between_messages(), shown != 50, "{shown}");
    }
    // The middle of a message, then its end and another beginning.
    let mut play = play();
    play.client(&m(b'Q', b"select 1\0"));
    play.server(&two[..50]).server(&two[50..100]);
    assert_eq!(play.relay.up_to_message(50), 50);
    assert!(!play.relay.between_messages());
    play.server(&two[100..150]);
    assert_eq!(play.relay.up_to_message(50), 5);
    assert!(play.relay.between_messages());
}
