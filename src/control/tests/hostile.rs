//! What comes through the socket makes no sense, does not come at all, or never ends.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    thread,
};

use super::*;
use crate::control::{ClientError, NAME, understands};

/// What is answered to some bytes.
fn raw(world: &World, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(world.dir.path().join(NAME)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    // Who is refused early does not read to the end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(world: &World, method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    raw(
        world,
        format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let world = World::new();
    for (method, path, body, status, part) in [
        ("GET", "/", "", 404, "there is no /"),
        ("GET", "/v1/stop", "", 405, "does not take GET"),
        ("DELETE", "/v1/status", "", 405, "does not take DELETE"),
        ("GET", "/v1/plans/x", "", 404, "is not the number of a plan"),
        (
            "GET",
            "/v1/plans/18446744073709551616",
            "",
            404,
            "is not the number",
        ),
        ("GET", "/v1/store/value", "", 400, "missing field `key`"),
        ("GET", "/v1/store/value?key=", "", 400, "empty"),
        (
            "GET",
            "/v1/store/changes?since=-1",
            "",
            400,
            "makes no sense",
        ),
        ("GET", "/v1/store/page?limits=1", "", 400, "unknown field"),
        (
            "POST",
            "/v1/reload",
            "{\"dry_run\":3}",
            400,
            "makes no sense",
        ),
        (
            "POST",
            "/v1/reload",
            "{\"by\":\"root\"}",
            400,
            "unknown field",
        ),
        (
            "POST",
            "/v1/scan",
            "{\"scopes\":[\"aws\"]}",
            400,
            "makes no sense",
        ),
        ("POST", "/v1/apply", "", 400, "makes no sense"),
    ] {
        let answer = request(&world, method, path, "", body);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        assert!(
            answer.contains("application/problem+json"),
            "{path}: {answer}"
        );
        assert!(
            answer.contains("\"type\":\"urn:muster:refused:"),
            "{path}: {answer}"
        );
        assert!(answer.contains(part), "{path}: {answer}");
    }
    let key = "k".repeat(3_000);
    let answer = request(&world, "GET", &format!("/v1/store/value?key={key}"), "", "");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn what_is_too_large_is_not_taken() {
    let world = World::new();
    let body = format!("{{\"scopes\":[{}]}}", " ".repeat(5 << 20));
    let answer = request(&world, "POST", "/v1/scan", "", &body);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 413 "),
        "{answer}"
    );
    let answer = request(
        &world,
        "GET",
        &format!("/v1/{}", "x".repeat(100_000)),
        "",
        "",
    );
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    raw(&world, &[0xff; 4_096]);
    assert!(Client::connect(world.dir.path()).is_ok(), "it goes on");
}

#[test]
fn many_who_say_nothing_keep_nobody_out_for_long() {
    let world = World::impatient();
    let idle: Vec<UnixStream> = (0..100)
        .map(|_| UnixStream::connect(world.dir.path().join(NAME)).unwrap())
        .collect();
    // They are cut off one after the other when the head of a request does not come.
    let (_, service) = Client::connect(world.dir.path()).unwrap();
    assert_eq!(service.pid, std::process::id());
    drop(idle);
}

#[test]
fn who_asks_and_does_not_read_the_answer_is_cut_off() {
    let world = World::impatient();
    let mut batch = muster_store::Batch::new();
    for n in 0..40 {
        let key = muster_store::Key::new(format!("a/{n:02}")).unwrap();
        batch.put(key, vec![0; 100_000], muster_store::Expect::Any);
    }
    world.store.commit(batch).unwrap();
    let mut stream = UnixStream::connect(world.dir.path().join(NAME)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
        .write_all(b"GET /v1/store/page HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    // The service gives up, which a reader of the other direction sees: nothing more can be sent to it.
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while stream.write_all(b"x").is_ok() {
        assert!(std::time::Instant::now() < end, "it is never cut off");
        thread::yield_now();
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.len() < 4_000_000, "{} bytes", answer.len());
}

#[test]
fn another_release_is_refused_by_both_sides() {
    let world = World::new();
    let answer = request(
        &world,
        "GET",
        "/v1/status",
        "muster-version: 99.0.1\r\n",
        "",
    );
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.contains("99.0.1"), "{answer}");
    assert!(answer.contains("restart the service"), "{answer}");
    // The same release with another last number, and a person with curl.
    let patch = format!("{}.77", super::super::VERSION.rsplit_once('.').unwrap().0);
    for header in [format!("muster-version: {patch}\r\n"), String::new()] {
        let answer = request(&world, "GET", "/v1/status", &header, "");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    for (other, does) in [
        (patch.as_str(), true),
        ("99.0.1", false),
        ("", false),
        ("1", false),
    ] {
        assert_eq!(understands(other), does, "{other}");
    }

    let answer = "HTTP/1.1 200 OK\r\nmuster-version: 98.1.0\r\ncontent-length: 2\r\n\r\n{}";
    let error = against(Fake::Says(answer.to_owned()));
    assert!(
        matches!(&error, ClientError::Version { theirs } if theirs == "98.1.0"),
        "{error}"
    );
}

/// Something else that listens where the service should.
enum Fake {
    Says(String),
    Hangs,
}

fn against(fake: Fake) -> ClientError {
    let dir = TempDir::new().unwrap();
    let listener = UnixListener::bind(dir.path().join(NAME)).unwrap();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        match fake {
            Fake::Says(answer) => {
                let mut head = [0; 4_096];
                let _ = stream.read(&mut head);
                let _ = stream.write_all(answer.as_bytes());
            }
            Fake::Hangs => drop(is_done.recv()),
        }
    });
    let error = Client::connect_within(dir.path(), short()).unwrap_err();
    drop(done);
    server.join().unwrap();
    error
}

#[test]
fn a_service_that_says_nothing_is_not_waited_for_for_ever() {
    let error = against(Fake::Hangs);
    assert!(matches!(error, ClientError::Silent { .. }), "{error}");
    assert!(error.hint().unwrap().contains("log"));
}

#[test]
fn answers_that_are_cut_or_make_no_sense_are_errors() {
    let version = super::super::VERSION;
    let head = format!("HTTP/1.1 200 OK\r\nmuster-version: {version}\r\n");
    for (answer, part) in [
        (String::new(), "broke"),
        ("HTTP/1.1 200 OK\r\n".to_owned(), "broke"),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), "broke"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
            "makes no sense",
        ),
        (format!("{head}content-length: 900\r\n\r\n{{"), "broke"),
        (
            format!("{head}content-length: 2\r\n\r\n{{}}"),
            "makes no sense",
        ),
        (
            format!(
                "HTTP/1.1 500 No\r\nmuster-version: {version}\r\ncontent-length: 2\r\n\r\n{{}}"
            ),
            "makes no sense",
        ),
    ] {
        let error = against(Fake::Says(answer.clone()));
        assert!(error.to_string().contains(part), "{answer}: {error}");
    }
}

#[test]
fn a_command_is_waited_for_while_the_service_lives_and_no_longer() {
    // The loop never answers, and holds on to the question.
    let mut kept = Vec::new();
    let mut world = World::new().answering(move |command| kept.push(command));
    let (client, _) = Client::connect_within(world.dir.path(), short()).unwrap();
    let scanning = world.runtime.spawn(client.scan(Vec::new()));
    let (other, _) = Client::connect_within(world.dir.path(), short()).unwrap();
    // Longer than any answer is waited for.
    let changed = other.wait(other.changed(muster_store::Revision(0), Duration::from_secs(1)));
    assert!(changed.is_ok());
    assert!(!scanning.is_finished());
    world.stop.cancel();
    let error = world.runtime.block_on(scanning).unwrap().unwrap_err();
    assert!(
        matches!(error, ClientError::Absent { .. } | ClientError::Broken(_)),
        "{error}"
    );
    world.end();
}
