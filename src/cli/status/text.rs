//! The status for people: in a word, then everything that is wrong, then the rest.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use muster_model::Timestamp;

use crate::{
    doctor::report::findings,
    report::{escape::shown, wrap::wrap},
    service::status::{ScopeStatus, ServiceState, SinkStatus, Status},
};

/// The most reasons of one sort that are shown: what is wrong with one scope is often wrong with all.
const OF_A_SORT: usize = 5;
/// Where the second column of the overview begins.
const MARGIN: usize = 15;
/// The fewest columns that are written for: below, every word has a line of its own.
pub(super) const NARROW: usize = 40;

/// Somewhere to write to, so many columns wide.
pub(super) struct Page<'a> {
    pub out: &'a mut dyn Write,
    pub width: usize,
}

pub(super) fn write(status: &Status, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let width = width.max(NARROW);
    let mut page = Page { out, width };
    let version = shown(&status.version);
    let meaning = match status.state {
        ServiceState::Ready if !status.findings.is_empty() => {
            "it works, and something here wants to be looked at"
        }
        state => meaning(state),
    };
    let state = status.state.as_str();
    page.wrapped("", "  ", &format!("muster {version} is {state}: {meaning}"))?;
    reasons(status, &mut page)?;
    findings(&status.findings, width, page.out)?;
    writeln!(page.out)?;
    service(status, &mut page)?;
    config(status, &mut page)?;
    store(status, &mut page)?;
    counts(status, &mut page)?;
    scopes(status, &mut page)?;
    plugins(status, &mut page)?;
    notify(status, &mut page)?;
    proxy(status, &mut page)
}

impl Page<'_> {
    /// A text in as many lines as it takes.
    fn wrapped(&mut self, first: &str, further: &str, text: &str) -> io::Result<()> {
        let room = self.width.saturating_sub(further.len());
        for (n, line) in wrap(text, room).into_iter().enumerate() {
            let before = if n == 0 { first } else { further };
            writeln!(self.out, "{}", format!("{before}{line}").trim_end())?;
        }
        Ok(())
    }

    /// One line of the overview.
    pub fn line(&mut self, title: &str, text: &str) -> io::Result<()> {
        let (first, further) = (format!("{title:<MARGIN$}"), " ".repeat(MARGIN));
        self.wrapped(&first, &further, text)
    }

    /// A line below one of the overview.
    fn below(&mut self, text: &str) -> io::Result<()> {
        let (first, further) = (" ".repeat(MARGIN + 2), " ".repeat(MARGIN + 4));
        self.wrapped(&first, &further, text)
    }
}

/// What is wrong: what it is about, since when, and in full what it is and what to do.
fn reasons(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in &status.reasons {
        let of_this_sort = seen.entry(&reason.code).or_default();
        *of_this_sort += 1;
        if *of_this_sort > OF_A_SORT {
            continue;
        }
        let (code, subject) = (shown(&reason.code), shown(&reason.subject));
        let long = span(status.at.since(reason.since));
        writeln!(page.out)?;
        page.wrapped(
            "! ",
            "    ",
            &format!("{code}  {subject}  for {long}, since {}", reason.since),
        )?;
        page.wrapped("    ", "    ", &shown(&reason.message))?;
        let of = |scope: &&ScopeStatus| scope.scope.to_string() == reason.subject;
        if let Some(scope) = status.scopes.iter().find(of) {
            page.wrapped("    ", "    ", &tries(scope, status.at))?;
        }
    }
    let unhappy = status.scopes.iter().filter(|scope| is_unhappy(scope));
    for (code, all) in seen.into_iter().filter(|(_, all)| *all > OF_A_SORT) {
        let of_this_sort = unhappy.clone().filter(|s| code == sort(s)).count();
        let more = all.max(of_this_sort) - OF_A_SORT;
        writeln!(page.out)?;
        page.wrapped(
            "! ",
            "    ",
            &format!("{}  and {more} more: see `muster scope ls`", shown(code)),
        )?;
    }
    Ok(())
}

fn is_unhappy(scope: &ScopeStatus) -> bool {
    let coverage = scope.coverage.as_ref();
    coverage.is_some_and(|coverage| !coverage.is_complete())
}

/// The code of the reason that an unhappy scope is.
fn sort(scope: &ScopeStatus) -> String {
    format!("scope-{}", coverage(scope))
}

