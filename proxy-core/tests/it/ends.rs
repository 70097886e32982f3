//! What a session that is ended in the middle of something leaves behind: a client that reads why, and a database that does
//! not go on working for nobody.

use std::{process::Command, sync::atomic::Ordering::Relaxed, time::Duration};

use muster_access::{Lock, LockTarget};
use muster_proxy::{Changed, Settings};
use tokio::io::AsyncWriteExt;

use crate::{
    bed::{Bed, bed, run},
    raw::{Hello, error, message, startup, up_to},
    server::{at_work, postgres, until, until_async},
    sessions::interrupt,
};

fn id_of(bed: &Bed, user: &str) -> String {
    let view = bed.door.sessions().into_iter().find(|one| one.user == user);
    view.unwrap().id
}

#[test]
fn the_database_stops_when_a_session_is_ended_or_its_client_is_gone() {
    type End = fn(&Bed, &str, &mut std::process::Child);
    let ends: [(&str, End); 4] = [
        ("ended", |bed, user, _| {
            assert!(bed.door.end(&id_of(bed, user), "enough"));
        }),
        ("locked", |bed, user, _| {
            let target = LockTarget::User(user.to_owned());
            let lock = Lock::new(format!("lock of {user}"), target.clone());
            bed.policy.rcu(|policy| policy.with_lock(lock.clone()));
            assert_eq!(bed.door.changed(&Changed::Lock(target)), 1);
        }),
        ("killed", |_, _, child| child.kill().unwrap()),
        ("terminated", |_, _, child| {
            let pid = child.id().to_string();
            let status = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
            assert!(status.success());
        }),
    ];
    let bed = bed();
    for (how, end) in ends {
        let user = bed.person(|_| {});
        let mark = format!("{how}-{user}");
        let mut child = bed.sleeping(&bed.login(&user, "app"), &mark);
        end(bed, &user, &mut child);
        until(how, || at_work(&mark) == 0);
        child.wait().unwrap();
        until("the session is gone", || bed.sessions_of(&user) == 0);
    }
}

#[test]
fn what_was_asked_ahead_is_stopped_as_well() {
    let bed = bed();
    let user = bed.person(|_| {});
    let mark = format!("ahead-{user}");
    let certificate = bed.login(&user, "app");
    crate::bed::run(async {
        let session = bed.connect(&certificate, "alice").await;
        let ask = format!("select pg_sleep(600) /* {mark} */");
        // Both are on their way before the first is answered.
        let (one, two) = (
            session.client.batch_execute(&ask),
            session.client.batch_execute(&ask),
        );
        let end = async {
            crate::server::until_async("the query runs", || at_work(&mark) == 1).await;
            assert!(bed.door.end(&id_of(bed, &user), "enough"));
        };
        let (one, two, ()) = tokio::join!(one, two, end);
        assert!(one.is_err() && two.is_err());
        crate::server::until_async("all is quiet", || at_work(&mark) == 0).await;
    });
    let still = format!(
        "select count(*) from pg_stat_activity where query like '%{mark}%' and pid <> pg_backend_pid()"
    );
    until("the backend is gone", || {
        postgres().direct(&still).stdout == b"0\n"
    });
}

#[test]
fn draining_stops_what_did_not_finish() {
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    let mark = format!("drained-{}", bed.door.local_addr().port());
    let child = bed.sleeping(&bed.login(&user, "app"), &mark);
    let left = crate::bed::run(bed.door.drain(Duration::from_millis(50), "off"));
    assert_eq!(left, 1);
    // Nothing can be told any more once the door is closed: it was told before.
    bed.door.stop();
    until("the query is gone", || at_work(&mark) == 0);
    let said = child.wait_with_output().unwrap();
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("FATAL:  off"),
        "{said:?}"
    );
}

/// Whether the record has a session of this user that ended for this reason, and the statement with this mark.
fn has_end(bed: &Bed, user: &str, reason: &str, mark: &str) -> bool {
    let events = bed.events_of(user);
    let says = |event: &serde_json::Value, key: &str, text: &str| {
        event[key].as_str().is_some_and(|said| said.contains(text))
    };
    events
        .iter()
        .any(|event| event["event"] == "db.session.end" && says(event, "reason", reason))
        && events.iter().any(|event| says(event, "db_query", mark))
}

