//! What the door bears: slow clients, half-open connections, and bytes that are no protocol.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use muster_proxy::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    bed::{Bed, bed, run, target},
    raw::{Hello, error, message, startup, up_to},
    server::{postgres, until},
};

/// Reads until the other side closes; what came.
fn rest(socket: &mut TcpStream) -> Vec<u8> {
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    bytes
}

#[test]
fn a_thousand_slow_clients_disturb_nobody_and_are_dropped() {
    let settings = Settings {
        handshake_timeout: Duration::from_secs(8),
        ..Settings::default()
    };
    let bed = Bed::new(settings, None);
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    let mut slow: Vec<TcpStream> = (0u32..1000)
        .map(|number| {
            let mut socket = TcpStream::connect(bed.door.local_addr()).unwrap();
            // Nothing; a part of a request; a part of a hello; a hello that goes on for ever.
            let part: &[u8] = match number % 4 {
                0 => b"",
                1 => &[0, 0, 0, 8, 4],
                2 => &[0x16, 3, 1, 2],
                _ => &[0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc],
            };
            socket.write_all(part).unwrap();
            socket
        })
        .collect();
    assert_eq!(bed.sql(&certificate, &["select 'in'"]), "in\n");
    // The address has used up its handshakes.
    let more: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(bed.door.local_addr()).unwrap())
        .collect();
    until("some are turned away", || {
        bed.door.numbers().turned_away > 0
    });
    drop(more);
    for socket in &mut slow {
        rest(socket);
    }
    assert_eq!(bed.sql(&certificate, &["select 'again'"]), "again\n");
    bed.door.stop();
}

#[test]
fn whoever_is_slow_inside_tls_is_dropped_as_well() {
    let settings = Settings {
        handshake_timeout: Duration::from_secs(4),
        ..Settings::default()
    };
    let bed = Bed::new(settings, None);
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    let packet = startup(&[("user", "alice"), ("database", "app")]);
    run(async {
        let mut slow = Vec::new();
        // With a good certificate and without one; nothing, and all but the last byte.
        for certificate in [Some(&certificate), None] {
            for part in [&[][..], &packet[..packet.len() - 1]] {
                let hello = Hello {
                    certificate,
                    ..Hello::default()
                };
                let mut stream = bed.tls(hello).await.unwrap();
                stream.write_all(part).await.unwrap();
                slow.push(stream);
            }
        }
        assert_eq!(bed.sql(&certificate, &["select 'in'"]), "in\n");
        for mut stream in slow {
            let mut said = Vec::new();
            let read = stream.read_to_end(&mut said);
            let _ = tokio::time::timeout(Duration::from_secs(60), read)
                .await
                .expect("it is dropped");
            // Whoever said nothing hears nothing of databases.
            assert!(
                said.is_empty() || said[0] == b'E',
                "{}",
                said.escape_ascii()
            );
        }
    });
    assert_eq!(bed.door.numbers().open, 0);
    bed.door.stop();
}

#[test]
fn bytes_that_are_no_protocol_are_answered_or_dropped() {
    let bed = bed();
    let long: Vec<u8> = [0u8, 0, 0x40, 0]
        .into_iter()
        .chain(std::iter::repeat_n(b'a', 5000))
        .collect();
    let cases: Vec<(Vec<u8>, &[u8])> = vec![
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), b""),
        (b"\x00\x00\x00\x07abc".to_vec(), b"E"),
        (long, b"E"),
        (b"\x16\x03\x01\x00\x05hello".to_vec(), b""),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2fSELECT".to_vec(), b"E"),
        (b"\xff\xfe\xfd\xfc".to_vec(), b""),
    ];
    for (sent, first) in cases {
        let mut socket = TcpStream::connect(bed.door.local_addr()).unwrap();
        socket.write_all(&sent).unwrap();
        let got = rest(&mut socket);
        assert!(got.starts_with(first), "{sent:?}: {got:?}");
    }
    // Kerberos encryption is declined on the same connection, then TLS is taken.
    let mut socket = TcpStream::connect(bed.door.local_addr()).unwrap();
    let mut answer = [0; 1];
    socket
        .write_all(b"\x00\x00\x00\x08\x04\xd2\x16\x30")
        .unwrap();
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"N");
    socket
        .write_all(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
        .unwrap();
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"S");
}

#[test]
fn a_cancel_key_of_nobody_is_never_answered() {
    let bed = bed();
    let before = bed.door.numbers().cancels_ignored;
    let mut socket = TcpStream::connect(bed.door.local_addr()).unwrap();
    socket
        .write_all(b"\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01abcd")
        .unwrap();
    assert_eq!(rest(&mut socket), b"");
    assert!(bed.door.numbers().cancels_ignored > before);
}

