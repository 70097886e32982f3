//! `fixtures/status/NAME.json` is a status as JSON, `NAME.txt` the same for people. `MUSTER_BLESS=1` writes both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{fs, path::Path, time::Duration};

use clap::Parser;

use super::{super::Cli, *};

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/status")
}

#[test]
fn a_status_is_shown_as_the_golden_texts_say() {
    let mut cases = 0;
    for entry in fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        cases += 1;
        let json = fs::read_to_string(&path).unwrap();
        let status: Known = serde_json::from_str(&json).unwrap();
        let mut text = Vec::new();
        text::write(&status, 100, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let golden = path.with_extension("txt");
        if std::env::var_os("MUSTER_BLESS").is_some() {
            fs::write(&golden, &text).unwrap();
        }
        assert_eq!(
            text,
            fs::read_to_string(&golden).unwrap_or_default(),
            "{}",
            golden.display()
        );
        // What `-o json` writes is the file itself: nothing of the status is lost.
        let mut again = Vec::new();
        report::pretty(&status, &mut again).unwrap();
        if std::env::var_os("MUSTER_BLESS").is_some() {
            fs::write(&path, &again).unwrap();
        }
        assert_eq!(
            String::from_utf8(again).unwrap(),
            fs::read_to_string(&path).unwrap(),
            "{}",
            path.display()
        );
    }
    assert!(cases >= 4, "{cases} cases");
}

#[test]
fn the_code_says_whether_it_is_ready() {
    for (state, code) in [
        (ServiceState::Starting, 1),
        (ServiceState::Ready, 0),
        (ServiceState::Degraded, 0),
        (ServiceState::Stuck, 1),
        (ServiceState::Draining, 1),
    ] {
        assert_eq!(exit(state).code(), code, "{state:?}");
    }
}

#[test]
fn a_time_has_a_unit() {
    for (text, seconds) in [("0s", 0), ("90s", 90), ("5m", 300), ("2h", 7200)] {
        assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in [
        "",
        "5",
        "s",
        "5d",
        "-5s",
        "5 s",
        "99999999999999999999s",
        "9999999999999999999h",
    ] {
        assert!(span(text).is_err(), "{text}");
    }
}

#[test]
fn a_service_that_says_nothing_is_waited_for_as_long_as_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    // It takes the connection, as one does that was stopped, and never answers.
    let socket = dir.path().join(crate::control::NAME);
    let _stopped = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = wait(dir.path(), Duration::from_secs(1)).unwrap_err();
    assert!(
        matches!(error, ClientError::Silent { seconds: 1 }),
        "{error:?}"
    );
    // No question takes longer than any other command waits.
    assert_eq!(
        within(Duration::from_secs(3600)).answer,
        Limits::default().answer
    );
}

#[test]
fn waiting_ends_when_nobody_comes() {
    let dir = tempfile::tempdir().unwrap();
    let error = wait(dir.path(), Duration::ZERO).unwrap_err();
    assert!(error.is_absent(), "{error}");
    let failure = Failure::from(error);
    assert_eq!(failure.exit().code(), 69);
    // A time without --wait would be waited for by nobody.
    assert!(Cli::try_parse_from(["muster", "status", "--timeout", "5s"]).is_err());
}
