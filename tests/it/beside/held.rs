//! A plan that would remove too much waits for a person, wherever one looks; what the person says is done, and is in
//! the history.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    thread,
};

use super::{Ended, Place};
use crate::service::world::Service;

/// Every second, in the directory DIR, with an API and a command that is told.
const EVERY_SECOND: &str = "schedule: { every: 1s, jitter: 0s }
service: { listen: \"127.0.0.1:0\" }
notify:
  - name: file
    events: [held, removed]
    command: [/bin/sh, -c, \"cat >> DIR/told.jsonl; echo >> DIR/told.jsonl\"]
";

const FLEET: &[&str] = &["a", "b", "c", "d", "e", "f"];

/// A fleet of six of which four have vanished.
fn robbed(place: &Place) {
    for name in ["c", "d", "e", "f"] {
        place.town.delete(name);
    }
}

fn waits(service: &Service) {
    service.shows("a plan that waits", |status| status.plans_waiting == 1);
}

fn names(place: &Place) -> Vec<String> {
    let out = place.run(&["db", "ls", "-o", "name"]).done().out;
    out.lines().map(str::to_owned).collect()
}

fn get(service: &Service, path: &str) -> String {
    let status = service.shows("an address", |status| status.listen.is_some());
    let mut stream = TcpStream::connect(status.listen.expect("an address")).expect("connected");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// The lines of the history of a database, newest first: event, and who.
fn said(place: &Place, name: &str) -> Vec<(String, String)> {
    let history = place.run(&["history", name, "-o", "json"]).done().json();
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().expect(key).to_owned();
    let entries = history.as_array().expect("entries").iter();
    entries
        .map(|entry| (text(entry, "event"), text(entry, "by")))
        .collect()
}

/// The user of this process, as the history names them.
fn me() -> String {
    format!("uid {}", rustix::process::geteuid().as_raw())
}

#[test]
fn a_held_plan_waits_is_shown_everywhere_and_is_carried_out_when_approved() {
    let place = Place::new(FLEET, EVERY_SECOND);
    let service = place.start();
    robbed(&place);
    waits(&service);

    let status = place.run(&["status"]).done().out;
    assert!(status.contains("plan-waiting"), "{status}");
    assert!(status.contains("muster plan ls"), "{status}");
    let ls = place.run(&["plan", "ls"]).done().out;
    assert!(ls.contains("waiting"), "{ls}");
    assert!(ls.contains("4 of 6"), "{ls}");
    let show = place.run(&["plan", "show", "1"]).done().out;
    assert!(show.starts_with("Plan 1 waits for a person"), "{show}");
    for name in ["c", "d", "e", "f"] {
        assert!(
            show.contains(&format!("  - {name}-rds-us-east-1-111111111111")),
            "{show}"
        );
    }
    assert!(show.contains("muster plan approve 1"), "{show}");
    let metrics = get(&service, "/metrics");
    assert!(metrics.contains("muster_plans_waiting 1"), "{metrics}");
    assert!(get(&service, "/api/v1/plans").contains("\"waiting\""));
    assert!(get(&service, "/readyz?verbose").contains("plan-waiting"));
    let told = place.world.dir.path().join("told.jsonl");
    service.hears("a notice that was delivered", |_| {
        fs::read_to_string(&told).is_ok_and(|told| told.matches("\"held\"").count() == 4)
    });
    // It waits, however often the clouds are read.
    for _ in 0..3 {
        place.run(&["scan", "--now"]).done();
    }
    assert_eq!(names(&place).len(), FLEET.len());
    let ls = place.run(&["plan", "ls", "-o", "name"]).done().out;
    assert_eq!(ls.lines().count(), 1, "one plan: {ls}");

    // Two people at once: one of them.
    let ended: Vec<Ended> = thread::scope(|scope| {
        let approve = || scope.spawn(|| place.run(&["plan", "approve", "1", "--yes"]));
        let both = [approve(), approve()];
        both.map(|one| one.join().expect("it ends")).into()
    });
    let done: Vec<&Ended> = ended.iter().filter(|one| one.code == Some(0)).collect();
    assert_eq!(done.len(), 1, "{ended:#?}");
    assert!(
        done[0].err.starts_with("Plan 1 is approved"),
        "{}",
        done[0].err
    );
    let late = ended.iter().find(|one| one.code != Some(0)).expect("one");
    late.clone().fails(
        1,
        &[
            "error: cannot approve plan 1\ncause: plan 1 was approved by ",
            &me(),
        ],
    );

    service.shows("what is left", |status| {
        status.counts.targets.values().sum::<u64>() == 2 && status.plans_waiting == 0
    });
    assert_eq!(names(&place).len(), 2);
    let said = said(&place, "c");
    let of = |event: &str| {
        let mut of = said.iter().filter(|(other, _)| other == event);
        let one = of.next().unwrap_or_else(|| panic!("no {event}: {said:?}"));
        assert!(of.next().is_none(), "once: {said:?}");
        one.1.clone()
    };
    assert!(of("approved").contains(&me()), "{said:?}");
    let removed = of("removed");
    assert!(
        removed.starts_with("scan aws/111111111111/us-east-1/rds, plan 1 approved by ")
            && removed.contains(&me()),
        "{removed}"
    );
    let show = place.run(&["plan", "show", "1"]).done().out;
    assert!(show.starts_with("Plan 1 was approved by "), "{show}");
    let ls = place.run(&["plan", "ls"]).done().out;
    assert!(ls.contains("approved") && ls.contains(&me()), "{ls}");
    service.stop();
    let told = fs::read_to_string(&told).expect("notices");
    assert_eq!(told.matches("\"removed\"").count(), 4, "{told}");
}

#[test]
fn a_rejected_plan_keeps_what_it_would_remove_until_more_is_gone() {
    let place = Place::new(FLEET, EVERY_SECOND);
    let service = place.start();
    robbed(&place);
    waits(&service);
    let rejected = place.run(&["plan", "reject", "1"]).done();
    assert!(
        rejected.err.starts_with("Plan 1 is rejected"),
        "{}",
        rejected.err
    );
    service.shows("nothing that waits", |status| status.plans_waiting == 0);
    for _ in 0..2 {
        place.run(&["scan", "--now"]).done();
    }
    assert_eq!(names(&place).len(), FLEET.len());
    let said = said(&place, "d");
    assert_eq!(said[0].0, "rejected");
    assert!(said[0].1.contains(&me()), "{said:?}");
    place
        .run(&["plan", "reject", "1"])
        .fails(1, &["cannot reject plan 1", "was rejected by"]);

    // More is gone: that is another question.
    place.town.delete("b");
    waits(&service);
    let show = place.run(&["plan", "show", "2"]).done().out;
    assert!(show.contains("5 of 6"), "{show}");
    // Databases that come back take the plan with them.
    for name in ["b", "c", "d", "e", "f"] {
        place.town.make(name);
    }
    service.shows("nothing that waits", |status| status.plans_waiting == 0);
    place
        .run(&["plan", "approve", "2", "--yes"])
        .fails(1, &["cannot approve plan 2", "no longer stands"]);
    service.stop();
}

#[test]
fn without_a_service_a_person_decides_in_the_same_way() {
    let place = Place::new(FLEET, super::HOURLY);
    place.run(&["apply"]).done();
    robbed(&place);
    place.run(&["apply"]).done();
    assert_eq!(names(&place).len(), FLEET.len());
    assert!(place.run(&["plan", "ls"]).done().out.contains("4 of 6"));
    place.run(&["plan", "reject", "1"]).done();
    place.run(&["apply"]).done();
    assert_eq!(names(&place).len(), FLEET.len());
    // Who changes their mind may.
    let approved = place.run(&["plan", "approve", "1", "--yes"]).done();
    assert!(approved.err.contains("muster apply"), "{}", approved.err);
    place
        .run(&["plan", "approve", "1", "--yes"])
        .fails(1, &["cannot approve plan 1", "was approved by", &me()]);
    place
        .run(&["plan", "approve", "7"])
        .fails(1, &["cannot approve plan 7", "muster plan ls"]);
    place.run(&["apply", "--yes"]).done();
    assert_eq!(names(&place).len(), 2);
    let events: Vec<String> = said(&place, "e")
        .into_iter()
        .map(|(event, _)| event)
        .collect();
    for event in ["approved", "rejected", "removed"] {
        assert!(events.iter().any(|other| other == event), "{events:?}");
    }
}
