//! The same answers, with the service and without it.

use std::{path::Path, process::Command};

use super::{Ended, HOURLY, Place, SCOPE, timeless};
use crate::service::world::World;

/// Every command that only reads, on what the example fleet has come to.
const READING: &[&[&str]] = &[
    &["db", "ls"],
    &["db", "ls", "-o", "wide"],
    &["db", "ls", "-o", "json"],
    &["db", "ls", "-o", "yaml"],
    &["db", "ls", "-o", "csv"],
    &["db", "ls", "-o", "name"],
    &["db", "ls", "env=staging"],
    &["db", "ls", "env=prod", "team=^(data|orders)$", "-o", "name"],
    &["db", "ls", "--search", "redis", "--search", "orders"],
    &["db", "ls", "nothing"],
    &["db", "show", "crm-rds-eu-west-1-222222222222"],
    &["db", "show", "orders-prod"],
    &["db", "show", "nobody"],
    &["explain", "crm-rds-eu-west-1-222222222222"],
    &["explain", "payroll"],
    &["explain", "scratch-pg"],
    &["explain", "never-seen"],
    &["explain", "--scan", "crm"],
    &["history"],
    &["history", "--limit", "1000", "-o", "json"],
    &["history", "-n", "3", "-o", "wide"],
    &["history", "--limit", "0"],
    &["history", "crm-rds-eu-west-1-222222222222"],
    &["history", "crm", "-n", "1"],
    &["history", "never-seen"],
    &["scope", "ls"],
    &["scope", "ls", "--resolve", "-o", "json"],
    &["plan"],
    &["plan", "--format", "json"],
    &["plan", "--format", "markdown", "--show-unchanged"],
    &["plan", "--format", "csv", "--show-skipped"],
    &["plan", "--format", "html"],
    &["plan", "--detailed-exitcode"],
    &["plan", "ls"],
    &["plan", "ls", "-o", "json"],
    &["plan", "show", "1"],
    &["plan", "show", "99999999999999999999"],
    &["plan", "approve", "1"],
    &["plan", "reject", "1"],
    &["scan", "--dry-run"],
    &[
        "scan",
        "--dry-run",
        "-o",
        "json",
        "aws/222222222222/eu-west-1/rds",
    ],
    &["scan", "--dry-run", "aws/222222222222/eu-west-9/rds"],
    &["store", "check"],
];

/// A copy of a directory, in which the same paths stand for the same files.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-rT").args([from, to]).status();
    assert!(done.expect("cp runs").success());
}

