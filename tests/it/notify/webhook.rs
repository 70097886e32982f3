use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use muster::{
    config::{Sink, SinkKind},
    notify::{DELIVERY, EVENT, SIGNATURE},
    service::notice::NoticeEvent,
};
use tracing_subscriber::fmt::MakeWriter;
use url::Url;

use super::{
    World, names, notice, notices,
    page::{self, Snippet},
    receiver::{Answer, Receiver},
    sink, webhook, within,
};

fn with_files(name: &str, url: &Url, authorization: Option<&Path>, secret: Option<&Path>) -> Sink {
    sink(
        name,
        SinkKind::Webhook {
            url: url.clone(),
            authorization_file: authorization.map(PathBuf::from),
            secret_file: secret.map(PathBuf::from),
        },
    )
}

#[tokio::test]
async fn each_notice_is_a_post_of_json_that_says_what_it_is() {
    let receiver = Receiver::content().await;
    let world = World::new(&[webhook("a", &receiver.url)]).await;
    world.append(&[
        notice(NoticeEvent::Enrolled, "one"),
        notice(NoticeEvent::ScopeFailed, "two"),
    ]);
    let got = receiver.until(2).await;
    for (got, word) in got.iter().zip(["enrolled", "scope-failed"]) {
        assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/hook"));
        assert_eq!(got.header("content-type"), Some("application/json"));
        let agent = concat!("muster/", env!("CARGO_PKG_VERSION"));
        assert_eq!(got.header("user-agent"), Some(agent));
        assert_eq!(got.header(EVENT), Some(word));
        assert_eq!(got.header(DELIVERY), Some(got.body().delivery.as_str()));
        assert_eq!(got.body().notice.event.as_str(), word);
        assert_eq!(got.header("authorization"), None);
        assert_eq!(got.header(SIGNATURE), None);
    }
    assert_eq!(receiver.told(), ["one", "two"]);
    assert_ne!(got[0].body().delivery, got[1].body().delivery);
}

#[tokio::test]
async fn ten_thousand_that_wait_come_in_order_and_once() {
    let receiver = Receiver::content().await;
    let world = World::new(&[webhook("a", &receiver.url)]).await;
    world.append(&notices(0..10_000));
    world.told().await;
    assert!(receiver.told() == names(0..10_000));
}

#[tokio::test]
async fn a_repeat_has_the_id_of_the_first_try() {
    let receiver = Receiver::start(|n, _| Answer::Status(if n == 0 { 500 } else { 200 })).await;
    let world = World::new(&[webhook("a", &receiver.url)]).await;
    world.append(&notices(0..2));
    let got = receiver.until(3).await;
    assert_eq!(receiver.told(), ["0", "0", "1"]);
    assert_eq!(got[0].header(DELIVERY), got[1].header(DELIVERY));
    assert_ne!(got[1].header(DELIVERY), got[2].header(DELIVERY));
    assert_eq!(got[0].bytes, got[1].bytes);
}

#[tokio::test]
async fn authorization_is_read_at_each_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authorization");
    fs::write(&file, "\n  Bearer first-token \n").unwrap();
    let receiver = Receiver::content().await;
    let world = World::new(&[with_files("a", &receiver.url, Some(&file), None)]).await;
    world.append(&notices(0..1));
    receiver.until(1).await;
    fs::write(&file, "Bearer second-token").unwrap();
    world.append(&notices(1..2));
    let got = receiver.until(2).await;
    let sent: Vec<_> = got.iter().map(|got| got.header("authorization")).collect();
    assert_eq!(
        sent,
        [Some("Bearer first-token"), Some("Bearer second-token")]
    );
}

