//! [`Board`]: what the service knows of itself, kept current as things happen, and the [`Status`] made of it.

mod reasons;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use muster_model::{Coverage, Scan, Scope, ScopeRecord, Timestamp};
use muster_schedule::{Clock, Moment, Queue};

use muster_matchers::Matcher;

use super::{keeper::Books, retries::Retries, scopes::Known, time::Jump};
use crate::{
    doctor::Finding,
    plugins::{Loaded, Plugins, health::Standing},
    service::status::{
        ConfigStatus, Counts, PluginState, PluginStatus, ProxyStatus, ScopeStatus, ServiceState,
        SinkStatus, Status, StoreStatus,
    },
};

/// What is known at this moment.
pub(super) struct Board {
    started: Timestamp,
    pub(super) config: ConfigStatus,
    pub(super) store: StoreStatus,
    listen: Option<String>,
    lines: BTreeMap<Arc<Scope>, Line>,
    /// Every scope that the store remembers.
    records: BTreeMap<Arc<Scope>, ScopeRecord>,
    pub(super) counts: Counts,
    /// Whether the counts are those of the last change.
    pub(super) counted: bool,
    plans_waiting: usize,
    /// How many databases each plugin left undecided.
    pub(super) undecided: BTreeMap<String, u64>,
    /// Why plugins whose files are others now were not taken, and since when.
    pub(super) rejected: Option<(Timestamp, Vec<String>)>,
    pub(super) notify: Vec<SinkStatus>,
    /// What is wrong or soon will be, beside the reasons.
    pub(super) findings: Vec<Finding>,
    /// Whether every scope has been tried once.
    begun: bool,
    /// Since when each reason holds.
    since: HashMap<(String, String), Timestamp>,
}

/// What is known of a scope.
#[derive(Default)]
struct Line {
    record: Option<ScopeRecord>,
    /// Since when it is not completely read.
    failing: Option<Timestamp>,
    tried: bool,
    milliseconds: Option<u64>,
}

/// What the status is made of beside the board.
pub(super) struct View<'a> {
    pub(super) now: Timestamp,
    pub(super) moment: Moment,
    pub(super) queue: &'a Queue,
    pub(super) clock: &'a Clock,
    pub(super) known: &'a Known,
    pub(super) plugins: &'a Plugins,
    pub(super) retries: &'a Retries,
    /// When the lists behind a `*` are asked for again.
    pub(super) resolve_at: Option<Moment>,
    /// Whether they have been asked for once.
    pub(super) resolved: bool,
    pub(super) jump: Option<Jump>,
    pub(super) ahead: i64,
    pub(super) draining: bool,
    pub(super) proxy: Option<ProxyStatus>,
}

// === impl Board ===

impl Board {
    pub(super) fn new(
        started: Timestamp,
        config: ConfigStatus,
        store: StoreStatus,
        listen: Option<String>,
    ) -> Self {
        Self {
            started,
            config,
            store,
            listen,
            lines: BTreeMap::new(),
            records: BTreeMap::new(),
            counts: Counts::default(),
            counted: false,
            plans_waiting: 0,
            undecided: BTreeMap::new(),
            rejected: None,
            notify: Vec::new(),
            findings: Vec::new(),
            begun: false,
            since: HashMap::new(),
        }
    }

    /// What the store remembers of the scopes.
    pub(super) fn remember(&mut self, records: BTreeMap<Arc<Scope>, ScopeRecord>) {
        for (scope, line) in &mut self.lines {
            line.record = records.get(scope).cloned();
        }
        self.records = records;
    }

    /// The scopes that the store remembers, asked for or not.
    pub(super) fn remembered(&self) -> impl Iterator<Item = &Arc<Scope>> {
        self.records.keys()
    }

    /// These are the scopes from now on.
    pub(super) fn set_scopes(&mut self, known: &Known) {
        let mut before = std::mem::take(&mut self.lines);
        for scope in known.scopes() {
            let line = before.remove(scope).unwrap_or_else(|| {
                let record = self.records.get(scope).cloned();
                let failing = record.as_ref().filter(|r| !r.coverage.is_complete());
                Line {
                    failing: failing.map(|record| record.attempted),
                    record,
                    ..Line::default()
                }
            });
            self.lines.insert(Arc::clone(scope), line);
        }
    }

    /// A scope's scan was taken in.
    pub(super) fn scanned(&mut self, record: ScopeRecord, took: Duration) {
        let scope = Arc::clone(&record.scope);
        self.records.insert(Arc::clone(&scope), record.clone());
        let Some(line) = self.lines.get_mut(&scope) else {
            return;
        };
        line.tried = true;
        line.milliseconds = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        line.failing = match record.coverage {
            Coverage::Complete => None,
            _ => line.failing.or(Some(record.attempted)),
        };
        line.record = Some(record);
    }

    /// Something that only stands for scopes could not be read: nobody remembers that but the board.
    pub(super) fn unlisted(&mut self, scan: &Scan, now: Timestamp) -> ScopeRecord {
        let before = self.lines.get(&scan.scope).and_then(|l| l.record.as_ref());
        let record = ScopeRecord {
            scope: Arc::clone(&scan.scope),
            attempted: now,
            coverage: scan.coverage.clone(),
            complete: None,
            found: 0,
            failures_in_a_row: before.map_or(1, |r| r.failures_in_a_row.saturating_add(1)),
            malformed: Vec::new(),
        };
        if let Some(line) = self.lines.get_mut(&scan.scope) {
            line.tried = true;
            line.failing = line.failing.or(Some(now));
            line.record = Some(record.clone());
        }
        record
    }

    /// Incomplete scans of a scope in a row.
    pub(super) fn failures(&self, scope: &Scope) -> u32 {
        self.records.get(scope).map_or(0, |r| r.failures_in_a_row)
    }

