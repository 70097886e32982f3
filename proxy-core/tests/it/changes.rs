//! What changes while a session is open: roles, locks, targets, authorities, time, and the end of muster itself.

use std::{sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use muster_access::{Lock, LockTarget, Rules, Words};
use muster_model::{ResourceId, Timestamp};
use muster_proxy::{Changed, Settings, Trust};

use crate::{
    bed::{Bed, bed, run, target},
    server::{postgres, until, until_async},
};

#[test]
fn a_lock_a_role_and_a_removed_target_end_the_sessions_that_they_concern() {
    let bed = bed();
    let endpoint = std::net::SocketAddr::from(([127, 0, 0, 1], postgres().port));
    bed.catalog
        .rcu(|catalog| catalog.with(Arc::new(target("leaving", "leaving", Some(endpoint)))));
    let [locked, changed, removed, staying] = [(); 4].map(|()| bed.person(|_| {}));
    run(async {
        let one = bed.connect(&bed.login(&locked, "app"), "alice").await;
        let two = bed.connect(&bed.login(&changed, "app"), "alice").await;
        let three = bed.connect(&bed.login(&removed, "leaving"), "alice").await;
        let four = bed.connect(&bed.login(&staying, "app"), "alice").await;

        let lock = Lock {
            message: Some("lost laptop".into()),
            ..Lock::new("lock-1", LockTarget::User(locked.clone()))
        };
        bed.policy.rcu(|policy| policy.with_lock(lock.clone()));
        assert_eq!(
            bed.door
                .changed(&Changed::Lock(LockTarget::User(locked.clone()))),
            1
        );
        assert_eq!(one.end().await, "57P01 access is locked: lost laptop");

        let mut role = crate::bed::role(&changed);
        role.deny = Rules {
            db_names: Words::parse(["app"]).unwrap(),
            ..Rules::default()
        };
        bed.policy.rcu(|policy| policy.with_role(role.clone()));
        assert_eq!(bed.door.changed(&Changed::Role(changed.clone())), 1);
        assert_eq!(
            two.end().await,
            "57P01 your roles do not allow the database name `app` as database user `alice` here"
        );

        let id = ResourceId::of("leaving", "instance");
        bed.catalog.rcu(|catalog| catalog.without(&id));
        assert_eq!(bed.door.changed(&Changed::Target(id)), 1);
        assert_eq!(
            three.end().await,
            "57P01 the database `leaving` is no longer served here"
        );

        assert_eq!(bed.door.changed(&Changed::Role(staying.clone())), 0);
        four.client.batch_execute("select 1").await.unwrap();
    });
    until("the record is whole", || {
        bed.events_of(&locked)
            .iter()
            .any(|event| event["event"] == "db.session.end")
    });
    let events = bed.events_of(&locked);
    let end = events
        .iter()
        .find(|event| event["event"] == "db.session.end")
        .unwrap();
    assert!(end["reason"].as_str().unwrap().contains("lock-1"), "{end}");
}

#[test]
fn a_lock_ends_the_sessions_of_whatever_it_is_on_and_lets_nobody_in_there() {
    // A door of its own: a lock on a role or a database must not meet others.
    let bed = Bed::new(Settings::default(), None);
    let endpoint = std::net::SocketAddr::from(([127, 0, 0, 1], postgres().port));
    bed.catalog
        .rcu(|catalog| catalog.with(Arc::new(target("other", "other", Some(endpoint)))));
    let [one, two] = [(); 2].map(|()| bed.person(|_| {}));
    run(async {
        for (name, on) in [
            ("on the user", LockTarget::User(one.clone())),
            ("on the role", LockTarget::Role(one.clone())),
            ("on the database", LockTarget::Target("app".into())),
        ] {
            let certificate = bed.login(&one, "app");
            let session = bed.connect(&certificate, "alice").await;
            let others = bed.connect(&bed.login(&two, "other"), "alice").await;
            let lock = Lock {
                message: Some("wait".into()),
                ..Lock::new(name, on.clone())
            };
            bed.policy.rcu(|policy| policy.with_lock(lock.clone()));
            assert_eq!(bed.door.changed(&Changed::Lock(on.clone())), 1, "{name}");
            assert_eq!(session.end().await, "57P01 access is locked: wait");
            let said = bed.complaint(Some(&certificate), "");
            assert!(said.contains("access is locked: wait"), "{name}: {said}");
            others.client.batch_execute("select 1").await.unwrap();
            bed.policy.rcu(|policy| policy.without_lock(name));
            assert_eq!(bed.door.changed(&Changed::Lock(on)), 0);
            assert_eq!(bed.sql(&certificate, &["select 1"]), "1\n");
        }
        // On the node all are meant; one that comes through another node is not.
        bed.policy.rcu(|policy| policy.at_node("gate-1"));
        let both = [
            (bed.connect(&bed.login(&one, "app"), "alice").await),
            (bed.connect(&bed.login(&two, "other"), "alice").await),
        ];
        for (node, ends) in [("gate-2", 0), ("gate-1", 2)] {
            let lock = Lock {
                message: Some("wait".into()),
                ..Lock::new("on the node", LockTarget::Node(node.into()))
            };
            let on = lock.target.clone();
            bed.policy.rcu(|policy| policy.with_lock(lock.clone()));
            assert_eq!(bed.door.changed(&Changed::Lock(on)), ends, "{node}");
        }
        for session in both {
            assert_eq!(session.end().await, "57P01 access is locked: wait");
        }
        let said = bed.complaint(Some(&bed.login(&one, "app")), "");
        assert!(said.contains("access is locked: wait"), "{said}");
        bed.policy.rcu(|policy| policy.without_lock("on the node"));
        // A user who is gone.
        let session = bed.connect(&bed.login(&one, "app"), "alice").await;
        bed.policy.rcu(|policy| policy.without_user(&one));
        assert_eq!(bed.door.changed(&Changed::User(one.clone())), 1);
        let said = session.end().await;
        assert!(said.starts_with("57P01"), "{said}");
    });
    bed.door.stop();
}

#[test]
fn a_session_ends_while_its_query_runs() {
    let bed = bed();
    let user = bed.person(|_| {});
    run(async {
        let session = bed.connect(&bed.login(&user, "app"), "alice").await;
        let busy = session.client.batch_execute("select pg_sleep(300)");
        let lock = Lock::new(format!("lock of {user}"), LockTarget::User(user.clone()));
        let end = async {
            tokio::task::yield_now().await;
            bed.policy.rcu(|policy| policy.with_lock(lock.clone()));
            bed.door
                .changed(&Changed::Lock(LockTarget::User(user.clone())));
        };
        let (result, ()) = tokio::join!(busy, end);
        assert_eq!(result.unwrap_err().code().unwrap().code(), "57P01");
    });
}

#[test]
fn idle_sessions_and_expired_certificates_end() {
    // A door of its own: hours pass for all of its sessions.
    let bed = Bed::new(Settings::default(), None);
    let idle = bed.person(|role| role.options.client_idle_timeout = Some(Duration::from_secs(600)));
    let other = bed.person(|_| {});
    run(async {
        let (one, two) = (
            bed.connect(&bed.login(&idle, "app"), "alice").await,
            bed.connect(&bed.login(&other, "app"), "alice").await,
        );
        bed.ahead.fetch_add(601, Relaxed);
        let said = one.end().await;
        assert!(
            said.starts_with("57P05 nothing was done for 600 s"),
            "{said}"
        );
        two.client.batch_execute("select 1").await.unwrap();
        bed.ahead.fetch_add(13 * 3600, Relaxed);
        let said = two.end().await;
        assert!(said.contains("the certificate has expired"), "{said}");
    });
    bed.door.stop();
}

#[test]
fn a_session_lasts_as_long_as_its_role_says_also_when_that_is_said_later() {
    // A door of its own, as above.
    let bed = Bed::new(Settings::default(), None);
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let short = bed.person(|role| role.options.max_session_ttl = hours(2));
    let later = bed.person(|_| {});
    run(async {
        let one = bed.connect(&bed.login(&short, "app"), "alice").await;
        let two = bed.connect(&bed.login(&later, "app"), "alice").await;
        bed.ahead.fetch_add(2 * 3600 - 120, Relaxed);
        one.client.batch_execute("select 1").await.unwrap();
        bed.ahead.fetch_add(120, Relaxed);
        let said = one.end().await;
        assert!(said.starts_with("57P0") && said.contains(&short), "{said}");
        two.client.batch_execute("select 1").await.unwrap();

        let mut role = crate::bed::role(&later);
        role.options.max_session_ttl = hours(3);
        bed.policy.rcu(|policy| policy.with_role(role.clone()));
        assert_eq!(bed.door.changed(&Changed::Role(later.clone())), 0);
        two.client.batch_execute("select 1").await.unwrap();
        bed.ahead.fetch_add(3600, Relaxed);
        let said = two.end().await;
        assert!(said.starts_with("57P0") && said.contains(&later), "{said}");
    });
    bed.door.stop();
}

#[test]
fn what_changes_while_a_session_is_being_opened_counts_for_it() {
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "slow");
    run(async {
        // A database that takes its time, as long as the test wants.
        let slow = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = slow.local_addr().unwrap();
        bed.catalog
            .rcu(|catalog| catalog.with(Arc::new(target("slow", "slow", Some(endpoint)))));
        let opening = bed.connect(&certificate, "alice");
        let changing = async {
            let (mut door, _) = slow.accept().await.unwrap();
            let mut role = crate::bed::role(&user);
            role.options.max_session_ttl = Some(Duration::from_secs(600));
            bed.policy.rcu(|policy| policy.with_role(role.clone()));
            assert_eq!(bed.door.changed(&Changed::Role(user.clone())), 0);
            assert_eq!(bed.door.numbers().open, 0);
            let address = ("127.0.0.1", postgres().port);
            let mut database = tokio::net::TcpStream::connect(address).await.unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut door, &mut database).await;
            });
        };
        let (session, ()) = tokio::join!(opening, changing);
        session.client.batch_execute("select 1").await.unwrap();
        bed.ahead.fetch_add(600, Relaxed);
        let said = session.end().await;
        assert!(said.contains("the longest session of role"), "{said}");
    });
    bed.door.stop();
}

