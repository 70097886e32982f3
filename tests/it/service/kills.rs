//! It is killed at any moment, again and again, while the fleet changes and people ask for things.
//!
//! After each kill the store is read without the service, and held against three things: what the service had said
//! that it did (to people through its socket, to a webhook), what the store held after the kill before, and what
//! really happened in the cloud. In the end, when nothing changes any more, everything is as it really is, and the
//! webhook has been told of exactly what the history says, in its order.
//!
//! `MUSTER_TEST_SEED` draws the same fleet and the same intentions; what the moment of a kill interrupts is the
//! scheduler's. `MUSTER_TEST_KILLS` says how often.

pub mod books;
pub mod person;

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use muster::{control::RemoteStore, service::status::ServiceState};
use muster_model::Verdict;

use self::{
    books::Books,
    person::{Act, Person, Said},
};
use super::{
    moving::Fleet,
    world::{PATIENCE, RUNTIME},
};
use crate::{
    notify::receiver::Receiver,
    support::{
        draw::{Draw, Printed, seed},
        fleet::Pace,
    },
};

const PACE: Pace = Pace {
    size: 8,
    appears: 900,
    vanishes: 60,
    returns: 200,
    changes: 150,
};
const REGIONS: usize = 3;
const KILLS: usize = 200;

/// The longest that a service lives here: most are killed before.
const LIFE: Duration = Duration::from_millis(1500);

/// When a service is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    /// After some time: also while it starts.
    After(Duration),
    /// As soon as it has said so many things.
    Said(usize),
    /// As soon as the webhook was told so many.
    Told(usize),
    /// As soon as the cloud was asked so often, and a moment later.
    Asked(usize, Duration),
}

/// What is there beside the service.
struct Around {
    fleet: Fleet,
    hook: Receiver,
}

// === impl Around ===

impl Around {
    fn new(seed: u64) -> Self {
        let hook = RUNTIME.block_on(Receiver::content());
        let more = format!(
            "removal:
  grace: {{ scans: 2, time: 1s }}
  brake: {{ share: 3%, at_least: 1, window: 3s }}
requests: {{ per_second: 1000, concurrency: 64, attempts: 1 }}
schedule: {{ every: 1s, jitter: 0s }}
service: {{ listen: off, shutdown: 10s }}
notify: [{{ name: hook, events: ['*'], webhook: {{ url: '{}' }} }}]",
            hook.url
        );
        Self {
            fleet: Fleet::new(REGIONS, PACE, 0, seed, &more),
            hook,
        }
    }

    /// Lets a service live until its moment has come, and kills it. Returns what it said.
    fn life(&self, when: When, act: Option<Act>, draw: Draw) -> Vec<Said> {
        let (told, asked) = (self.hook.got().len(), self.fleet.sky.calls());
        let service = self.fleet.world.start();
        let begun = Instant::now();
        let (sayings, heard) = mpsc::channel();
        let person = Person::start(&self.fleet.world, act, draw, sayings);
        let mut said = Vec::new();
        let mut moment = None;
        let until = match when {
            When::After(time) => begun + time,
            // A person who wants one thing has the time for it.
            _ if act.is_some() => begun + PATIENCE,
            _ => begun + LIFE,
        };
        loop {
            let now = Instant::now();
            if now >= until || moment.is_some_and(|moment| now >= moment) {
                break;
            }
            if let Ok(what) = heard.recv_timeout(Duration::from_millis(1)) {
                said.push(what);
            }
            let come = match when {
                When::After(_) => false,
                When::Said(count) => said.len() >= count,
                When::Told(count) => self.hook.got().len() >= told + count,
                When::Asked(count, _) => self.fleet.sky.calls() >= asked + count,
            };
            if come && moment.is_none() {
                let more = match when {
                    When::Asked(_, more) => more,
                    _ => Duration::ZERO,
                };
                moment = Some(now + more);
            }
        }
        person.no_more();
        service.kill();
        person.end();
        said.extend(heard);
        said
    }

