#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use muster_credentials::Secret;

use super::{
    super::{cancel::ClientKey, start::Start},
    *,
};

const OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";
const CLEAR: &[u8] = b"R\0\0\0\x08\0\0\0\x03";
const MD5: &[u8] = b"R\0\0\0\x0c\0\0\0\x05salt";
const SCRAM: &[u8] = b"R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0";
const SCRAM_BOTH: &[u8] = b"R\0\0\0\x2a\0\0\0\nSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
const READY: &[u8] = b"Z\0\0\0\x05I";

fn ask() -> Ask {
    Ask {
        user: "alice".into(),
        database: "orders".into(),
        replication: Replication::No,
        parameters: vec![
            ("application_name".into(), "psql".into()),
            ("user".into(), "mallory".into()),
        ],
        version: Version::V30,
    }
}

const VERIFIED: Line = Line {
    verified: true,
    end_point: None,
};

fn begin(proof: Proof, line: Line) -> LogIn {
    LogIn::begin(ask(), proof, line, [9; scram::RANDOM], &mut Vec::new())
}

fn password() -> Proof {
    Proof::Password(Secret::new("pencil"))
}

fn token() -> Proof {
    Proof::Token(Secret::new("token"))
}

/// What is answered to these bytes, as text, or why nothing is.
fn answer(proof: Proof, line: Line, bytes: &[u8]) -> Result<String, LogInError> {
    let mut out = Vec::new();
    let mut log_in = begin(proof, line);
    log_in
        .read(bytes, &mut out)
        .map(|_| out.escape_ascii().to_string())
}

#[test]
fn the_start_is_ours_and_not_the_clients() {
    let mut out = Vec::new();
    LogIn::begin(
        Ask {
            replication: Replication::Logical,
            ..ask()
        },
        Proof::None,
        VERIFIED,
        [0; 18],
        &mut out,
    );
    let super::super::start::Next::Startup { startup, .. } =
        Start::new(super::super::start::Channel::Tls)
            .next(&out)
            .unwrap()
    else {
        panic!()
    };
    assert_eq!(
        (startup.user.as_str(), startup.database.as_str()),
        ("alice", "orders")
    );
    assert_eq!(startup.replication, Replication::Logical);
    assert_eq!(
        startup.parameters,
        [("application_name".to_owned(), "psql".to_owned())]
    );
    assert_eq!(
        out.windows(5).filter(|window| window == b"user\0").count(),
        1
    );
    out.clear();
    put_tls_request(&mut out);
    assert_eq!(out, b"\0\0\0\x08\x04\xd2\x16\x2f");
}

#[test]
fn nothing_may_stand_behind_the_answer_to_the_request_for_tls() {
    for (bytes, expected) in [
        (&b""[..], None),
        (b"S", Some(TlsAnswer::Yes)),
        (b"N", Some(TlsAnswer::No)),
        (b"SN", Some(TlsAnswer::Garbage)),
        (b"E\0\0\0\x05", Some(TlsAnswer::Error)),
        (b"H", Some(TlsAnswer::Garbage)),
    ] {
        assert_eq!(tls_answer(bytes), expected);
    }
}

