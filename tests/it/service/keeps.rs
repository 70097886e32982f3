//! It keeps true what is enrolled, and does what it is asked.

use std::fs;

use muster::service::status::ServiceState;
use rustix::process::Signal;

use super::World;

#[test]
fn it_enrolls_the_fleet_and_then_writes_nothing_but_how_its_scans_went() {
    let world = World::demo();
    let service = world.start();
    let started = service.says("muster runs");
    assert_eq!(
        started["fields"]["store"],
        world.store().display().to_string()
    );
    assert!(
        started["fields"]["socket"]
            .as_str()
            .unwrap()
            .ends_with("muster.sock")
    );
    // The example has a region and a subscription that cannot be read completely.
    let status = service.shows("every scope tried", |status| {
        status.state != ServiceState::Starting && status.counts.targets.values().sum::<u64>() > 0
    });
    assert!(status.scopes_known);
    let targets =
        |status: &muster::service::status::Status| status.counts.targets.values().sum::<u64>();
    let enrolled = targets(&status);
    assert!(enrolled >= 10, "{enrolled}");

    // Some cycles later nothing was enrolled, updated or removed again, and no decision was made anew.
    let client = service.client();
    for _ in 0..3 {
        client.wait(client.scan(Vec::new())).expect("scanned");
    }
    let later = service.shows("the same", |later| targets(later) == enrolled);
    assert_eq!(later.counts, status.counts);
    let changes = service
        .log()
        .iter()
        .filter(|line| {
            line["fields"]["message"] == "change" && line["fields"]["event"] == "enrolled"
        })
        .count();
    assert_eq!(changes as u64, enrolled);
    service.stop();

    let ls = world
        .command(&["db", "ls", "-o", "name"])
        .output()
        .expect("muster runs");
    assert_eq!(
        String::from_utf8_lossy(&ls.stdout).lines().count() as u64,
        enrolled
    );
    let history = world
        .command(&["history", "-n", "1000"])
        .output()
        .expect("muster runs");
    assert!(history.status.success(), "{history:?}");
    let text = String::from_utf8_lossy(&history.stdout).into_owned();
    assert_eq!(text.matches("enrolled").count() as u64, enrolled, "{text}");
}

#[test]
fn it_scans_again_and_again_by_its_schedule() {
    let world = World::demo();
    let service = world.start();
    let first = service.shows("a first scan", |status| {
        status.scopes.iter().any(|scope| scope.complete.is_some())
    });
    let scope = first
        .scopes
        .iter()
        .find(|scope| scope.complete.is_some())
        .unwrap();
    service.shows("a later scan of the same scope", |status| {
        let now = status.scopes.iter().find(|now| now.scope == scope.scope);
        now.is_some_and(|now| now.complete > scope.complete)
    });
    service.stop();
}

#[test]
fn a_second_service_is_told_who_holds_the_store() {
    let world = World::demo();
    let service = world.start();
    service.says("muster runs");
    let second = world.command(&["run"]).output().expect("muster runs");
    assert_eq!(second.status.code(), Some(1));
    let err = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(err.contains("in use by process"), "{err}");
    assert!(err.contains(&service.pid().to_string()), "{err}");
    assert!(err.contains("hint:"), "{err}");
    service.stop();
}

#[test]
fn a_port_that_is_taken_is_told_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let world = World::with(&["demo"], &format!("service: {{ listen: \"{address}\" }}"));
    let run = world.command(&["run"]).output().expect("muster runs");
    assert_eq!(run.status.code(), Some(1));
    let err = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(
        err.contains(&format!("error: cannot listen on {address}")),
        "{err}"
    );
    assert!(err.contains("in use"), "{err}");
    assert!(err.contains("`service.listen`"), "{err}");
    // The store is free again, and the next try works.
    drop(taken);
    let service = world.start();
    let status = service.shows("a start", |_| true);
    assert_eq!(status.listen, Some(address.to_string()));
    service.stop();
}

#[test]
fn a_new_configuration_is_tried_and_then_in_force() {
    let world = World::demo();
    let service = world.start();
    let before = service.shows("the fleet", |status| status.state != ServiceState::Starting);

    // A bad one changes nothing, and every problem is told.
    let text = fs::read_to_string(world.config()).unwrap();
    world.write(&format!("{text}\nnonsense: true\nremvoal: {{}}\n"));
    service.signal(Signal::HUP);
    let refused = service.shows("a refusal", |status| status.config.last_reload.is_some());
    let reload = refused.config.last_reload.unwrap();
    assert!(!reload.accepted);
    assert!(reload.messages.len() >= 2, "{:?}", reload.messages);
    assert!(reload.messages.iter().any(|line| line.contains("nonsense")));
    assert_eq!(refused.config.digest, before.config.digest);
    assert!(
        refused
            .reasons
            .iter()
            .any(|reason| reason.code == "config-rejected")
    );

    // What it would change can be asked first.
    world.write(&text.replace(
        "skip: \"finance gives access by hand\"",
        "skip: \"by hand\"",
    ));
    let client = service.client();
    let dry = client.wait(client.reload(true)).expect("tried");
    assert!(!dry.changes.is_empty());
    assert!(dry.judged_otherwise > 0, "{dry:?}");
    let same = client.wait(client.status()).expect("a status");
    assert_eq!(
        same.config.digest, before.config.digest,
        "nothing was changed"
    );

    service.signal(Signal::HUP);
    let after = service.shows("another configuration", |status| {
        status.config.digest != before.config.digest
    });
    assert!(after.config.last_reload.unwrap().accepted);
    assert!(
        after
            .reasons
            .iter()
            .all(|reason| reason.code != "config-rejected")
    );
    assert_eq!(after.counts.targets, before.counts.targets);
    service.stop();
}

#[test]
fn what_needs_a_restart_is_said_and_left() {
    let world = World::with(
        &["demo"],
        "schedule: { every: 1h }\nservice: { listen: off }",
    );
    let service = world.start();
    service.shows("the fleet", |status| status.state != ServiceState::Starting);
    world.configure("schedule: { every: 30m }\nservice: { listen: \"127.0.0.1:7421\" }");
    let client = service.client();
    let reloaded = client.wait(client.reload(false)).expect("in force");
    assert!(
        reloaded
            .changes
            .iter()
            .any(|line| line.contains("schedule")),
        "{reloaded:?}"
    );
    let warned = |line: &String| line.contains("service.listen") && line.contains("restart");
    assert!(reloaded.needs_restart.iter().any(warned), "{reloaded:?}");
    let status = client.wait(client.status()).expect("a status");
    assert_eq!(status.listen, None);
    service.stop();
}
