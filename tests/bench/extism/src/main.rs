//! What a verdict costs: natively, through muster's contract, with a fresh instance for each database, and through
//! Extism. One logic, one fleet, one run; every side's verdicts are compared with the native ones first.
//!
//! How to build the two guests is in docs/benchmarks.md:
//!
//! ```text
//! cargo run --release -- COMPONENT.wasm MODULE.wasm [PART OF A SIDE'S NAME ...]
//! ```
//!
//! Batches of 1000, one thread, and its time on the processor. Each round measures every side once, one after the other, so
//! that what else the machine does hits all alike; the table has the best and the median of the rounds.

#[path = "../../../../matchers/wasm/tests/it/kit.rs"]
#[allow(dead_code)]
mod kit;
mod wire;

use std::{
    collections::BTreeMap,
    error::Error,
    time::{Duration, Instant},
};

use extism::{Manifest, Wasm};
use muster_wasm::{Candidate, Compiler, Configured, Enroll, Host, Limits, Options, Verdict};
use rustix::time::{ClockId, clock_gettime};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BATCH: usize = 1000;
/// Databases of a fresh instance each, in one round.
const FRESH: usize = 200;
const ROUNDS: usize = 60;
/// What is judged again when a plugin has changed.
const FLEET: usize = 100_000;

/// Time of this thread on the processor.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn native(candidate: &Candidate<'_>) -> Verdict {
    let label = |key| candidate.labels.value(key);
    match label("env") {
        Some("prod" | "production") => Verdict::Enroll(Enroll {
            name: None,
            labels: vec![
                ("env".to_owned(), "prod".to_owned()),
                (
                    "owner".to_owned(),
                    label("team").unwrap_or("none").to_owned(),
                ),
                ("tier".to_owned(), "gold".to_owned()),
            ],
            hints: Vec::new(),
            reason: "env is prod".to_owned(),
        }),
        env => Verdict::Skip(format!("env is `{}`", env.unwrap_or_default())),
    }
}

fn wired<'a>(candidate: &Candidate<'a>) -> wire::Database<&'a str> {
    let database = candidate.database;
    let all = |pairs: &'a BTreeMap<String, String>| {
        pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    };
    let endpoint = database.endpoint.as_ref();
    wire::Database {
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
        host: endpoint.map_or("", |endpoint| &endpoint.host),
        port: endpoint.map_or(0, |endpoint| endpoint.port),
        tags: all(&database.tags),
        derived: all(&database.derived),
        labels: candidate.labels.values().collect(),
        facts: all(&database.facts),
    }
}

fn unwired(verdict: wire::Verdict) -> Verdict {
    match verdict {
        wire::Verdict::Enroll {
            name,
            labels,
            hints,
            reason,
        } => Verdict::Enroll(Enroll {
            name,
            labels,
            hints,
            reason,
        }),
        wire::Verdict::Skip(reason) => Verdict::Skip(reason),
        wire::Verdict::Pass(labels) => Verdict::Pass(labels),
    }
}

fn muster(component: &[u8], limits: Limits) -> Result<Configured> {
    let host = Host::new(Options {
        limits,
        compiler: Compiler::InProcess,
        cache: None,
    })?;
    Ok(host.load(component)?.configured("null")?)
}

