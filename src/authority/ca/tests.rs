#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use muster_access::{Identity, Route, Usage};

use super::*;
use crate::authority::chance::system;

/// The present: `openssl` knows no other.
fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap())
}

fn made(ca: Ca) -> Authority {
    Authority::create(ca, "production", now(), &system()).unwrap()
}

fn identity(user: &str) -> Identity {
    Identity {
        user: user.to_owned(),
        roles: vec!["reader".to_owned()],
        usage: Usage::Database,
        route: Some(Route {
            target: "orders".to_owned(),
            db_user: Some("app".to_owned()),
            db_name: None,
        }),
        cluster: "production".to_owned(),
        issued: now(),
        expires: now().plus(3600),
        serial: String::new(),
        totp: false,
    }
}

fn openssl(dir: &Path, arguments: &[&str]) -> Output {
    let command = Command::new("openssl")
        .args(arguments)
        .current_dir(dir)
        .output();
    command.unwrap()
}

fn text(output: &Output) -> String {
    let said = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

/// A key of `openssl`'s making, as the client's.
fn client_key(dir: &Path, kind: &[&str]) -> String {
    let key = openssl(dir, &[&["genpkey", "-out", "key.pem"], kind].concat());
    assert!(key.status.success(), "{}", text(&key));
    text(&openssl(dir, &["pkey", "-in", "key.pem", "-pubout"]))
}

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

#[test]
fn openssl_verifies_a_users_certificate_and_shows_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let ca = made(Ca::User);
    let key = ClientKey::from_pem(&client_key(dir, P256)).unwrap();
    let leaf = ca
        .sign_user(identity("alice@example.com"), &key, &system())
        .unwrap();
    fs::write(dir.join("ca.pem"), ca.trusted_pem(now())).unwrap();
    fs::write(dir.join("cert.pem"), leaf.pem()).unwrap();
    let verify = |purpose| {
        let arguments = [
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            "ca.pem",
            "cert.pem",
        ];
        openssl(dir, &arguments)
    };
    let verified = verify("sslclient");
    assert!(verified.status.success(), "{}", text(&verified));
    // It serves nobody, and signs nothing.
    assert!(!verify("sslserver").status.success());
    let shown = text(&openssl(
        dir,
        &["x509", "-in", "cert.pem", "-noout", "-text"],
    ));
    for part in [
        "Subject: CN = alice@example.com",
        "URI:spiffe://production/user/alice%40example.com",
        "TLS Web Client Authentication",
        "CA:FALSE",
        "Issuer: O = production, CN = muster user authority 1",
        "\"target\":\"orders\"",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    // The identity in it is the one that was meant, with the serial number of the certificate.
    let (_, read) = x509_parser::parse_x509_certificate(&leaf.certificate).unwrap();
    let extension = read
        .extensions()
        .iter()
        .find(|extension| extension.value.starts_with(b"{"));
    let arcs: Vec<String> = muster_access::IDENTITY_OID
        .iter()
        .map(u64::to_string)
        .collect();
    assert!(shown.contains(&arcs.join(".")), "{shown}");
    let who = Identity::decode(extension.unwrap().value).unwrap();
    assert_eq!(who.route, identity("").route);
    assert_eq!(who.serial, leaf.serial);
    assert_eq!(as_hex(read.raw_serial()), leaf.serial);
    assert_eq!(leaf.serial.len(), 32);
    let serial = text(&openssl(
        dir,
        &["x509", "-in", "cert.pem", "-noout", "-serial"],
    ));
    assert_eq!(
        serial.trim(),
        format!("serial={}", leaf.serial.to_uppercase())
    );
    // From a minute before.
    let from = read.validity().not_before.timestamp();
    assert_eq!(
        (from, read.validity().not_after.timestamp()),
        (who.issued.unix() - 60, who.expires.unix())
    );
}

#[test]
fn authorities_do_not_vouch_for_each_others_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let db = made(Ca::Db);
    let leaf = db
        .sign_db_user("app", now(), now().plus(3600), &system())
        .unwrap();
    fs::write(dir.join("cert.pem"), leaf.leaf.pem()).unwrap();
    for (ca, right) in [
        (&db, true),
        (&made(Ca::User), false),
        (&made(Ca::Db), false),
    ] {
        fs::write(dir.join("ca.pem"), ca.trusted_pem(now())).unwrap();
        let verified = openssl(
            dir,
            &[
                "verify",
                "-purpose",
                "sslclient",
                "-CAfile",
                "ca.pem",
                "cert.pem",
            ],
        );
        assert_eq!(verified.status.success(), right, "{}", text(&verified));
    }
    let shown = text(&openssl(
        dir,
        &["x509", "-in", "cert.pem", "-noout", "-subject"],
    ));
    assert_eq!(shown.trim(), "subject=CN = app");
    let long = "x".repeat(65);
    assert!(matches!(
        db.sign_db_user(&long, now(), now(), &system()),
        Err(CaError::Name(_))
    ));
}

