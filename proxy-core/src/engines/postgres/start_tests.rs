#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use super::{
    super::{codec::Version, error::ServerError},
    *,
};

/// A packet without a tag: its length, `number`, and `body`.
fn packet(number: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&u32::try_from(8 + body.len()).unwrap().to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn tls(bytes: &[u8]) -> Result<Next, Refusal> {
    Start::new(Channel::Tls).next(bytes)
}

fn started(number: u32, body: &[u8]) -> Startup {
    match tls(&packet(number, body)).unwrap() {
        Next::Startup { startup, .. } => startup,
        other => panic!("{other:?}"),
    }
}

fn refused(bytes: &[u8]) -> (Reason, ServerError) {
    let refusal = tls(bytes).unwrap_err();
    assert_eq!(refusal.answer.first(), Some(&b'E'));
    (
        refusal.reason,
        ServerError::read(refusal.answer.get(5..).unwrap()),
    )
}

#[test]
fn encryption_is_asked_for_once_each_in_any_order() {
    let (ssl, gss) = (packet(code::SSL, b""), packet(code::GSS, b""));
    for order in [[&ssl, &gss], [&gss, &ssl]] {
        let mut start = Start::new(Channel::Clear);
        for ask in order {
            let expected = if ask == &ssl {
                Next::Tls { took: 8 }
            } else {
                Next::NoGss { took: 8 }
            };
            assert_eq!(start.next(ask), Ok(expected));
        }
        assert_eq!(start.next(&ssl).unwrap_err().reason, Reason::Repeated);
        assert_eq!(start.next(&gss).unwrap_err().reason, Reason::Repeated);
    }
    assert_eq!(tls(&ssl).unwrap_err().reason, Reason::Repeated);
}

#[test]
fn nothing_may_stand_behind_a_request_for_tls() {
    let mut bytes = packet(code::SSL, b"");
    bytes.extend_from_slice(&packet(0x0003_0000, b"user\0mallory\0\0"));
    let refusal = Start::new(Channel::Clear).next(&bytes).unwrap_err();
    assert_eq!(refusal.reason, Reason::BytesBehindRequest);
}

#[test]
fn tls_may_begin_at_once_but_not_inside_itself() {
    assert_eq!(
        Start::new(Channel::Clear).next(&[0x16]),
        Ok(Next::DirectTls)
    );
    assert_eq!(tls(&[0x16, 3, 1]).unwrap_err().reason, Reason::Length);
}

#[test]
fn who_and_what_is_read_and_the_database_is_the_user_where_none_is_named() {
    let startup = started(
        0x0003_0000,
        b"user\0alice\0application_name\0psql\0options\0-c geqo=off\0client_encoding\0UTF8\0\0",
    );
    assert_eq!(
        (startup.user.as_str(), startup.database.as_str()),
        ("alice", "alice")
    );
    assert_eq!(startup.application_name.as_deref(), Some("psql"));
    assert_eq!(startup.version, Version::V30);
    let names: Vec<_> = startup
        .parameters
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["application_name", "options", "client_encoding"]);
    assert_eq!(
        started(0x0003_0000, b"user\0alice\0database\0orders\0\0").database,
        "orders"
    );
    assert_eq!(
        started(0x0003_0000, b"user\0alice\0database\0\0\0").database,
        "alice"
    );
}

#[test]
fn replication_is_read_as_postgresql_reads_it() {
    let cases: &[(&str, Replication)] = &[
        ("database", Replication::Logical),
        ("true", Replication::Physical),
        ("t", Replication::Physical),
        ("on", Replication::Physical),
        ("1", Replication::Physical),
        ("YES", Replication::Physical),
        ("off", Replication::No),
        ("of", Replication::No),
        ("0", Replication::No),
        ("false", Replication::No),
    ];
    for (text, expected) in cases {
        let startup = started(
            0x0003_0000,
            format!("user\0a\0replication\0{text}\0\0").as_bytes(),
        );
        assert_eq!(startup.replication, *expected, "{text}");
        assert_eq!(startup.parameters, [], "{text}");
    }
    for text in ["o", "data", "truely", "2", ""] {
        let bytes = packet(
            0x0003_0000,
            format!("user\0a\0replication\0{text}\0\0").as_bytes(),
        );
        assert_eq!(refused(&bytes).0, Reason::Replication, "{text}");
    }
}

#[test]
fn versions_are_negotiated_like_a_server_of_version_18() {
    // version asked for, options, version spoken, the answer's number (none: no answer)
    let cases: &[(u32, &[u8], Version, Option<u32>)] = &[
        (0x0003_0000, b"", Version::V30, None),
        (0x0003_0001, b"", Version::V30, None),
        (0x0003_0002, b"", Version::V32, None),
        (0x0003_0003, b"", Version::V32, Some(0x0003_0002)),
        (
            0x0003_270f,
            b"_pq_.test_protocol_negotiation\0\0",
            Version::V32,
            Some(0x0003_0002),
        ),
        (
            0x0003_0000,
            b"_pq_.foo\0x\0",
            Version::V30,
            Some(0x0003_0000),
        ),
        (0x0003_ffff, b"", Version::V32, Some(0x0003_0002)),
    ];
    for (asked, options, version, answer) in cases {
        let startup = started(*asked, &[b"user\0a\0", *options, b"\0"].concat());
        assert_eq!(startup.version, *version, "{asked:x}");
        let mut out = Vec::new();
        startup.put_negotiation(&mut out);
        assert_eq!(
            out.get(5..9)
                .map(|n| u32::from_be_bytes(n.try_into().unwrap())),
            *answer,
            "{asked:x}"
        );
        assert_eq!(
            startup.unknown_options.len(),
            usize::from(!options.is_empty())
        );
    }
    let mut out = Vec::new();
    started(0x0003_0009, b"user\0a\0_pq_.foo\0x\0\0").put_negotiation(&mut out);
    assert_eq!(out, b"v\0\0\0\x15\0\x03\0\x02\0\0\0\x01_pq_.foo\0");
}

