#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::HashMap;

use super::*;

/// RFC 7677, section 3.
#[test]
fn the_exchange_of_rfc_7677() {
    let (first, message) = First::with_nonce(
        "pencil",
        "rOprNGfwEbeRWgbNEkqO".into(),
        "user",
        &Binding::Unsupported,
    );
    assert_eq!(message, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let server =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let (last, message) = first.answer(server).unwrap();
    assert_eq!(
        message,
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    assert_eq!(
        last.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
        Ok(())
    );
}

/// Python's hashlib: `"md5" + md5(md5("secretalice").hex + salt).hex`.
#[test]
fn the_answer_to_md5() {
    assert_eq!(&*md5_answer("alice", "secret", [1, 2, 3, 4]), MD5_KNOWN);
    assert_eq!(
        &*md5_answer("user@server", "pässword", [0xff, 0, 0x80, 0x7f]),
        MD5_KNOWN_2
    );
}

const MD5_KNOWN: &str = "md598a0412b9c31436fc53776e863350083";
const MD5_KNOWN_2: &str = "md55dd5a8d44a273e87b15f7ac31903ef74";

/// A server of its own, written from RFC 5802 with other libraries than the client: it stores the salted keys, reads the
/// messages attribute by attribute, and proves itself.
struct Server {
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
    salt: Vec<u8>,
    rounds: u32,
    channel: Vec<u8>,
}

fn hmac256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8, rest: &[u8]| -> Vec<u8> {
        let mut bytes: Vec<u8> = block.iter().map(|byte| byte ^ with).collect();
        bytes.extend_from_slice(rest);
        digest::digest(&digest::SHA256, &bytes).as_ref().to_vec()
    };
    pad(0x5c, &pad(0x36, text))
}

impl Server {
    /// `password` is what SASLprep makes of it, no longer than a block of the hash.
    fn new(password: &str, salt: &[u8], rounds: u32, channel: &[u8]) -> Self {
        // Hi() of the RFC.
        let mut u = hmac256(password.as_bytes(), &[salt, &1_u32.to_be_bytes()].concat());
        let mut salted = u.clone();
        for _ in 1..rounds {
            u = hmac256(password.as_bytes(), &u);
            salted
                .iter_mut()
                .zip(&u)
                .for_each(|(byte, with)| *byte ^= with);
        }
        let client_key = hmac256(&salted, b"Client Key");
        Self {
            stored_key: digest::digest(&digest::SHA256, &client_key)
                .as_ref()
                .to_vec(),
            server_key: hmac256(&salted, b"Server Key"),
            salt: salt.to_vec(),
            rounds,
            channel: channel.to_vec(),
        }
    }

    fn first(&self, client_first: &str) -> (String, String) {
        let bare = client_first.splitn(3, ',').nth(2).unwrap().to_owned();
        let nonce = bare.split_once("r=").unwrap().1;
        (
            bare.clone(),
            format!(
                "r={nonce}and+more,s={},i={}",
                BASE64.encode(&self.salt),
                self.rounds
            ),
        )
    }

    fn check(
        &self,
        bare: &str,
        server_first: &str,
        client_last: &str,
    ) -> Result<String, &'static str> {
        let (unproven, proof) = client_last.rsplit_once(",p=").ok_or("no proof")?;
        let attributes: HashMap<_, _> = unproven
            .split(',')
            .filter_map(|part| part.split_once('='))
            .collect();
        if BASE64.decode(attributes["c"]).map_err(|_| "base64")? != self.channel {
            return Err("channel");
        }
        let signed = format!("{bare},{server_first},{unproven}");
        let signature = hmac256(&self.stored_key, signed.as_bytes());
        let proof = BASE64.decode(proof).map_err(|_| "base64")?;
        let key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        if digest::digest(&digest::SHA256, &key).as_ref() != self.stored_key {
            return Err("password");
        }
        Ok(format!(
            "v={}",
            BASE64.encode(hmac256(&self.server_key, signed.as_bytes()))
        ))
    }
}