#[test]
fn a_client_that_vanishes_takes_its_session_along() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    run(async {
        let session = bed.connect(&certificate, "alice").await;
        session.client.batch_execute("begin").await.unwrap();
        assert_eq!(bed.sessions_of(&user), 1);
        // Without a word of TLS or of PostgreSQL.
        session.ended.abort();
        drop(session.client);
    });
    until("the session is gone", || bed.sessions_of(&user) == 0);
}

#[test]
fn what_no_client_may_say_in_a_session_ends_it_with_a_word_and_is_recorded() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    let made = postgres().direct("create schema kept authorization alice");
    assert!(made.status.success(), "{made:?}");
    let cases = [
        message(b'z', b""),
        b"Q\0\0\0\x03".to_vec(),
        b"Q\xff\xff\xff\xff".to_vec(),
        message(b'Q', b"select 1\0; drop schema kept\0"),
        message(b'p', b"secret\0"),
        message(b'B', b"p\0s\0\0\0\0\x01\0\0\0\x05"),
        message(b'F', b"\0\0"),
        b"S\0\0\x40\0".to_vec(),
    ];
    run(async {
        for case in &cases {
            let hello = Hello {
                certificate: Some(&certificate),
                ..Hello::default()
            };
            let mut stream = bed.tls(hello).await.unwrap();
            let packet = startup(&[("user", "alice"), ("database", "postgres")]);
            stream.write_all(&packet).await.unwrap();
            up_to(&mut stream, b'Z').await;
            stream.write_all(case).await.unwrap();
            let mut answer = Vec::new();
            let read =
                tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer));
            let _ = read.await.expect("the session ends");
            let said = error(&answer);
            assert_eq!(
                (said[&'S'].as_str(), said[&'C'].as_str()),
                ("FATAL", "08P01"),
                "{}: {said:?}",
                case.escape_ascii()
            );
        }
    });
    let kept = postgres().direct("drop schema kept");
    assert!(kept.status.success(), "{kept:?}");
    until("all of them are recorded", || {
        let events = bed.events_of(&user);
        let is_one = |event: &&serde_json::Value| event["event"] == "db.session.malformed_packet";
        events.iter().filter(is_one).count() == cases.len()
    });
}

/// Whether the system asks the peer of a connection, by `/proc/net/tcp`, whether it still lives.
fn is_asked(local: SocketAddr, remote: SocketAddr) -> bool {
    let shown = |address: SocketAddr| {
        let SocketAddr::V4(address) = address else {
            panic!("{address} is not of IPv4");
        };
        let ip = u32::from_ne_bytes(address.ip().octets());
        format!("{ip:08X}:{:04X}", address.port())
    };
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // Its sixth field begins with which timer runs: 1 that of sending again, 2 the one of keepalive.
        fields[1] == shown(local) && fields[2] == shown(remote) && fields[5].starts_with("02:")
    })
}

#[test]
fn a_machine_that_is_gone_without_a_word_is_noticed_on_both_sides() {
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    let database = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = database.local_addr().unwrap();
    bed.catalog
        .rcu(|catalog| catalog.with(Arc::new(target("dead", "dead", Some(endpoint)))));
    let mut psql = bed
        .psql(Some(&bed.login(&user, "dead")), "")
        .spawn()
        .unwrap();
    // A database that takes the connection, and says nothing any more.
    let (mut upstream, from) = database.accept().unwrap();
    upstream.read_exact(&mut [0; 8]).unwrap();
    until("the database is asked", || is_asked(from, endpoint));
    let door = bed.door.local_addr();
    let client = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", door.port());
    let client = client
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|fields| fields[2].ends_with(&port) && fields[3] == "01")
        .map(|fields| u16::from_str_radix(&fields[1][9..], 16).unwrap())
        .unwrap();
    until("the client is asked", || {
        is_asked(door, SocketAddr::from(([127, 0, 0, 1], client)))
    });
    drop(upstream);
    assert!(!psql.wait().unwrap().success());
    bed.door.stop();
}

#[test]
fn a_reader_that_does_not_read_holds_up_only_itself() {
    let bed = bed();
    let user = bed.person(|_| {});
    let certificate = bed.login(&user, "app");
    let child = bed
        .psql(Some(&certificate), "")
        .args([
            "-c",
            "copy (select repeat('x', 1000) from generate_series(1, 200000)) to stdout",
        ])
        .spawn()
        .unwrap();
    // psql stops at a full pipe, which nobody reads.
    until("some bytes have passed", || {
        bed.door
            .sessions()
            .iter()
            .any(|view| view.user == user && view.to_client > 100_000)
    });
    assert_eq!(bed.sql(&certificate, &["select 'free'"]), "free\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout.len(), 200_000 * 1001);
}