#[test]
fn other_versions_are_refused_in_a_form_that_their_clients_read() {
    let refusal = tls(&packet(0x0002_0000, &[0; 288])).unwrap_err();
    assert_eq!(
        refusal.answer,
        b"EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.2\n\0"
    );
    let (reason, error) = refused(&packet(0x0004_0000, b"user\0a\0\0"));
    assert_eq!((reason, error.code.as_str()), (Reason::Version, "0A000"));
    assert_eq!(
        error.message,
        "unsupported frontend protocol 4.0: server supports 3.0 to 3.2"
    );
    // Unknown requests for something (1234.5678 and so on) are of protocol 1234.
    assert_eq!(refused(&packet(80_877_105, b"")).1.code, "0A000");
    // Known as soon as the version is there.
    assert_eq!(
        tls(&packet(0x0004_0000, b"user\0a\0\0")[..8])
            .unwrap_err()
            .reason,
        Reason::Version
    );
}

#[test]
fn broken_packets_are_refused_with_a_reason() {
    let long = format!("user\0{}\0\0", "u".repeat(64));
    let long_database = format!("user\0u\0database\0{}\0\0", "d".repeat(64));
    let cases: &[(Vec<u8>, Reason, &str)] = &[
        (vec![0, 0, 0, 7, 0, 3, 0, 0], Reason::Length, "08P01"),
        (vec![0, 0, 0, 0], Reason::Length, "08P01"),
        (vec![0, 0, 0x27, 0x11], Reason::Length, "08P01"),
        (vec![0xff, 0xff, 0xff, 0xff], Reason::Length, "08P01"),
        (
            b"\0\0\0\x10\x04\xd2\x16\x2f\0\0\0\0\0\0\0\0".to_vec(),
            Reason::Length,
            "08P01",
        ),
        (b"SELECT 1".to_vec(), Reason::Length, "08P01"),
        (packet(0x0003_0000, b""), Reason::Layout, "08P01"),
        (packet(0x0003_0000, b"user\0a\0"), Reason::Layout, "08P01"),
        (packet(0x0003_0000, b"user\0a"), Reason::Layout, "08P01"),
        (
            packet(0x0003_0000, b"user\0a\0\0x"),
            Reason::Layout,
            "08P01",
        ),
        (packet(0x0003_0000, b"\0"), Reason::NoUser, "28000"),
        (packet(0x0003_0000, b"user\0\0\0"), Reason::NoUser, "28000"),
        (
            packet(0x0003_0000, b"database\0a\0\0"),
            Reason::NoUser,
            "28000",
        ),
        (
            packet(0x0003_0000, b"user\0\xff\0\0"),
            Reason::Encoding,
            "22021",
        ),
        (
            packet(0x0003_0000, long.as_bytes()),
            Reason::NameTooLong,
            "42622",
        ),
        (
            packet(0x0003_0000, long_database.as_bytes()),
            Reason::NameTooLong,
            "42622",
        ),
    ];
    for (bytes, reason, code) in cases {
        let (is, error) = refused(bytes);
        assert_eq!(
            (is, error.code.as_str()),
            (*reason, *code),
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn a_browser_is_told_what_this_port_is() {
    for text in ["GET / HTTP/1.1\r\n", "POST /v1", "PRI * HTTP/2.0\r\n"] {
        let refusal = Start::new(Channel::Clear)
            .next(text.as_bytes())
            .unwrap_err();
        assert_eq!(refusal.reason, Reason::Http);
        assert!(refusal.answer.starts_with(b"HTTP/1.1 400 "));
    }
}

#[test]
fn requests_to_cancel_have_keys_of_4_to_256_bytes_and_never_an_answer() {
    for size in [4, 32, 256] {
        let body = [&7_u32.to_be_bytes()[..], &vec![9; size]].concat();
        let expected = CancelRequest {
            pid: 7,
            key: vec![9; size],
            channel: Channel::Tls,
        };
        assert_eq!(
            tls(&packet(code::CANCEL, &body)),
            Ok(Next::Cancel(expected))
        );
    }
    for size in [0, 3, 257, 4000] {
        let body = [&7_u32.to_be_bytes()[..], &vec![9; size]].concat();
        assert_eq!(tls(&packet(code::CANCEL, &body)).unwrap_err().answer, b"");
    }
    assert_eq!(tls(&packet(code::CANCEL, b"")).unwrap_err().answer, b"");
}

proptest::proptest! {
    /// However the bytes come in pieces, the answer is the same, and it never comes before it can be known.
    #[test]
    fn pieces_make_no_difference(name in "[a-z]{1,70}", number in proptest::sample::select(vec![
        0x0003_0000, 0x0003_0002, 0x0003_0007, 0x0004_0000, 0x0002_0000, code::CANCEL, code::SSL, code::GSS, 80_877_105,
    ])) {
        let body: Vec<u8> = match number {
            code::SSL | code::GSS => Vec::new(),
            _ => [b"user\0", name.as_bytes(), b"\0\0"].concat(),
        };
        let bytes = packet(number, &body);
        let whole = Start::new(Channel::Clear).next(&bytes);
        for end in 0..bytes.len() {
            let part = Start::new(Channel::Clear).next(&bytes[..end]);
            proptest::prop_assert!(part == Ok(Next::More) || part == whole, "{} of {}", end, bytes.len());
        }
    }
}