#[test]
fn a_session_ends_with_its_user_and_with_the_last_of_its_roles() {
    // A door of its own, as above.
    let bed = Bed::new(Settings::default(), None);
    let [one, two, three] = [(); 3].map(|()| bed.person(|_| {}));
    let at = |seconds: i64| Some(Timestamp::from_unix(bed.now() + seconds));
    let mut leaving = crate::bed::user(&one, &[&one]);
    leaving.meta.expires = at(3600);
    bed.policy.rcu(|policy| policy.with_user(leaving.clone()));
    let [first, last] = [(&two, 3600), (&three, 7200)].map(|(name, seconds)| {
        let mut role = crate::bed::role(name);
        role.meta.expires = at(seconds);
        role
    });
    let both = crate::bed::user(&three, &[&two, &three]);
    bed.policy.rcu(|policy| {
        policy
            .with_role(first.clone())
            .with_role(last.clone())
            .with_user(both.clone())
    });
    run(async {
        let leaving = bed.connect(&bed.login(&one, "app"), "alice").await;
        let first = bed.connect(&bed.login(&two, "app"), "alice").await;
        let mut who = bed.identity(&three, Some("app"));
        who.roles = vec![two.clone(), three.clone()];
        let papers = bed.certificate(&bed.users, &bed.params(&who));
        let both = bed.connect(&papers, "alice").await;
        bed.ahead.fetch_add(3600 - 120, Relaxed);
        leaving.client.batch_execute("select 1").await.unwrap();
        first.client.batch_execute("select 1").await.unwrap();
        bed.ahead.fetch_add(120, Relaxed);
        let said = leaving.end().await;
        let expected = format!("the user `{one}` has expired");
        assert!(
            said.starts_with("57P0") && said.contains(&expected),
            "{said}"
        );
        let said = first.end().await;
        assert!(said.contains(&format!("the role `{two}`")), "{said}");
        // Another role allows it for an hour more.
        both.client.batch_execute("select 1").await.unwrap();
        bed.ahead.fetch_add(3600, Relaxed);
        let said = both.end().await;
        assert!(said.contains(&format!("the role `{three}`")), "{said}");
    });
    bed.door.stop();
}