#[test]
fn who_does_not_read_is_not_waited_for_when_muster_stops_and_has_an_end_in_the_record() {
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    let mark = format!("unread-{}", bed.door.local_addr().port());
    let copy = "copy (select repeat('x', 1000) from generate_series(1, 10000000)) to stdout";
    let child = bed
        .psql(Some(&bed.login(&user, "app")), "")
        .args(["-c", &format!("{copy} /* {mark} */")])
        .spawn()
        .unwrap();
    // psql stops at a full pipe, which nobody reads.
    until("some bytes have passed", || {
        let sessions = bed.door.sessions();
        sessions.iter().any(|view| view.to_client > 100_000)
    });
    let left = crate::bed::run(bed.door.drain(Duration::from_millis(50), "off"));
    assert_eq!((left, bed.door.numbers().open), (1, 0));
    bed.door.stop();
    until("its end is recorded", || {
        has_end(&bed, &user, "muster stops", &mark)
    });
    until("the database is free", || at_work(&mark) == 0);
    drop(child.wait_with_output());
}

#[test]
fn a_door_that_is_closed_at_once_leaves_an_end_of_each_session_in_the_record() {
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    let mark = format!("dropped-{}", bed.door.local_addr().port());
    let child = bed.sleeping(&bed.login(&user, "app"), &mark);
    bed.door.stop();
    until("its end is recorded", || {
        has_end(&bed, &user, "muster stops", &mark)
    });
    let freed = postgres().direct(&format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%{mark}%' and pid <> pg_backend_pid()"
    ));
    assert!(freed.status.success(), "{freed:?}");
    drop(child.wait_with_output());
}

#[test]
fn a_farewell_stands_between_the_rows_of_a_long_result() {
    let bed = bed();
    let user = bed.person(|_| {});
    // Rows of an odd size, so that a read seldom ends with a message by chance; and they never end.
    let child = bed
        .psql(Some(&bed.login(&user, "app")), "")
        .args([
            "-c",
            "copy (select repeat('x', 1000002) from generate_series(1, 100000000)) to stdout",
        ])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("rows have passed", || {
        bed.door
            .sessions()
            .iter()
            .any(|view| view.user == user && view.to_client > 1_000_000)
    });
    assert!(bed.door.end(&id_of(bed, &user), "the machine is needed"));
    let said = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("FATAL:  the machine is needed"), "{said}");
}

/// Nothing moves before the client goes on, and it does not.
#[test]
fn who_stops_in_the_middle_of_something_is_idle() {
    // A door of its own: an hour passes for all of its sessions.
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|role| role.options.client_idle_timeout = Some(Duration::from_secs(600)));
    let certificate = bed.login(&user, "app");
    let busy = format!("busy-{}", bed.door.local_addr().port());
    let child = bed.sleeping(&certificate, &busy);
    run(async {
        let mut stopped = Vec::new();
        let copy: &[u8] = b"create temp table t (i int); copy t from stdin\0";
        let stops: [(&[u8], u8); 3] = [
            (&message(b'Q', copy), b'G'),
            (&message(b'P', b"\0select 1\0\0\0"), 0),
            (b"Q", 0),
        ];
        for (bytes, answer) in stops {
            let hello = Hello {
                certificate: Some(&certificate),
                ..Hello::default()
            };
            let mut stream = bed.tls(hello).await.unwrap();
            let first = startup(&[("user", "alice"), ("database", "app")]);
            stream.write_all(&first).await.unwrap();
            up_to(&mut stream, b'Z').await;
            let before = passed(&bed);
            stream.write_all(bytes).await.unwrap();
            match answer {
                0 => until_async("it has passed", || passed(&bed) > before).await,
                answer => drop(up_to(&mut stream, answer).await),
            }
            stopped.push(stream);
        }
        bed.ahead.fetch_add(601, Relaxed);
        for mut stream in stopped {
            let said = tokio::time::timeout(Duration::from_secs(60), up_to(&mut stream, b'E'));
            let said = error(&said.await.expect("the session ends"));
            assert_eq!(said[&'C'], "57P05", "{said:?}");
        }
    });
    // Who waits for the database is not.
    assert_eq!(at_work(&busy), 1);
    interrupt(child);
    bed.door.stop();
}

/// Bytes that clients have sent.
fn passed(bed: &Bed) -> u64 {
    let sessions = bed.door.sessions();
    sessions.iter().map(|view| view.from_client).sum()
}
