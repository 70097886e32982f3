//! Log-ins of `psql` at a real server (`fixtures/postgres/login`): ours says the same, byte for byte. And first packets
//! and answers to a log-in that were changed by chance. `MUSTER_FUZZ` is the number of tries.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use muster_credentials::{Proof, Secret};

use super::{
    relay::{
        test_message,
        tests::{
            fuzz::{Chance, tries},
            transcripts::{folder, in_folder, unescape},
        },
    },
    server::{Ask, Line, LogIn, LogInError},
    start::{Channel, Next, Start, Startup},
};

struct Transcript {
    name: String,
    startup: Vec<u8>,
    /// Whether the client said it, and the message.
    said: Vec<(bool, Vec<u8>)>,
}

fn transcripts() -> Vec<Transcript> {
    let files = in_folder(folder().join("login"));
    assert!(files.len() >= 6, "transcripts are missing");
    files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let mut transcript = Transcript {
                name: path.display().to_string(),
                startup: Vec::new(),
                said: Vec::new(),
            };
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let (mark, rest) = line.split_once(' ').unwrap();
                let (tag, body) = rest.split_once(' ').unwrap();
                let body = unescape(
                    body.strip_prefix('"')
                        .and_then(|body| body.strip_suffix('"'))
                        .unwrap(),
                );
                if tag == "startup" {
                    let length = u32::try_from(body.len() + 4).unwrap();
                    transcript.startup = [&length.to_be_bytes()[..], &body].concat();
                } else {
                    transcript
                        .said
                        .push((mark == ">", test_message(tag.as_bytes()[0], &body)));
                }
            }
            transcript
        })
        .collect()
}

fn startup(packet: &[u8]) -> Startup {
    match Start::new(Channel::Tls).next(packet).unwrap() {
        Next::Startup { startup, took } if took == packet.len() => startup,
        other => panic!("{other:?}"),
    }
}

/// The random bytes that the client of a transcript took for SCRAM.
fn random(transcript: &Transcript) -> [u8; 18] {
    let said = transcript
        .said
        .iter()
        .find(|(client, _)| *client)
        .map(|(_, bytes)| String::from_utf8_lossy(bytes));
    let nonce = said.and_then(|said| Some(said.split_once("n=,r=")?.1.to_owned()));
    nonce.map_or([0; 18], |nonce| {
        BASE64.decode(nonce).unwrap().try_into().unwrap()
    })
}

fn begin(transcript: &Transcript, out: &mut Vec<u8>) -> LogIn {
    let said = startup(&transcript.startup);
    let ask = Ask {
        user: said.user,
        database: said.database,
        replication: said.replication,
        parameters: said.parameters,
        version: said.version,
    };
    let password = if transcript.name.contains("refused") {
        "wrong"
    } else {
        "pencil"
    };
    let line = Line {
        verified: true,
        end_point: None,
    };
    LogIn::begin(
        ask,
        Proof::Password(Secret::new(password)),
        line,
        random(transcript),
        out,
    )
}

#[test]
fn a_real_server_hears_what_psql_would_have_said() {
    for transcript in transcripts() {
        if transcript.name.ends_with("negotiate.txt") {
            continue;
        }
        let mut out = Vec::new();
        let mut log_in = begin(&transcript, &mut out);
        assert_eq!(out, transcript.startup, "{}", transcript.name);
        out.clear();
        let mut ended = None;
        for (client, bytes) in &transcript.said {
            if *client {
                assert_eq!(
                    out.escape_ascii().to_string(),
                    bytes.escape_ascii().to_string(),
                    "{}",
                    transcript.name
                );
                out.clear();
                continue;
            }
            match log_in.read(bytes, &mut out) {
                Ok((took, None)) => assert_eq!(took, bytes.len()),
                Ok((_, Some(ready))) => ended = Some(Ok(ready)),
                Err(error) => ended = Some(Err(error)),
            }
        }
        let expected = match transcript.name.rsplit('/').next().unwrap() {
            "scram-refused.txt" => Some("28P01"),
            "no-database.txt" => Some("3D000"),
            _ => None,
        };
        match (ended, expected) {
            (Some(Ok(ready)), None) => {
                assert!(
                    ready.key.is_some()
                        && ready
                            .greeting
                            .windows(14)
                            .any(|window| window == b"server_version")
                );
            }
            (Some(Err(LogInError::Refused(error))), Some(code)) => assert_eq!(error.code, code),
            (other, _) => panic!("{}: {other:?}", transcript.name),
        }
    }
}

#[test]
fn a_client_of_a_later_version_hears_what_a_real_server_would_have_said() {
    let transcript = transcripts()
        .into_iter()
        .find(|transcript| transcript.name.ends_with("negotiate.txt"))
        .unwrap();
    let mut out = Vec::new();
    startup(&transcript.startup).put_negotiation(&mut out);
    assert_eq!(out, transcript.said[0].1);
}

#[test]
fn changed_first_packets_and_answers_never_do_more_than_end_the_connection() {
    let transcripts = transcripts();
    let (mut well, mut ill) = (0, 0);
    for seed in 0..tries(1000) {
        let mut chance = Chance::new(seed);
        let transcript = &transcripts[chance.below(transcripts.len())];

        let mut first = [
            &b"\0\0\0\x08\x04\xd2\x16\x2f"[..],
            &transcript.startup,
            b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02",
        ][chance.below(3)]
        .to_vec();
        chance.change(&mut first);
        let channel = if chance.below(2) == 0 {
            Channel::Clear
        } else {
            Channel::Tls
        };
        let mut start = Start::new(channel);
        match start.next(&first) {
            Ok(_) => well += 1,
            Err(refusal) => {
                ill += 1;
                assert!(refusal.answer.len() < 30_000);
            }
        }

        let mut out = Vec::new();
        let mut log_in = begin(transcript, &mut out);
        let mut bytes: Vec<u8> = transcript
            .said
            .iter()
            .filter(|(client, _)| !*client)
            .flat_map(|(_, bytes)| bytes.clone())
            .collect();
        chance.change(&mut bytes);
        let mut from = 0;
        let mut to = 0;
        while to < bytes.len() {
            to = (to + 1 + chance.below(200)).min(bytes.len());
            match log_in.read(&bytes[from..to], &mut out) {
                Ok((took, None)) => from += took,
                _ => break,
            }
        }
        assert!(out.len() < 30_000);
    }
    assert!(well > 0 && ill > 0, "{well} went on, {ill} were refused");
}
