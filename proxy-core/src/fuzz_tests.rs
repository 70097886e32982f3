//! The fuzzer's functions with good bytes that were changed by chance. `MUSTER_FUZZ` is the number of tries;
//! `MUSTER_FUZZ_SEEDS` a directory that the good bytes are written to, for libFuzzer to begin with.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use rcgen::{CertificateParams, CustomExtension, KeyPair};

use super::*;
use crate::engines::postgres::relay::tests::{
    fuzz::{Chance, tries},
    transcripts::conversations,
};

/// Runs a target with what was changed of each seed.
fn run(name: &str, target: fn(&[u8]), seeds: &[Vec<u8>], times: u64) {
    assert!(!seeds.is_empty());
    for seed in seeds {
        target(seed);
    }
    if let Some(dir) = std::env::var_os("MUSTER_FUZZ_SEEDS") {
        let dir = std::path::PathBuf::from(dir).join(name);
        std::fs::create_dir_all(&dir).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(dir.join(format!("good-{number}")), seed).unwrap();
        }
    }
    for number in 0..tries(times) {
        let mut chance = Chance::new(number);
        let mut bytes = seeds[chance.below(seeds.len())].clone();
        for _ in 0..=chance.below(3) {
            chance.change(&mut bytes);
        }
        target(&bytes);
    }
}

#[test]
fn first_packets() {
    let packet = |body: &[u8]| {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&length[..], body].concat()
    };
    let ssl = packet(b"\x04\xd2\x16\x2f");
    let gss = packet(b"\x04\xd2\x16\x30");
    let cancel = packet(b"\x04\xd2\x16\x2e\0\0\0\x01abcd");
    let startup =
        packet(b"\0\x03\0\x02user\0alice\0database\0shop\0_pq_.x\0y\0replication\0on\0\0");
    let http = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    let mut seeds = Vec::new();
    for channel in [0, 1] {
        for bytes in [
            &ssl,
            &gss,
            &cancel,
            &startup,
            &http,
            &[gss.clone(), ssl.clone()].concat(),
        ] {
            seeds.push([&[channel, 9][..], bytes].concat());
        }
    }
    run("start", start, &seeds, 20_000);
}

#[test]
fn messages_of_both_sides() {
    let encoded = |talk: &Vec<(bool, Vec<u8>)>| {
        let mut data = vec![0xff, 0x41];
        for (client, bytes) in talk {
            // A piece is a multiple of four bytes long; the rest comes with the next one.
            for piece in bytes.chunks(508) {
                let whole = piece.len() / 4 * 4;
                data.push(u8::try_from(whole / 4 * 2).unwrap() | u8::from(!client));
                data.extend_from_slice(&piece[..whole]);
            }
        }
        data
    };
    let seeds: Vec<_> = conversations().iter().map(encoded).collect();
    run("messages", messages, &seeds, 3_000);
}

#[test]
fn certificates_and_identities() {
    let identity = br#"{"v":1,"user":"ana","roles":["dev"],"usage":"database","route":{"target":"orders"},"cluster":"c","issued":"2026-01-01T00:00:00Z","expires":"2026-01-02T00:00:00Z","serial":"1"}"#;
    assert!(Identity::decode(identity).is_ok());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.custom_extensions = vec![CustomExtension::from_oid_content(
        muster_access::IDENTITY_OID,
        identity.to_vec(),
    )];
    let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    assert!(trust::read(made.der()));
    run(
        "certificate",
        certificate,
        &[made.der().to_vec(), identity.to_vec()],
        20_000,
    );
}

#[test]
fn files_of_records() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/access/records");
    let files = std::fs::read_dir(dir).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<_> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    run("records", records, &seeds, 3_000);
}
