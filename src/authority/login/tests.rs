#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::net::IpAddr;

use muster_model::Timestamp;

use super::{
    limit::{FAILURES, Failures, Limiter, origin, silence_name},
    password::{PARAMETERS, Passwords, Unfit},
    secret,
    totp::Totp,
};
use crate::authority::chance::{as_hex, system};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

#[test]
fn the_codes_are_those_of_rfc_6238() {
    // Appendix B, SHA-1: eight digits there, of which apps show the last six.
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let totp = Totp::from_base32(secret).unwrap();
    assert_eq!(totp.as_base32(), secret);
    let vectors = [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ];
    for (time, code) in vectors {
        let step = u64::try_from(time).unwrap() / 30;
        assert_eq!(totp.check(&code[2..], at(time), 0), Some(step), "at {time}");
        // A minute later it is too late, and was too early a minute before.
        assert_eq!(totp.check(&code[2..], at(time + 60), 0), None);
        assert!(time < 60 || totp.check(&code[2..], at(time - 60), 0).is_none());
        // Clocks may differ by half a minute.
        assert_eq!(totp.check(&code[2..], at(time + 30), 0), Some(step));
        assert_eq!(totp.check(&code[2..], at(time - 30), 0), Some(step));
        // Once.
        assert_eq!(totp.check(&code[2..], at(time), step), None);
        for wrong in ["", "000000", code, " 87082", "+87082", "2870820"] {
            assert_eq!(totp.check(wrong, at(time), 0), None, "{wrong}");
        }
    }
}

#[test]
fn secrets_of_apps_are_written_as_rfc_4648_says() {
    for (bytes, text) in [
        ("f", "MY"),
        ("fo", "MZXQ"),
        ("foo", "MZXW6"),
        ("foob", "MZXW6YQ"),
        ("fooba", "MZXW6YTB"),
        ("foobar", "MZXW6YTBOI"),
    ] {
        let totp = Totp::from_base32(text).unwrap();
        assert_eq!(totp.as_base32(), text, "{bytes}");
    }
    assert!(Totp::from_base32("MZXW1").is_none());
    let totp = Totp::create(&system()).unwrap();
    assert_eq!(totp.as_base32().len(), 32);
    let link = totp.link("prod cluster", "alice@example.com");
    assert!(
        link.starts_with("otpauth://totp/prod%20cluster:alice%40example.com?secret="),
        "{link}"
    );
    assert_eq!(format!("{totp:?}"), "Totp(..)");
}

#[test]
fn a_password_is_known_again_and_no_other() {
    let passwords = Passwords::with(64, 1, 1, system()).unwrap();
    let hash = passwords.hash("correct horse battery").unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
    assert_ne!(hash, passwords.hash("correct horse battery").unwrap());
    assert!(passwords.is("correct horse battery", Some(&hash)).unwrap());
    assert!(!passwords.is("correct horse batterz", Some(&hash)).unwrap());
    assert!(!passwords.is("correct horse battery", None).unwrap());
    assert!(
        !passwords
            .is("correct horse battery", Some("damaged"))
            .unwrap()
    );
    // What was hashed with other parameters is known still.
    let stronger = Passwords::with(128, 2, 1, system()).unwrap();
    assert!(stronger.is("correct horse battery", Some(&hash)).unwrap());
    assert_eq!(Passwords::fits("elevenchars"), Err(Unfit::Short));
    assert_eq!(Passwords::fits("twelve chars"), Ok(()));
    assert_eq!(Passwords::fits(&"x".repeat(1025)), Err(Unfit::Long));
}

#[test]
fn the_hash_is_that_of_the_reference_implementation() {
    // From the known answers of the reference implementation (phc-winner-argon2, test.c): version 0x13, m=65536, t=2, p=1.
    let known =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let passwords = Passwords::with(64, 1, 1, system()).unwrap();
    assert!(passwords.is("password", Some(known)).unwrap());
    assert!(!passwords.is("differentpassword", Some(known)).unwrap());
    assert_eq!(PARAMETERS, (19_456, 2, 1));
}

