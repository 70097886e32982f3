//! What a session carries: queries of every form, COPY, notifications, large values, cancelling; and its record.

use std::{
    io::Write,
    process::{Child, Stdio},
    sync::Arc,
    time::Duration,
};

use memory::rss;
use muster_proxy::Settings;
use tokio_postgres::AsyncMessage;

use crate::{
    bed::{Bed, bed, run, target},
    server::{postgres, until},
};

/// What the process holds in memory.
mod memory {
    pub fn rss() -> usize {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }
}

#[test]
fn psql_runs_statements_and_reads_errors() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    assert_eq!(
        bed.sql(
            &certificate,
            &[
                "select 1 + 1",
                "create temp table t (a int)",
                "insert into t values (7)",
                "table t"
            ]
        ),
        "2\n7\n"
    );
    let output = bed
        .psql(Some(&certificate), "")
        .args(["-c", "select 1/0"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("division by zero"));
    // Older TLS, and passwords in all the ways that the server may ask for.
    for (more, is) in [
        ("ssl_max_protocol_version=TLSv1.2", "alice"),
        ("user=token", "token"),
        ("user=md5", "md5"),
        ("user=papers", "papers"),
    ] {
        let output = bed
            .psql(Some(&certificate), more)
            .args(["-c", "select user"])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("{is}\n"),
            "{more} {output:?}"
        );
    }
}

/// The second byte of a character is a backslash here, and not the escape of the quote behind it.
#[test]
fn what_is_said_in_an_encoding_that_cannot_be_read_is_not_recorded() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    let mut script = tempfile::NamedTempFile::new().unwrap();
    script
        .write_all(
            b"create temp table acc (note text, password text);\n\
              insert into acc (note, password) values (E'\x83\x5c', 'hunter2');\n\
              set client_encoding to utf8;\n\
              select password, 'shown' from acc;\n",
        )
        .unwrap();
    let output = bed
        .psql(Some(&certificate), "")
        .env("PGCLIENTENCODING", "SJIS")
        .arg("-f")
        .arg(script.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "hunter2|shown\n",
        "{output:?}"
    );
    let events = bed.events_of(&user);
    let statements: Vec<_> = events
        .iter()
        .filter_map(|event| event["db_query"].as_str())
        .collect();
    assert_eq!(
        statements,
        ["***", "***", "***", "select password, 'shown' from acc;"]
    );
}

#[test]
fn prepared_statements_pipelines_and_transactions_work() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    run(async {
        let mut session = bed.connect(&certificate, "alice").await;
        let client = &mut session.client;
        let statement = client.prepare("select $1::int4 + 1").await.unwrap();
        // Without waiting for one answer before the next question.
        let all: Vec<i32> = {
            let ask = |number: i32| {
                let (client, statement) = (&*client, &statement);
                async move {
                    client
                        .query_one(statement, &[&number])
                        .await
                        .unwrap()
                        .get(0)
                }
            };
            let (a, b, c) = tokio::join!(ask(1), ask(2), ask(3));
            vec![a, b, c]
        };
        assert_eq!(all, [2, 3, 4]);
        let transaction = client.transaction().await.unwrap();
        let error = transaction
            .query("select no_such_column", &[])
            .await
            .unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42703");
        transaction.rollback().await.unwrap();
        let rows = client
            .query("select generate_series(1, 50000)", &[])
            .await
            .unwrap();
        assert_eq!(rows.len(), 50_000);
    });
}

#[test]
fn copy_goes_both_ways() {
    // Each way so long that the door takes it in large pieces, and neither way a whole number of them.
    const ROWS: u64 = 600_000;
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    // In files: what this process holds is measured by another test.
    let file = |end: &str| bed.dir.path().join(format!("{user}.{end}"));
    let (from, to) = (file("from"), file("to"));
    let mut rows = std::io::BufWriter::new(std::fs::File::create(&from).unwrap());
    (0..ROWS).for_each(|row| writeln!(rows, "{row}\trow number {row}").unwrap());
    drop(rows);
    let counted = bed.sql(
        &certificate,
        &[
            "create temp table t (a int, b text)",
            &format!("\\copy t from '{}'", from.display()),
            "select count(*), sum(a) from t",
            &format!("\\copy t to '{}'", to.display()),
        ],
    );
    assert_eq!(counted, format!("{ROWS}|{}\n", ROWS * (ROWS - 1) / 2));
    let same = std::process::Command::new("cmp")
        .args([&from, &to])
        .output();
    assert!(same.as_ref().unwrap().status.success(), "{same:?}");
}

#[test]
fn a_notification_reaches_an_idle_session() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    run(async {
        let mut listening = bed.connect(&certificate, "alice").await;
        let speaking = bed.connect(&certificate, "alice").await;
        listening.client.batch_execute("listen news").await.unwrap();
        speaking
            .client
            .batch_execute("notify news, 'hello'")
            .await
            .unwrap();
        loop {
            if let AsyncMessage::Notification(note) = listening.messages.recv().await.unwrap() {
                assert_eq!((note.channel(), note.payload()), ("news", "hello"));
                break;
            }
        }
    });
}

