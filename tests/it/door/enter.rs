//! Entering: who comes in, as whom, and what others read.

use super::town::{Town, complaint, said};
use crate::support::postgres::PASSWORD;

#[test]
fn psql_gets_through_the_door_what_it_gets_without_it() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let ana = town.ana();
    assert_eq!(
        said(&ana.sql(&proxy, "select current_user, current_database(), 6 * 7")),
        "alice|shop|42"
    );
    // However the server wants to be convinced.
    for user in ["alice", "scrammed", "digested"] {
        let papers = town.sign(
            "ana",
            &["--db", "orders", "--db-user", user, "--db-name", "postgres"],
        );
        let dsn = format!("user={user} dbname=postgres");
        let output = papers
            .psql(&proxy, &dsn, &["-c", "select current_user"])
            .output();
        assert_eq!(said(&output.unwrap()), user);
    }
    // An error is the server's own, with its code.
    let args = ["-v", "VERBOSITY=verbose", "-c", "select * from nowhere"];
    let broken = ana.psql(&proxy, "user=alice dbname=shop", &args).output();
    let text = complaint(&broken.unwrap());
    assert!(
        text.contains("42P01") && text.contains("\"nowhere\""),
        "{text}"
    );
    // The password that the proxy sends is in no answer, no log line and no event.
    let log = format!("{:?}{:?}", service.log(), town.events());
    assert!(!log.contains(PASSWORD));
    service.stop();
}

#[test]
fn whoever_may_not_reads_why() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let ana = town.ana();
    let refused = |more: &str| {
        let output = ana
            .psql(&proxy, more, &["-c", "select 1"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{more}");
        complaint(&output)
    };
    // The certificate is for one database user and one database.
    let text = refused("user=scrammed dbname=shop");
    assert!(text.contains("FATAL"), "{text}");
    let text = refused("user=alice dbname=postgres");
    assert!(text.contains("FATAL"), "{text}");

    // A certificate of another cluster, and none at all.
    let other = Town::new("");
    let elsewhere = other.ana();
    let dsn = format!(
        "{} user=alice dbname=shop",
        super::town::Papers {
            ca: ana.ca.clone(),
            ..elsewhere
        }
        .dsn(&proxy, "")
    );
    let psql = |dsn: &str| {
        let psql = crate::support::postgres::bin().join("psql");
        let mut psql = std::process::Command::new(psql);
        let output = psql
            .args(["-XAtq", "-d", dsn, "-c", "select 1"])
            .env_clear()
            .env("HOME", "/nonexistent")
            .output()
            .unwrap();
        assert!(!output.status.success(), "{dsn}");
        complaint(&output)
    };
    let text = psql(&dsn);
    assert!(text.contains("not made by this cluster"), "{text}");
    let port = proxy.listen[0].rsplit(':').next().unwrap();
    let text = psql(&format!(
        "host=localhost port={port} sslmode=require user=alice dbname=shop"
    ));
    assert!(text.contains("no client certificate"), "{text}");
    let text = psql(&format!(
        "host=localhost port={port} sslmode=disable user=alice dbname=shop"
    ));
    assert!(text.contains("FATAL") && text.contains("TLS"), "{text}");
}