#[test]
fn a_secret_is_found_by_its_hash_alone() {
    let (shown, kept) = secret::create(&system()).unwrap();
    assert_eq!(shown.0.len(), 43);
    assert_eq!(secret::hash(&shown.0), Some(kept.clone()));
    assert_ne!(secret::hash("something else"), Some(kept));
    assert_eq!(secret::hash(&"x".repeat(257)), None);
    // SHA-256 of "abc", from FIPS 180-2.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(secret::hash("abc").unwrap(), abc);
    assert_eq!(as_hex(&[0, 0xff]), "00ff");
}

#[test]
fn who_tries_too_often_waits_and_others_do_not() {
    let mut limiter = Limiter::new(3, 20);
    for _ in 0..3 {
        assert_eq!(limiter.pass(b"a", at(1000)), Ok(()));
    }
    assert_eq!(limiter.pass(b"a", at(1000)), Err(20));
    assert_eq!(limiter.pass(b"a", at(1015)), Err(5));
    assert_eq!(limiter.pass(b"b", at(1015)), Ok(()));
    assert_eq!(limiter.pass(b"a", at(1020)), Ok(()));
    assert_eq!(limiter.pass(b"a", at(1020)), Err(20));
    // The clock is set back by a day: nobody is kept out for a day.
    assert!(limiter.pass(b"a", at(1020 - 86_400)).unwrap_err() <= 60);
}

#[test]
fn strangers_cannot_fill_the_memory() {
    let mut limiter = Limiter::new(3, 20);
    let mut failures = Failures::default();
    for n in 0_u32..200_000 {
        let _ = limiter.pass(&n.to_be_bytes(), at(1000));
        failures.wrong(&n.to_be_bytes(), at(1000));
    }
    assert!(format!("{limiter:?}").len() < 20_000_000);
    assert!(failures.heard(b"x", at(1000)).is_ok());
}

#[test]
fn after_many_wrong_tries_a_user_is_not_heard_for_longer_and_longer() {
    let mut failures = Failures::default();
    for n in 1..FAILURES {
        assert!(!failures.wrong(b"alice", at(i64::from(n))));
    }
    assert_eq!(failures.heard(b"alice", at(100)), Ok(()));
    assert!(failures.wrong(b"alice", at(100)));
    assert_eq!(failures.heard(b"alice", at(101)), Err(59));
    assert_eq!(failures.heard(b"bob", at(101)), Ok(()));
    assert_eq!(failures.heard(b"alice", at(160)), Ok(()));
    assert!(failures.wrong(b"alice", at(160)));
    assert_eq!(failures.heard(b"alice", at(161)), Err(119));
    // Who is put back is as they were, and nobody else.
    let mut again = Failures::default();
    assert_eq!(failures.silence(b"bob"), None);
    again.restore(
        &silence_name(b"alice"),
        &failures.silence(b"alice").unwrap(),
    );
    again.restore("no name of a silence", &failures.silence(b"alice").unwrap());
    assert_eq!(again.heard(b"alice", at(161)), Err(119));
    assert_eq!(again.heard(b"bob", at(161)), Ok(()));
    assert!(again.wrong(b"alice", at(300)));
    assert_eq!(again.heard(b"alice", at(301)), Err(239));
    // A right one ends it; so does a day.
    assert!(failures.right(b"alice") && !failures.right(b"alice"));
    assert_eq!(failures.heard(b"alice", at(161)), Ok(()));
    assert!(!failures.wrong(b"alice", at(162)));
    for n in 0..FAILURES {
        failures.wrong(b"carol", at(200 + i64::from(n)));
    }
    assert!(!failures.wrong(b"carol", at(200 + 100_000)));
}

#[test]
fn a_network_is_one_origin() {
    let of = |text: &str| origin(text.parse::<IpAddr>().unwrap());
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
    assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
    assert_eq!(of("::ffff:10.1.2.3"), of("10.1.2.3"));
    assert_ne!(of("10.1.2.3"), of("10.1.2.4"));
}
