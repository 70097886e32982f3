//! Whoever can open a connection to the API can neither stop the service, nor make it large, nor read what is not
//! meant for them.

use std::{fs, io::Write, net::TcpStream};

use super::{
    address, get,
    reader::{
        Is::{AtLeast, Exactly},
        Reader,
    },
    send,
    sky::Place,
};
use crate::service::world::Service;

/// Resident memory of the service, in KiB.
fn resident(service: &Service) -> u64 {
    let path = format!("/proc/{}/status", service.pid());
    let status = fs::read_to_string(path).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.expect("its size").parse().expect("a number")
}

/// The status of an answer, or nothing where there is none.
fn code(answer: &str) -> &str {
    answer
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .unwrap_or("")
}

#[test]
fn nothing_that_can_be_sent_brings_it_down_or_makes_it_say_more() {
    let place = Place::new("");
    let service = place.world.start();
    let mut reader = Reader::of(&service);
    reader.until(&[("muster_service_state{state=\"ready\"}", Exactly(1.0))]);
    let to = address(&service);
    let before = resident(&service);
    let get_with = |path: &str, host: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")
            .into_bytes()
    };
    let local = |path: &str| get_with(path, "localhost", "");
    let post = |more: &str| {
        format!("POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}")
    };
    let garbage: Vec<u8> = (0..100_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let hello = [
        &[
            0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03,
        ][..],
        &[0x5a; 506],
    ];
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        // A page from elsewhere, under a name of its own.
        (
            "rebound",
            get_with("/api/v1/status", "rebind.example", ""),
            &["421"],
        ),
        (
            "rebound with a port",
            get_with("/metrics", "rebind.example:7420", ""),
            &["421"],
        ),
        (
            "hidden name",
            get_with("/metrics", "localhost@evil.example", ""),
            &["421"],
        ),
        (
            "another address",
            get_with("/metrics", "0.0.0.0", ""),
            &["421"],
        ),
        (
            "no host",
            b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(),
            &["400"],
        ),
        // Files.
        ("up", local("/../../../../etc/passwd"), &["404"]),
        (
            "up, written otherwise",
            local("/api/v1/databases/..%2f..%2f..%2fetc%2fpasswd"),
            &["404"],
        ),
        (
            "up, twice written",
            local("/api/v1/targets/%252e%252e%252fmuster.yaml"),
            &["404"],
        ),
        (
            "nothing in a path",
            local("/api/v1/databases/a%00b"),
            &["400", "404"],
        ),
        (
            "no letters",
            local("/api/v1/databases/%ff%fe"),
            &["400", "404"],
        ),
        (
            "a control letter in a name",
            local("/api/v1/targets/a%0d%0aSet-Cookie:%20a=b"),
            &["404"],
        ),
        // Sizes.
        (
            "a long path",
            local(&format!("/{}", "a".repeat(100_000))),
            &["414", "431", "400"],
        ),
        (
            "a long query",
            local(&format!("/api/v1/targets?selector={}", "a".repeat(100_000))),
            &["414", "431", "400"],
        ),
        (
            "a long header",
            get_with(
                "/livez",
                "localhost",
                &format!("X: {}\r\n", "a".repeat(1_000_000)),
            ),
            &["431"],
        ),
        (
            "many headers",
            get_with("/livez", "localhost", &"X: y\r\n".repeat(10_000)),
            &["431"],
        ),
        (
            "many parameters",
            local(&format!("/api/v1/targets?{}", "selector=a=b&".repeat(400))),
            &["400"],
        ),
        (
            "a hard expression",
            local("/api/v1/targets?selector=env=%5E((a%7Bb%7D%2B)%2B)%2B%7B99%7D$"),
            &["400", "200"],
        ),
        (
            "a large expression",
            local("/api/v1/targets?selector=env=%5E(a%7B1000%7D)%7B1000%7D$"),
            &["400"],
        ),
        // Methods and bodies.
        (
            "a body",
            [
                post("Content-Length: 5000000\r\n\r\n").as_bytes(),
                &[b'x'; 200_000],
            ]
            .concat(),
            &["405"],
        ),
        (
            "a body in parts",
            [
                post("Transfer-Encoding: chunked\r\n\r\n").as_bytes(),
                b"10000\r\n",
                &[b'x'; 65_536],
            ]
            .concat(),
            &["405"],
        ),
        (
            "two lengths",
            post("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello").into_bytes(),
            &["400", "405"],
        ),
        (
            "both lengths",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").into_bytes(),
            &["400", "405"],
        ),
        (
            "a tunnel",
            b"CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                .to_vec(),
            &["405", "404", "421", "400"],
        ),
        (
            "an upgrade",
            get_with("/livez", "localhost", "Upgrade: websocket\r\n"),
            &["200"],
        ),
        // No HTTP at all.
        ("bytes", garbage, &["400", ""]),
        ("zeros", vec![0; 100_000], &["400", ""]),
        ("TLS", hello.concat(), &["400", ""]),
        (
            "HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00".to_vec(),
            &["400", ""],
        ),
        ("nothing", Vec::new(), &["", "408"]),
    ];
    for (name, bytes, codes) in cases {
        if bytes.is_empty() {
            drop(TcpStream::connect(to).expect("it listens"));
            continue;
        }
        let answer = send(to, &bytes);
        assert!(
            codes.contains(&code(&answer)),
            "{name}: {}",
            answer.get(..400).unwrap_or(&answer)
        );
        for never in ["root:x:", "recorded", "\r\nSet-Cookie", "sources:"] {
            assert!(!answer.contains(never), "{name} shows {never}");
        }
        assert_eq!(get(&service, "/livez").0, 200, "after {name}");
    }
    // A thousand requests in one breath are answered one after the other.
    let many = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(999);
    let last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = send(to, &[many, last.to_vec()].concat());
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1000);

    let after = resident(&service);
    assert!(
        after < before + (64 << 10),
        "{before} KiB became {after} KiB"
    );
    goes_on(&service, &mut reader);
    service.stop();
}

