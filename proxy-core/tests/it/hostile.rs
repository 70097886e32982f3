//! Clients that mean harm, or are not what they say: protocols mixed up, names of other people's databases, bytes ahead of
//! their time.

use std::sync::Arc;

use muster_access::{LabelRules, Rules, Words};
use muster_model::Target;
use muster_proxy::Settings;

use crate::{
    bed::{Bed, bed, run, target},
    raw::{Hello, error, startup},
    server::postgres,
};

const ALICE: &[(&str, &str)] = &[("user", "alice"), ("database", "app")];
const PG: &[&[u8]] = &[b"postgresql"];
const HTTP: &[&[u8]] = &[b"http/1.1"];

/// A role that allows what is labelled `seen`, in place of everything.
fn only_seen(role: &mut muster_access::Role) {
    role.allow = Rules {
        labels: LabelRules::with_templates(None, [("seen".to_owned(), vec!["yes"])]).unwrap(),
        db_users: Words::parse(["alice"]).unwrap(),
        db_names: Words::any(),
        ..Rules::default()
    };
}

fn labelled(id: &str, short_name: &str, seen: bool) -> Target {
    let endpoint = std::net::SocketAddr::from(([127, 0, 0, 1], postgres().port));
    let mut target = target(id, id, Some(endpoint));
    short_name.clone_into(&mut target.short_name);
    if seen {
        assert!(target.labels.set("seen", "yes", "test"));
    }
    target
}

#[test]
fn a_database_that_is_hidden_cannot_be_told_from_one_that_is_not_there() {
    let bed = Bed::new(Settings::default(), None);
    let name = bed.person(only_seen);
    let stopped = Target {
        endpoint: None,
        ..labelled("secret-stopped", "secret-stopped", false)
    };
    let mysql = Target {
        protocol: muster_model::Protocol::Mysql,
        ..labelled("secret-mysql", "secret-mysql", false)
    };
    for target in [
        labelled("secret", "secret", false),
        labelled("secret-1", "twice", false),
        labelled("secret-2", "twice", false),
        labelled("secret-locked", "secret-locked", false),
        stopped,
        mysql,
    ] {
        bed.catalog
            .rcu(|catalog| catalog.with(Arc::new(target.clone())));
    }
    let lock = muster_access::Lock::new(
        "lock",
        muster_access::LockTarget::Target("secret-locked".into()),
    );
    bed.policy.rcu(|policy| policy.with_lock(lock.clone()));
    let anywhere = bed.certificate(&bed.users, &bed.params(&bed.identity(&name, None)));
    run(async {
        let mut answers = Vec::new();
        for hidden in [
            "nowhere",
            "secret",
            "twice",
            "secret-1",
            "secret-locked",
            "secret-stopped",
            "secret-mysql",
        ] {
            // By the server name, and by the route of the certificate.
            let server_name = format!("{hidden}.door.test");
            let by_name = Hello {
                certificate: Some(&anywhere),
                server_name: &server_name,
                alpn: PG,
                ..Hello::default()
            };
            answers.push(bed.answer(by_name, &startup(ALICE)).await);
            let routed = bed.login(&name, hidden);
            let by_route = Hello {
                certificate: Some(&routed),
                ..Hello::default()
            };
            answers.push(bed.answer(by_route, &startup(ALICE)).await);
        }
        let first = &answers[0];
        assert_eq!(error(first)[&'C'], "3D000");
        assert!(error(first)[&'M'].starts_with("there is no such database"));
        for (index, answer) in answers.iter().enumerate() {
            assert_eq!(error(answer), error(first), "answer {index}");
        }
    });
    bed.door.stop();
}

