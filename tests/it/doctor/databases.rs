//! Databases: one that is well, and each way in which one is not.

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    os::fd::OwnedFd,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

use super::doctor;
use crate::{
    door::town::{POSTGRES, Town},
    support::postgres::Postgres,
};

#[test]
fn a_door_that_works_has_nothing_wrong_with_or_without_its_service() {
    let town = Town::new("");
    let found = doctor(town.world.command(&["doctor"]));
    // Nothing was scanned: there is no source.
    let store = town.world.store();
    assert_eq!(found.all(), [format!("store/absent {}", store.display())]);
    let endpoints = found.check("endpoints");
    assert_eq!(endpoints["state"], "ok", "{endpoints}");
    let note = endpoints["note"].as_str().unwrap();
    assert!(note.starts_with("1 of 1 that were looked at"), "{note}");
    assert!(!store.join("data").exists(), "it makes no store");

    let (service, _) = town.open();
    let found = doctor(town.world.command(&["doctor"]));
    assert_eq!(found.all(), Vec::<String>::new(), "{:#}", found.report);
    for check in [
        "configuration",
        "store",
        "audit",
        "certificates",
        "ports",
        "logins",
        "endpoints",
    ] {
        assert_ne!(found.check(check)["state"], "skipped", "{check}");
    }
    service.stop();
}

/// A port that nobody listens at, nor can as long as this is held.
fn shut() -> (OwnedFd, u16) {
    use rustix::net::{AddressFamily, SocketType, bind, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    // Never told to listen: of this type only to be asked for its port.
    let held = TcpListener::from(socket);
    let port = held.local_addr().unwrap().port();
    (held.into(), port)
}

#[test]
fn each_way_in_which_a_database_cannot_be_reached_is_told_apart() {
    let town = Town::new("");
    let legacy = Postgres::start("legacy.db.test");
    let ca = show_common_name_only(&legacy, "legacy.db.test");
    let db = |name: &str, uri: &str, tls: &str| {
        format!(
            "kind: db\nversion: v3\nmetadata: {{ name: {name}, labels: {{ env: test }} }}\n\
             spec: {{ protocol: postgres, uri: \"{uri}\"{tls} }}\n"
        )
    };
    let (_held, port) = shut();
    let pem = serde_json::to_string(&ca).unwrap();
    let tls = format!(", tls: {{ server_name: legacy.db.test, ca_cert: {pem} }}");
    town.create(
        &[
            db("nowhere", "no-such-host.invalid:5432", ""),
            db("shut", &format!("{}:{port}", POSTGRES.name), ""),
            db("legacy", &format!("127.0.0.1:{}", legacy.port), &tls),
            // Its certificate is of an authority that this record does not name.
            db("foreign", &format!("localhost:{}", legacy.port), ""),
        ]
        .join("---\n"),
    );
    let found = doctor(town.world.command(&["doctor", "endpoints", "logins"]));
    assert_eq!(
        found.all(),
        [
            "endpoints/certificate foreign",
            "endpoints/certificate legacy",
            "endpoints/unresolved nowhere",
            "endpoints/unreachable shut",
        ]
    );
    assert_eq!(found.code, 4);
    found.says(
        "endpoints/unresolved",
        "remedy",
        "getent hosts no-such-host.invalid",
    );
    found.says("endpoints/unreachable", "what", "connection refused");
    found.says(
        "endpoints/unreachable",
        "remedy",
        &format!("nc -vz -w 5 orders.db.test {port}"),
    );
    found.says("endpoints/certificate", "what", "does not trust");
    let findings = found.report["findings"].as_array().unwrap();
    let of = findings
        .iter()
        .find(|finding| finding["subject"] == "legacy");
    let of = of.unwrap().to_string();
    assert!(of.contains("relies on legacy Common Name field"), "{of}");
    assert!(of.contains("subject alternative name"), "{of}");

    // For people: each with what to do, and the code.
    let output = town
        .world
        .command(&["doctor", "endpoints"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("! endpoints/unreachable  shut"), "{text}");
    assert!(text.contains("4 failed, 0 to be warned of."), "{text}");

    // Without asking anybody nothing of this can be known.
    let found = doctor(town.world.command(&["doctor", "--offline", "endpoints"]));
    assert_eq!((found.code, found.all()), (0, Vec::new()));
    assert_eq!(found.check("endpoints")["state"], "skipped");
}

/// Has a server show a certificate whose only name is its common name, and returns the authority.
fn show_common_name_only(postgres: &Postgres, name: &str) -> String {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "old");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::default();
    server.distinguished_name.push(DnType::CommonName, name);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = server.signed_by(&key, &authority).unwrap();
    postgres.shows(&server.pem(), &key.serialize_pem());
    authority.pem()
}