#[tokio::test]
async fn the_signature_is_what_the_page_says_to_look_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    fs::write(&file, "a secret of ours\n").unwrap();
    let receiver = Receiver::content().await;
    let world = World::new(&[with_files("a", &receiver.url, None, Some(&file))]).await;
    world.append(&[notice(NoticeEvent::Enrolled, "grüße")]);
    let got = &receiver.until(1).await[0];
    let verify = |secret: &str, header: &str, body: &[u8], now: i64| -> bool {
        let script = format!(
            "{}\nimport sys\nprint(is_from_muster({secret:?}.encode(), {header:?}, sys.stdin.buffer.read(), now={now}))",
            page::snippet(Snippet::Python)
        );
        let mut python = Command::new("python3")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        python.stdin.take().unwrap().write_all(body).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "{script}");
        String::from_utf8(output.stdout).unwrap().trim() == "True"
    };
    let header = got.header(SIGNATURE).unwrap();
    let right = |body, now| verify("a secret of ours", header, body, now);
    assert!(right(&got.bytes, super::NOW));
    assert!(right(&got.bytes, super::NOW + 200));
    assert!(!right(&got.bytes, super::NOW + 400), "it is too old");
    assert!(!right(b"{}", super::NOW), "another body");
    assert!(!verify("another secret", header, &got.bytes, super::NOW));
    let later = header.replace("t=1700000000", "t=1700000300");
    assert!(!verify(
        "a secret of ours",
        &later,
        &got.bytes,
        super::NOW + 300
    ));
}

