//! What a verdict costs: through the contract, through one in which every record owns its texts, and natively.
//!
//! ```text
//! cargo run --release -p muster-wasm --example bench [-- COMPONENT.wasm ...]
//! ```
//!
//! Times are those of the thread on the processor, the best of many rounds over one batch of 1000, so that what else the
//! machine does counts little; those by the clock are the best of some rounds over 20 batches. Components that are named
//! are measured too, with the settings `null`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/it/kit.rs"]
#[allow(dead_code)]
mod kit;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use muster_wasm::{Candidate, Compiler, Configured, Host, Limits, Options, Verdict};
use wasmtime::{
    Config, Engine, Store,
    component::{Component, Linker},
};

const BATCH: usize = 1000;
const FLEET: usize = 20_000;

#[allow(unsafe_code, missing_docs, clippy::all)]
mod naive {
    wasmtime::component::bindgen!({
        path: "../../fixtures/plugins/naive",
        world: "naive",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

use naive::{Naive, NaivePre, exports::muster::naive::judge::Database as Row};

fn main() {
    let fleet = kit::Fleet::new(FLEET);
    let candidates = fleet.candidates();
    let batch = &candidates[..BATCH];
    println!(
        "bytes a database: {} (its labels not counted twice)",
        size(batch)
    );
    row(
        "native closure, one thread",
        best(300, || {
            batch
                .iter()
                .map(native)
                .filter(|verdict| matches!(verdict, Verdict::Enroll(_)))
                .count()
        }),
        BATCH,
    );

    let nothing = kit::base(&[
        ("judge", "(i32.store (local.get $v) (i32.const 2))"),
        ("configure", "(i32.const 320)"),
    ]);
    let unchecked = |threads| Limits {
        threads,
        spot_checks: 0,
        ..Limits::default()
    };
    let checked = |threads| Limits {
        threads,
        ..Limits::default()
    };
    plugin(
        "does nothing",
        &nothing,
        &candidates,
        &unchecked,
        " without spot checks",
    );
    plugin("does nothing", &nothing, &candidates, &checked, "");
    plugin(
        "by protocol, in component text",
        &kit::base(&[]),
        &candidates,
        &checked,
        "",
    );
    for path in std::env::args().skip(1) {
        let component = std::fs::read(&path).expect("a component");
        plugin(&path, &component, &candidates, &checked, "");
    }
    naive(batch);
    start("does nothing", &nothing, batch);
    for path in std::env::args().skip(1) {
        start(&path, &std::fs::read(&path).expect("a component"), batch);
    }
}

fn row(what: &str, took: Duration, databases: usize) {
    let each = took.as_secs_f64() * 1e6 / databases as f64;
    println!("{what:<70} {each:>7.2} us a database");
}

/// Time of this thread on the processor: what else runs on the machine is not in it.
fn computed() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn best(rounds: usize, mut run: impl FnMut() -> usize) -> Duration {
    (0..rounds)
        .map(|_| {
            let since = computed();
            std::hint::black_box(run());
            computed() - since
        })
        .min()
        .expect("a round")
}

/// By the clock on the wall, for what several threads do.
fn best_wall(rounds: usize, mut run: impl FnMut() -> usize) -> Duration {
    (0..rounds)
        .map(|_| {
            let since = Instant::now();
            std::hint::black_box(run());
            since.elapsed()
        })
        .min()
        .expect("a round")
}

fn size(batch: &[Candidate<'_>]) -> usize {
    let pairs = |pairs: &std::collections::BTreeMap<String, String>| -> usize {
        pairs
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum()
    };
    let bytes: usize = batch
        .iter()
        .map(|candidate| {
            let database = candidate.database;
            database.id.as_str().len()
                + database.identifier.len()
                + database
                    .endpoint
                    .as_ref()
                    .map_or(0, |endpoint| endpoint.host.len())
                + 70
                + pairs(&database.tags)
                + pairs(&database.derived)
                + pairs(&database.facts)
        })
        .sum();
    bytes / batch.len()
}

/// What the plugin in component text does, and a label besides.
fn native(candidate: &Candidate<'_>) -> Verdict {
    match candidate.labels.value("env") {
        Some("prod" | "production") => Verdict::Enroll(muster_wasm::Enroll {
            name: None,
            labels: vec![
                ("env".to_owned(), "prod".to_owned()),
                (
                    "owner".to_owned(),
                    candidate.labels.value("team").unwrap_or("none").to_owned(),
                ),
                ("tier".to_owned(), "gold".to_owned()),
            ],
            hints: Vec::new(),
            reason: "env is prod".to_owned(),
        }),
        env => Verdict::Skip(format!("env is `{}`", env.unwrap_or_default())),
    }
}

fn configured(component: &[u8], limits: Limits) -> Configured {
    let host = Host::new(Options {
        limits,
        compiler: Compiler::InProcess,
        cache: None,
    })
    .expect("a host");
    host.load(component)
        .expect("it loads")
        .configured("null")
        .expect("it is configured")
}

fn plugin(
    what: &str,
    component: &[u8],
    candidates: &[Candidate<'_>],
    limits: &dyn Fn(usize) -> Limits,
    how: &str,
) {
    let one = configured(component, limits(1));
    let batch = &candidates[..BATCH];
    let judge = |configured: &Configured, candidates: &[Candidate<'_>]| {
        let evaluation = configured.evaluate(candidates);
        assert!(
            evaluation.verdicts.iter().all(Result::is_ok),
            "{:?}",
            evaluation.verdicts[0]
        );
        evaluation.verdicts.len()
    };
    row(
        &format!("{what}{how}, one thread"),
        best(300, || judge(&one, batch)),
        BATCH,
    );
    // Over all of the fleet, which no cache of the processor holds: what the second thread brings is seen against this.
    row(
        &format!("{what}{how}, one thread, by the clock"),
        best_wall(20, || judge(&one, candidates)),
        FLEET,
    );
    let two = configured(component, limits(2));
    row(
        &format!("{what}{how}, two threads, by the clock"),
        best_wall(20, || judge(&two, candidates)),
        FLEET,
    );
    let cost = one.evaluate(batch).cost;
    println!(
        "{:<70} {:>7} KiB, {} instances",
        "  memory at most",
        cost.peak_memory_bytes >> 10,
        cost.instances
    );
    memory(&configured(component, limits(1)), batch);
}

/// What of the pool is in memory, in bytes: of every stretch of address space that is larger than a gigabyte.
fn resident() -> usize {
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
    let (mut total, mut stretch, mut rss, mut end) = (0, 0_usize, 0, 0);
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        let range = first.split_once('-').and_then(|(start, end)| {
            let number = |text| usize::from_str_radix(text, 16).ok();
            Some((number(start)?, number(end)?))
        });
        if let Some((from, to)) = range {
            if from != end {
                total += if stretch > 1 << 30 { rss } else { 0 };
                (stretch, rss) = (0, 0);
            }
            stretch += to - from;
            end = to;
        } else if first == "Rss:" {
            let kib: usize = words.next().and_then(|n| n.parse().ok()).expect("a number");
            rss += kib << 10;
        }
    }
    total + if stretch > 1 << 30 { rss } else { 0 }
}

/// Memory of one instance: looked at again and again while it judges, and once more when it is gone.
fn memory(configured: &Configured, batch: &[Candidate<'_>]) {
    let done = AtomicBool::new(false);
    let before = resident();
    let most = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(resident());
            }
            most
        });
        for _ in 0..100 {
            configured.evaluate(batch);
        }
        done.store(true, Ordering::Relaxed);
        watch.join().expect("it watches")
    });
    println!(
        "{:<70} {:>7} KiB, {} KiB kept for the next",
        "  resident of one instance at most",
        most.saturating_sub(before) >> 10,
        resident().saturating_sub(before) >> 10,
    );
}

