//! It is left alone for ten minutes beside a fleet that changes and a cloud that fails now and then, with people who
//! scan, reload, read and decide all the while: what it uses must not grow.
//!
//! Not among the usual tests, because it takes its time:
//!
//! ```text
//! cargo test -p muster --test it service::soak -- --ignored --nocapture
//! ```
//!
//! `MUSTER_SOAK_SECONDS` says how long, `MUSTER_TEST_SEED` what is drawn. The figures are printed.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use muster::{
    control::{Client, ClientError, RemoteStore},
    service::{handle::RefusedKind, status::ServiceState},
};
use muster_model::Verdict;
use rustix::process::Signal;

use super::{
    Service,
    kills::books::Books,
    moving::Fleet,
    world::{PATIENCE, RUNTIME},
};
use crate::{
    notify::receiver::{Answer, Receiver},
    support::{
        draw::{Draw, Printed, seed},
        fleet::Pace,
    },
};

const SECONDS: u64 = 600;
/// How often it is measured.
const SAMPLE: Duration = Duration::from_secs(5);
/// The part of the samples at the beginning that does not count: caches fill.
const WARM: usize = 5;

const PACE: Pace = Pace {
    size: 15,
    appears: 400,
    vanishes: 15,
    returns: 100,
    changes: 40,
};

/// What it uses at a moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Resident memory in KiB.
    memory: u64,
    descriptors: u64,
    threads: u64,
    /// Bytes of the store's files.
    store: u64,
}

// === impl Sample ===

impl Sample {
    fn of(service: &Service) -> Self {
        let pid = service.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let words = line.expect("a line").split_whitespace().next();
            words.expect("a number").parse().expect("a number")
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
        Self {
            memory: number("VmRSS:"),
            descriptors: descriptors.count() as u64,
            threads: number("Threads:"),
            store: bytes(service.store()),
        }
    }
}

/// Bytes of the files in a directory; what goes while one looks counts nothing.
fn bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::symlink_metadata(path).map_or(0, |found| found.len());
    };
    entries.flatten().map(|entry| bytes(&entry.path())).sum()
}

fn config(hook: &Receiver, flavour: usize) -> String {
    format!(
        "removal:
  grace: {{ scans: 2, time: 2s }}
  brake: {{ share: {}%, at_least: 1, window: 10s }}
requests: {{ per_second: 1000, concurrency: 16, attempts: 2, timeout: 1s }}
schedule: {{ every: 1s, jitter: 0s, backoff_max: 4s }}
history: {{ keep: 1h, entries: 2000 }}
service: {{ listen: '127.0.0.1:0', resolve: 7s }}
notify: [{{ name: hook, events: ['*'], webhook: {{ url: '{}' }} }}]",
        // Each flavour is another configuration.
        10 + flavour,
        hook.url
    )
}

/// What people and programs do all the while.
struct Crowd<'a> {
    fleet: &'a Fleet,
    service: &'a Service,
    hook: &'a Receiver,
    draw: Draw,
    done: Vec<usize>,
}