#[test]
fn the_proxys_certificate_is_good_for_its_names_and_for_databases_before_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let ca = made(Ca::Host);
    let names = ["db.example.com", "localhost", "10.1.2.3", "::1"];
    let server = ca
        .sign_server(names, now(), now().plus(86400), &system())
        .unwrap();
    fs::write(dir.join("ca.pem"), ca.trusted_pem(now())).unwrap();
    fs::write(dir.join("cert.pem"), server.leaf.pem()).unwrap();
    let cases = [
        ("-verify_hostname", "db.example.com", true),
        ("-verify_hostname", "orders.db.example.com", true),
        ("-verify_hostname", "a.orders.db.example.com", false),
        ("-verify_hostname", "other.example.com", false),
        ("-verify_hostname", "localhost", true),
        ("-verify_ip", "10.1.2.3", true),
        ("-verify_ip", "::1", true),
        ("-verify_ip", "10.1.2.4", false),
    ];
    for (option, name, right) in cases {
        let arguments = [
            "verify",
            "-purpose",
            "sslserver",
            option,
            name,
            "-CAfile",
            "ca.pem",
            "cert.pem",
        ];
        let verified = openssl(dir, &arguments);
        assert_eq!(
            verified.status.success(),
            right,
            "{name}: {}",
            text(&verified)
        );
    }
}

fn pem_of(key: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(key);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn keys_and_requests_of_openssls_are_taken_and_weak_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rsa = |bits| ["-algorithm", "RSA", "-pkeyopt", bits];
    let cases: [(&[&str], bool); 6] = [
        (P256, true),
        (
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            true,
        ),
        (&["-algorithm", "ED25519"], true),
        (&rsa("rsa_keygen_bits:2048"), true),
        (&rsa("rsa_keygen_bits:1024"), false),
        (
            &[
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:secp256k1",
            ],
            false,
        ),
    ];
    for (kind, right) in cases {
        let public = client_key(dir, kind);
        let read = ClientKey::from_pem(&public);
        assert_eq!(read.is_ok(), right, "{kind:?}: {read:?}");
        let request = openssl(
            dir,
            &[
                "req",
                "-new",
                "-key",
                "key.pem",
                "-subj",
                "/CN=root/O=admins",
            ],
        );
        let read = ClientKey::from_pem(&text(&request));
        assert_eq!(read.is_ok(), right, "{kind:?}: {read:?}");
        let Ok(key) = read else { continue };
        // What the request wants to be called has no say.
        let ca = made(Ca::User);
        let leaf = ca.sign_user(identity("bob"), &key, &system()).unwrap();
        fs::write(dir.join("cert.pem"), leaf.pem()).unwrap();
        let shown = openssl(
            dir,
            &["x509", "-in", "cert.pem", "-noout", "-subject", "-pubkey"],
        );
        assert_eq!(text(&shown), format!("subject=CN = bob\n{public}"));
    }
    // openssl makes none of these: with an exponent of 1, anybody could sign.
    let made = client_key(dir, &rsa("rsa_keygen_bits:2048"));
    let (_, der) = x509_parser::pem::parse_x509_pem(made.as_bytes()).unwrap();
    let der = der.contents;
    let modulus = der.len() - 5 - 256;
    assert_eq!(der[der.len() - 5..], [2, 3, 1, 0, 1]);
    for (what, at, byte) in [
        ("an even modulus", modulus + 255, 0x10),
        ("a short modulus", modulus, 0x01),
        ("an even exponent", der.len() - 1, 0x02),
        ("a small exponent", der.len() - 3, 0x00),
    ] {
        let mut der = der.clone();
        der[at] = byte;
        let pem = pem_of(&der);
        assert!(ClientKey::from_pem(&pem).is_err(), "{what}");
    }
    assert!(ClientKey::from_pem(&pem_of(&der)).is_ok());
    // Nor these: a point beside its curve, and one in short form.
    for curve in ["ec_paramgen_curve:P-256", "ec_paramgen_curve:P-384"] {
        let made = client_key(dir, &["-algorithm", "EC", "-pkeyopt", curve]);
        let (_, der) = x509_parser::pem::parse_x509_pem(made.as_bytes()).unwrap();
        assert!(ClientKey::from_pem(&pem_of(&der.contents)).is_ok());
        let mut beside = der.contents.clone();
        *beside.last_mut().unwrap() ^= 1;
        let read = ClientKey::from_pem(&pem_of(&beside));
        let said = read.unwrap_err().to_string();
        assert!(said.contains("no point of its curve"), "{said}");
        fs::write(dir.join("long.pem"), &made).unwrap();
        let arguments = "ec -pubin -in long.pem -pubout -conv_form compressed";
        let short = openssl(dir, &arguments.split(' ').collect::<Vec<_>>());
        let short = String::from_utf8(short.stdout).unwrap();
        assert!(short.len() + 40 < made.len(), "{short}");
        assert!(ClientKey::from_pem(&short).is_err(), "{curve}");
    }
    let private = fs::read_to_string(dir.join("key.pem")).unwrap();
    for wrong in [
        "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        &private,
    ] {
        assert!(matches!(ClientKey::from_pem(wrong), Err(CaError::Key(_))));
    }
    // A request whose signature is another's.
    let request = text(&openssl(
        dir,
        &["req", "-new", "-key", "key.pem", "-subj", "/CN=a"],
    ));
    let mut lines: Vec<&str> = request.lines().collect();
    let changed = lines[1].replacen(
        &lines[1][10..11],
        if &lines[1][10..11] == "A" { "B" } else { "A" },
        1,
    );
    lines[1] = &changed;
    assert!(ClientKey::from_pem(&lines.join("\n")).is_err());
}

