//! `muster plugin test`: table tests of a plugin.

mod cases;
mod expect;
mod report;
mod update;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use muster_wasm::{Configured, Limits, Plugin};

use self::{
    cases::{Case, Cases},
    expect::Expected,
    report::{Fault, Outcome, Outcomes},
};
use super::{file, run::Logged, verdict::Said, view::count};
use crate::{
    cli::{Common, Failure, context::write_file, print, unread_is_fine},
    exit::Exit,
};

/// How many verdicts that differ are named.
const NAMED: usize = 20;

/// How many databases are judged together at least, where the cases have as many.
const COMPANY: usize = 16;

/// Arguments of `muster plugin test`.
#[derive(Args, Debug)]
#[command(after_help = "\
Beside the cases it judges all their databases once more, together, backwards and each alone, and fails when a verdict \
depends on which others it is judged with. Ends with 1 when a case fails.

`--update` writes what was found in place of what was expected, as far as that was written; comments stay, but for those \
inside of an expectation that changes. It changes nothing where verdicts depend on each other.")]
pub struct Test {
    /// The plugin: a WebAssembly component.
    file: PathBuf,
    /// The cases. Default: tests.yaml beside the plugin.
    tests: Option<PathBuf>,
    /// How what came of them is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: Format,
    /// Only the cases with this in their name.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write what was found into the file of cases.
    #[arg(long)]
    update: bool,
}

/// How what came of tests is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// JUnit's XML, for build servers.
    Junit,
    /// The Test Anything Protocol.
    Tap,
}

/// A plugin with each of the settings that the cases want, or what it says against them.
struct Settings<'a> {
    plugin: &'a Plugin,
    known: BTreeMap<String, Result<Configured, Said>>,
}

/// A case that was judged.
struct Judged<'a> {
    /// Its place in the file.
    place: usize,
    case: &'a Case,
    said: Said,
    log: Vec<Logged>,
    dropped: u64,
    took: Duration,
}

impl Test {
    pub(super) fn run(self, _: &Common) -> Result<Exit, Failure> {
        let tests = match self.tests {
            Some(tests) => tests,
            None => self.file.with_file_name("tests.yaml"),
        };
        let bytes = file::read(&self.file)?;
        let cases = Cases::read(&tests, !self.update)?;
        let is_meant = |case: &Case| {
            let filter = self.filter.as_deref();
            filter.is_none_or(|filter| case.name.contains(filter))
        };
        let meant: Vec<_> = cases
            .all
            .iter()
            .enumerate()
            .filter(|(_, case)| is_meant(case))
            .collect();
        if meant.is_empty() {
            return Err(Failure::new("cannot test anything").because(format!(
                "none of the {} in {} has `{}` in its name",
                count(cases.all.len(), "case"),
                tests.display(),
                self.filter.unwrap_or_default()
            )));
        }
        let host = file::host(Limits::default())?;
        let plugin = file::load(&host, &self.file, &bytes)?.plugin;
        let mut settings = Settings {
            plugin: &plugin,
            known: BTreeMap::new(),
        };
        let judged: Vec<Judged<'_>> = meant
            .into_iter()
            .map(|(place, case)| settings.judge(place, case))
            .collect();
        let mut results: Vec<Outcomes> = judged.iter().map(Judged::outcome).collect();
        let together = settings.together(&judged);
        let stable = together
            .as_ref()
            .is_none_or(|result| result.fault.is_none());
        results.extend(together);
        let description = plugin.description();
        let mut outcome = Outcome {
            plugin: format!("{} {}", description.name, description.version),
            file: tests.display().to_string(),
            left_out: cases.all.len() - judged.len(),
            results,
            updated: 0,
        };
        if self.update && stable {
            update(&tests, &cases, &judged, &mut outcome)?;
        }
        unread_is_fine(print(|out| match self.output {
            Format::Text => outcome.text(out),
            Format::Junit => outcome.junit(out),
            Format::Tap => outcome.tap(out),
        }))?;
        Ok(match outcome.failed() {
            0 => Exit::Done,
            _ => Exit::Failed,
        })
    }
}