    /// How things stand in the store.
    /// Says whether anything is otherwise than before.
    pub(super) fn book(&mut self, books: Books) -> bool {
        let Books {
            revision,
            bytes,
            plans_waiting,
            undecided,
            counts,
            counted,
        } = books;
        let mut news = (self.store.revision, self.store.bytes, self.plans_waiting)
            != (revision.0, bytes, plans_waiting);
        self.store.revision = revision.0;
        self.store.bytes = bytes;
        self.plans_waiting = plans_waiting;
        news |= self.undecided != undecided;
        self.undecided = undecided;
        self.counted = counted;
        if let Some(counts) = counts {
            news |= counts != self.counts;
            self.counts = counts;
        }
        news
    }

    /// Scopes that were not completely read the last time, and why.
    pub(super) fn incomplete(&self) -> Vec<(Scope, Coverage)> {
        let records = self.lines.iter();
        let incomplete = records.filter_map(|(scope, line)| {
            let coverage = &line.record.as_ref()?.coverage;
            (!coverage.is_complete()).then(|| ((**scope).clone(), coverage.clone()))
        });
        incomplete.collect()
    }

    /// How a scope was read the last time.
    pub(super) fn coverage(&self, scope: &Scope) -> Option<&Coverage> {
        let record = self.lines.get(scope)?.record.as_ref()?;
        Some(&record.coverage)
    }

    /// Whether no database is waiting out its grace, as far as that is known.
    pub(super) fn is_settled(&self) -> bool {
        self.counted && self.counts.held.get(GRACE).is_none_or(|held| *held == 0)
    }

    /// Everything, as data.
    pub(super) fn status(&mut self, view: &View<'_>) -> Status {
        let scopes = self.scopes(view);
        if view.resolved && !self.begun {
            self.begun = self.lines.values().all(|line| line.tried);
        }
        let plugins = self.plugins(view);
        let reasons = self.reasons(view, &plugins);
        let state = match () {
            () if view.draining => ServiceState::Draining,
            () if self.store.failure.is_some() => ServiceState::Stuck,
            () if !self.begun => ServiceState::Starting,
            () if reasons.is_empty() => ServiceState::Ready,
            () => ServiceState::Degraded,
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started,
            at: view.now,
            state,
            reasons,
            findings: self.findings.clone(),
            config: self.config.clone(),
            store: self.store.clone(),
            scopes,
            scopes_known: view.known.complete,
            counts: self.counts.clone(),
            plans_waiting: self.plans_waiting,
            notify: self.notify.clone(),
            plugins,
            listen: self.listen.clone(),
            proxy: view.proxy.clone(),
        }
    }

    fn plugins(&self, view: &View<'_>) -> Vec<PluginStatus> {
        let status = |loaded: &Loaded| {
            let who = loaded.who();
            let Standing {
                paused,
                failures_in_a_row,
                failure,
                judged,
                failed,
            } = loaded.matcher.health().standing();
            let next = view.retries.next(&who).map(|next| {
                let seconds = next.since(view.moment).as_secs();
                view.now.plus(i64::try_from(seconds).unwrap_or(i64::MAX))
            });
            PluginStatus {
                rule: loaded.rule.clone(),
                name: loaded.matcher.name().to_owned(),
                version: loaded.matcher.version().to_owned(),
                path: loaded.path.clone(),
                sha256: loaded.sha256.clone(),
                trusted: loaded.trusted.as_str().to_owned(),
                state: match (paused, &failure) {
                    (true, _) => PluginState::Paused,
                    (false, Some(_)) => PluginState::Failing,
                    (false, None) => PluginState::Working,
                },
                failures_in_a_row,
                failure: failure.map(|failure| failure.to_string()),
                undecided: self.undecided.get(&who).copied().unwrap_or_default(),
                next,
                judged,
                failed,
            }
        };
        view.plugins.all().map(status).collect()
    }

    fn scopes(&self, view: &View<'_>) -> Vec<ScopeStatus> {
        let at = |moment: Moment| {
            let seconds = moment.since(view.moment).as_secs();
            view.now.plus(i64::try_from(seconds).unwrap_or(i64::MAX))
        };
        // Many scopes share a source.
        let mut ticks: HashMap<Arc<str>, Option<Timestamp>> = HashMap::new();
        let mut tick = |source: &Arc<str>| {
            let next = ticks.entry(Arc::clone(source));
            // The schedule goes by the machine's clock, and everything in the status by the service's time.
            *next.or_insert_with(|| {
                let next = view.clock.next(source)?;
                Some(next.plus(view.ahead.saturating_neg()))
            })
        };
        let status = |(scope, line): (&Arc<Scope>, &Line)| {
            let standing = view.queue.standing(scope);
            let running = standing.as_ref().is_some_and(|standing| standing.running);
            let next = match standing {
                Some(_) if running => None,
                Some(standing) => match standing.next {
                    Some(next) => Some(at(next)),
                    None => standing.sources.iter().filter_map(&mut tick).min(),
                },
                None => view.resolve_at.map(at),
            };
            let record = line.record.as_ref();
            ScopeStatus {
                scope: Arc::clone(scope),
                coverage: record.map(|record| record.coverage.clone()),
                attempted: record.map(|record| record.attempted),
                complete: record.and_then(|record| record.complete),
                found: record.map_or(0, |record| record.found),
                failures_in_a_row: record.map_or(0, |record| record.failures_in_a_row),
                next,
                running,
                milliseconds: line.milliseconds,
            }
        };
        self.lines.iter().map(status).collect()
    }
}

/// The safety under which databases are counted that wait out their grace.
const GRACE: &str = "grace";
