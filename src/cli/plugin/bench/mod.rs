//! `muster plugin bench`: what a plugin costs, beside the label rules that are built in, on the same databases.

mod fleet;

use std::{
    collections::BTreeMap,
    hint::black_box,
    io::{self, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use muster_matchers::{Chain, Matchers, RuleFile, SourceFilter};
use muster_wasm::{Candidate, Configured, Limits};
use serde::Serialize;

use super::{
    Output,
    database::Sample,
    file, input,
    run::configured,
    verdict::Said,
    view::{line, size, time},
};
use crate::{
    cli::{Common, Failure, print, unread_is_fine},
    exit::Exit,
    report::{self, escape::shown},
};

/// How long one thing is measured, unless the command says otherwise.
const SECONDS: &str = "1";
/// Rounds of one measurement: at least, and at most.
const ROUNDS: (usize, usize) = (3, 1000);
/// How many are judged one by one in a round.
const ALONE: usize = 200;
/// The most databases that can be made up.
const MAX_DATABASES: i64 = 1_000_000;

/// Arguments of `muster plugin bench`.
#[derive(Args, Debug)]
#[command(after_help = "\
Each time is the median of several rounds, and rounds of the plugin and of the label rules take turns, so that what else \
the machine does concerns both. The label rules are one that matches a label, maps a value and enrolls, with all else \
that a chain does. Batches are judged as in a service, with its spot checks.")]
pub struct Bench {
    /// The plugin: a WebAssembly component.
    file: PathBuf,
    /// How many databases are made up.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..=MAX_DATABASES), conflicts_with = "from_store")]
    databases: i64,
    /// All databases that the store knows, in place of those.
    #[arg(long)]
    from_store: bool,
    /// The plugin's settings, as YAML or JSON.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// How long each thing is measured, in seconds.
    #[arg(long, value_name = "N", default_value = SECONDS, value_parser = clap::value_parser!(u64).range(0..=600))]
    seconds: u64,
    /// How it is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: Output,
}

/// What was measured. Its JSON is what `-o json` prints.
#[derive(Debug, Serialize)]
struct Measured {
    plugin: String,
    /// False: the program was built without optimisation, and the ratios mean nothing.
    optimised: bool,
    databases: usize,
    /// Text of one, on average.
    database_bytes: usize,
    load: Load,
    /// An instance that takes its settings.
    configure_seconds: f64,
    rows: Vec<Row>,
    batch: usize,
    memory_bytes: usize,
    memory_limit_bytes: usize,
    /// The longest that a batch computed.
    longest_seconds: f64,
    time_limit_seconds: f64,
    /// How many had which verdict, or which error.
    verdicts: BTreeMap<String, usize>,
}

#[derive(Debug, Serialize)]
struct Load {
    seconds: f64,
    cached: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    threads: usize,
    seconds_per_database: f64,
    /// How many times as long as the label rules take.
    ratio: f64,
}

impl Bench {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let settings = input::settings(self.settings.as_deref())?;
        let bytes = file::read(&self.file)?;
        let samples = match self.from_store {
            true => input::stored(common, None)?,
            false => fleet::fleet(usize::try_from(self.databases).unwrap_or(1)),
        };
        let budget = Duration::from_secs(self.seconds);
        let all = file::host(Limits::default())?;
        let one = file::host(Limits {
            threads: 1,
            ..Limits::default()
        })?;
        let loaded = file::load(&all, &self.file, &bytes)?;
        let parallel = configured(&loaded.plugin, &settings)?;
        let single = configured(&file::load(&one, &self.file, &bytes)?.plugin, &settings)?;
        let measured = Bed {
            samples: &samples,
            candidates: samples.iter().map(Sample::candidate).collect(),
            chain: chain(&samples)?,
            budget,
        }
        .measure(
            &single,
            &parallel,
            &settings,
            [one.limits(), all.limits()],
            Load {
                seconds: loaded.took.as_secs_f64(),
                cached: loaded.plugin.was_cached(),
            },
        );
        unread_is_fine(print(|out| match self.output {
            Output::Text => measured.write(out),
            Output::Json => report::pretty(&measured, out),
        }))?;
        Ok(Exit::Done)
    }
}

/// What is measured, and on what.
struct Bed<'a> {
    samples: &'a [Sample],
    candidates: Vec<Candidate<'a>>,
    chain: Chain,
    budget: Duration,
}