#[test]
fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let place = Place::new("");
    let service = place.world.start();
    let mut reader = Reader::of(&service);
    reader.until(&[("muster_service_state{state=\"ready\"}", Exactly(1.0))]);
    let to = address(&service);
    let before = resident(&service);
    let mut crowd = Vec::new();
    for n in 0..400 {
        let mut stream = TcpStream::connect(to).expect("it listens");
        // Some begin a request and go on a letter at a time, some are silent. It may have closed already.
        if n % 2 == 0 {
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: local");
        }
        crowd.push(stream);
        if n % 50 == 0 {
            for slow in crowd.iter_mut().step_by(2) {
                let _ = slow.write_all(b"h");
            }
        }
    }
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/targets"] {
        assert_eq!(get(&service, path).0, 200, "{path}");
    }
    goes_on(&service, &mut reader);
    let descriptors = fs::read_dir(format!("/proc/{}/fd", service.pid()))
        .unwrap()
        .count();
    assert!(descriptors < 300, "{descriptors} file descriptors");
    let after = resident(&service);
    assert!(
        after < before + (64 << 10),
        "{before} KiB became {after} KiB"
    );
    drop(crowd);
    service.stop();
}

/// It still scans, and answers its own commands.
fn goes_on(service: &Service, reader: &mut Reader) {
    let scans = "muster_scans_total{provider=\"aws\",service=\"rds\",coverage=\"complete\"}";
    let now = reader.value(scans).expect("it counts");
    reader.until(&[
        (scans, AtLeast(now + 2.0)),
        ("muster_service_state{state=\"ready\"}", Exactly(1.0)),
    ]);
    let client = service.client();
    let status = client.wait(client.status()).expect("a status");
    assert!(status.reasons.is_empty(), "{:?}", status.reasons);
}