#[tokio::test]
async fn what_a_receiver_answers_is_shown() {
    let answers = [
        (400, "no\nmore", "answered 400 Bad Request: no"),
        (410, "", "answered 410 Gone"),
        (
            500,
            "\u{1b}[31mred",
            "answered 500 Internal Server Error: \u{fffd}[31mred",
        ),
        (
            302,
            "there",
            "answered 302 Found, and redirects are not followed: there",
        ),
        (
            304,
            "",
            "answered 304 Not Modified, and redirects are not followed",
        ),
    ];
    for (status, body, expected) in answers {
        let elsewhere = Receiver::content().await;
        let location = elsewhere.url.to_string();
        let receiver = Receiver::start(move |n, _| match n {
            0 => Answer::Says(
                status,
                vec![("location", location.clone())],
                body.to_owned(),
            ),
            _ => Answer::Status(200),
        })
        .await;
        let world = World::new(&[webhook("a", &receiver.url)]).await;
        world.append(&notices(0..2));
        let error = world.failure("a").await;
        let place = format!("127.0.0.1:{}", receiver.url.port().unwrap());
        assert_eq!(error, format!("{place} {expected}"));
        // Nothing is skipped: not even what will never be taken, as far as one can tell.
        world.told().await;
        assert_eq!(receiver.told(), ["0", "0", "1"]);
        assert!(elsewhere.got().is_empty());
        let status = world.status("a");
        assert_eq!((status.failures_in_a_row, status.error), (0, None));
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let receiver = Receiver::start(|n, _| match n {
        0 => Answer::Says(429, vec![("retry-after", "2".to_owned())], String::new()),
        _ => Answer::Status(200),
    })
    .await;
    let world = World::new(&[webhook("a", &receiver.url)]).await;
    world.append(&notices(0..1));
    let got = receiver.until(2).await;
    let pause = got[1].at - got[0].at;
    assert!(pause >= Duration::from_secs(2), "{pause:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let hanging = Receiver::start(|_, _| Answer::Hangs).await;
    let content = Receiver::content().await;
    let sinks = [
        within(webhook("hanging", &hanging.url), Duration::from_millis(300)),
        webhook("content", &content.url),
    ];
    let world = World::new(&sinks).await;
    world.append(&notices(0..200));
    content.until(200).await;
    let error = world.failure("hanging").await;
    assert!(error.ends_with(" did not answer within 0.3 s"), "{error}");
    let status = world.status("hanging");
    assert_eq!((status.waiting, status.delivered), (200, None));
}

#[tokio::test]
async fn an_answer_without_an_end_is_left_when_enough_is_known() {
    for status in [200, 500] {
        let receiver = Receiver::start(move |n, _| match n {
            0 => Answer::Endless(status),
            _ => Answer::Status(200),
        })
        .await;
        let world = World::new(&[webhook("a", &receiver.url)]).await;
        world.append(&notices(0..2));
        if status == 500 {
            let error = world.failure("a").await;
            assert!(error.contains("500 Internal Server Error: xxxx"), "{error}");
            assert!(error.len() < 400, "{error}");
        }
        world.told().await;
        let times = if status == 200 { 1 } else { 2 };
        let mut expected = vec!["0".to_owned(); times];
        expected.push("1".to_owned());
        assert_eq!(receiver.told(), expected);
    }
}

#[tokio::test]
async fn nothing_is_sent_without_its_secrets_and_the_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("empty"), " \n").unwrap();
    fs::write(path("two-lines"), "Bearer topsecret\nX-Other: topsecret").unwrap();
    fs::write(path("large"), "topsecret ".repeat(10_000)).unwrap();
    let receiver = Receiver::content().await;
    let cases = [
        ("missing", "No such file or directory (os error 2)"),
        ("empty", "it is empty"),
        ("two-lines", "it holds no value of a header"),
        ("large", "it has more than 65536 bytes"),
        (".", "it is not a file"),
    ];
    for (name, why) in cases {
        let file = path(name);
        let world = World::new(&[with_files("a", &receiver.url, Some(&file), None)]).await;
        world.append(&notices(0..1));
        let expected = format!("cannot use {}: {why}", file.display());
        assert_eq!(world.failure("a").await, expected);
        if name == "two-lines" {
            continue;
        }
        let world = World::new(&[with_files("a", &receiver.url, None, Some(&file))]).await;
        world.append(&notices(0..1));
        assert_eq!(world.failure("a").await, expected);
    }
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn where_nobody_listens_that_is_said_without_the_path() {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let url = Url::parse(&format!("http://{address}/T0000/XXXXsecretXXXX?key=hidden")).unwrap();
    let world = World::new(&[webhook("a", &url)]).await;
    world.append(&notices(0..1));
    let error = world.failure("a").await;
    assert!(
        error.starts_with(&format!("{address} cannot be told: ")),
        "{error}"
    );
    assert!(error.contains("onnection refused"), "{error}");
    assert!(
        !error.contains("secret") && !error.contains("hidden"),
        "{error}"
    );
}

#[tokio::test]
async fn plain_http_does_not_leave_this_machine() {
    let url = Url::parse("http://hooks.example.com/").unwrap();
    let world = World::new(&[webhook("a", &url)]).await;
    world.append(&notices(0..1));
    let error = world.failure("a").await;
    assert_eq!(
        error,
        "hooks.example.com:80 is not told: only https leaves this machine"
    );
}

/// All that is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn secrets_are_nowhere_to_be_seen() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    // All tasks of this test run on this thread.
    let _logging = tracing::subscriber::set_default(subscriber);

    let dir = tempfile::tempdir().unwrap();
    let (authorization, secret) = (dir.path().join("authorization"), dir.path().join("secret"));
    fs::write(&authorization, "Bearer hunter2-of-the-header").unwrap();
    fs::write(&secret, "hunter3-of-the-signature").unwrap();
    // The worst of receivers: it says all it knows.
    let receiver = Receiver::start(|_, got| {
        let said = format!(
            "{} {} hunter3-of-the-signature",
            got.path,
            got.header("authorization").unwrap()
        );
        Answer::Says(403, Vec::new(), said)
    })
    .await;
    let url = receiver
        .url
        .join("/hunter4-of-the-path?key=hunter5-of-the-query")
        .unwrap();
    let sink = with_files("a", &url, Some(&authorization), Some(&secret));
    let world = World::new(&[sink]).await;
    world.append(&notices(0..1));
    let error = world.failure("a").await;
    assert!(
        error.ends_with("answered 403 Forbidden: /[secret]?key=[secret] Bearer [secret] [secret]"),
        "{error}"
    );
    let status = serde_json::to_string(&world.deliverer.status()).unwrap();
    let (dir, _) = world.end().await;
    let file = fs::read_to_string(dir.path().join(muster::notify::FILE)).unwrap();
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    // Which lines it has differs: `tracing` decides for all threads at once whether anybody listens to a line.
    assert!(!logged.is_empty());
    for text in [status, file, logged] {
        assert!(!text.contains("hunter"), "{text}");
    }
}
