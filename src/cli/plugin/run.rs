//! `muster plugin run`: what a plugin says of a database, and what it took.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use muster_model::Shadowed;
use muster_wasm::{ConfigureError, Configured, Cost, Limits, Plugin};
use serde::Serialize;

use super::{
    Output,
    database::Sample,
    file, input,
    verdict::{After, Said, labels},
    view::{count, line, size, time},
};
use crate::{
    cli::{Common, Failure, print, unread_is_fine},
    exit::Exit,
    report::{self, escape::shown},
};

/// The most databases that are shown one by one.
const MAX_DATABASES: usize = 1000;

/// Arguments of `muster plugin run`.
#[derive(Args, Debug)]
#[command(after_help = "\
The plugin is asked about each database alone, as the first step of a chain. Ends with 1 when it fails over one of \
them. `muster plan --matcher FILE` shows what it would change among all that is enrolled.")]
pub struct Run {
    /// The plugin: a WebAssembly component.
    file: PathBuf,
    /// Databases as YAML or JSON, one or a list; `-` for standard input.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "from_store",
        conflicts_with = "from_store"
    )]
    database: Option<PathBuf>,
    /// A database that the store knows, by name, id or host.
    #[arg(long, value_name = "NAME")]
    from_store: Option<String>,
    /// The plugin's settings, as YAML or JSON.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// How it is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: Output,
}

/// What came of one database. Its JSON is what `-o json` prints, in a list.
#[derive(Debug, Serialize)]
struct Ran {
    id: String,
    /// What it is called, before anybody names it.
    identifier: String,
    #[serde(flatten)]
    said: Said,
    /// The labels afterwards, by key.
    labels_after: BTreeMap<String, After>,
    /// Tags that could not become labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shadowed: Vec<Shadowed>,
    log: Vec<Logged>,
    /// Lines that were not kept.
    dropped_lines: u64,
    cost: Took,
}

/// A line that a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Logged {
    pub level: &'static str,
    pub message: String,
}

#[derive(Debug, Serialize)]
struct Took {
    memory_bytes: usize,
    memory_limit_bytes: usize,
    computed_seconds: f64,
    time_limit_seconds: f64,
}

impl Run {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let settings = input::settings(self.settings.as_deref())?;
        let bytes = file::read(&self.file)?;
        let samples = match (&self.database, &self.from_store) {
            (Some(path), _) => input::databases(path)?,
            (None, name) => input::stored(common, Some(name.as_deref().unwrap_or_default()))?,
        };
        if samples.len() > MAX_DATABASES {
            return Err(Failure::new(format!("cannot show {} databases", samples.len()))
                .because(format!("{MAX_DATABASES} are shown at most"))
                .hint("`muster plugin bench` judges many, and `muster plan --matcher` a whole fleet"));
        }
        let host = file::host(Limits::default())?;
        let plugin = file::load(&host, &self.file, &bytes)?.plugin;
        let configured = configured(&plugin, &settings)?;
        let ran: Vec<Ran> = samples
            .iter()
            .map(|sample| Ran::of(&configured, sample, host.limits()))
            .collect();
        unread_is_fine(print(|out| match self.output {
            Output::Text => {
                for (place, ran) in ran.iter().enumerate() {
                    if place > 0 {
                        writeln!(out)?;
                    }
                    ran.write(&plugin, out)?;
                }
                Ok(())
            }
            Output::Json => report::pretty(&ran, out),
        }))?;
        let failed = ran.iter().any(|ran| matches!(ran.said, Said::Error { .. }));
        Ok(if failed { Exit::Failed } else { Exit::Done })
    }
}

/// Gives a plugin its settings.
///
/// # Errors
/// What it finds wrong with them.
pub(super) fn configured(plugin: &Plugin, settings: &str) -> Result<Configured, Failure> {
    plugin.configured(settings).map_err(|error| {
        let failure = Failure::new(format!(
            "cannot configure the plugin {} ({})",
            plugin.description().name,
            error.code()
        ));
        match &error {
            ConfigureError::Problems(problems) => problems
                .iter()
                .fold(failure, |failure, problem| {
                    failure.because(problem.to_string())
                })
                .hint("`muster plugin inspect` shows what it takes; `--settings FILE` gives it"),
            other => failure.cause(other),
        }
    })
}