#[test]
fn an_authority_that_is_no_longer_trusted_ends_its_sessions() {
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    run(async {
        let session = bed.connect(&bed.login(&user, "app"), "alice").await;
        assert_eq!(bed.door.changed(&Changed::Trust), 0);
        let next = crate::bed::Ca::new("next users");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let trust = Trust::new(
            "test",
            std::slice::from_ref(&next.der),
            vec![made.cert.der().clone()],
            key,
        )
        .unwrap();
        bed.trust.store(Arc::new(trust));
        assert_eq!(bed.door.changed(&Changed::Trust), 1);
        assert!(session.end().await.contains("no longer trusted"));
    });
    bed.door.stop();
}

#[test]
fn draining_lets_work_finish_and_tells_the_others() {
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    run(async {
        let certificate = bed.login(&user, "app");
        let idle = bed.connect(&certificate, "alice").await;
        let working = bed.connect(&certificate, "alice").await;
        let stuck = bed.connect(&certificate, "alice").await;
        let inside = bed.connect(&certificate, "alice").await;
        inside.client.batch_execute("begin").await.unwrap();
        let work = tokio::spawn(async move {
            let row = working
                .client
                .query_one("select pg_sleep(1.5), 42", &[])
                .await
                .unwrap();
            (row.get::<_, i32>(1), working.end().await)
        });
        let never = tokio::spawn(async move {
            let error = stuck
                .client
                .batch_execute("select pg_sleep(300)")
                .await
                .unwrap_err();
            error.code().map(|code| code.code().to_owned())
        });
        let running = "select count(*) from pg_stat_activity where query like 'select pg_sleep(%' and usename = 'alice' and state = 'active'";
        until_async("both work", || {
            let output = postgres().direct(running);
            String::from_utf8_lossy(&output.stdout)
                .trim()
                .parse::<u32>()
                .unwrap_or(0)
                >= 2
        })
        .await;
        let drain = bed
            .door
            .drain(Duration::from_secs(6), "muster is being updated");
        let transaction = async {
            // The idle one has gone already, and this one may still finish what it began.
            let idle = idle.end().await;
            inside
                .client
                .batch_execute("select 1; commit")
                .await
                .unwrap();
            (idle, inside.end().await)
        };
        let (forced, (idle, inside)) = tokio::join!(drain, transaction);
        assert_eq!(idle, "57P01 muster is being updated");
        assert_eq!(inside, "57P01 muster is being updated");
        assert_eq!(
            work.await.unwrap(),
            (42, "57P01 muster is being updated".to_owned())
        );
        assert_eq!(never.await.unwrap().as_deref(), Some("57P01"));
        assert_eq!(forced, 1);
        assert_eq!(bed.door.numbers().open, 0);
        // Nobody comes in any more.
        assert!(
            tokio::net::TcpStream::connect(bed.door.local_addr())
                .await
                .is_err()
        );
    });
    bed.door.stop();
}