    /// Nothing changes any more: it comes to what really is.
    fn come_to_rest(&self) -> Books {
        self.fleet.sky.rest();
        let service = self.fleet.world.start();
        service.shows("a start", |status| status.state != ServiceState::Starting);
        let client = service.client();
        let until = Instant::now() + PATIENCE;
        loop {
            client.wait(client.scan(Vec::new())).expect("scanned");
            for plan in client.wait(client.plans()).expect("the plans") {
                let open = matches!(plan.verdict, Verdict::Waiting | Verdict::Rejected { .. });
                if open {
                    // It may be another plan by now.
                    let _ = client.wait(client.decide(plan.number, true));
                }
            }
            let status = client.wait(client.status()).expect("a status");
            let waiting: u64 = status.notify.iter().map(|sink| sink.waiting).sum();
            let missing = status.counts.held.values().sum::<u64>();
            if (waiting, missing, status.plans_waiting) == (0, 0, 0)
                && Books::is_true(
                    &Books::targets_of(&RemoteStore::new(client.clone())),
                    &self.fleet.sky.past().truth,
                )
            {
                break;
            }
            assert!(
                Instant::now() < until,
                "it does not come to rest: {status:#?}"
            );
        }
        service.stop();
        Books::read(&self.fleet.world.store(), None)
    }
}

fn when(kill: usize, draw: &mut Draw) -> (When, Option<Act>) {
    let millis = |draw: &mut Draw, most| Duration::from_millis(draw.below(most) as u64);
    match kill % 20 {
        // Before it has begun, or hardly.
        0..=2 => (When::After(millis(draw, 250)), None),
        3..=7 => (When::After(millis(draw, 900)), None),
        8..=10 => (When::Said(1 + draw.below(4)), Some(Act::Scan)),
        11..=12 => (When::Said(1 + draw.below(2)), Some(Act::Decide)),
        13 => (When::Said(1), Some(Act::Apply)),
        14..=16 => (When::Told(1 + draw.below(6)), None),
        _ => (When::Asked(1 + draw.below(12), millis(draw, 40)), None),
    }
}

#[test]
fn killed_at_any_moment_it_loses_nothing_and_does_nothing_twice() {
    let seed = seed();
    let _printed = Printed(seed);
    let kills = std::env::var("MUSTER_TEST_KILLS").map_or(KILLS, |kills| {
        kills.parse().expect("MUSTER_TEST_KILLS is a number")
    });
    let around = Around::new(seed);
    let mut draw = Draw::part(seed, "kills");
    let mut books = Books::default();
    let (mut living, mut reading) = (Duration::ZERO, Duration::ZERO);
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for kill in 0..kills {
        let (when, act) = when(kill, &mut draw);
        let before = around.hook.got().len();
        let begun = Instant::now();
        let said = around.life(when, act, Draw::part(seed, &format!("person {kill}")));
        for said in &said {
            *counts.entry(said.as_str()).or_default() += 1;
        }
        living += begun.elapsed();
        let begun = Instant::now();
        let now = Books::read(&around.fleet.world.store(), Some(&books));
        reading += begun.elapsed();
        let context = || format!("kill {kill}, {when:?}, {act:?}");
        now.go_on_from(&books, &context);
        now.hold(&said, &context);
        now.hold_told(&around.hook.got()[before..], &context);
        now.agree(&around.fleet.sky.past(), &context);
        books = now;
    }
    let revision = books.revision;
    let last = around.come_to_rest();
    last.go_on_from(&books, &|| "in the end".to_owned());
    last.agree(&around.fleet.sky.past(), &|| "in the end".to_owned());
    last.was_told(&around.hook.got());
    eprintln!(
        "seed {seed}: {kills} kills, lived {living:?}, read {reading:?}, revision {revision}, said {counts:?}, history {:?}, told {}",
        last.events(),
        around.hook.got().len()
    );
    // The test would prove nothing if little had happened.
    if kills >= 100 {
        let events = last.events();
        for (event, least) in [
            ("enrolled", 30),
            ("updated", 30),
            ("removed", 20),
            ("approved", 1),
        ] {
            assert!(
                events.get(event).is_some_and(|count| *count >= least),
                "hardly anything happened: {event}: {events:?}"
            );
        }
        for what in ["scanned", "decided", "applied", "status"] {
            assert!(counts.contains_key(what), "nobody was told: {counts:?}");
        }
    }
}