#[test]
fn each_proof_goes_out_only_in_the_ways_that_it_may() {
    let unverified = Line::default();
    let clear = Ok("p\\x00\\x00\\x00\\x0btoken!\\x00".replace("token!", "pencil"));
    assert_eq!(answer(password(), VERIFIED, CLEAR), clear);
    assert_eq!(
        answer(token(), VERIFIED, CLEAR),
        Ok("p\\x00\\x00\\x00\\ntoken\\x00".into())
    );
    assert_eq!(
        answer(password(), unverified.clone(), CLEAR),
        Err(LogInError::NotVerified)
    );
    assert_eq!(
        answer(token(), unverified.clone(), CLEAR),
        Err(LogInError::NotVerified)
    );
    assert!(
        answer(password(), unverified.clone(), MD5)
            .unwrap()
            .contains("md5")
    );
    assert!(
        answer(password(), unverified, SCRAM)
            .unwrap()
            .contains("SCRAM-SHA-256\\x00\\x00\\x00\\x00 n,,n=,r=")
    );
    for (proof, given) in [
        (token as fn() -> Proof, "token"),
        (|| Proof::Certificate, "certificate"),
        (|| Proof::None, "none"),
    ] {
        for (bytes, asked) in [
            (MD5, "MD5"),
            (SCRAM, "SCRAM-SHA-256"),
            (&b"R\0\0\0\x08\0\0\0\x07"[..], "Kerberos"),
        ] {
            let error = LogInError::Unanswerable {
                asked: asked.into(),
                given,
            };
            assert_eq!(answer(proof(), VERIFIED, bytes), Err(error));
        }
        if given != "token" {
            let error = LogInError::Unanswerable {
                asked: "a password in clear".into(),
                given,
            };
            assert_eq!(answer(proof(), VERIFIED, CLEAR), Err(error));
        }
        assert_eq!(answer(proof(), VERIFIED, OK), Ok(String::new()));
    }
    let other = b"R\0\0\0\x15\0\0\0\nSCRAM-SHA-1\0\0";
    assert_eq!(
        answer(password(), VERIFIED, other),
        Err(LogInError::Unanswerable {
            asked: "SCRAM-SHA-1".into(),
            given: "password"
        })
    );
}

#[test]
fn scram_is_bound_to_the_channel_where_both_can() {
    let bound = Line {
        verified: true,
        end_point: Some(vec![1; 32]),
    };
    assert!(
        answer(password(), bound.clone(), SCRAM_BOTH)
            .unwrap()
            .contains("SCRAM-SHA-256-PLUS\\x00\\x00\\x00\\x005p=tls-server-end-point,,n=")
    );
    assert!(answer(password(), bound, SCRAM).unwrap().contains(" y,,n="));
    assert!(
        answer(password(), VERIFIED, SCRAM_BOTH)
            .unwrap()
            .contains("SCRAM-SHA-256\\x00\\x00\\x00\\x00 n,,n=")
    );
}

#[test]
fn a_server_is_not_believed_before_it_has_proved_itself() {
    assert_eq!(
        answer(password(), VERIFIED, &[SCRAM, OK].concat()),
        Err(LogInError::Scram(ScramError::Unproven))
    );
}

#[test]
fn what_is_out_of_turn_or_too_long_is_refused() {
    let cases: &[(&[u8], &str)] = &[
        (READY, "message Z out of its turn"),
        (b"S\0\0\0\x08a\0b\0", "message S out of its turn"),
        (b"K\0\0\0\x0c\0\0\0\x01abcd", "message K out of its turn"),
        (
            &[OK, OK].concat(),
            "authentication message 0 out of its turn",
        ),
        (
            b"R\0\0\0\x08\0\0\0\x0c",
            "authentication message 12 out of its turn",
        ),
        (b"R\0\0\0\x04", "an authentication message without a method"),
        (b"R\0\0\0\x08\0\0\0\x05", "MD5 without a salt"),
        (
            b"R\0\0\0\x0c\0\0\0\nSCRA",
            "a list of methods without an end",
        ),
        (b"R\0\0\x20\x05", "message R of 8193 bytes"),
        (b"R\0\0\0\x03", "message R has the impossible length 3"),
        (
            b"S\x7f\xff\xff\xff",
            "message S has the impossible length 2147483647",
        ),
        (
            &[OK, b"K\0\0\0\x0b\0\0\0\x01abc"].concat(),
            "BackendKeyData with a key of an impossible length",
        ),
        (&[OK, b"K\0\0\x01\x09"].concat(), "message K of 261 bytes"),
        (
            &[OK, b"Z\0\0\0\x05X"].concat(),
            "ReadyForQuery without a state",
        ),
        (
            b"v\0\0\0\x0c\0\x03\0\x02\0\0\0\0",
            "a version that was not asked for",
        ),
        (
            b"HTTP/1.1 400 Bad Request",
            "message H has the impossible length 1414811695",
        ),
    ];
    for (bytes, what) in cases {
        assert_eq!(
            answer(password(), VERIFIED, bytes),
            Err(LogInError::Violation((*what).into())),
            "{}",
            bytes.escape_ascii()
        );
    }
    let chatty = [
        OK,
        &super::super::relay::test_message(b'N', &[b'x'; 30_000]).repeat(5),
    ]
    .concat();
    assert_eq!(
        answer(password(), VERIFIED, &chatty),
        Err(LogInError::Violation(
            "too many parameters and notices".into()
        ))
    );
}