#[test]
fn a_short_name_means_the_one_database_that_a_person_may_know_of() {
    let bed = Bed::new(Settings::default(), None);
    let name = bed.person(only_seen);
    let certificate = bed.login(&name, "shared");
    let add = |target: Target| {
        bed.catalog
            .rcu(|catalog| catalog.with(Arc::new(target.clone())));
    };
    add(labelled("shared-hidden", "shared", false));
    add(labelled("shared-seen", "shared", true));
    let certificate_of_one = bed.login(&name, "shared-seen");
    assert_eq!(bed.sql(&certificate_of_one, &["select 1"]), "1\n");
    let anywhere = bed.certificate(&bed.users, &bed.params(&bed.identity(&name, None)));
    let mut psql = bed.psql(Some(&anywhere), "host=shared.door.test");
    let output = psql.args(["-c", "select 5"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5\n", "{output:?}");
    add(labelled("shared-too", "shared", true));
    let mut psql = bed.psql(Some(&anywhere), "host=shared.door.test");
    let output = psql.args(["-c", "select 5"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is not unique"), "{said}");
    // A certificate is for a full name: what it is short for may change.
    let said = bed.complaint(Some(&certificate), "");
    assert!(said.contains("FATAL"), "{said}");
    bed.door.stop();
}

#[test]
fn whoever_may_open_nothing_is_told_the_same_whatever_they_ask_for() {
    let bed = bed();
    let identity = bed.identity("a person without a record", None);
    let certificate = bed.certificate(&bed.users, &bed.params(&identity));
    run(async {
        let mut answers = Vec::new();
        for server_name in ["app.door.test", "nowhere.door.test"] {
            let hello = Hello {
                certificate: Some(&certificate),
                server_name,
                ..Hello::default()
            };
            answers.push(error(&bed.answer(hello, &startup(ALICE)).await));
        }
        assert_eq!(answers[0], answers[1]);
        assert!(answers[0][&'M'].contains("log in again"), "{answers:?}");
    });
}

#[test]
fn a_protocol_that_was_not_agreed_on_leads_nowhere() {
    let bed = Bed::new(Settings::default(), Some(Arc::new(crate::entry::Hello)));
    let name = bed.person(|_| {});
    let certificate = bed.login(&name, "app");
    let get = b"GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n";
    let ask = |alpn| Hello {
        certificate: Some(&certificate),
        alpn,
        ..Hello::default()
    };
    run(async {
        // HTTP where PostgreSQL was agreed on.
        let answer = bed.answer(ask(PG), get).await;
        assert!(
            answer.starts_with(b"HTTP/1.1 400"),
            "{}",
            answer.escape_ascii()
        );
        // An unknown protocol is refused by TLS itself.
        assert!(bed.tls(ask(&[b"h2"])).await.is_err());
        // A request for TLS inside TLS; a second start-up; a password that nobody asked for.
        for bytes in [
            b"\x00\x00\x00\x08\x04\xd2\x16\x2f".to_vec(),
            [
                &b"\x00\x00\x00\x08\x04\xd2\x16\x30"[..],
                b"\x00\x00\x00\x08\x04\xd2\x16\x30",
            ]
            .concat(),
        ] {
            let answer = bed.answer(ask(PG), &bytes).await;
            assert!(answer.starts_with(b"E"), "{}", answer.escape_ascii());
        }
        for ahead in [
            startup(ALICE),
            b"p\x00\x00\x00\x08abc\x00".to_vec(),
            vec![0xff; 4000],
        ] {
            let answer = bed.answer(ask(PG), &[startup(ALICE), ahead].concat()).await;
            let text = answer.escape_ascii().to_string();
            assert!(text.contains("C08P01"), "{text}");
        }
        // A start-up that says that it is longer than any.
        let answer = bed
            .answer(ask(PG), &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0])
            .await;
        assert_eq!(error(&answer)[&'C'], "08P01");
    });
    bed.door.stop();
}

#[test]
fn a_port_for_postgresql_alone_speaks_nothing_else() {
    let settings = Settings {
        postgres: vec![std::net::SocketAddr::from(([127, 0, 0, 1], 0))],
        ..Settings::default()
    };
    let bed = Bed::new(settings, Some(Arc::new(crate::entry::Hello)));
    let name = bed.person(|_| {});
    let certificate = bed.login(&name, "app");
    let get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    run(async {
        for (port, alpn, served) in [
            (0, HTTP, true),
            (0, &[][..], true),
            (1, HTTP, false),
            (1, &[][..], false),
            (1, PG, false),
        ] {
            let hello = Hello {
                certificate: Some(&certificate),
                alpn,
                port,
                ..Hello::default()
            };
            let answer = bed.answer(hello, get).await;
            let text = answer.escape_ascii().to_string();
            assert_eq!(text.starts_with("HTTP/1.1 200"), served, "{port} {text}");
            assert!(served || text.starts_with("HTTP/1.1 400"), "{port} {text}");
        }
    });
    // Clients get in there in each of their ways.
    let port = bed.door.addresses()[1].port();
    let output = bed
        .psql(Some(&certificate), &format!("port={port}"))
        .args(["-c", "select 7"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "7\n", "{output:?}");
    run(async {
        for (port, only_tls12) in [(0, false), (1, false), (1, true)] {
            let hello = Hello {
                certificate: Some(&certificate),
                alpn: PG,
                port,
                only_tls12,
                ..Hello::default()
            };
            // Ends by itself: the client says good-bye.
            let bytes = [
                startup(ALICE),
                b"Q\x00\x00\x00\x0dselect 8\x00X\x00\x00\x00\x04".to_vec(),
            ]
            .concat();
            let answer = bed.answer(hello, &bytes).await;
            let text = answer.escape_ascii().to_string();
            assert!(text.contains("\\x00\\x018C\\x00"), "{text}");
        }
    });
    bed.door.stop();
}

#[test]
fn strangers_that_hold_connections_for_http_leave_room_for_others() {
    let settings = Settings {
        handshakes_per_address: 8,
        ..Settings::default()
    };
    let bed = Bed::new(settings, Some(Arc::new(crate::entry::Hold)));
    let name = bed.person(|_| {});
    let certificate = bed.login(&name, "app");
    run(async {
        let mut held = Vec::new();
        let stranger = Hello {
            alpn: HTTP,
            ..Hello::default()
        };
        let mut refused = 0;
        for _ in 0..20 {
            match bed.tls(stranger).await {
                Ok(stream) => held.push(stream),
                Err(_) => refused += 1,
            }
        }
        assert_eq!((held.len(), refused), (8, 12));
        drop(held);
        crate::server::until_async("there is room again", || {
            bed.door.sessions().is_empty() && bed.door.numbers().accepted > 0
        })
        .await;
        // Whoever has a certificate is none of them.
        let known = Hello {
            certificate: Some(&certificate),
            alpn: HTTP,
            ..Hello::default()
        };
        let mut held = Vec::new();
        let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        while held.len() < 12 {
            assert!(tokio::time::Instant::now() < end);
            held.extend(bed.tls(known).await.ok());
        }
    });
    bed.door.stop();
}
