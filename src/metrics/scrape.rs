//! One scrape: what was counted, what follows from the status, and what the process uses.

use std::{borrow::Cow, collections::BTreeMap, time::UNIX_EPOCH};

use muster_model::{Coverage, Provider, Service, Timestamp};
use prometheus_client::{
    encoding::text,
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{
    Delivery, Metrics, families,
    family::Family,
    labels,
    process::Process,
    series::Series,
    values::{CANCELS, CONNECTIONS, DIRECTIONS, OTHER, REASONS, SKIPS, UNTRIED},
};
use crate::{
    doctor::{Check, Severity},
    service::status::{PluginState, ScopeStatus, Status},
};

/// Gauges that are there for one scrape.
#[derive(Default)]
struct Gauges(Registry);

/// What is known of the scopes of one service.
#[derive(Default)]
struct Scopes {
    by_state: BTreeMap<&'static str, i64>,
    running: i64,
    attempt: Option<Timestamp>,
    success: Option<Timestamp>,
    next: Option<Timestamp>,
    failures: u32,
}

/// The text of one scrape.
pub(super) fn scrape(metrics: &Metrics, status: &Status) -> String {
    let gauges = gauges(metrics, status);
    let sinks = || status.notify.iter().map(|sink| sink.name.as_str());
    for sink in sinks() {
        for delivery in Delivery::ALL {
            let labels = [Cow::Owned(sink.to_owned()), delivery.as_str().into()];
            metrics.deliveries.at(labels, |_| ());
        }
    }
    // A sink that is no longer configured is nobody's concern.
    metrics
        .deliveries
        .retain(|[name, _]| sinks().any(|sink| sink == name));
    let mut out = String::with_capacity(128 * 1024);
    let written = text::encode_registry(&mut out, &gauges)
        .and_then(|()| text::encode_registry(&mut out, &metrics.registry))
        .and_then(|()| text::encode_eof(&mut out));
    if let Err(error) = written {
        // Writing to a String does not fail. A reader sees that the end is missing.
        tracing::error!(%error, "cannot write the metrics");
    }
    out
}

fn gauges(metrics: &Metrics, status: &Status) -> Registry {
    let mut all = Gauges::default();
    all.some(
        &families::BUILD_INFO,
        [([Cow::Owned(metrics.version.clone())], 1)],
    );
    all.words(&families::SERVICE_STATE, [([status.state.as_str()], 1)]);
    let codes = status.reasons.iter();
    all.words(
        &families::SERVICE_REASONS,
        count(codes.map(|reason| (reason.code.as_str(), 1)), &REASONS),
    );
    let mut findings: BTreeMap<[&'static str; 2], i64> = BTreeMap::new();
    for check in Check::ALL {
        for severity in Severity::ALL {
            findings.insert([check.as_str(), severity.as_str()], 0);
        }
    }
    for finding in &status.findings {
        let labels = [finding.check.as_str(), finding.severity.as_str()];
        *findings.entry(labels).or_default() += 1;
    }
    all.words(&families::FINDINGS, findings);
    config(&mut all, status);
    scans(&mut all, status);
    let ends = metrics.cloud.first_ends().into_iter();
    all.words(
        &families::CLOUD_CREDENTIAL_EXPIRY,
        ends.map(|(provider, end)| {
            let end = end.duration_since(UNIX_EPOCH).unwrap_or_default();
            ([provider.as_str()], number(end.as_secs()))
        }),
    );
    counts(&mut all, status);
    all.set(&families::PLANS_WAITING, status.plans_waiting);
    let store = &status.store;
    all.set(&families::STORE_UP, usize::from(store.failure.is_none()));
    all.set(&families::STORE_SIZE, store.bytes);
    all.set(&families::STORE_REVISION, store.revision);
    plugins(&mut all, status);
    notify(&mut all, status);
    proxy(&mut all, status);
    process(&mut all, status);
    all.0
}

fn config(all: &mut Gauges, status: &Status) {
    let config = &status.config;
    all.set(&families::CONFIG_LOADED, config.loaded.unix());
    let last = config.last_reload.as_ref();
    all.set(
        &families::CONFIG_LAST_RELOAD_SUCCESS,
        usize::from(last.is_none_or(|reload| reload.accepted)),
    );
    if let Some(reload) = last {
        all.set(&families::CONFIG_LAST_RELOAD, reload.at.unix());
    }
}

fn scans(all: &mut Gauges, status: &Status) {
    let mut services: BTreeMap<(Provider, Service), Scopes> = BTreeMap::new();
    for scope in &status.scopes {
        let service = (scope.scope.provider, scope.scope.service);
        services.entry(service).or_default().add(scope);
    }
    let each = || {
        services
            .iter()
            .map(|((p, s), scopes)| (labels(*p, *s), scopes))
    };
    let times = |of: fn(&Scopes) -> Option<Timestamp>| {
        each().filter_map(move |(labels, scopes)| Some((labels, of(scopes)?.unix())))
    };
    let states = each().flat_map(|([provider, service], scopes)| {
        let states = scopes.by_state.iter();
        states.map(move |(state, many)| ([provider, service, *state], *many))
    });
    all.words(&families::SCAN_SCOPES, states);
    all.words(
        &families::SCAN_SCOPES_RUNNING,
        each().map(|(labels, scopes)| (labels, scopes.running)),
    );
    all.set(
        &families::SCAN_SCOPES_KNOWN,
        usize::from(status.scopes_known),
    );
    all.words(&families::SCAN_LAST_ATTEMPT, times(|scopes| scopes.attempt));
    all.words(&families::SCAN_LAST_SUCCESS, times(|scopes| scopes.success));
    all.words(&families::SCAN_NEXT_DUE, times(|scopes| scopes.next));
    all.words(
        &families::SCAN_FAILURES,
        each().map(|(labels, scopes)| (labels, scopes.failures.into())),
    );
}

fn counts(all: &mut Gauges, status: &Status) {
    let counts = &status.counts;
    let databases = counts.databases.iter().filter_map(|(name, many)| {
        let (provider, kind) = name.split_once('/')?;
        let known = families::INVENTORY_DATABASES.known();
        let row = known
            .iter()
            .find(|row| row.as_slice() == [provider, kind])?;
        let labels = <[&'static str; 2]>::try_from(row.clone()).ok()?;
        Some((labels, number(*many)))
    });
    all.words(&families::INVENTORY_DATABASES, databases);
    let skipped = counts
        .skipped
        .iter()
        .map(|(word, many)| (word.as_str(), *many));
    all.words(&families::INVENTORY_SKIPPED, count(skipped, &SKIPS));
    for (family, counts) in [
        (&families::TARGETS, &counts.targets),
        (&families::PLAN_CHANGES, &counts.would),
        (&families::PLAN_HELD, &counts.held),
    ] {
        let known: Vec<_> = family.known().into_iter().flatten().collect();
        let counts = counts.iter().map(|(word, many)| (word.as_str(), *many));
        all.words(family, count(counts, &known));
    }
}

fn plugins(all: &mut Gauges, status: &Status) {
    let mut states: BTreeMap<(&str, &'static str), i64> = BTreeMap::new();
    let mut undecided: BTreeMap<&str, i64> = BTreeMap::new();
    let mut databases: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
    for plugin in &status.plugins {
        let name = plugin.name.as_str();
        for state in [
            PluginState::Working,
            PluginState::Failing,
            PluginState::Paused,
        ] {
            let is_it = i64::from(plugin.state == state);
            *states.entry((name, state.as_str())).or_default() += is_it;
        }
        // It is counted by name, and so is what several rules ask it.
        undecided.insert(name, number(plugin.undecided));
        for (outcome, many) in [("judged", plugin.judged), ("failed", plugin.failed)] {
            *databases.entry((name, outcome)).or_default() += many;
        }
    }
    let named = |name: &str| Cow::Owned(name.to_owned());
    let states = states.into_iter();
    all.some(
        &families::PLUGIN_STATE,
        states.map(|((name, state), many)| ([named(name), state.into()], many)),
    );
    let undecided = undecided.into_iter();
    all.some(
        &families::PLUGIN_UNDECIDED,
        undecided.map(|(name, many)| ([named(name)], many)),
    );
    let series = Series::<2, ConstCounter<u64>>::within(&families::PLUGIN_DATABASES, &mut all.0);
    for ((name, outcome), many) in databases {
        series.at([named(name), outcome.into()], |cell| {
            *cell = ConstCounter::new(many);
        });
    }
}

fn proxy(all: &mut Gauges, status: &Status) {
    let proxy = status.proxy.as_ref();
    let numbers = proxy.map(|proxy| proxy.numbers).unwrap_or_default();
    let audit = proxy.map(|proxy| &proxy.audit);
    all.set(&families::PROXY_UP, usize::from(proxy.is_some()));
    all.set(
        &families::PROXY_SESSIONS,
        proxy.map_or(0, |proxy| proxy.sessions),
    );
    all.set(
        &families::PROXY_TARGETS,
        proxy.map_or(0, |proxy| proxy.targets),
    );
    if let Some(proxy) = proxy {
        all.set(
            &families::PROXY_CERTIFICATE,
            proxy.certificate_expires.unix(),
        );
    }
    let fails = audit.is_some_and(|audit| audit.failure.is_some());
    all.set(&families::AUDIT_UP, usize::from(!fails));
    for (family, many) in [
        (&families::PROXY_SESSIONS_TOTAL, numbers.sessions),
        (
            &families::AUDIT_EVENTS,
            audit.map_or(0, |audit| audit.events_total),
        ),
    ] {
        let series = Series::<0, ConstCounter<u64>>::within(family, &mut all.0);
        series.at([], |cell| *cell = ConstCounter::new(many));
    }
    let connections = [
        numbers.accepted,
        numbers.turned_away,
        numbers.not_identified,
        numbers.refused,
    ];
    all.counted(
        &families::PROXY_CONNECTIONS,
        CONNECTIONS.into_iter().zip(connections),
    );
    let bytes = [numbers.bytes_from_clients, numbers.bytes_to_clients];
    all.counted(&families::PROXY_BYTES, DIRECTIONS.into_iter().zip(bytes));
    let cancels = [numbers.cancels, numbers.cancels_ignored];
    all.counted(&families::PROXY_CANCELS, CANCELS.into_iter().zip(cancels));
}

fn notify(all: &mut Gauges, status: &Status) {
    let sinks = |of: fn(&crate::service::status::SinkStatus) -> Option<i64>| {
        let sinks = status.notify.iter();
        sinks.filter_map(move |sink| Some(([Cow::Owned(sink.name.clone())], of(sink)?)))
    };
    all.some(
        &families::NOTIFY_WAITING,
        sinks(|sink| Some(number(sink.waiting))),
    );
    let dropped = Series::<1, ConstCounter<u64>>::within(&families::NOTIFY_DROPPED, &mut all.0);
    for sink in &status.notify {
        let name = [Cow::Owned(sink.name.clone())];
        dropped.at(name, |cell| *cell = ConstCounter::new(sink.dropped));
    }
    all.some(
        &families::NOTIFY_FAILURES,
        sinks(|sink| Some(sink.failures_in_a_row.into())),
    );
    all.some(
        &families::NOTIFY_LAST,
        sinks(|sink| sink.delivered.map(Timestamp::unix)),
    );
}

fn process(all: &mut Gauges, status: &Status) {
    let process = Process::read();
    if let Some(seconds) = process.cpu {
        let cpu = Series::<0, ConstCounter<f64>>::within(&families::PROCESS_CPU, &mut all.0);
        cpu.with([], |cell| *cell = ConstCounter::new(seconds));
    }
    for (family, value) in [
        (&families::PROCESS_MEMORY, process.resident),
        (&families::PROCESS_VIRTUAL, process.size),
        (&families::PROCESS_OPEN_FDS, process.open),
        (&families::PROCESS_MAX_FDS, process.most),
    ] {
        if let Some(value) = value {
            all.set(family, value);
        }
    }
    all.set(&families::PROCESS_START, status.started.unix());
}

impl Scopes {
    fn add(&mut self, scope: &ScopeStatus) {
        let state = scope.coverage.as_ref().map_or(UNTRIED, Coverage::as_str);
        *self.by_state.entry(state).or_default() += 1;
        self.running += i64::from(scope.running);
        self.attempt = first(self.attempt, scope.attempted);
        self.success = first(self.success, scope.complete);
        self.next = first(self.next, scope.next);
        self.failures = self.failures.max(scope.failures_in_a_row);
    }
}

impl Gauges {
    /// The one value of a family without labels.
    fn set(&mut self, family: &'static Family, value: impl TryInto<i64>) {
        self.some(family, [([], number(value))]);
    }

    /// Series whose labels are words of the program; those that are known and not named stay zero.
    fn words<const N: usize>(
        &mut self,
        family: &'static Family,
        values: impl IntoIterator<Item = ([&'static str; N], i64)>,
    ) {
        let values = values.into_iter();
        self.some(
            family,
            values.map(|(labels, value)| (labels.map(Cow::Borrowed), value)),
        );
    }

    /// What was counted elsewhere, by one label.
    fn counted(
        &mut self,
        family: &'static Family,
        counts: impl IntoIterator<Item = (&'static str, u64)>,
    ) {
        let series = Series::<1, ConstCounter<u64>>::within(family, &mut self.0);
        for (label, many) in counts {
            series.at([label.into()], |cell| *cell = ConstCounter::new(many));
        }
    }

    fn some<const N: usize>(
        &mut self,
        family: &'static Family,
        values: impl IntoIterator<Item = ([Cow<'static, str>; N], i64)>,
    ) {
        let series = Series::<N, ConstGauge<i64>>::within(family, &mut self.0);
        for (labels, value) in values {
            series.at(labels, |cell| *cell = ConstGauge::new(value));
        }
    }
}

/// How many of each known word; what is not known counts as [`OTHER`], when that is known.
fn count<'a>(
    words: impl IntoIterator<Item = (&'a str, u64)>,
    known: &[&'static str],
) -> Vec<([&'static str; 1], i64)> {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (word, many) in words {
        let word = known.iter().find(|known| **known == word).unwrap_or(&OTHER);
        let count = counts.entry(word).or_default();
        *count = count.saturating_add(many);
    }
    let counts = counts.into_iter();
    counts.map(|(word, many)| ([word], number(many))).collect()
}

/// The earlier of two times, as far as they are known.
fn first(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn number(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
