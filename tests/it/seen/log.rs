//! The log as an operator reads it: little of it, nothing secret in it, and every message a constant.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use muster::service::status::ServiceState;
use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    LISTEN, World, get,
    reader::{Is::AtLeast, Reader, tool},
    sky::{Place, Weather},
};

/// Every Rust file under a folder that is not about tests.
fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["tests", "target", "benches", "examples", "testkit"].contains(&name.as_str()) {
                sources(&path, all);
            }
        } else if name.ends_with(".rs") && !name.contains("test") {
            all.push(path);
        }
    }
}

/// What stands between the brackets that open before `text`, and that it closes.
fn arguments(text: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return &text[..at];
                }
            }
            _ => {}
        }
    }
    panic!("it does not end: {text}");
}

#[test]
fn every_message_is_a_constant() {
    let call = Regex::new(r"\b(?:tracing::)?(?:trace|debug|info|warn|error|event)!\(").unwrap();
    // Fields, and then the message, with which it ends: a string in which nothing is filled in.
    let constant = Regex::new(r#"(?s)^(?:.*,)?\s*"[^"{}\\]*"\s*,?\s*$"#).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "discovery", "matchers", "proxy-core"] {
        sources(&root.join(folder), &mut files);
    }
    let (mut calls, mut wrong) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for found in call.find_iter(&text) {
            let arguments = arguments(&text[found.end()..]);
            calls += 1;
            if !constant.is_match(arguments) {
                wrong.push(format!("{}: {arguments}", file.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "messages that are not constant: {wrong:#?}"
    );
    assert!(calls > 50, "only {calls} calls were found");
    for (text, fits) in [
        ("\"a message\"", true),
        ("%error, \"a message\"", true),
        (
            "\n    %error,\n    count = all(1, 2),\n    \"a message\",\n",
            true,
        ),
        ("\"{error} happened\"", false),
        ("\"{} happened\", error", false),
        ("%error", false),
        ("what", false),
    ] {
        assert_eq!(constant.is_match(text), fits, "{text}");
    }
}

#[test]
fn a_service_with_nothing_to_do_says_nothing() {
    let more = format!("schedule: {{ every: 1s, jitter: 0s }}\n{LISTEN}");
    let world = World::with(&["demo"], &more);
    let service = world.launch(world.command(&["run"]));
    service.is(ServiceState::Degraded);
    let mut reader = Reader::of(&service);
    let complete =
        "muster_scans_total{provider=\"aws\",service=\"elasticache\",coverage=\"complete\"}";
    // The scans that were under way have ended.
    reader.until(&[(complete, AtLeast(10.0))]);
    let before = service.log().len();
    reader.until(&[(complete, AtLeast(50.0))]);
    let log = service.log();
    // Ten cycles, with the two regions that are denied again and again.
    assert_eq!(&log[before..], &[] as &[serde_json::Value]);
    // Each line says when, how bad, what, and where it is from.
    for line in &log {
        for key in ["timestamp", "level", "target"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    let bad = log.iter().filter(|line| line["level"] != "INFO");
    let bad: Vec<_> = bad.map(|line| &line["fields"]["message"]).collect();
    // One warning for each region that cannot be read, one that the service is degraded for it, and one that the
    // schedule is a test's.
    assert_eq!(bad.len(), 4, "{bad:?}");
    service.stop();
}

#[test]
fn a_failure_is_said_once_and_its_end_once() {
    let place = Place::new("");
    let service = place.world.launch(place.world.command(&["run"]));
    service.is(ServiceState::Ready);
    let mut reader = Reader::of(&service);
    place.fleet.turns(Weather::Denied);
    let unread = "muster_scans_total{provider=\"aws\",service=\"rds\",coverage=\"unread\"}";
    reader.until(&[(unread, AtLeast(4.0))]);
    place.fleet.turns(Weather::Fair);
    service.says("a scope can be read again");
    let log = service.log();
    let said = |message: &str| -> Vec<&serde_json::Value> {
        log.iter()
            .filter(|line| line["fields"]["message"] == message)
            .collect()
    };
    let failed = said("scope not completely read");
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0]["level"], "WARN");
    assert_eq!(
        failed[0]["fields"]["scope"],
        "aws/111111111111/eu-west-1/rds"
    );
    assert_eq!(said("a scope can be read again").len(), 1);
    // It is said as a warning, and not again as a change.
    assert!(
        log.iter()
            .all(|line| line["fields"]["event"] != "scope-failed")
    );
    service.stop();
}

#[test]
fn what_is_secret_is_in_no_log_and_no_answer() {
    const SECRETS: [(&str, &str); 3] = [
        ("AWS_SECRET_ACCESS_KEY", "aws-s3cret-key"),
        ("AWS_SESSION_TOKEN", "aws-s3ssion-token"),
        ("AZURE_CLIENT_SECRET", "azure-s3cret"),
    ];
    let more = format!("schedule: {{ every: 1s, jitter: 0s }}\n{LISTEN}");
    let world = World::with(&["demo"], &more);
    // As much as it ever says of itself.
    let mut command = world.command(&["run", "-vv"]);
    command.envs(SECRETS);
    let service = world.launch(command);
    service.is(ServiceState::Degraded);
    let mut shown: Vec<String> = service.log().iter().map(ToString::to_string).collect();
    assert!(shown.len() > 50, "it says much: {}", shown.len());
    for path in [
        "/api/v1/status",
        "/api/v1/config",
        "/api/v1/scopes",
        "/readyz?verbose",
        "/metrics",
    ] {
        shown.push(get(&service, path).1);
    }
    // Also what the clouds gave: the role's key of the recording, the token of the login.
    let given = ["aws-s3cret-key", "aws-s3ssion-token", "azure-s3cret"];
    for secret in given.iter().chain(&recorded()) {
        let found = shown.iter().find(|text| text.contains(secret));
        assert_eq!(found, None, "{secret}");
    }
    service.stop();
}

/// What the recorded clouds hand out.
fn recorded() -> Vec<&'static str> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cloud/demo");
    let mut text = String::new();
    let mut folders = vec![path];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text += &String::from_utf8_lossy(&fs::read(path).unwrap());
            }
        }
    }
    let given = Regex::new(
        r#"<SecretAccessKey>([^<]+)<|<SessionToken>([^<]+)<|access_token\W+([\w.-]{8,})"#,
    )
    .unwrap();
    let text: &'static str = text.leak();
    let all: Vec<&str> = given
        .captures_iter(text)
        .filter_map(|found| {
            found
                .iter()
                .skip(1)
                .flatten()
                .next()
                .map(|group| group.as_str())
        })
        .collect();
    assert!(all.len() >= 2, "{all:?}");
    all
}