impl Ran {
    fn of(configured: &Configured, sample: &Sample, limits: &Limits) -> Self {
        let evaluation = configured.evaluate(&[sample.candidate()]);
        let said = Said::only(&evaluation);
        let plugin = &configured.plugin().description().name;
        let (_, shadowed) = sample.database.labels();
        let Cost {
            peak_memory_bytes,
            computed,
            ..
        } = evaluation.cost;
        Self {
            id: sample.database.id.to_string(),
            identifier: sample.database.base_name(),
            labels_after: labels(&sample.labels, &said, plugin),
            said,
            shadowed,
            log: evaluation.log.into_iter().map(Logged::from).collect(),
            dropped_lines: evaluation.dropped_lines,
            cost: Took {
                memory_bytes: peak_memory_bytes,
                memory_limit_bytes: limits.memory_bytes,
                computed_seconds: computed.as_secs_f64(),
                time_limit_seconds: limits.time.as_secs_f64(),
            },
        }
    }

    fn write(&self, plugin: &Plugin, out: &mut dyn Write) -> io::Result<()> {
        let description = plugin.description();
        writeln!(out, "{}", shown(&self.identifier))?;
        line(out, "id", &self.id)?;
        line(
            out,
            "plugin",
            &format!("{} {}", description.name, description.version),
        )?;
        line(out, "verdict", self.said.word())?;
        match &self.said {
            Said::Error { code, message } => line(out, "error", &format!("{code}: {message}"))?,
            said => line(out, "reason", said.reason())?,
        }
        if let Said::Enroll { name, hints, .. } = &self.said {
            line(
                out,
                "name",
                name.as_deref().unwrap_or("none given: muster names it"),
            )?;
            for (key, value) in hints {
                line(out, "hint", &format!("{key}={value}"))?;
            }
        }
        for tag in &self.shadowed {
            let (key, value) = (&tag.key, &tag.value);
            line(
                out,
                "note",
                &format!("the tag {key}={value} is no label: only muster itself writes `{key}`"),
            )?;
        }
        writeln!(out, "\nLabels")?;
        for (key, label) in &self.labels_after {
            let before = match &label.before {
                Some(before) => format!(", in place of `{before}`"),
                None => String::new(),
            };
            let text = format!("{key}={}  ({}{before})", label.value, label.origin);
            writeln!(out, "  {}", shown(&text))?;
        }
        if !self.log.is_empty() || self.dropped_lines > 0 {
            writeln!(out, "\nLog")?;
            write_log(&self.log, self.dropped_lines, "  ", out)?;
        }
        writeln!(out, "\nCost")?;
        let Took {
            memory_bytes,
            memory_limit_bytes,
            computed_seconds,
            time_limit_seconds,
        } = self.cost;
        let of = |part: String, whole: String| format!("{part} of {whole}");
        let seconds = |seconds: f64| time(Duration::from_secs_f64(seconds));
        line(
            out,
            "memory",
            &of(size(memory_bytes), size(memory_limit_bytes)),
        )?;
        line(
            out,
            "computed",
            &of(seconds(computed_seconds), seconds(time_limit_seconds)),
        )
    }
}

/// Writes what a plugin logged.
pub(super) fn write_log(
    log: &[Logged],
    dropped: u64,
    indent: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    for Logged { level, message } in log {
        writeln!(out, "{indent}{level:<5} {}", shown(message))?;
    }
    match usize::try_from(dropped).unwrap_or(usize::MAX) {
        0 => Ok(()),
        dropped => writeln!(
            out,
            "{indent}and {} that were not kept",
            count(dropped, "line")
        ),
    }
}

impl From<muster_wasm::Line> for Logged {
    fn from(line: muster_wasm::Line) -> Self {
        Self {
            level: line.level.as_str(),
            message: line.message,
        }
    }
}