fn log_in(password: &str, server: &Server, binding: &Binding) -> Result<(), String> {
    let (first, message) = First::new(password, &[5; RANDOM], binding);
    let (bare, answer) = server.first(&message);
    let (last, message) = first.answer(answer.as_bytes()).map_err(|e| e.to_string())?;
    let proof = server.check(&bare, &answer, &message)?;
    last.verify(proof.as_bytes()).map_err(|e| e.to_string())
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn a_server_written_from_the_rfc_lets_in_who_knows_the_password_and_nobody_else(
        password in "[ -~]{1,40}", other in "[ -~]{1,40}", salt in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..64),
        rounds in 1_u32..50, bound in proptest::option::of(proptest::collection::vec(proptest::prelude::any::<u8>(), 32)),
    ) {
        let (binding, channel) = match bound {
            None => (Binding::Unsupported, b"n,,".to_vec()),
            Some(hash) => (Binding::EndPoint(hash.clone()), [b"p=tls-server-end-point,,", &hash[..]].concat()),
        };
        let server = Server::new(&password, &salt, rounds, &channel);
        proptest::prop_assert_eq!(log_in(&password, &server, &binding), Ok(()));
        if password != other {
            proptest::prop_assert_eq!(log_in(&other, &server, &binding), Err("password".into()));
        }
        let elsewhere = Binding::EndPoint(vec![0; 31]);
        proptest::prop_assert_eq!(log_in(&password, &server, &elsewhere), Err("channel".into()));
    }
}

#[test]
fn passwords_are_prepared_as_postgresql_does() {
    let cases: &[(&str, &str)] = &[
        ("I\u{ad}X", "IX"),         // RFC 4013: a soft hyphen is mapped to nothing
        ("\u{aa}", "a"),            // and compatibility forms to their plain ones
        ("a\u{a0}b", "a b"),        // spaces to the space
        ("pa\u{7}ss", "pa\u{7}ss"), // forbidden: as it is
        ("\u{627}1", "\u{627}1"),   // forbidden by direction: as it is
    ];
    for (typed, stored) in cases {
        let server = Server::new(stored, b"salt", 3, b"y,,");
        assert_eq!(
            log_in(typed, &server, &Binding::NotOffered),
            Ok(()),
            "{typed:?}"
        );
    }
}

#[test]
fn a_hostile_server_is_not_answered() {
    let begin = || First::new("pencil", &[1; RANDOM], &Binding::Unsupported).0;
    let ours = BASE64.encode([1; RANDOM]);
    let long = format!("r={ours}{},s=AAAA,i=1", "x".repeat(MAX_MESSAGE));
    let cases: &[(String, ScramError)] = &[
        (String::new(), ScramError::Broken),
        ("r=other,s=AAAA,i=1".into(), ScramError::Nonce),
        (format!("r={ours},s=AAAA,i=1"), ScramError::Nonce),
        (format!("r={ours}x,s=AAAA,i=0"), ScramError::Rounds(0)),
        (
            format!("r={ours}x,s=AAAA,i=1000001"),
            ScramError::Rounds(1_000_001),
        ),
        (
            format!("r={ours}x,s=AAAA,i=99999999999"),
            ScramError::Rounds(99_999_999_999),
        ),
        (format!("r={ours}x,s=AAAA,i=-1"), ScramError::Broken),
        (format!("r={ours}x,s=A*A,i=1"), ScramError::Broken),
        (format!("m=ext,r={ours}x,s=AAAA,i=1"), ScramError::Broken),
        (format!("r={ours}x,s=AAAA"), ScramError::Broken),
        (format!("r={ours}x\0,s=AAAA,i=1"), ScramError::Broken),
        (long, ScramError::Broken),
    ];
    for (message, error) in cases {
        assert_eq!(
            begin().answer(message.as_bytes()).err(),
            Some(error.clone()),
            "{message}"
        );
    }
    let answered = || {
        begin()
            .answer(format!("r={ours}x,s=AAAA,i=1").as_bytes())
            .unwrap()
            .0
    };
    assert_eq!(answered().verify(b"v=AAAA"), Err(ScramError::Unproven));
    assert_eq!(answered().verify(b""), Err(ScramError::Broken));
    assert_eq!(
        answered().verify(b"e=invalid-proof"),
        Err(ScramError::Refused("invalid-proof".into()))
    );
}

#[test]
fn the_hash_of_a_certificate_follows_its_signature() {
    for (algorithm, size) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
        (&rcgen::PKCS_ED25519, None),
    ] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["db".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        assert_eq!(end_point(certificate.der()).map(|hash| hash.len()), size);
    }
    assert_eq!(end_point(b"no certificate"), None);
}