#[test]
fn commands_that_read_answer_the_same() {
    let world = World::with(&["demo"], HOURLY);
    let run = |args: &[&str]| Ended::of(world.command(args).output().expect("muster runs"));
    let service = world.start();
    service.tried();
    // A scan writes how it went, and nothing else where nothing has changed.
    let scanned = run(&["scan", "-o", "json"]);
    let beside: Vec<Ended> = READING.iter().map(|args| run(args)).collect();
    service.stop();
    let mut wrong = Vec::new();
    for (args, beside) in READING.iter().zip(beside) {
        let alone = run(args);
        let same = beside.code == alone.code
            && timeless(&beside.out) == timeless(&alone.out)
            && timeless(&beside.err) == timeless(&alone.err);
        if !same {
            wrong.push(format!("{args:?}\nbeside: {beside:#?}\nalone: {alone:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let alone = run(&["scan", "-o", "json"]);
    assert_eq!(
        scanned.code,
        Some(3),
        "the fleet has scopes that cannot be read"
    );
    assert_eq!(alone.code, scanned.code);
    let failures = regex::Regex::new("\"failures_in_a_row\": [0-9]+").expect("a pattern");
    let of = |ended: &Ended| failures.replace_all(&timeless(&ended.out), "").into_owned();
    assert_eq!(of(&alone), of(&scanned));
    assert!(scanned.out.contains("costs no coverage"), "{}", scanned.out);
}

/// What a plan comes to: the same in two places but for when it was made and who made it.
fn state(place: &Place) -> [String; 3] {
    let of = |args: &[&str]| timeless(&place.run(args).done().out);
    [
        of(&["db", "ls", "-o", "json"]),
        of(&["history", "--limit", "1000", "-o", "json"]),
        of(&["scope", "ls"]),
    ]
}

#[test]
fn commands_that_write_come_to_the_same() {
    let beside = Place::new(&["a", "b", "c"], HOURLY);
    beside.run(&["apply"]).done();
    let service = beside.start();
    service.stop();
    let alone = beside.twin(HOURLY);
    copy(&beside.world.store(), &alone.world.store());
    let service = beside.start();
    // The service does not know of this: its next cycle is in an hour.
    beside.town.make("d");
    beside.town.upgrade("b", "17.1");
    beside.town.delete("c");
    let both = |args: &[&str]| {
        let (with, without) = (beside.run(args), alone.run(args));
        assert_eq!(with.code, without.code, "{args:?}: {with:#?} {without:#?}");
        for (with, without) in [(&with.out, &without.out), (&with.err, &without.err)] {
            assert_eq!(timeless(with), timeless(without), "{args:?}");
        }
        with
    };
    let shown = both(&["plan", "--format", "json"]).json();
    assert_eq!(shown["summary"]["add"], 1);
    assert_eq!(shown["summary"]["update"], 1);
    assert_eq!(shown["summary"]["remove"], 1);
    both(&["plan", "--detailed-exitcode"]).fails(2, &[]);

    // A saved plan.
    both(&["plan", "--out", "saved.json"]).done();
    let applied = both(&["apply", "saved.json"]).done();
    assert!(
        applied
            .err
            .contains("Applied: 2 enrolled or updated, 1 removed."),
        "{}",
        applied.err
    );
    both(&["apply", "saved.json"]).fails(1, &["cannot apply saved.json", "hint:"]);

    // One that is made now.
    beside.town.make("e");
    both(&["apply"]).done();
    both(&["apply"]).done();

    // What is remembered without being enrolled. The service enrolls what it scans: it is left out here.
    both(&["scan", "--dry-run"]).done();

    service.stop();
    assert_eq!(state(&beside), state(&alone));
    let history = beside.run(&["history", "e"]).done().out;
    assert!(history.contains("applied by "), "{history}");
}

#[test]
fn a_plan_shows_what_the_next_cycle_does() {
    let place = Place::new(&["a", "b", "c"], HOURLY);
    let service = place.start();
    place.town.make("d");
    place.town.upgrade("a", "17.1");
    place.town.delete("b");
    let plan = place.run(&["plan", "--format", "json"]).done().json();
    let mut expected: Vec<(String, String)> = Vec::new();
    for change in plan["changes"].as_array().expect("changes") {
        let event = match change["action"].as_str().expect("an action") {
            "add" => "enrolled",
            "update" => "updated",
            "remove" => "removed",
            "keep" => continue,
            other => panic!("{other}"),
        };
        let id = change["id"].as_str().expect("an id");
        expected.push((event.to_owned(), id.to_owned()));
    }
    expected.sort();
    assert_eq!(expected.len(), 3, "{plan:#}");

    // Making a plan has changed nothing.
    let before = place.run(&["history", "-o", "json"]).done().json();
    let before = before.as_array().expect("entries").len();
    place.run(&["scan", "--now"]).done();
    let after = place.run(&["history", "-o", "json"]).done().json();
    let after = after.as_array().expect("entries");
    let mut done: Vec<(String, String)> = after[..after.len() - before]
        .iter()
        .filter(|entry| {
            ["enrolled", "updated", "removed"].contains(&entry["event"].as_str().unwrap())
        })
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().expect(key).to_owned();
            (text("event"), text("id"))
        })
        .collect();
    done.sort();
    assert_eq!(done, expected);
    // And there is nothing left to do.
    place.run(&["plan", "--detailed-exitcode"]).done();
    service.stop();
}

#[test]
fn a_saved_plan_is_refused_when_the_service_has_acted_since() {
    let place = Place::new(&["a", "b"], HOURLY);
    let service = place.start();
    place.town.make("c");
    place.run(&["plan", "--out", "saved.json"]).done();
    place.run(&["scan", "--now", SCOPE]).done();
    place.run(&["apply", "saved.json"]).fails(
        1,
        &["cannot apply saved.json", "hint:  nothing was changed"],
    );
    service.stop();
}