impl Bed<'_> {
    fn measure(
        &self,
        single: &Configured,
        parallel: &Configured,
        settings: &str,
        [one, all]: [&Limits; 2],
        load: Load,
    ) -> Measured {
        let count = self.samples.len();
        let alone = self.candidates.get(..ALONE.min(count)).unwrap_or_default();
        let configure = self.median(&mut [&mut || {
            black_box(single.plugin().configured(settings).is_ok());
            1
        }]);
        let times = self.median(&mut [
            &mut || {
                for sample in self.samples {
                    black_box(self.chain.judge(&sample.database));
                }
                count
            },
            &mut || {
                for candidate in alone {
                    black_box(single.evaluate(std::slice::from_ref(candidate)));
                }
                alone.len()
            },
            &mut || black_box(single.evaluate(&self.candidates)).verdicts.len(),
            &mut || {
                black_box(parallel.evaluate(&self.candidates))
                    .verdicts
                    .len()
            },
        ]);
        let rules = times.first().copied().unwrap_or_default();
        let whats = [
            ("label rules", 1),
            ("alone", 1),
            ("in batches", one.threads),
            ("in batches", all.threads),
        ];
        let rows = whats
            .iter()
            .zip(&times)
            .map(|(&(what, threads), &seconds)| Row {
                what,
                threads,
                seconds_per_database: seconds,
                ratio: seconds / rules,
            })
            .collect();
        let evaluation = single.evaluate(&self.candidates);
        let mut verdicts = BTreeMap::new();
        for found in &evaluation.verdicts {
            let word = match Said::from(found) {
                Said::Error { code, .. } => code,
                said => said.word(),
            };
            *verdicts.entry(word.to_owned()).or_default() += 1;
        }
        let description = single.plugin().description();
        Measured {
            plugin: format!("{} {}", description.name, description.version),
            optimised: !cfg!(debug_assertions),
            databases: count,
            database_bytes: fleet::size(self.samples),
            load,
            configure_seconds: configure.first().copied().unwrap_or_default(),
            rows,
            batch: one.batch.min(count),
            memory_bytes: evaluation.cost.peak_memory_bytes,
            memory_limit_bytes: one.memory_bytes,
            longest_seconds: evaluation.cost.longest.as_secs_f64(),
            time_limit_seconds: one.time.as_secs_f64(),
            verdicts,
        }
    }

    /// What each of these takes a database, in seconds: they take turns until the time is over. Each says how many it
    /// judged.
    fn median(&self, subjects: &mut [&mut dyn FnMut() -> usize]) -> Vec<f64> {
        let mut times: Vec<Vec<f64>> = subjects.iter().map(|_| Vec::new()).collect();
        let budget = self
            .budget
            .saturating_mul(u32::try_from(subjects.len()).unwrap_or(1));
        let since = Instant::now();
        for round in 0..ROUNDS.1 {
            if round >= ROUNDS.0 && since.elapsed() >= budget {
                break;
            }
            for (subject, times) in subjects.iter_mut().zip(&mut times) {
                let since = Instant::now();
                let judged = subject().max(1);
                // A count of databases is far from where this is not exact.
                #[allow(clippy::cast_precision_loss)]
                times.push(since.elapsed().as_secs_f64() / judged as f64);
            }
        }
        times
            .into_iter()
            .map(|mut times| {
                times.sort_by(f64::total_cmp);
                times.get(times.len() / 2).copied().unwrap_or_default()
            })
            .collect()
    }
}

