//! It ends when it is asked to: cleanly within its limit, and at once when it is asked twice.

use std::{
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use muster_cloud::replay::{Answer, Exchange, Fault, Request, Tape};
use rustix::process::Signal;

use super::{Service, World};

/// A cloud where every call of RDS hangs for ever.
pub fn hanging(more: &str) -> World {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cloud/demo");
    let demo = Tape::from_dir(fixtures).expect("a tape");
    let mut tape = Tape::default();
    for exchange in demo.exchanges() {
        let hangs = exchange.request.action.as_deref() == Some("DescribeDBInstances");
        let mut exchange: Exchange = exchange.clone();
        if hangs {
            for answer in &mut exchange.answers {
                answer.fault = Some(Fault::Hang);
            }
        }
        tape.push(exchange);
    }
    let _: Option<(Answer, Request)> = None;
    World::of(tape, more)
}

/// Starts it, and waits until a scan hangs.
pub fn hung(world: &World) -> Service {
    let service = world.start();
    service.shows("a scan that hangs", |status| {
        let running = status.scopes.iter().filter(|scope| scope.running).count();
        running > 0 && status.scopes.iter().any(|scope| scope.complete.is_some())
    });
    service
}

#[test]
fn it_ends_within_its_limit_while_a_scan_hangs() {
    let world =
        hanging("schedule: { every: 1h, jitter: 0s }\nservice: { listen: off, shutdown: 2s }");
    let service = hung(&world);
    let asked = Instant::now();
    service.signal(Signal::TERM);
    service.says("ending: what is under way may end within the limit");
    let status = service.ends();
    assert_eq!(status.code(), Some(0));
    let took = asked.elapsed();
    assert!(
        took >= Duration::from_secs(2),
        "it waited for the scan: {took:?}"
    );
    assert!(took < Duration::from_secs(30), "{took:?}");
    // The store is whole and free.
    let check = world
        .command(&["store", "check"])
        .output()
        .expect("muster runs");
    assert!(check.status.success(), "{check:?}");
    assert!(
        !world.store().join("muster.sock").exists(),
        "the socket is gone"
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let world =
            hanging("schedule: { every: 1h, jitter: 0s }\nservice: { listen: off, shutdown: 10m }");
        let service = hung(&world);
        service.signal(Signal::TERM);
        service.says("ending: what is under way may end within the limit");
        let asked = Instant::now();
        service.signal(second);
        let status = service.ends();
        assert_eq!((status.code(), status.signal()), (Some(code), None));
        assert!(asked.elapsed() < Duration::from_secs(10));
        let check = world
            .command(&["store", "check"])
            .output()
            .expect("muster runs");
        assert!(check.status.success(), "{check:?}");
    }
}

#[test]
fn it_ends_when_a_command_says_so() {
    let world = World::demo();
    let service = world.start();
    let client = service.client();
    client.wait(client.stop()).expect("stopped");
    assert_eq!(service.ends().code(), Some(0));
}
