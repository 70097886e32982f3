//! It lives through what goes wrong around it, and says so.

use std::fs;

use muster::service::status::ServiceState;
use rustix::fs::{FlockOperation, flock};

use super::{World, disasters, moving::Fleet};

#[test]
fn a_deleted_store_stops_it_and_a_restored_one_lets_it_go_on() {
    let world = World::demo();
    let service = world.start();
    let before = service.shows("the fleet", |status| status.state != ServiceState::Starting);
    let aside = world.dir.path().join("aside");
    fs::rename(world.store(), &aside).expect("moved");
    let stuck = service.is(ServiceState::Stuck);
    let why = stuck["fields"]["reason"].as_str().unwrap();
    assert!(why.contains("deleted or moved away"), "{why}");
    // It does not begin with an empty one by itself, and says what to do.
    service.hears("what to do", |line| {
        let why = line["fields"]["why"].as_str().unwrap_or_default();
        why.contains("is not there") && why.contains("put the directory back")
    });
    assert!(!world.store().exists());

    fs::rename(&aside, world.store()).expect("moved back");
    service.says("the store can be used again");
    let after = service.shows("the fleet again", |status| {
        status.store.failure.is_none() && status.store.revision > before.store.revision
    });
    assert_eq!(after.counts.targets, before.counts.targets);
    service.stop();
    let history = world
        .command(&["history", "-n", "1000"])
        .output()
        .expect("muster runs");
    assert!(history.status.success(), "{history:?}");
    let text = String::from_utf8_lossy(&history.stdout).into_owned();
    let targets: u64 = before.counts.targets.values().sum();
    assert_eq!(
        text.matches("enrolled").count() as u64,
        targets,
        "nothing was enrolled twice: {text}"
    );
}

#[test]
fn a_command_that_is_at_the_authority_is_waited_for() {
    let world = World::demo();
    let service = world.start();
    service.shows("a start", |status| status.state != ServiceState::Starting);
    service.stop();
    let lock = fs::File::open(world.store().join("authority/lock")).expect("the lock");
    flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("nobody has it");
    let service = world.start();
    service.says("another process is at the authority: waiting until it is done");
    drop(lock);
    service.shows("a start", |status| status.state != ServiceState::Starting);
    service.stop();
}

#[test]
fn a_cloud_that_is_down_at_the_start_takes_nothing_away() {
    let mut world = World::demo();
    let service = world.start();
    let before = service.shows("the fleet", |status| status.state != ServiceState::Starting);
    service.stop();

    // The same place, and nobody answers.
    drop(world.replayer.take());
    world.configure("requests: { attempts: 1, timeout: 1s }\nschedule: { every: 1s, jitter: 0s }\nservice: { listen: off }");
    let service = world.start();
    let down = service.shows("a tried start", |status| {
        status.state == ServiceState::Degraded
    });
    assert_eq!(down.counts.targets, before.counts.targets);
    assert!(!down.scopes_known);
    assert!(
        down.reasons
            .iter()
            .any(|reason| reason.code == "scopes-unknown")
    );
    assert!(
        down.reasons
            .iter()
            .any(|reason| reason.code == "scope-unread")
    );
    // What it remembers is listed, with the reason.
    for scope in &before.scopes {
        let now = down.scopes.iter().find(|now| now.scope == scope.scope);
        assert!(now.is_some_and(|now| now.next.is_some()), "{}", scope.scope);
    }
    service.stop();
}

#[test]
fn a_cloud_that_refuses_for_a_while_leaves_no_trace_in_the_counts() {
    let more = "schedule: { every: 1s, jitter: 0s }
requests: { attempts: 1, timeout: 5s }
service: { listen: off }";
    let fleet = Fleet::new(2, disasters::STILL, 0, 1, more);
    let service = fleet.world.start();
    let before = disasters::well(&service);
    let all: u64 = before.counts.databases.values().sum();

    fleet.sky.refuse(true);
    let refused = service.shows("that nothing is seen", |status| {
        let held = status.counts.held.get("coverage").copied();
        let unseen = status.counts.skipped.get("not-seen").copied();
        held.unwrap_or_default() + unseen.unwrap_or_default() == all
    });
    assert_eq!(refused.counts.targets, before.counts.targets);
    // Nothing changed meanwhile, so nothing is planned: what is seen again counts all the same.
    fleet.sky.refuse(false);
    service.shows("everything as before", |status| {
        status.state == ServiceState::Ready && status.counts == before.counts
    });
    service.stop();
}