fn judged(configured: &Configured, candidates: &[Candidate<'_>]) -> Result<Vec<Verdict>> {
    let verdicts = configured.evaluate(candidates).verdicts;
    Ok(verdicts
        .into_iter()
        .collect::<std::result::Result<_, _>>()?)
}

fn extism(module: &[u8]) -> Result<extism::Plugin> {
    // A time limit, as muster has.
    let manifest = Manifest::new([Wasm::data(module)]).with_timeout(Duration::from_secs(2));
    Ok(extism::Plugin::new(manifest, [], false)?)
}

fn json(plugin: &mut extism::Plugin, batch: &[Candidate<'_>]) -> Result<Vec<Verdict>> {
    let input: Vec<_> = batch.iter().map(wired).collect();
    let output: &[u8] = plugin.call("judge_json", serde_json::to_vec(&input)?)?;
    let verdicts: Vec<wire::Verdict> = serde_json::from_slice(output)?;
    Ok(verdicts.into_iter().map(unwired).collect())
}

fn msgpack(plugin: &mut extism::Plugin, batch: &[Candidate<'_>]) -> Result<Vec<Verdict>> {
    let input: Vec<_> = batch.iter().map(wired).collect();
    let output: &[u8] = plugin.call("judge_msgpack", rmp_serde::to_vec_named(&input)?)?;
    let verdicts: Vec<wire::Verdict> = rmp_serde::from_slice(output)?;
    Ok(verdicts.into_iter().map(unwired).collect())
}

struct Side<'a> {
    name: &'static str,
    databases: usize,
    run: Box<dyn FnMut() -> Result<Vec<Verdict>> + 'a>,
    took: Vec<Duration>,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [component, module, only @ ..] = args.as_slice() else {
        return Err("two files are needed: COMPONENT.wasm MODULE.wasm".into());
    };
    let (component, module) = (std::fs::read(component)?, std::fs::read(module)?);
    let fleet = kit::Fleet::new(FLEET);
    let all = fleet.candidates();
    let batch = &all[..BATCH];

    let limits = |threads| Limits {
        threads,
        ..Limits::default()
    };
    let one = muster(&component, limits(1))?;
    let unchecked = muster(
        &component,
        Limits {
            spot_checks: 0,
            ..limits(1)
        },
    )?;
    let fresh = muster(
        &component,
        Limits {
            batch: 1,
            ..limits(1)
        },
    )?;
    let mut kept = extism(&module)?;
    let mut packed = extism(&module)?;
    let compiled = extism::CompiledPlugin::new(
        extism::PluginBuilder::new(
            Manifest::new([Wasm::data(module.clone())]).with_timeout(Duration::from_secs(2)),
        )
        .with_wasi(false),
    )?;

    let mut sides = vec![
        Side {
            name: "native closure",
            databases: BATCH,
            run: Box::new(|| Ok(batch.iter().map(native).collect())),
            took: Vec::new(),
        },
        Side {
            name: "muster, all checks",
            databases: BATCH,
            run: Box::new(|| judged(&one, batch)),
            took: Vec::new(),
        },
        Side {
            name: "muster, no spot checks",
            databases: BATCH,
            run: Box::new(|| judged(&unchecked, batch)),
            took: Vec::new(),
        },
        Side {
            name: "muster, a fresh instance for each database",
            databases: FRESH,
            run: Box::new(|| judged(&fresh, &batch[..FRESH])),
            took: Vec::new(),
        },
        Side {
            name: "extism, JSON, one instance for ever",
            databases: BATCH,
            run: Box::new(|| json(&mut kept, batch)),
            took: Vec::new(),
        },
        Side {
            name: "extism, MessagePack, one instance for ever",
            databases: BATCH,
            run: Box::new(|| msgpack(&mut packed, batch)),
            took: Vec::new(),
        },
        Side {
            name: "extism, MessagePack, an instance for each batch",
            databases: BATCH,
            run: Box::new(|| msgpack(&mut extism::Plugin::new_from_compiled(&compiled)?, batch)),
            took: Vec::new(),
        },
    ];
    // The others are its company: alone a side finds all its memory in the processor's caches.
    sides.retain(|side| only.is_empty() || only.iter().any(|only| side.name.contains(only)));
    let expected: Vec<_> = batch.iter().map(native).collect();
    for side in &mut sides {
        let verdicts = (side.run)()?;
        if verdicts != expected[..side.databases] {
            return Err(format!("{} gives other verdicts", side.name).into());
        }
    }
    for _ in 0..ROUNDS {
        for side in &mut sides {
            let since = computed();
            let verdicts = (side.run)()?;
            side.took.push(computed() - since);
            std::hint::black_box(verdicts);
        }
    }
    println!(
        "{:<52} {:>8} {:>8} {:>8}",
        "us a database", "best", "median", "ratio"
    );
    let mut anchor = None;
    for side in &mut sides {
        side.took.sort();
        let each = |took: Duration| took.as_secs_f64() * 1e6 / side.databases as f64;
        let (best, median) = (each(side.took[0]), each(side.took[ROUNDS / 2]));
        let anchor = *anchor.get_or_insert(best);
        println!(
            "{:<52} {best:>8.2} {median:>8.2} {:>8.1}",
            side.name,
            best / anchor
        );
    }
    drop(sides);

    let two = muster(&component, limits(2))?;
    let mut took: Vec<_> = (0..7)
        .map(|_| {
            let since = Instant::now();
            let evaluation = two.evaluate(&all);
            assert!(evaluation.verdicts.iter().all(std::result::Result::is_ok));
            (since.elapsed(), evaluation.cost.computed)
        })
        .collect();
    took.sort();
    println!(
        "{FLEET} databases again, 2 threads: best {:.2?}, median {:.2?}; on the processor {:.2?} at best",
        took[0].0,
        took[3].0,
        took.iter()
            .map(|(_, computed)| *computed)
            .min()
            .unwrap_or_default()
    );
    Ok(())
}