#[test]
fn what_is_kept_signs_as_before() {
    let ca = made(Ca::User);
    let kept = ca.store().unwrap();
    let again = Authority::restore(Ca::User, &kept).unwrap();
    assert_eq!(again.trusted(now()), ca.trusted(now()));
    assert_eq!(again.cluster(), "production");
    let key = ClientKey::from_pem(&KeyPair::generate().unwrap().public_key_pem()).unwrap();
    let leaf = again.sign_user(identity("carol"), &key, &system()).unwrap();
    let (_, read) = x509_parser::parse_x509_certificate(&leaf.certificate).unwrap();
    let trusted = ca.trusted(now());
    let (_, issuer) = x509_parser::parse_x509_certificate(&trusted[0]).unwrap();
    assert_eq!(read.issuer().as_raw(), issuer.subject().as_raw());
    for wrong in [
        serde_json::json!({}),
        serde_json::json!({"cluster": "c", "generations": []}),
    ] {
        assert!(Authority::restore(Ca::User, &wrong).is_err());
    }
}

#[test]
fn an_exchange_overlaps_and_can_be_taken_back() {
    let (start, chance) = (now(), system());
    for ca in Ca::ALL {
        let old = Authority::create(ca, "production", start, &chance).unwrap();
        let both = old.rotate(3600, start, &chance).unwrap();
        let both = Authority::restore(ca, &both.store().unwrap()).unwrap();
        assert_eq!(both.trusted(start).len(), 2);
        assert_eq!(both.status(start).overlap_ends, Some(start.plus(3600)));
        // The proxy knows its new authority of users at once; people and databases have to be told first.
        let of_old = fingerprint(&old.trusted(start)[0]);
        let signs_old = both.status(start).certificates[0].fingerprint == of_old;
        assert_eq!(signs_old, ca != Ca::User, "{ca}");
        assert!(matches!(
            both.rotate(1, start, &chance),
            Err(CaError::Rotating { .. })
        ));
        // The second before the end, and the end.
        assert_eq!(both.trusted(start.plus(3599)).len(), 2);
        let end = start.plus(3600);
        assert_eq!(both.trusted(end).len(), 1);
        assert_ne!(both.trusted(end), old.trusted(end));
        assert_eq!(both.status(end).overlap_ends, None);
        assert!(both.settled(start.plus(3599)).is_none());
        let settled = both.settled(end).unwrap();
        assert_eq!(settled.trusted(start), both.trusted(end));
        assert!(matches!(both.roll_back(end), Err(CaError::NotRotating(_))));
        assert_eq!(
            both.roll_back(start.plus(10)).unwrap().trusted(start),
            old.trusted(start)
        );
        // The key leaked: nothing that it signed is good from now on.
        let at_once = old.rotate(0, start, &chance).unwrap();
        assert_eq!(at_once.trusted(start).len(), 1);
        assert_ne!(at_once.trusted(start), old.trusted(start));
        // That is found out in the middle of an exchange as well; which of the two it was does not matter then.
        let at_once = both.rotate(0, start.plus(9), &chance).unwrap();
        let at_once = Authority::restore(ca, &at_once.store().unwrap()).unwrap();
        let left = at_once.trusted(start.plus(9));
        assert_eq!((left.len(), at_once.status(start).overlap_ends), (1, None));
        assert!(!both.trusted(start).contains(&left[0]));
        // Each has a name of its own.
        assert!(
            settled
                .rotate(9, end, &chance)
                .unwrap()
                .trusted_pem(end)
                .matches("BEGIN")
                .count()
                == 2
        );
    }
}
