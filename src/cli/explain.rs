//! `muster explain DATABASE`: every step from the cloud's answer to the verdict, also for a database that was
//! skipped, filtered or never seen.

use std::io::{self, Write};

use clap::Args;
use muster_model::{Decision, Record, ResourceId, ScopeRecord};
use muster_plan::{Action, Change};
use muster_store::tables;

use super::{Common, Failure, context::Context, label_lines, opened::Opened, print};
use crate::{
    exit::Exit,
    pipeline::{run::Run, state::State},
    report::escape::shown,
};

/// Arguments of `muster explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// Its name, the identifier that it has in the cloud, its ARN or ARM id, or its host name.
    database: String,
    /// Read the clouds first. Without it, what the store remembers is judged by the present configuration;
    /// the clouds are read only when the store knows nothing.
    #[arg(long)]
    scan: bool,
}

impl Explain {
    pub(super) async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let (state, store) = context.state()?;
        let (run, scopes) = if self.scan || state.scopes.is_empty() {
            let service = store.as_ref().and_then(Opened::service);
            let scanned = context.scan_through(service, &[]).await?;
            let run = scanned.plan(&state, &context.config.settings);
            let scopes = run.writes.scopes.clone();
            (run, scopes)
        } else {
            let run = context.remembered(&state)?;
            (run, state.scopes.values().cloned().collect())
        };
        let mut records: std::collections::BTreeMap<&ResourceId, &Record> =
            state.records.iter().collect();
        records.extend(
            run.writes
                .records
                .iter()
                .map(|record| (&record.database.id, record)),
        );
        let wanted = self.database.as_str();
        let found: Vec<&Record> = records
            .into_values()
            .filter(|record| is_called(record, wanted, &state, &run.judged))
            .collect();
        if found.is_empty() {
            print(|out| never_seen(wanted, &state, &run, &scopes, out))?;
            return Ok(Exit::Failed);
        }
        print(|out| -> io::Result<()> {
            for (n, record) in found.iter().enumerate() {
                if n > 0 {
                    writeln!(out)?;
                }
                let change = run
                    .plan
                    .changes
                    .iter()
                    .find(|change| change.id == record.database.id);
                let judged = run.judged.get(&record.database.id);
                let scope = scopes
                    .iter()
                    .find(|scope| scope.scope == record.database.scope);
                about(record, scope, out)?;
                if let Some(judged) = judged {
                    steps(judged, out)?;
                }
                outcome(record, judged, change, &state, out)?;
                if let Some(store) = &store
                    && let Ok(lines) = tables::HISTORY.of(store, record.database.id.as_str(), 5)
                    && !lines.entries.is_empty()
                {
                    writeln!(out, "\nHistory (newest first)")?;
                    for entry in &lines.entries {
                        writeln!(
                            out,
                            "  {}  {:<9} {}",
                            entry.at,
                            entry.event.as_str(),
                            shown(&entry.by)
                        )?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}

/// The one thing that is called `name` by one of its texts; else the ids of all that are, in order.
pub(super) fn find<'a, T, const N: usize>(
    all: impl Iterator<Item = &'a T>,
    name: &str,
    texts: impl Fn(&'a T) -> [&'a str; N],
) -> Result<&'a T, Vec<String>> {
    let mut found: Vec<(&T, &str)> = Vec::new();
    for item in all {
        let texts = texts(item);
        // The first text is the unique name: it decides.
        if texts.first() == Some(&name) {
            return Ok(item);
        }
        if texts.contains(&name) {
            found.push((item, texts.first().copied().unwrap_or_default()));
        }
    }
    match found.as_slice() {
        [(one, _)] => Ok(one),
        several => Err(several.iter().map(|(_, name)| (*name).to_owned()).collect()),
    }
}

/// Whether somebody who says `wanted` may mean this database: by its name, its id, or its host.
pub(super) fn is_called(
    record: &Record,
    wanted: &str,
    state: &State,
    judged: &std::collections::BTreeMap<ResourceId, muster_plan::Judged>,
) -> bool {
    let database = &record.database;
    let host = database
        .endpoint
        .as_ref()
        .map(|endpoint| endpoint.host.as_str());
    let target = state.targets.get(&database.id);
    let name = match judged.get(&database.id).map(|judged| &judged.decision) {
        Some(Decision::Enroll(enrollment)) => Some(enrollment.name.as_str()),
        _ => None,
    };
    let same = |text: &str| text.eq_ignore_ascii_case(wanted);
    same(database.id.as_str())
        || same(database.id.provider_id())
        || same(&database.identifier)
        || same(&database.base_name())
        || host.is_some_and(same)
        || database
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| same(&endpoint.to_string()))
        || name.is_some_and(same)
        || target.is_some_and(|target| same(&target.name) || same(&target.short_name))
}

fn about(record: &Record, scope: Option<&ScopeRecord>, out: &mut dyn Write) -> io::Result<()> {
    let database = &record.database;
    writeln!(out, "{}", shown(&database.base_name()))?;
    let mut line = |what: &str, value: &str| writeln!(out, "  {what:<12} {}", shown(value));
    line("id", database.id.as_str())?;
    line("kind", database.kind.as_str())?;
    line(
        "engine",
        format!("{} {}", database.engine, database.engine_version).trim(),
    )?;
    line(
        "endpoint",
        &database
            .endpoint
            .as_ref()
            .map_or_else(|| "none yet".to_owned(), ToString::to_string),
    )?;
    line(
        "state",
        &format!("{} ({})", database.state.name, database.state.availability),
    )?;
    line("first seen", &record.first_seen.to_string())?;
    line("changed", &record.changed.to_string())?;
    match (record.missing, scope) {
        (Some(missing), _) => {
            line(
                "missing",
                &format!(
                    "since {}, in {} complete scans",
                    missing.since, missing.scans
                ),
            )?;
        }
        (None, Some(scope)) => {
            let seen = scope
                .complete
                .map_or_else(|| "never".to_owned(), |at| at.to_string());
            line(
                "last seen",
                &format!("{seen} (its scope's last complete scan)"),
            )?;
        }
        (None, None) => {}
    }
    match scope {
        Some(scope) => {
            line(
                "scope",
                &format!(
                    "{}: {} at {}",
                    scope.scope,
                    scope.coverage.as_str(),
                    scope.attempted
                ),
            )?;
            for failure in scope.coverage.failures() {
                line("", &failure.to_string())?;
            }
        }
        None => line("scope", &format!("{}: not read any more", database.scope))?,
    }
    let unreadable = scope
        .into_iter()
        .flat_map(|scope| &scope.malformed)
        .find(|unreadable| unreadable.provider_id.as_deref() == Some(database.id.provider_id()));
    if let Some(unreadable) = unreadable {
        let text = format!(
            "the last scan saw it and could not understand its record: {}",
            unreadable.message
        );
        line("note", &text)?;
    }
    for note in &database.notes {
        line("note", note)?;
    }
    Ok(())
}

fn steps(judged: &muster_plan::Judged, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nSteps")?;
    for (n, step) in judged.trace.steps.iter().enumerate() {
        writeln!(
            out,
            "  {}. {:<24} {:<9} {}",
            n + 1,
            shown(&step.who),
            shown(&step.outcome),
            shown(&step.detail)
        )?;
    }
    for tag in &judged.trace.shadowed {
        let (key, value) = (shown(&tag.key), shown(&tag.value));
        writeln!(
            out,
            "  the tag {key}={value} is no label: only muster itself writes `{key}`"
        )?;
    }
    if let Decision::Enroll(enrollment) = &judged.decision {
        writeln!(out, "\nLabels")?;
        label_lines(&enrollment.labels, out)?;
    }
    Ok(())
}

fn outcome(
    record: &Record,
    judged: Option<&muster_plan::Judged>,
    change: Option<&Change>,
    state: &State,
    out: &mut dyn Write,
) -> io::Result<()> {
    let enrolled = state.targets.get(&record.database.id);
    writeln!(out, "\nOutcome")?;
    match enrolled {
        Some(target) => writeln!(out, "  enrolled as {}", shown(&target.name))?,
        None => writeln!(out, "  not enrolled")?,
    }
    if let Some(judged) = judged {
        let verdict = match &judged.decision {
            Decision::Enroll(enrollment) => {
                format!("enroll as {}: {}", enrollment.name, enrollment.reason)
            }
            Decision::Skip { reason } => format!("skip: {reason}"),
            Decision::Undecided { matcher, message } => format!("undecided: {matcher}: {message}"),
        };
        writeln!(out, "  verdict: {}", shown(&verdict))?;
    }
    let next = match change {
        Some(change) => match (&change.hold, change.action) {
            (Some(hold), _) => {
                format!(
                    "held by {} (would {}): {}",
                    hold.safety.as_str(),
                    hold.would.as_str(),
                    change.reason
                )
            }
            (None, Action::Add) => "would be enrolled by the next `muster apply`".to_owned(),
            (None, Action::Update) => "would be updated by the next `muster apply`".to_owned(),
            (None, Action::Remove) => format!(
                "would be removed by the next `muster apply`: {}",
                change.reason
            ),
            (None, Action::Keep | Action::Held) => "stays as it is".to_owned(),
        },
        None => "stays out".to_owned(),
    };
    writeln!(out, "  plan: {}", shown(&next))
}

/// Nothing is called so: what was read, what was not, and what is called almost so.
fn never_seen(
    wanted: &str,
    state: &State,
    run: &Run,
    scopes: &[ScopeRecord],
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{} was never seen.", shown(wanted))?;
    let mut near: Vec<(usize, String)> = state
        .records
        .values()
        .chain(&run.writes.records)
        .map(|record| record.database.base_name())
        .map(|name| {
            (
                strsim::levenshtein(&name.to_lowercase(), &wanted.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| {
            *distance <= 3 || name.to_lowercase().contains(&wanted.to_lowercase())
        })
        .collect();
    near.sort();
    near.dedup();
    if !near.is_empty() {
        let names: Vec<String> = near
            .iter()
            .take(5)
            .map(|(_, name)| shown(name).into_owned())
            .collect();
        writeln!(out, "\nSimilar names: {}", names.join(", "))?;
    }
    let unreadable = scopes.iter().flat_map(|line| {
        let named = line.malformed.iter().filter(|record| {
            record
                .provider_id
                .as_deref()
                .is_some_and(|id| id.to_lowercase().contains(&wanted.to_lowercase()))
        });
        named.map(|record| (&line.scope, record))
    });
    for (n, (scope, record)) in unreadable.enumerate() {
        if n == 0 {
            writeln!(
                out,
                "\nRecords of the cloud that make no sense and may be it:"
            )?;
        }
        let id = record.provider_id.as_deref().unwrap_or_default();
        writeln!(
            out,
            "  {} in {scope}, {}: {}",
            shown(id),
            shown(&record.call),
            shown(&record.message)
        )?;
    }
    writeln!(out, "\nIt can only be found in what is read:")?;
    for scope in scopes {
        writeln!(
            out,
            "  {}: {}, {} found, last scan {}",
            scope.scope,
            scope.coverage.as_str(),
            scope.found,
            scope.attempted
        )?;
        for failure in scope.coverage.failures() {
            writeln!(out, "    {}", shown(&failure.to_string()))?;
        }
    }
    writeln!(out, "\nPossible causes:")?;
    if scopes.iter().any(|scope| !scope.coverage.is_complete()) {
        writeln!(
            out,
            "  - it is in one of the scopes that were not completely read"
        )?;
    }
    writeln!(
        out,
        "  - no source of the configuration reads its account, region or service"
    )?;
    writeln!(
        out,
        "  - it was made after the last scan: `muster explain --scan {}`",
        shown(wanted)
    )?;
    writeln!(
        out,
        "  - it has another name: `muster db ls` and `muster plan --show-skipped` list all that was seen"
    )
}
