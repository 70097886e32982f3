//! COPY at a real server, where it fails and where clients say more than they should: what is in the record has happened, and
//! what has not is not.

use std::pin::pin;

use futures::SinkExt;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::client::TlsStream;

use crate::{
    bed::{Bed, Certificate, bed, run},
    raw::{Hello, error, message, startup, up_to},
    server::until,
};

const SYNC: &[u8] = b"S\0\0\0\x04";
const FLUSH: &[u8] = b"H\0\0\0\x04";
const END: &[u8] = b"c\0\0\0\x04";

/// A session of which nothing is known but what it says, with a table of one column of numbers.
async fn session(bed: &Bed, certificate: &Certificate) -> TlsStream<TcpStream> {
    let hello = Hello {
        certificate: Some(certificate),
        ..Hello::default()
    };
    let mut stream = bed.tls(hello).await.unwrap();
    let first = startup(&[("user", "alice"), ("database", "app")]);
    say(&mut stream, &[&first]).await;
    up_to(&mut stream, b'Z').await;
    say(&mut stream, &[&query("create temp table t (i int)")]).await;
    up_to(&mut stream, b'Z').await;
    stream
}

async fn say(stream: &mut TlsStream<TcpStream>, parts: &[&[u8]]) {
    stream.write_all(&parts.concat()).await.unwrap();
}

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

fn row(text: &str) -> Vec<u8> {
    message(b'd', text.as_bytes())
}

/// Parse, Bind and Execute.
fn ask(sql: &str) -> Vec<u8> {
    [
        message(b'P', format!("\0{sql}\0\0\0").as_bytes()),
        message(b'B', b"\0\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
    ]
    .concat()
}

/// The events whose statement has this text, and what else says something of it.
fn events_of(bed: &Bed, user: &str, text: &str) -> Vec<Value> {
    until("the session is gone", || bed.sessions_of(user) == 0);
    let events = bed.events_of(user);
    let about = |event: &&Value| {
        let said = event["query"].as_str().or(event["db_query"].as_str());
        said.is_some_and(|said| said.contains(text)) || event["code"] == "TPG02I"
    };
    events.iter().filter(about).cloned().collect()
}

/// A wrong row ends the COPY, so that the Sync behind it is one, and what follows is executed. It must not be called skipped.
#[test]
fn what_is_executed_behind_a_wrong_row_is_not_recorded_as_passed_over() {
    let bed = bed();
    for ahead in [false, true] {
        let user = bed.person(|_| {});
        let certificate = bed.login(&user, "app");
        let drop = format!("drop table if exists payroll_{ahead}");
        run(async {
            let mut stream = session(bed, &certificate).await;
            let copy = [&ask("copy t from stdin")[..], FLUSH].concat();
            let rest = [&row("x\n")[..], SYNC, &ask(&drop), SYNC].concat();
            if ahead {
                say(&mut stream, &[&copy, &rest]).await;
            } else {
                say(&mut stream, &[&copy]).await;
                up_to(&mut stream, b'G').await;
                say(&mut stream, &[&rest]).await;
            }
            let said = error(&up_to(&mut stream, b'E').await);
            assert_eq!(said[&'C'], "08P01", "{said:?}");
            assert!(said[&'M'].contains("among the rows of COPY"), "{said:?}");
        });
        let events = events_of(bed, &user, &drop);
        let skipped = |event: &&Value| event["error_code"] == "skipped";
        assert_eq!(events.iter().find(skipped), None);
        // What reached the database is in the record, and what did not is not.
        assert_eq!(events.len(), if ahead { 3 } else { 1 }, "{events:?}");
    }
}

/// Each answer belongs to its own statement, whichever Sync the server has taken for one.
#[test]
fn what_follows_a_copy_has_its_own_outcome() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    run(async {
        let mut stream = session(bed, &certificate).await;
        // Two in one statement, the second with a Sync among its rows.
        let two = query("copy t from stdin; copy t from stdin");
        say(&mut stream, &[&two]).await;
        up_to(&mut stream, b'G').await;
        say(&mut stream, &[END]).await;
        up_to(&mut stream, b'G').await;
        say(&mut stream, &[SYNC, &row("1\n"), END]).await;
        up_to(&mut stream, b'Z').await;
        say(&mut stream, &[&query("select 'two'")]).await;
        up_to(&mut stream, b'Z').await;
        // As libpq sends it. The first fails before the server has read a Sync, which is one then; the second after.
        for (copy, answers) in [("copy t from stdin (freeze)", 2), ("copy t from stdin", 1)] {
            say(&mut stream, &[&ask(copy), SYNC]).await;
            up_to(&mut stream, b'G').await;
            let after = ask(&format!("select '{copy}'"));
            say(&mut stream, &[&row("x\n"), END, SYNC, &after, SYNC]).await;
            for _ in 0..=answers {
                up_to(&mut stream, b'Z').await;
            }
        }
        // The simple protocol has no Sync; each that comes is answered.
        say(&mut stream, &[&query("copy t from stdin")]).await;
        up_to(&mut stream, b'G').await;
        say(&mut stream, &[&row("x\n"), SYNC]).await;
        up_to(&mut stream, b'Z').await;
        say(&mut stream, &[&query("select 'simple'")]).await;
        up_to(&mut stream, b'Z').await;
        up_to(&mut stream, b'Z').await;
        say(&mut stream, &[&message(b'X', b"")]).await;
    });
    until("the session is gone", || bed.sessions_of(&user) == 0);
    let events = bed.events_of(&user);
    for after in [
        "select 'two'",
        "select 'copy t from stdin (freeze)'",
        "select 'copy t from stdin'",
        "select 'simple'",
    ] {
        let runs = ["db.session.query", "db.session.postgres.statements.execute"];
        let mut of = events.iter().filter(|event| {
            runs.contains(&event["event"].as_str().unwrap())
                && (event["query"] == after || event["db_query"] == after)
        });
        let event = of.next().unwrap_or_else(|| panic!("{after}: {events:?}"));
        assert_eq!(event["command_tag"], "SELECT 1", "{event}");
    }
    // By the client, as it likes.
    assert!(events.last().unwrap()["reason"].is_null(), "{events:?}");
}

#[test]
fn rows_of_tokio_postgres_come_in() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    run(async {
        let session = bed.connect(&certificate, "alice").await;
        let client = &session.client;
        client
            .batch_execute("create temp table t (i int)")
            .await
            .unwrap();
        // Well, with a wrong row, without any, and well again; and given up.
        for (rows, is) in [
            ("1\n2\n", Some(2)),
            ("x\n", None),
            ("", Some(0)),
            ("3\n", Some(1)),
        ] {
            let sink = client.copy_in::<_, &[u8]>("copy t from stdin").await;
            let mut sink = pin!(sink.unwrap());
            sink.send(rows.as_bytes()).await.unwrap();
            assert_eq!(sink.finish().await.ok(), is, "{rows}");
        }
        drop(client.copy_in::<_, &[u8]>("copy t from stdin").await);
        let count = client.query_one("select count(*) from t", &[]).await;
        assert_eq!(count.unwrap().get::<_, i64>(0), 3);
    });
    until("the session is gone", || bed.sessions_of(&user) == 0);
    let events = bed.events_of(&user);
    let copies = events.iter().filter(|event| event["code"] == "MPG01I");
    let rows: Vec<_> = copies
        .map(|event| (event["success"] == true, event["affected_records"].as_u64()))
        .collect();
    assert_eq!(
        rows,
        [
            (true, Some(2)),
            (false, None),
            (true, Some(0)),
            (true, Some(1)),
            (false, None)
        ]
    );
}