impl Crowd<'_> {
    fn act(&mut self) {
        let client = self.service.client();
        let what = self.draw.below(12);
        self.done[what] += 1;
        let done = match what {
            0..=2 => client.wait(client.scan(Vec::new())).map(drop),
            3 => client.wait(client.status()).map(drop),
            4 => client
                .wait(client.reload(self.draw.below(2) == 0))
                .map(drop),
            5 => {
                self.fleet.configure(&config(self.hook, self.draw.below(5)));
                client.wait(client.reload(false)).map(drop)
            }
            6 => {
                self.service.signal(Signal::HUP);
                Ok(())
            }
            7 => {
                self.fleet.configure("nonsense: true");
                let refused = client.wait(client.reload(false));
                self.fleet.configure(&config(self.hook, 0));
                let refused = refused.expect_err("it is refused");
                assert!(refused.to_string().contains("nonsense"), "{refused}");
                client.wait(client.reload(false)).map(drop)
            }
            8 => {
                for path in [
                    "/metrics",
                    "/readyz?verbose",
                    "/api/v1/targets",
                    "/sd/prometheus",
                ] {
                    let (code, _) = self.service.get(path);
                    assert!(matches!(code, 200 | 503), "{path}: {code}");
                }
                Ok(())
            }
            9 => {
                Books::targets_of(&RemoteStore::new(client.clone()));
                Ok(())
            }
            10 => decide(&client, &mut self.draw),
            _ => {
                let history = self.fleet.world.command(&["history", "-n", "20"]).output();
                let history = history.expect("muster runs");
                assert!(history.status.success(), "{history:?}");
                Ok(())
            }
        };
        match done {
            Ok(()) => {}
            // A plan has become another one meanwhile.
            Err(ClientError::Refused(refused)) if refused.kind == RefusedKind::Conflict => {}
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

fn decide(client: &Client, draw: &mut Draw) -> Result<(), ClientError> {
    for plan in client.wait(client.plans())? {
        if plan.verdict == Verdict::Waiting {
            client.wait(client.decide(plan.number, draw.below(4) > 0))?;
        }
    }
    Ok(())
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Fails when the second half of the samples uses more than the first, beyond a share in percent and a bit.
fn is_steady(samples: &[Sample], what: &str, percent: u64, bit: u64, of: impl Fn(&Sample) -> u64) {
    let (first, second) = samples.split_at(samples.len() / 2);
    let (before, after) = (median(first, &of), median(second, &of));
    let all = samples.iter().map(&of);
    let (least, most) = (all.clone().min(), all.max());
    eprintln!("{what}: median {before}, then {after}; from {least:?} to {most:?}");
    assert!(
        after <= before + before * percent / 100 + bit,
        "{what} grows: {before}, then {after}: {:?}",
        samples.iter().map(&of).collect::<Vec<_>>()
    );
}

#[ignore = "ten minutes: `cargo test -p muster --test it service::soak -- --ignored --nocapture`"]
#[test]
fn what_it_uses_does_not_grow() {
    let seed = seed();
    let _printed = Printed(seed);
    let seconds = std::env::var("MUSTER_SOAK_SECONDS").map_or(SECONDS, |seconds| {
        seconds.parse().expect("MUSTER_SOAK_SECONDS is a number")
    });
    let told = Arc::new(AtomicUsize::new(0));
    let hook = RUNTIME.block_on(Receiver::start({
        let told = Arc::clone(&told);
        move |number, _| {
            told.store(number, Ordering::Relaxed);
            Answer::Status(if number % 50 == 49 { 500 } else { 200 })
        }
    }));
    let fleet = Fleet::new(6, PACE, 30, seed, &config(&hook, 0));
    let service = fleet.world.start_quietly();
    service.shows("a start", |status| status.state != ServiceState::Starting);
    let begun = Instant::now();
    let mut crowd = Crowd {
        fleet: &fleet,
        service: &service,
        hook: &hook,
        draw: Draw::part(seed, "crowd"),
        done: vec![0; 12],
    };
    let mut samples = Vec::new();
    while begun.elapsed().as_secs() < seconds {
        crowd.act();
        thread::sleep(Duration::from_millis(100));
        let due = SAMPLE * u32::try_from(samples.len()).expect("few");
        if begun.elapsed() >= due {
            samples.push(Sample::of(&service));
        }
    }
    eprintln!(
        "seed {seed}: {seconds} s, {} calls, acts {:?}, told {}, {} samples",
        fleet.sky.calls(),
        crowd.done,
        told.load(Ordering::Relaxed),
        samples.len()
    );
    let samples = &samples[samples.len() / WARM..];
    is_steady(samples, "memory in KiB", 10, 4 << 10, |it| it.memory);
    is_steady(samples, "descriptors", 10, 4, |it| it.descriptors);
    is_steady(samples, "threads", 0, 2, |it| it.threads);
    // It grows up to the size from which it is written anew, and is small again.
    is_steady(samples, "bytes of the store", 50, 32 << 20, |it| it.store);

    // And it was right all the while.
    fleet.sky.rest();
    let client = service.client();
    let until = Instant::now() + PATIENCE;
    loop {
        client.wait(client.scan(Vec::new())).expect("scanned");
        for plan in client.wait(client.plans()).expect("the plans") {
            if matches!(plan.verdict, Verdict::Waiting | Verdict::Rejected { .. }) {
                // It may be another plan by now.
                let _ = client.wait(client.decide(plan.number, true));
            }
        }
        let targets = Books::targets_of(&RemoteStore::new(client.clone()));
        if Books::is_true(&targets, &fleet.sky.past().truth) {
            break;
        }
        assert!(Instant::now() < until, "it does not come to rest");
    }
    service.stop();
}