#[test]
fn errors_are_kept_in_the_servers_words_also_those_of_old_servers() {
    let Err(LogInError::Refused(error)) = answer(
        token(),
        VERIFIED,
        &super::super::relay::test_message(
            b'E',
            b"SFATAL\0VFATAL\0C28000\0Mpam failed\0Hgrant it\0\0",
        ),
    ) else {
        panic!()
    };
    assert_eq!(
        (
            error.code.as_str(),
            error.message.as_str(),
            error.hint.as_deref()
        ),
        ("28000", "pam failed", Some("grant it"))
    );
    let Err(LogInError::Refused(error)) = answer(token(), VERIFIED, b"Ecould not fork\n\0") else {
        panic!()
    };
    assert_eq!(error.message, "could not fork");
}

#[test]
fn poolers_without_a_key_and_servers_with_long_ones_are_understood() {
    let read = |version, bytes: &[u8]| {
        let mut log_in = LogIn::begin(
            Ask { version, ..ask() },
            Proof::None,
            VERIFIED,
            [0; 18],
            &mut Vec::new(),
        );
        log_in.read(bytes, &mut Vec::new()).unwrap().1.unwrap()
    };
    assert_eq!(read(Version::V30, &[OK, READY].concat()).key, None);
    let key = [&7_u32.to_be_bytes()[..], &[5; 32]].concat();
    let long = super::super::relay::test_message(b'K', &key);
    let ready = read(Version::V32, &[OK, &long, READY].concat());
    assert_eq!(
        (ready.key, ready.version),
        (
            Some(ServerKey {
                pid: 7,
                secret: vec![5; 32]
            }),
            Version::V32
        )
    );
    let older = b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0";
    assert_eq!(
        read(Version::V32, &[older, OK, READY].concat()).version,
        Version::V30
    );
}

#[test]
fn the_client_is_told_what_the_database_said_but_our_own_key() {
    let mut log_in = begin(Proof::None, VERIFIED);
    let parameter = b"S\0\0\0\x0cname\0v1\0";
    let bytes = [
        OK,
        parameter,
        b"K\0\0\0\x0c\0\0\0\x01abcd",
        READY,
        b"N\0\0\0\x05\0",
    ]
    .concat();
    let (took, ready) = log_in.read(&bytes, &mut Vec::new()).unwrap();
    assert_eq!(took, bytes.len() - 6);
    let client = [&0x0003_0003_u32.to_be_bytes()[..], b"user\0alice\0\0"].concat();
    let client = [
        &u32::try_from(client.len() + 4).unwrap().to_be_bytes()[..],
        &client,
    ]
    .concat();
    let super::super::start::Next::Startup { startup, .. } =
        Start::new(super::super::start::Channel::Tls)
            .next(&client)
            .unwrap()
    else {
        panic!()
    };
    let key = ClientKey::mint(startup.version, &[0x11; super::super::cancel::RANDOM]);
    let mut out = Vec::new();
    ready.unwrap().put_welcome(&startup, &key, &mut out);
    let told_version = &b"v\0\0\0\x0c\0\x03\0\x02\0\0\0\0"[..];
    let own = [&b"K\0\0\0\x28"[..], &[0x11; 36]].concat();
    assert_eq!(out, [told_version, OK, parameter, &own, READY].concat());
}

#[test]
fn pieces_make_no_difference() {
    let bytes = [
        OK,
        &b"S\0\0\0\x0cname\0v1\0"[..],
        b"K\0\0\0\x0c\0\0\0\x01abcd",
        READY,
    ]
    .concat();
    for cut in 0..bytes.len() {
        let mut log_in = begin(Proof::None, VERIFIED);
        let (took, ready) = log_in.read(&bytes[..cut], &mut Vec::new()).unwrap();
        assert!(took <= cut && ready.is_none());
        assert!(
            log_in
                .read(&bytes[took..], &mut Vec::new())
                .unwrap()
                .1
                .is_some()
        );
    }
}
