//! `muster db env|config`: for other programs.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;

#[test]
fn other_programs_are_told_in_their_own_words() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let eva = Person::new(&town, &proxy, "eva", "shop");
    let output = eva.run(&["db", "env"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        complaint(&output).contains("muster db login"),
        "{}",
        complaint(&output)
    );
    said(&eva.run(&[
        "db",
        "login",
        "orders",
        "--db-user",
        "alice",
        "--db-name",
        "shop",
    ]));

    // There is one only: it need not be named.
    let psql = format!("psql -XAtqc '{SELECT}'");
    let script = format!("eval \"$(muster db env)\"; {psql}");
    assert_eq!(said(&eva.sh(&script)), "alice|shop");
    let script = format!("eval \"$(muster db env orders --db-user scrammed)\"; {psql}");
    assert_eq!(said(&eva.sh(&script)), "scrammed|shop");
    let json: serde_json::Value =
        serde_json::from_str(&said(&eva.run(&["db", "env", "--format", "json"]))).unwrap();
    assert_eq!(
        (&json["PGUSER"], &json["PGSSLMODE"]),
        (&"alice".into(), &"verify-full".into())
    );

    let url = said(&eva.run(&["db", "config", "--format", "url"]));
    assert_eq!(
        said(&eva.psql(&[], &["-d", &url, "-c", SELECT]).output().unwrap()),
        "alice|shop"
    );

    let service = said(&eva.run(&["db", "config", "--format", "pg-service"]));
    let file = eva.home.join("pg_service.conf");
    fs::write(&file, service + "\n").unwrap();
    let variables = [
        ("PGSERVICEFILE", file.to_str().unwrap()),
        ("PGSERVICE", "orders"),
    ];
    assert_eq!(
        said(&eva.psql(&variables, &["-c", SELECT]).output().unwrap()),
        "alice|shop"
    );

    let command = said(&eva.run(&["db", "config", "--format", "cmd"]));
    let printed = said(&eva.sh(&format!("{command} -XAtqc '{SELECT}'")));
    assert_eq!(printed, "alice|shop");

    let json: serde_json::Value =
        serde_json::from_str(&said(&eva.run(&["db", "config", "--format", "json"]))).unwrap();
    assert_eq!(
        (&json["database"], &json["url"]),
        (&"orders".into(), &url.into())
    );
    let text = said(&eva.run(&["db", "config", "orders"]));
    assert!(
        text.contains("verify-full") && text.contains("localhost"),
        "{text}"
    );

    // JDBC's driver reads PKCS#8 in DER: openssl says that it is, and that it is the key of the certificate.
    let jdbc = said(&eva.run(&["db", "config", "--format", "jdbc"]));
    assert!(jdbc.starts_with("jdbc:postgresql://localhost:"), "{jdbc}");
    let place = eva.login().join("db/orders");
    let key = place.join("key.pk8");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let openssl = |args: &[&str]| said(&Command::new("openssl").args(args).output().unwrap());
    let of_key = openssl(&[
        "pkey",
        "-inform",
        "DER",
        "-pubout",
        "-in",
        key.to_str().unwrap(),
    ]);
    let cert = place.join("cert.pem");
    let of_cert = openssl(&["x509", "-noout", "-pubkey", "-in", cert.to_str().unwrap()]);
    assert_eq!(of_key, of_cert);
    // After the next login the same places hold another certificate, once it is asked for.
    let before = fs::read(&cert).unwrap();
    eva.log_in();
    said(&eva.run(&["db", "login", "orders"]));
    assert_ne!(fs::read(&cert).unwrap(), before);
    assert_eq!(
        said(&eva.psql(&variables, &["-c", SELECT]).output().unwrap()),
        "alice|shop"
    );
}