/// Label rules as people write them, for these databases.
fn chain(samples: &[Sample]) -> Result<Chain, Failure> {
    let broken = |why: String| Failure::new("cannot measure the label rules").because(why);
    let rule: RuleFile = serde_json::from_value(serde_json::json!({
        "name": "production",
        "match": { "env": ["prod", "production"] },
        "labels": { "map": { "env": { "production": "prod" } }, "add": { "tier": "gold" } },
        "enroll": true,
    }))
    .map_err(|error| broken(error.to_string()))?;
    let mut sources: Vec<SourceFilter> = Vec::new();
    for sample in samples {
        let scope = &sample.database.scope;
        match sources
            .iter_mut()
            .find(|source| source.provider == scope.provider)
        {
            Some(source) if source.services.contains(&scope.service) => {}
            Some(source) => source.services.push(scope.service),
            None => sources.push(SourceFilter {
                name: format!("sources.{}[0]", scope.provider),
                provider: scope.provider,
                services: vec![scope.service],
                accounts: None,
                regions: None,
                resource_groups: None,
                tags: serde_json::from_value(serde_json::json!({ "*": "*" }))
                    .map_err(|error| broken(error.to_string()))?,
            }),
        }
    }
    Chain::build(sources, Some(&[rule]), &Matchers::new())
        .map(|(chain, _)| chain)
        .map_err(|problems| {
            let problems: Vec<_> = problems
                .iter()
                .map(|problem| problem.message.clone())
                .collect();
            broken(problems.join("; "))
        })
}

impl Measured {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let seconds = |seconds: f64| time(Duration::from_secs_f64(seconds));
        writeln!(
            out,
            "{}: {} databases of {} bytes",
            shown(&self.plugin),
            self.databases,
            self.database_bytes
        )?;
        if !self.optimised {
            line(
                out,
                "note",
                "this muster is built without optimisation: ratios mean nothing",
            )?;
        }
        let how = if self.load.cached {
            "from the cache in"
        } else {
            "compiled in"
        };
        line(
            out,
            "loaded",
            &format!("{how} {}", seconds(self.load.seconds)),
        )?;
        line(
            out,
            "instance",
            &format!("{}, with its settings", seconds(self.configure_seconds)),
        )?;
        let share =
            |part: f64, whole: f64| format!("{:.1} %", 100.0 * part / whole.max(f64::MIN_POSITIVE));
        // Sizes of memory are far from where this is not exact.
        #[allow(clippy::cast_precision_loss)]
        let (memory, limit) = (self.memory_bytes as f64, self.memory_limit_bytes as f64);
        line(
            out,
            "memory",
            &format!(
                "{} of {} ({})",
                size(self.memory_bytes),
                size(self.memory_limit_bytes),
                share(memory, limit)
            ),
        )?;
        line(
            out,
            "longest",
            &format!(
                "{} of {} for a batch of {} ({})",
                seconds(self.longest_seconds),
                seconds(self.time_limit_seconds),
                self.batch,
                share(self.longest_seconds, self.time_limit_seconds)
            ),
        )?;
        let verdicts: Vec<_> = self
            .verdicts
            .iter()
            .map(|(word, count)| format!("{word} {count}"))
            .collect();
        line(out, "verdicts", &verdicts.join(", "))?;
        writeln!(
            out,
            "\n  {:<24} {:>11} {:>13} {:>12}",
            "", "A DATABASE", "A SECOND", "LABEL RULES"
        )?;
        for row in &self.rows {
            let what = match (row.what, row.threads) {
                ("in batches", 1) => "in batches, 1 thread".to_owned(),
                ("in batches", threads) => format!("in batches, {threads} threads"),
                (what, _) => what.to_owned(),
            };
            let each = row.seconds_per_database;
            writeln!(
                out,
                "  {what:<24} {:>11} {:>13.0} {:>11.2}x",
                seconds(each),
                1.0 / each.max(f64::MIN_POSITIVE),
                row.ratio
            )?;
        }
        Ok(())
    }
}