/// An instance, one batch, and no limits but the clock.
fn naive(batch: &[Candidate<'_>]) {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true);
    let engine = Engine::new(&config).expect("an engine");
    let text = std::fs::read_to_string(kit::fixtures().join("naive/naive.wat")).expect("naive.wat");
    let component = Component::new(&engine, kit::component(&text)).expect("it compiles");
    let pre = NaivePre::new(
        Linker::<()>::new(&engine)
            .instantiate_pre(&component)
            .expect("linked"),
    )
    .expect("bound");
    let took = best(300, || {
        type Pairs<'a> = Vec<(&'a str, &'a str)>;
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(1_000_000);
        let naive: Naive = pre.instantiate(&mut store).expect("an instance");
        let pairs: Vec<[Pairs<'_>; 4]> = batch
            .iter()
            .map(|candidate| {
                let database = candidate.database;
                [
                    database
                        .tags
                        .iter()
                        .map(|(key, value)| (key.as_str(), value.as_str()))
                        .collect(),
                    database
                        .derived
                        .iter()
                        .map(|(key, value)| (key.as_str(), value.as_str()))
                        .collect(),
                    candidate.labels.values().collect(),
                    database
                        .facts
                        .iter()
                        .map(|(key, value)| (key.as_str(), value.as_str()))
                        .collect(),
                ]
            })
            .collect();
        let rows: Vec<Row<'_>> = batch
            .iter()
            .zip(&pairs)
            .map(|(candidate, pairs)| {
                let database = candidate.database;
                Row {
                    id: database.id.as_str(),
                    name: &database.identifier,
                    provider: database.scope.provider.as_str(),
                    kind: database.kind.as_str(),
                    protocol: database.protocol.map_or("", |protocol| protocol.as_str()),
                    engine: &database.engine,
                    engine_version: &database.engine_version,
                    state: &database.state.name,
                    account: database.scope.account.as_str(),
                    region: &database.region,
                    role: database.role.as_str(),
                    host: database
                        .endpoint
                        .as_ref()
                        .map_or("", |endpoint| &endpoint.host),
                    port: 5432,
                    tags: &pairs[0],
                    derived: &pairs[1],
                    labels: &pairs[2],
                    facts: &pairs[3],
                }
            })
            .collect();
        naive
            .muster_naive_judge()
            .call_evaluate(&mut store, &rows)
            .expect("a number") as usize
    });
    row(
        "does nothing, each record owns its texts, one thread",
        took,
        BATCH,
    );
}

/// What an instance costs, and what loading costs.
fn start(what: &str, component: &[u8], batch: &[Candidate<'_>]) {
    let one = configured(
        component,
        Limits {
            threads: 1,
            ..Limits::default()
        },
    );
    row(
        &format!("{what}, a fresh instance for one database"),
        best(300, || one.evaluate(&batch[..1]).verdicts.len()),
        1,
    );
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        limits: Limits::default(),
        compiler: Compiler::InProcess,
        cache: Some(folder.path().join("cache")),
    };
    let host = Host::new(options).expect("a host");
    host.load(component).expect("it loads");
    let took = best(50, || {
        usize::from(host.load(component).expect("it loads").was_cached())
    });
    println!(
        "{:<70} {:>7.2} ms",
        format!("{what}, loading from the cache"),
        took.as_secs_f64() * 1e3
    );
}
