//! The status for people: in a word, then everything that is wrong, then the rest.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use muster_model::Timestamp;

use crate::{
    report::escape::shown,
    service::status::{ScopeStatus, ServiceState, SinkStatus, Status},
};

/// The most scopes that are listed: what is wrong with one is often wrong with all.
const SCOPES: usize = 20;

pub(super) fn write(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "muster {} is {}: {}",
        shown(&status.version),
        status.state.as_str(),
        meaning(status.state)
    )?;
    for reason in &status.reasons {
        writeln!(
            out,
            "  ! {}{}  {} (since {})",
            shown(&reason.code),
            subject(&reason.subject),
            shown(&reason.message),
            reason.since
        )?;
    }
    writeln!(out)?;
    service(status, out)?;
    config(status, out)?;
    store(status, out)?;
    writeln!(out)?;
    counts(status, out)?;
    scopes(status, out)?;
    notify(status, out)
}

fn meaning(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Starting => "not every scope has been tried yet since the start",
        ServiceState::Ready => "all is well",
        ServiceState::Degraded => "it works, and something is wrong",
        ServiceState::Stuck => {
            "it cannot write; what is known stays, and nothing changes until it can"
        }
        ServiceState::Draining => "it is ending",
    }
}

fn subject(subject: &str) -> String {
    match subject {
        "" => String::new(),
        subject => format!("  {}", shown(subject)),
    }
}

/// One line of the overview.
fn line(out: &mut dyn Write, title: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{title:<15}{text}")
}

fn service(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let runs = format!(
        "process {}, since {} ({})",
        status.pid,
        status.started,
        span(status.at.since(status.started))
    );
    line(out, "service", &runs)?;
    match &status.listen {
        Some(listen) => line(out, "API", &format!("http://{}", shown(listen))),
        None => line(out, "API", "none"),
    }
}

fn config(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let config = &status.config;
    let path = config.path.as_ref().map_or_else(
        || "embedded".to_owned(),
        |path| shown(&path.to_string_lossy()).into_owned(),
    );
    let text = format!("{path}, in force since {}", config.loaded);
    line(out, "configuration", &text)?;
    let refused = config
        .last_reload
        .as_ref()
        .filter(|reload| !reload.accepted);
    if let Some(reload) = refused {
        let text = format!(
            "a reload at {} was refused; the one above stays in force:",
            reload.at
        );
        line(out, "", &text)?;
        for message in &reload.messages {
            line(out, "", &format!("  {}", shown(message)))?;
        }
    }
    Ok(())
}

fn store(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let store = &status.store;
    let text = format!(
        "{}, revision {}, {}",
        shown(&store.path.to_string_lossy()),
        store.revision,
        bytes(store.bytes)
    );
    line(out, "store", &text)?;
    match &store.failure {
        Some(failure) => line(out, "", &format!("cannot be used: {}", shown(failure))),
        None => Ok(()),
    }
}

fn counts(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let counts = &status.counts;
    for (title, counts) in [
        ("databases", &counts.databases),
        ("targets", &counts.targets),
        ("skipped", &counts.skipped),
        ("held", &counts.held),
    ] {
        line(out, title, &sum(counts))?;
    }
    match status.plans_waiting {
        0 => Ok(()),
        1 => line(out, "plans", "1 waits for a person: see `muster plan ls`"),
        many => line(
            out,
            "plans",
            &format!("{many} wait for a person: see `muster plan ls`"),
        ),
    }
}

/// `5: aws/rds 3, azure/postgresql 2`
fn sum(counts: &BTreeMap<String, u64>) -> String {
    let all = counts.values().fold(0_u64, |all, n| all.saturating_add(*n));
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(what, n)| format!("{} {n}", shown(what)))
        .collect();
    if parts.is_empty() {
        all.to_string()
    } else {
        format!("{all}: {}", parts.join(", "))
    }
}

fn scopes(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let mut words: BTreeMap<&str, u64> = BTreeMap::new();
    for scope in &status.scopes {
        *words.entry(coverage(scope)).or_default() += 1;
    }
    let words: BTreeMap<String, u64> = words
        .into_iter()
        .map(|(word, n)| (word.to_owned(), n))
        .collect();
    let mut text = sum(&words);
    let running = status.scopes.iter().filter(|scope| scope.running).count();
    if running > 0 {
        text += &format!("; {running} being scanned");
    }
    if !status.scopes_known {
        text += "; there are more, which could not be found out";
    }
    line(out, "scopes", &text)?;
    let unhappy: Vec<&ScopeStatus> = status
        .scopes
        .iter()
        .filter(|scope| {
            scope
                .coverage
                .as_ref()
                .is_some_and(|coverage| !coverage.is_complete())
        })
        .collect();
    for scope in unhappy.iter().take(SCOPES) {
        unhappy_scope(scope, status.at, out)?;
    }
    if unhappy.len() > SCOPES {
        let text = format!("and {} more: see `muster scope ls`", unhappy.len() - SCOPES);
        line(out, "", &text)?;
    }
    Ok(())
}

fn coverage(scope: &ScopeStatus) -> &'static str {
    scope
        .coverage
        .as_ref()
        .map_or("not scanned yet", |coverage| coverage.as_str())
}

fn unhappy_scope(scope: &ScopeStatus, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let complete = scope.complete.map_or_else(
        || "never complete".to_owned(),
        |complete| format!("complete {} ago", span(now.since(complete))),
    );
    let next = match scope.next {
        _ if scope.running => "being scanned".to_owned(),
        Some(next) if next > now => format!("next in {}", span(next.since(now))),
        Some(_) => "due".to_owned(),
        None => "not due".to_owned(),
    };
    let text = format!(
        "{:<8} {}: {complete}, {} in a row failed, {next}",
        coverage(scope),
        shown(&scope.scope.to_string()),
        scope.failures_in_a_row
    );
    line(out, "", &text)?;
    let failures = scope.coverage.as_ref().map(|coverage| coverage.failures());
    for failure in failures.unwrap_or_default() {
        line(out, "", &format!("  {}", shown(&failure.to_string())))?;
    }
    Ok(())
}

fn notify(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    for (n, sink) in status.notify.iter().enumerate() {
        let title = if n == 0 { "told" } else { "" };
        line(out, title, &told(sink, status.at))?;
    }
    Ok(())
}

fn told(sink: &SinkStatus, now: Timestamp) -> String {
    let mut text = format!("{}: {} to be delivered", shown(&sink.name), sink.waiting);
    text += &sink.delivered.map_or_else(
        || ", none delivered yet".to_owned(),
        |at| format!(", last delivered {} ago", span(now.since(at))),
    );
    if sink.dropped > 0 {
        text += &format!(", {} dropped because too many waited", sink.dropped);
    }
    if let Some(error) = &sink.error {
        text += &format!(
            ", {} in a row failed: {}",
            sink.failures_in_a_row,
            shown(error)
        );
    }
    text
}

/// A time for people: the two largest units.
fn span(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, unit)| seconds >= *unit);
    let Some(first) = first else {
        return "0s".to_owned();
    };
    let mut rest = seconds;
    let parts: Vec<String> = units
        .iter()
        .skip(first)
        .take(2)
        .filter_map(|(name, unit)| {
            let n = rest / unit;
            rest %= unit;
            (n > 0).then(|| format!("{n}{name}"))
        })
        .collect();
    parts.join(" ")
}

/// Bytes for people.
fn bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = "KiB";
    for next in ["MiB", "GiB", "TiB"] {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}
