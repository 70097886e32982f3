//! A log that was written, as a person looks at it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{path::Path, time::Duration};

use muster_audit::{Event, Log, Micros, Outcome, Query, Settings, Subject, SubjectParts, search};
use muster_model::Timestamp;

use super::{Place, filter::When, row};
use crate::{
    cli::Common,
    report::table::{ListFormat, table},
};

fn written(dir: &Path) {
    let log = Log::open(Settings::new(dir, "acme")).unwrap();
    let mut subject = Subject::new(&SubjectParts {
        sid: "s-1",
        user: "alice",
        db_service: "orders",
        ..SubjectParts::default()
    });
    let event = Event::Query {
        query: "select\n  1".into(),
        parameters: None,
        outcome: Some(Outcome {
            rows: Some(1),
            tag: b"SELECT 1",
            duration_us: 1500,
            error: None,
        }),
    };
    let at = Micros::from_seconds(1_795_300_481);
    log.pen().write(&mut subject, at, &event).unwrap();
    log.close(Duration::from_secs(20));
}

#[test]
fn an_event_is_a_row_that_says_what_was_done() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("log");
    written(&dir);
    let query = Query {
        user: Some("alice".to_owned()),
        ..Query::default()
    };
    let found: Vec<_> = search(&dir, query).unwrap().map(Result::unwrap).collect();
    let rows: Vec<_> = found
        .iter()
        .map(|found| row::Row(found.event.clone()))
        .collect();
    let mut out = Vec::new();
    table(&row::columns(), &rows, ListFormat::Csv, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap().replace('\r', ""),
        "time,code,event,user,target,what,db name,db user,client,session\n\
         2026-11-21T22:34:41.000000Z,TDB02I,db.session.query,alice,orders,\"select 1 -> SELECT 1, 1 row, 1.500 ms\",,,,s-1\n"
    );
    let mut out = Vec::new();
    row::line(found[0].clone(), false, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "2026-11-21T22:34:41.000000Z  db.session.query  alice  orders  select 1 -> SELECT 1, 1 row, 1.500 ms\n"
    );
    let mut out = Vec::new();
    row::line(found[0].clone(), true, &mut out).unwrap();
    assert!(
        out.starts_with(b"{\"time\":\"2026-11-21T22:34:41.000000Z\",") && out.ends_with(b"\"}\n")
    );
}

#[test]
fn times_are_said_in_three_ways() {
    let at = |unix| Ok(When::At(Timestamp::from_unix(unix)));
    assert_eq!("2026-11-21T22:34:41Z".parse(), at(1_795_300_481));
    assert_eq!("2026-11-21".parse(), at(1_795_219_200));
    assert_eq!("2h".parse(), Ok(When::Ago(7200)));
    assert!("yesterday".parse::<When>().is_err());
}

#[test]
fn a_file_in_place_of_the_directory_is_told_what_to_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let place = Place {
        dir: Some(file.path().to_owned()),
    };
    let failure = place.find(&Common::default()).unwrap_err();
    let hint = failure.next().unwrap();
    assert!(hint.starts_with("name the directory"), "{hint}");
}