/// How it goes with a scope that is not completely read.
fn tries(scope: &ScopeStatus, now: Timestamp) -> String {
    let complete = scope.complete.map_or_else(
        || "never completely read".to_owned(),
        |complete| format!("last completely read {} ago", span(now.since(complete))),
    );
    let failed = match scope.failures_in_a_row {
        0 | 1 => String::new(),
        many => format!(", failed {many} times in a row"),
    };
    let next = match scope.next {
        _ if scope.running => "it is being scanned".to_owned(),
        Some(next) if next > now => format!("next try in {}", span(next.since(now))),
        Some(_) => "a try is due".to_owned(),
        None => "no try is due".to_owned(),
    };
    format!("{complete}{failed}; {next}")
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

fn service(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    let runs = format!(
        "process {}, for {}, since {}",
        status.pid,
        span(status.at.since(status.started)),
        status.started
    );
    page.line("service", &runs)?;
    match &status.listen {
        Some(listen) => page.line("API", &format!("http://{}", shown(listen))),
        None => page.line("API", "off"),
    }
}

fn config(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    let config = &status.config;
    let path = config.path.as_ref().map_or_else(
        || "embedded".to_owned(),
        |path| shown(&path.to_string_lossy()).into_owned(),
    );
    let text = format!("{path}, in force since {}", config.loaded);
    page.line("configuration", &text)?;
    if !config.needs_restart.is_empty() {
        page.line("", "not all of it, before the service is restarted:")?;
        for message in &config.needs_restart {
            page.below(&shown(message))?;
        }
    }
    let refused = config.last_reload.as_ref().filter(|last| !last.accepted);
    let Some(reload) = refused else { return Ok(()) };
    let at = reload.at;
    page.line("", &format!("what was to replace it at {at} was refused:"))?;
    for message in &reload.messages {
        page.below(&shown(message))?;
    }
    Ok(())
}

fn store(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    let store = &status.store;
    let cannot = match &store.failure {
        Some(_) => "; it cannot be used, see above",
        None => "",
    };
    let text = format!(
        "{}, revision {}, {}{cannot}",
        shown(&store.path.to_string_lossy()),
        store.revision,
        bytes(store.bytes)
    );
    page.line("store", &text)
}

fn counts(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    let counts = &status.counts;
    for (title, counts) in [
        ("databases", &counts.databases),
        ("targets", &counts.targets),
        ("skipped", &counts.skipped),
    ] {
        page.line(title, &sum(counts))?;
    }
    let would: Vec<String> = counts
        .would
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(what, n)| format!("{} {n}", shown(what)))
        .collect();
    let held = match would.as_slice() {
        [] => sum(&counts.held),
        would => format!("{}; without that: {}", sum(&counts.held), would.join(", ")),
    };
    page.line("held", &held)
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

fn scopes(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    for scope in &status.scopes {
        *words.entry(coverage(scope).to_owned()).or_default() += 1;
    }
    let mut text = sum(&words);
    let running = status.scopes.iter().filter(|scope| scope.running).count();
    if running > 0 {
        text += &format!("; {running} being scanned");
    }
    let next = status.scopes.iter().filter_map(|scope| scope.next).min();
    match next {
        _ if status.state == ServiceState::Draining => {}
        Some(next) if next > status.at => {
            text += &format!("; the next in {}", span(next.since(status.at)));
        }
        Some(_) => text += "; one is due",
        None => {}
    }
    if !status.scopes_known {
        text += "; it is not known whether that is all";
    }
    page.line("scopes", &text)
}

fn coverage(scope: &ScopeStatus) -> &'static str {
    let coverage = scope.coverage.as_ref();
    coverage.map_or("not scanned yet", |coverage| coverage.as_str())
}

fn proxy(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    let Some(proxy) = &status.proxy else {
        return Ok(());
    };
    let listen: Vec<_> = proxy.listen.iter().map(|address| shown(address)).collect();
    let text = format!(
        "{} as {}: {} target{}, {} session{} now, {} since the start, {} refused",
        listen.join(", "),
        shown(&proxy.cluster_name),
        proxy.targets,
        if proxy.targets == 1 { "" } else { "s" },
        proxy.sessions,
        if proxy.sessions == 1 { "" } else { "s" },
        proxy.numbers.sessions,
        proxy.numbers.refused
    );
    page.line("proxy", &text)?;
    let audit = &proxy.audit;
    let path = audit.path.as_ref();
    let path = path.map_or_else(
        || "standard output".into(),
        |path| path.display().to_string(),
    );
    let failing = match &audit.failure {
        None => "",
        Some(_) => ", and cannot be written now",
    };
    let text = format!(
        "{}, {} events since the start{failing}",
        shown(&path),
        audit.events_total
    );
    page.line("audit log", &text)
}

fn plugins(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    for (n, plugin) in status.plugins.iter().enumerate() {
        let title = if n == 0 { "plugins" } else { "" };
        let mut text = format!(
            "{} {}, for rule {}, {}: {}",
            shown(&plugin.name),
            shown(&plugin.version),
            shown(&plugin.rule),
            shown(&plugin.trusted),
            plugin.state.as_str()
        );
        if plugin.undecided > 0 {
            text += &format!("; {} undecided", plugin.undecided);
            match plugin.next {
                Some(next) if next > status.at => {
                    text += &format!(", asked again in {}", span(next.since(status.at)));
                }
                Some(_) => text += ", to be asked again now",
                None => {}
            }
        }
        page.line(title, &text)?;
    }
    Ok(())
}

fn notify(status: &Status, page: &mut Page<'_>) -> io::Result<()> {
    for (n, sink) in status.notify.iter().enumerate() {
        let title = if n == 0 { "notify" } else { "" };
        page.line(title, &told(sink, status.at))?;
    }
    Ok(())
}

fn told(sink: &SinkStatus, now: Timestamp) -> String {
    let waiting = match sink.waiting {
        0 => "has had everything".to_owned(),
        1 => "1 notice waits".to_owned(),
        many => format!("{many} notices wait"),
    };
    let mut text = format!("{}: {waiting}", shown(&sink.name));
    text += &sink.delivered.map_or_else(
        || ", none was delivered yet".to_owned(),
        |at| format!(", the last was delivered {} ago", span(now.since(at))),
    );
    if sink.dropped > 0 {
        text += &format!(", {} were dropped because too many waited", sink.dropped);
    }
    match sink.failures_in_a_row {
        0 => text,
        1 => text + ", the last try failed",
        many => text + &format!(", the last {many} tries failed"),
    }
}

/// A time for people: the two largest units.
pub(in crate::cli) fn span(seconds: u64) -> String {
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