/// Ctrl+C in a psql with a long query, which is cancelled.
pub fn interrupt(child: Child) {
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("canceling statement due to user request"),
        "{said}"
    );
}

#[test]
fn ctrl_c_in_plain_psql_cancels_the_query() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    interrupt(bed.sleeping(&certificate, &format!("interrupted {user}")));
    until("the session is gone", || bed.sessions_of(&user) == 0);
    let events = bed.events_of(&user);
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "db.session.cancel"),
        "{events:?}"
    );
}

/// An address that leads to the database once, and to nothing after that.
fn once() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        drop(listener);
        let mut server = std::net::TcpStream::connect(("127.0.0.1", postgres().port)).unwrap();
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut client, &mut server);
        let _ = server.shutdown(std::net::Shutdown::Both);
    });
    address
}

#[test]
fn a_request_to_cancel_that_the_database_cannot_hear_is_recorded_as_one_that_failed() {
    let bed = Bed::new(Settings::default(), None);
    bed.catalog
        .rcu(|catalog| catalog.with(Arc::new(target("once", "once", Some(once())))));
    let user = bed.person(|_| {});
    let mark = format!("unheard-{}", bed.door.local_addr().port());
    let mut child = bed.sleeping(&bed.login(&user, "once"), &mark);
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    until("both are recorded", || {
        let events = bed.events_of(&user);
        let cancels = events
            .iter()
            .filter(|event| event["event"] == "db.session.cancel");
        let success: Vec<_> = cancels
            .map(|event| event["success"].as_bool().unwrap())
            .collect();
        success == [true, false]
    });
    let numbers = bed.door.numbers();
    assert_eq!((numbers.cancels, numbers.cancels_ignored), (0, 1));
    child.kill().unwrap();
    child.wait().unwrap();
    bed.door.stop();
}

#[test]
fn who_finds_the_door_full_reads_that_it_is_and_who_is_in_can_cancel() {
    let settings = Settings {
        connections: 1,
        ..Settings::default()
    };
    let bed = Bed::new(settings, None);
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    let child = bed.sleeping(
        &certificate,
        &format!("full-{}", bed.door.local_addr().port()),
    );
    let output = bed
        .psql(Some(&certificate), "")
        .args(["-c", "select 1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("FATAL:  this muster has all connections open that it takes, which are 1")
            && said.contains("proxy.max_connections"),
        "{said}"
    );
    assert_eq!(bed.door.numbers().turned_away, 1);
    interrupt(child);
    until("there is room again", || bed.sessions_of(&user) == 0);
    assert_eq!(bed.sql(&certificate, &["select 'in'"]), "in\n");
    bed.door.stop();
}

#[test]
fn a_value_of_200_mb_passes_without_being_kept() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    let before = rss();
    let mut child = bed
        .psql(Some(&certificate), "")
        .args(["-c", "select repeat('x', 200000000)"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    let status = loop {
        most = most.max(rss());
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    };
    assert!(status.success());
    let grown = most.saturating_sub(before);
    // Other tests run in this process at the same time; a value that was kept would be seen all the same.
    assert!(grown < 64 << 20, "grew by {} MB", grown >> 20);
}

#[test]
fn a_session_is_listed_ended_and_recorded() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    run(async {
        let session = bed.connect(&certificate, "alice").await;
        session
            .client
            .batch_execute("select 'recorded'")
            .await
            .unwrap();
        let view = bed
            .door
            .sessions()
            .into_iter()
            .find(|view| view.user == user)
            .unwrap();
        assert_eq!(
            (&*view.target, &*view.db_user, &*view.db_name),
            ("app", "alice", "app")
        );
        assert_eq!(view.upstream.port(), postgres().port);
        assert!(!bed.door.end("no such session", "x"));
        assert!(bed.door.end(&view.id, "the machine is needed"));
        assert_eq!(session.end().await, "57P01 the machine is needed");
    });
    until("the session is gone", || bed.sessions_of(&user) == 0);
    let events = bed.events_of(&user);
    let names: Vec<_> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(names.first(), Some(&"db.session.start"));
    assert_eq!(names.last(), Some(&"db.session.end"));
    assert!(names.contains(&"db.session.query"), "{names:?}");
    assert!(names.contains(&"client.disconnect"), "{names:?}");
    let start = &events[0];
    for (field, value) in [
        ("db_service", "app"),
        ("db_user", "alice"),
        ("db_name", "app"),
        ("db_protocol", "postgres"),
        ("cluster_name", "test"),
    ] {
        assert_eq!(start[field], value, "{start}");
    }
    assert!(
        start["addr.remote"].is_string() && start["addr.upstream"].is_string(),
        "{start}"
    );
    let end = events.last().unwrap();
    assert_eq!(end["reason"], "ended by an operator: the machine is needed");
}
