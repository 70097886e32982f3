//! What a command says when the service cannot be talked to, and what hostile arguments come to. It never waits for
//! ever, and its code says what sort of failure it was.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    process::Stdio,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use muster_store::SledStore;
use rustix::process::{Pid, Signal, kill_process};

use super::{Ended, HOURLY, Place, SCOPE};

/// Commands that need the store or the service.
const COMMANDS: &[&[&str]] = &[
    &["db", "ls"],
    &["explain", "a"],
    &["history"],
    &["scope", "ls"],
    &["plan"],
    &["plan", "ls"],
    &["plan", "approve", "1"],
    &["apply"],
    &["scan"],
    &["scan", "--now"],
    &["status"],
    &["reload"],
    &["store", "check"],
];

/// Runs all of them at once.
fn all(place: &Place) -> Vec<(&'static [&'static str], Ended)> {
    thread::scope(|scope| {
        let runs: Vec<_> = COMMANDS
            .iter()
            .map(|args| (*args, scope.spawn(|| place.run(args))))
            .collect();
        let ended =
            |(args, run): (&'static [&'static str], thread::ScopedJoinHandle<'_, Ended>)| {
                (args, run.join().expect("it ends"))
            };
        runs.into_iter().map(ended).collect()
    })
}

/// Answers whoever asks, as a service that is not one.
fn imposter(place: &Place, answer: impl Fn(&str) -> String + Send + Sync + 'static) {
    let socket = place.world.store().join("muster.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).expect("closed");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                // Who asked may be gone.
                let _ = stream.write_all(answer(&head).as_bytes());
            });
        }
    });
}

fn http(version: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nmuster-version: {version}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn a_service_that_hangs_is_not_waited_for_for_ever() {
    let place = Place::new(&["a"], HOURLY);
    let service = place.start();
    service.signal(Signal::STOP);
    for (args, ended) in all(&place) {
        assert_eq!(ended.code, Some(69), "{args:?}: {ended:#?}");
        assert_eq!(ended.out, "", "{args:?}");
        for text in ["did not answer within", "hint:"] {
            assert!(ended.err.contains(text), "{args:?}: {}", ended.err);
        }
    }
    service.signal(Signal::CONT);
    place.run(&["db", "ls"]).done();
    service.stop();
}

#[test]
fn a_service_of_another_release_is_named() {
    let place = Place::new(&["a"], HOURLY);
    place.run(&["apply"]).done();
    let _held = SledStore::open(place.world.store()).expect("opened");
    imposter(&place, |_| http("99.7.0", "{}"));
    for (args, ended) in all(&place) {
        assert_eq!(ended.code, Some(1), "{args:?}: {ended:#?}");
        for text in ["muster 99.7.0", env!("CARGO_PKG_VERSION"), "hint:"] {
            assert!(ended.err.contains(text), "{args:?}: {}", ended.err);
        }
    }
}

#[test]
fn a_service_that_dies_in_the_middle_leaves_no_half_answer() {
    let place = Place::new(&["a"], HOURLY);
    place.run(&["apply"]).done();
    let _held = SledStore::open(place.world.store()).expect("opened");
    let version = env!("CARGO_PKG_VERSION");
    imposter(&place, move |head| {
        if head.starts_with("GET /v1/service ") {
            let service = format!(
                "{{\"name\":\"muster\",\"version\":\"{version}\",\"pid\":4711,\"started\":\"2026-01-01T00:00:00Z\"}}"
            );
            return http(version, &service);
        }
        // It promises more than there will ever be.
        http(version, "{\"revision\":5,\"more\":true,\"entries\":[")
            .replace("length: ", "length: 9")
    });
    for (args, ended) in all(&place) {
        assert_eq!(ended.code, Some(69), "{args:?}: {ended:#?}");
        assert_eq!(ended.out, "", "{args:?}");
        assert!(ended.err.contains("hint:"), "{args:?}: {}", ended.err);
    }
}

#[test]
fn the_socket_of_a_dead_service_is_in_nobodys_way() {
    let place = Place::new(&["a"], HOURLY);
    let service = place.start();
    service.kill();
    assert!(place.world.store().join("muster.sock").exists());
    for args in [
        &["db", "ls"][..],
        &["plan", "ls"],
        &["plan"],
        &["apply"],
        &["scan"],
        &["store", "check"],
    ] {
        place.run(args).done();
    }
    for args in [&["status"][..], &["reload"], &["scan", "--now"]] {
        place
            .run(args)
            .fails(69, &["no service answers", "muster run"]);
    }
    let again = place.start();
    place.run(&["status"]).done();
    again.stop();
}

#[test]
fn a_place_that_cannot_be_a_store_is_named() {
    let place = Place::new(&["a"], HOURLY);
    let file = place.world.dir.path().join("file");
    fs::write(&file, "not a store").expect("written");
    let full = place.world.dir.path().join("full");
    fs::create_dir(&full).expect("made");
    fs::write(full.join("letter.txt"), "not a store").expect("written");
    for (dir, text) in [(&file, "not a directory"), (&full, "holds no store")] {
        let shown = dir.display().to_string();
        for args in COMMANDS {
            let args: Vec<&str> = args.iter().copied().chain(["--store", &shown]).collect();
            let ended = place.run(&args);
            let asks = ["status", "reload"].contains(&args[0]) || args[..2] == ["scan", "--now"];
            let code = if asks { 69 } else { 1 };
            assert_eq!(ended.code, Some(code), "{args:?}: {ended:#?}");
            assert!(ended.err.contains(&shown), "{args:?}: {}", ended.err);
            if !asks {
                let err = ended.err.to_lowercase();
                assert!(err.contains(text), "{args:?}: {err}");
            }
        }
        place.run(&["run", "--store", &shown]).fails(1, &[&shown]);
    }
    assert_eq!(fs::read_to_string(&file).expect("there"), "not a store");
}

#[test]
fn hostile_arguments_are_refused_or_shown_harmlessly() {
    let place = Place::new(&["a"], HOURLY);
    let service = place.start();
    let evil = "x\u{1b}[2J\u{202e}\n; rm";
    for (args, code) in [
        (&["history", "--limit", "-1"][..], 64),
        (&["history", "--limit", "1e9"], 64),
        (&["history", "--limit", "18446744073709551616"], 64),
        (&["history", "--limit", "18446744073709551615"], 0),
        (&["history", evil], 1),
        (&["explain", evil], 1),
        (&["db", "show", evil], 1),
        (&["db", "ls", evil], 64),
        (&["db", "ls", "env=^(*$"], 64),
        (&["db", "ls", "=x"], 64),
        (&["db", "ls", "--search", evil], 0),
        (&["scan", "--now", evil], 64),
        (&["scan", "--now", "aws"], 64),
        (&["scan", "--now", "aws/../../rds"], 1),
        (&["scan", "--now", "--dry-run"], 64),
        (&["plan", "show", "-1"], 64),
        (&["plan", "show", evil], 64),
        (&["plan", "approve", "18446744073709551615", "--yes"], 1),
        (&["plan", "approve", "0"], 1),
        (&["plan", "approve"], 64),
        (&["plan", "--out", "x", "ls"], 64),
        (&["apply", evil], 1),
        (&["apply", "/dev/null"], 1),
        (&["apply", "--max-age", "-1"], 64),
        (&["status", "--timeout", "5s"], 64),
        (&["status", "--wait", "--timeout", "1y"], 64),
        (&["reload", "now"], 64),
        (&["scope", "ls", "-o", "xml"], 64),
        (&["nonsense"], 64),
        (&[], 64),
    ] {
        let ended = place.run(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:#?}");
        for text in [&ended.out, &ended.err] {
            let raw = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!text.chars().any(raw), "{args:?}: {text:?}");
        }
    }
    let status = place.run(&["status"]).done().out;
    assert!(status.contains("is ready"), "{status}");
    service.stop();
}

#[test]
fn of_commands_that_apply_at_once_none_is_lost_and_none_is_done_twice() {
    let place = Place::new(&["a"], HOURLY);
    let service = place.start();
    for name in ["b", "c", "d"] {
        place.town.make(name);
    }
    let ended: Vec<Ended> = thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| place.run(&["apply"])))
            .collect();
        runs.into_iter()
            .map(|run| run.join().expect("it ends"))
            .collect()
    });
    for one in &ended {
        // Either it came in time, with its changes or after them, or it was told to look again.
        match one.code {
            Some(0) => {}
            Some(1) => assert!(one.err.contains("hint:  "), "{}", one.err),
            other => panic!("{other:?}: {one:#?}"),
        }
    }
    assert!(ended.iter().any(|one| one.code == Some(0)), "{ended:#?}");
    let history = place.run(&["history", "-n", "1000"]).done().out;
    assert_eq!(history.matches(" enrolled ").count(), 4, "{history}");
    service.stop();
}