impl Settings<'_> {
    fn of(&mut self, settings: &str) -> &Result<Configured, Said> {
        self.known.entry(settings.to_owned()).or_insert_with(|| {
            self.plugin
                .configured(settings)
                .map_err(|error| Said::Error {
                    code: error.code(),
                    message: error.to_string(),
                })
        })
    }

    fn judge<'c>(&mut self, place: usize, case: &'c Case) -> Judged<'c> {
        let (said, log, dropped, took) = match self.of(&case.settings) {
            Err(said) => (said.clone(), Vec::new(), 0, Duration::ZERO),
            Ok(configured) => {
                let evaluation = configured.evaluate(&[case.sample.candidate()]);
                let said = Said::only(&evaluation);
                let log = evaluation.log.into_iter().map(Logged::from).collect();
                (
                    said,
                    log,
                    evaluation.dropped_lines,
                    evaluation.cost.computed,
                )
            }
        };
        Judged {
            place,
            case,
            said,
            log,
            dropped,
            took,
        }
    }

    /// Databases in different company, by each of the settings.
    fn together(&self, judged: &[Judged<'_>]) -> Option<Outcomes> {
        // What fails by itself is not asked ten times more.
        let fit: Vec<_> = judged
            .iter()
            .filter(|one| !matches!(one.said, Said::Error { .. }))
            .collect();
        let mut groups: BTreeMap<&str, Vec<&Judged<'_>>> = BTreeMap::new();
        for one in &fit {
            groups.entry(&one.case.settings).or_default().push(one);
        }
        let several = groups.len() > 1;
        let since = Instant::now();
        let (mut verdicts, mut differing) = (0, Vec::new());
        for (settings, mut group) in groups {
            let Some(Ok(configured)) = self.known.get(settings) else {
                continue;
            };
            let about = match group.first() {
                Some(first) if several => format!(", by the settings of `{}`", first.case.name),
                _ => String::new(),
            };
            // One alone has no company.
            let others = fit.iter().filter(|one| one.case.settings != settings);
            let missing = COMPANY.saturating_sub(group.len());
            group.extend(others.take(missing));
            verdicts += group.len();
            let candidates: Vec<_> = group
                .iter()
                .map(|one| one.case.sample.candidate())
                .collect();
            let names = configured.unstable(&candidates).into_iter();
            let names = names.filter_map(|place| Some(&group.get(place)?.case.name));
            differing.extend(names.map(|name| format!("{name}{about}")));
        }
        (verdicts > 0).then(|| Outcomes {
            name: format!(
                "{} alone, together and backwards",
                count(verdicts, "verdict")
            ),
            line: None,
            took: since.elapsed(),
            updated: false,
            fault: (!differing.is_empty()).then(|| unstable(&differing)),
        })
    }
}

fn unstable(names: &[String]) -> Fault {
    let mut notes: Vec<String> = names
        .iter()
        .take(NAMED)
        .map(|name| format!("! {name}"))
        .collect();
    if names.len() > NAMED {
        notes.push(format!("and {} more", names.len() - NAMED));
    }
    notes.push(
        "a verdict must follow from the database and the settings alone: look for globals, caches and counters"
            .to_owned(),
    );
    Fault {
        summary: "the verdict depends on which others it is judged with".to_owned(),
        diff: Vec::new(),
        notes,
        log: Vec::new(),
        dropped: 0,
    }
}

impl Judged<'_> {
    /// What was found, as far as it was expected.
    fn found(&self) -> Expected {
        Expected::of(&self.said, self.case.expected.as_ref())
    }

    fn is_expected(&self) -> bool {
        self.case.expected.as_ref() == Some(&self.found())
    }

    fn outcome(&self) -> Outcomes {
        let fault = (!self.is_expected()).then(|| Fault {
            log: self.log.clone(),
            dropped: self.dropped,
            ..Fault::differs(self.case.expected.as_ref(), &self.found(), &self.said)
        });
        Outcomes {
            name: self.case.name.clone(),
            line: self.case.line,
            took: self.took,
            fault,
            updated: false,
        }
    }
}

/// Writes what was found.
fn update(
    path: &Path,
    cases: &Cases,
    judged: &[Judged<'_>],
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let changes: Vec<_> = judged
        .iter()
        .filter(|one| !one.is_expected())
        .map(|one| (one.place, one.found()))
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    outcome.updated = changes.len();
    let what = format!("cannot update {}", path.display());
    let text = update::rewrite(cases, changes).map_err(|unwritable| {
        let line = unwritable
            .line
            .map_or_else(String::new, |line| format!("the case in line {line}: "));
        Failure::new(&what)
            .because(format!("{line}{}", unwritable.why))
            .because("nothing was changed")
            .hint("write the expectation by hand, or give it lines of its own: `expect:` and below it what is expected")
    })?;
    write_file(path, text.as_bytes()).map_err(|error| Failure::new(&what).cause(&error))?;
    for result in &mut outcome.results {
        result.updated = result.fault.is_some();
    }
    Ok(())
}