#[test]
fn a_terminal_gets_text_and_everybody_else_json() {
    let world = World::with(&["demo"], LISTEN);
    let json = world.launch(world.command(&["run"]));
    assert!(json.says("muster runs").is_object());
    json.stop();
    // The same on a terminal, which Python has.
    let program =
        "import os, pty, sys\nsys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let command = world.command(&["run"]);
    let mut python = Command::new(tool("python"));
    python
        .args(["-c", program])
        .arg(command.get_program())
        .args(command.get_args());
    python.env_clear().current_dir(world.dir.path());
    for (name, value) in command.get_envs() {
        python.env(name, value.expect("it is set"));
    }
    let mut child = python
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let started = lines
        .by_ref()
        .map(|line| line.expect("a line"))
        .find(|line| line.contains("muster runs"))
        .expect("it starts");
    let pid = Regex::new(r"pid=(\d+)").unwrap();
    let pid: i32 = pid.captures(&started).expect("a pid")[1].parse().unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let ended = lines
        .map_while(Result::ok)
        .any(|line| line.contains(": ended "));
    assert!(child.wait().unwrap().success());
    assert!(ended, "it ends cleanly");
    assert!(
        started.contains(" INFO muster::service::run::start: muster runs version="),
        "{started}"
    );
    assert!(
        !started.contains('{') && !started.contains('\u{1b}'),
        "{started}"
    );
}
