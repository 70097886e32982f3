//! What only a real server can judge: a SCRAM that is bound to its TLS, and replication.

use std::{fs, net::SocketAddr, process::Output, sync::Arc};

use muster_access::Words;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{
    bed::{Bed, Certificate, bed, server, target},
    server::{postgres, program, until},
};

/// Somebody who has a certificate that is trusted, takes the TLS of whoever connects and carries what is in it to the
/// database in a TLS of their own. Where they listen.
async fn between() -> SocketAddr {
    let postgres = postgres();
    let (certificate, key) = server(&postgres.ca);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let taking = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(postgres.ca.der.clone()).unwrap();
    let carrying = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let taking = tokio_rustls::TlsAcceptor::from(Arc::new(taking));
    let carrying = tokio_rustls::TlsConnector::from(Arc::new(carrying));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let database = SocketAddr::from(([127, 0, 0, 1], postgres.port));
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let (taking, carrying) = (taking.clone(), carrying.clone());
            tokio::spawn(async move {
                let mut request = [0; 8];
                near.read_exact(&mut request).await?;
                near.write_all(b"S").await?;
                let mut near = taking.accept(near).await?;
                let mut far = TcpStream::connect(database).await?;
                far.write_all(&request).await?;
                far.read_exact(&mut [0; 1]).await?;
                let name = ServerName::try_from("localhost").unwrap();
                let mut far = carrying.connect(name, far).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    address
}

#[test]
fn whoever_sits_in_the_tls_to_a_database_cannot_pass_a_scram_on() {
    let bed = bed();
    let name = bed.person(|_| {});
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let address = runtime.block_on(between());
    bed.catalog
        .rcu(|catalog| catalog.with(Arc::new(target("tapped", "tapped", Some(address)))));
    let certificate = bed.login(&name, "tapped");
    let said = bed.complaint(Some(&certificate), "");
    assert!(
        said.contains("SCRAM channel binding check failed"),
        "{said}"
    );
    // What is not bound to the TLS is carried on: it is not the way there that fails.
    for user in ["md5", "token"] {
        let output = bed
            .psql(Some(&certificate), &format!("user={user}"))
            .args(["-c", "select current_user"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, format!("{user}\n"), "{output:?}");
    }
}

/// A program of PostgreSQL's through the door.
fn tool(bed: &Bed, name: &str, certificate: &Certificate, more: &str, args: &[&str]) -> Output {
    let psql = bed.psql(Some(certificate), more);
    // Everything but what `psql` alone understands: `-XAtq -d TEXT`.
    let text = psql.get_args().nth(2).unwrap().to_owned();
    std::process::Command::new(program(name))
        .arg("-d")
        .arg(text)
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn replication_is_for_those_whose_role_says_so() {
    let bed = bed();
    let without = bed.login(&bed.person(|_| {}), "app");
    let replicating = bed.person(|role| role.options.db_replication = true);
    let with = bed.login(&replicating, "app");
    // One that may open one database only: no physical replication, which is of all of them.
    let narrow = bed.person(|role| {
        role.options.db_replication = true;
        role.allow.db_names = Words::parse(["app"]).unwrap();
    });
    let narrow = bed.login(&narrow, "app");
    for (certificate, kind) in [
        (&without, "replication=true"),
        (&without, "replication=database"),
        (&narrow, "replication=true"),
    ] {
        let said = bed.complaint(Some(certificate), kind);
        assert!(
            said.contains("FATAL") && said.contains("replication"),
            "{said}"
        );
    }
    for (certificate, kind) in [
        (&with, "replication=true"),
        (&with, "replication=database"),
        (&narrow, "replication=database"),
    ] {
        let mut psql = bed.psql(Some(certificate), kind);
        let output = psql.args(["-c", "IDENTIFY_SYSTEM"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.split('|').count(), 4, "{said}");
    }

    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name).display().to_string();
    // All of the database: a COPY of hundreds of files.
    let output = tool(
        bed,
        "pg_basebackup",
        &with,
        "",
        &["-D", &place("base"), "-X", "stream", "-c", "fast"],
    );
    assert!(output.status.success(), "{output:?}");
    assert!(fs::metadata(dir.path().join("base/PG_VERSION")).is_ok());
    let verified = std::process::Command::new(program("pg_verifybackup"))
        .arg(place("base"))
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");

    // What is written meanwhile: both sides speak at once.
    let slot = ["--slot", "watching"];
    let args = [&slot[..], &["--create-slot", "-P", "test_decoding"]].concat();
    let output = tool(bed, "pg_recvlogical", &with, "", &args);
    assert!(output.status.success(), "{output:?}");
    let person = bed.login(&bed.person(|_| {}), "app");
    let last = bed.sql(
        &person,
        &[
            "create temp table watched (n int)",
            "select pg_logical_emit_message(true, 'mark', 'seen by whoever watches')",
            "select pg_current_wal_flush_lsn()",
        ],
    );
    let end = last.lines().last().unwrap().to_owned();
    let file = place("seen");
    let args = [&slot[..], &["--start", "-f", &file, "--endpos", &end]].concat();
    let output = tool(bed, "pg_recvlogical", &with, "", &args);
    assert!(output.status.success(), "{output:?}");
    let seen = fs::read_to_string(&file).unwrap();
    assert!(seen.contains("seen by whoever watches"), "{seen}");
    let output = tool(
        bed,
        "pg_recvlogical",
        &with,
        "",
        &[&slot[..], &["--drop-slot"]].concat(),
    );
    assert!(output.status.success(), "{output:?}");

    // It stands in the record what was asked for.
    until("the record has it", || {
        let events = bed.events_of(&replicating);
        let asked = |text: &str| {
            events.iter().any(|event| {
                event["db_query"]
                    .as_str()
                    .is_some_and(|sql| sql.starts_with(text))
            })
        };
        asked("BASE_BACKUP") && asked("START_REPLICATION")
    });
}