/// Waits until something is so.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !is() {
        assert!(Instant::now() < end, "never {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_interrupted_command_ends_and_the_service_goes_on() {
    let place = Place::new(&["a"], HOURLY);
    let service = place.start();
    place.town.fall_silent();
    for args in [
        &["plan"][..],
        &["apply"],
        &["scan", "--dry-run"],
        &["scan", "--now", SCOPE],
    ] {
        let asked = place.town.unanswered();
        let mut child = place
            .world
            .command(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("muster runs");
        // It waits for the service, and the service for a cloud that never answers.
        until("asked", || place.town.unanswered() > asked);
        assert!(child.try_wait().expect("a child").is_none(), "it has ended");
        kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
        until("ended", || child.try_wait().expect("a child").is_some());
        let ended = Ended::of(child.wait_with_output().expect("its output"));
        assert_eq!(ended.code, Some(130), "{args:?}: {ended:#?}");
    }
    place.run(&["status"]).done();
    let ls = place.run(&["db", "ls", "-o", "name"]).done().out;
    assert_eq!(ls.lines().count(), 1);
    service.signal(Signal::TERM);
    service.signal(Signal::TERM);
    service.ends();
}

#[test]
fn a_connection_that_breaks_is_never_a_success() {
    let place = Place::new(&["a"], HOURLY);
    place.run(&["apply"]).done();
    let _held = SledStore::open(place.world.store()).expect("opened");
    let socket = place.world.store().join("muster.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    // It hangs up on everybody, mostly before they have asked: their question then goes into a broken pipe.
    thread::spawn(move || for _ in listener.incoming() {});
    for _ in 0..5 {
        for (args, ended) in all(&place) {
            assert_eq!(ended.code, Some(69), "{args:?}: {ended:#?}");
            assert!(ended.err.starts_with("error: ") || ended.err.starts_with("warning: "));
        }
    }
}
