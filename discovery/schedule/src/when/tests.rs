#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::time::Duration;

use muster_model::Timestamp;

use super::{BadWhen, When};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next times, in UTC.
fn times(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let when = When::cron(expression, zone).unwrap();
    let mut last = at(after);
    (0..count)
        .map(|_| {
            last = when.next_after(last).unwrap();
            last.to_string()
        })
        .collect()
}

#[test]
fn expressions_that_are_taken() {
    for (expression, minutes) in [
        ("*/5 * * * *", 5),
        ("  */5   *  * * * ", 5),
        ("0 * * * *", 60),
        ("@hourly", 60),
        ("@HOURLY", 60),
        ("@daily", 24 * 60),
        ("0 9-17 * * MON-FRI", 60),
        ("0,10 3 * * *", 10),
        ("0 3 1 JAN *", 365 * 24 * 60),
    ] {
        let when = When::cron(expression, "UTC").unwrap();
        assert_eq!(
            when.interval(),
            Duration::from_secs(60 * minutes),
            "{expression}"
        );
    }
    assert_eq!(
        When::cron("*/5  * * * *", "Europe/Berlin")
            .unwrap()
            .to_string(),
        "`*/5 * * * *` in Europe/Berlin"
    );
}

#[test]
fn expressions_that_are_not_say_why() {
    for (expression, why) in [
        ("", "it has 0 fields"),
        ("* * * *", "it has 4 fields"),
        (
            "0 */5 * * * *",
            "it has 6 fields; the finest is the minute, leave out the seconds",
        ),
        ("61 * * * *", "minute `61`: number out of bounds (0-59)"),
        ("* 24 * * *", "hour `24`: "),
        ("* * * * FUNDAY", "day of week `FUNDAY`: illegal characters"),
        ("*/0 * * * *", "minute `*/0`: "),
        ("@reboot", "the words are @hourly"),
        ("@every 5m", "the words are @hourly"),
        ("0 0 30 2 *", "there is no such day"),
        ("* * * 5-1 *", "month `5-1`: "),
    ] {
        let BadWhen::Cron { why: found, .. } = When::cron(expression, "UTC").unwrap_err() else {
            panic!("{expression}");
        };
        assert!(found.contains(why), "{expression}: {found}");
        assert!(!found.ends_with('.'), "{found}");
    }
    let long = "1,".repeat(500) + "1 * * * *";
    assert!(When::cron(&long, "UTC").is_err());
    let error = When::cron("* * * * *", "Europe/Bärlin").unwrap_err();
    assert_eq!(
        error,
        BadWhen::TimeZone {
            name: "Europe/Bärlin".to_owned()
        }
    );
}

#[test]
fn intervals() {
    assert!(When::every(Duration::from_millis(999)).is_err());
    for (seconds, text) in [
        (1, "every 1s"),
        (300, "every 5m"),
        (90, "every 90s"),
        (7200, "every 2h"),
        (86_400, "every 1d"),
    ] {
        let when = When::every(Duration::from_secs(seconds)).unwrap();
        assert_eq!(when.to_string(), text);
        assert_eq!(when.interval(), Duration::from_secs(seconds));
        assert_eq!(
            when.next_after(Timestamp::from_unix(7)),
            Some(Timestamp::from_unix(7 + i64::try_from(seconds).unwrap()))
        );
    }
}

#[test]
fn a_time_of_day_that_daylight_saving_leaves_out_comes_right_after() {
    // Berlin goes from 02:00 to 03:00 on 2025-03-30, at 01:00 UTC.
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2025-03-28T12:00:00Z", 3),
        [
            "2025-03-29T01:30:00Z",
            "2025-03-30T01:00:00Z",
            "2025-03-31T00:30:00Z"
        ]
    );
}

#[test]
fn a_time_of_day_that_comes_twice_is_due_once() {
    // Berlin goes from 03:00 back to 02:00 on 2025-10-26, at 01:00 UTC.
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00:00Z", 2),
        ["2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"]
    );
}

#[test]
fn several_times_of_day_that_are_left_out_come_all_the_same() {
    assert_eq!(
        times("0,30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00Z", 2),
        ["2025-03-30T01:00:00Z", "2025-03-31T00:00:00Z"]
    );
}

#[test]
fn a_shift_of_half_an_hour_is_counted_through() {
    // Lord Howe Island goes back from 02:00 to 01:30 on 2025-04-06, at 2025-04-05T15:00Z.
    assert_eq!(
        times(
            "*/20 * * * *",
            "Australia/Lord_Howe",
            "2025-04-05T14:41:00Z",
            3
        ),
        [
            "2025-04-05T15:10:00Z",
            "2025-04-05T15:30:00Z",
            "2025-04-05T15:50:00Z"
        ]
    );
}

#[test]
fn every_quarter_of_an_hour_goes_on_through_both() {
    for day in ["2025-03-30T00:00:00Z", "2025-10-26T00:00:00Z"] {
        let all = times("*/15 * * * *", "Europe/Berlin", day, 12);
        for (index, time) in all.iter().enumerate() {
            let expected = at(day).plus(900 * (i64::try_from(index).unwrap() + 1));
            assert_eq!(*time, expected.to_string());
        }
    }
}
