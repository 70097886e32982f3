//! What must be enrolled, worked out a second time and as simply as can be: no plan, no store, one rule after another.

use std::{collections::BTreeMap, sync::Arc};

use muster_model::{
    Availability, Database, Event, ResourceId, Scan, Scope, ScopeRecord, Target, Timestamp, fact,
};
use muster_plan::Grace;

/// What is known of everything.
pub struct Model {
    grace: Grace,
    known: BTreeMap<ResourceId, Known>,
    scopes: BTreeMap<Arc<Scope>, ScopeRecord>,
}

/// What a scan must come to.
#[derive(Debug, Default)]
pub struct Effect {
    /// The targets that change: as they must be then, or none when they are removed.
    pub targets: BTreeMap<ResourceId, (Event, Option<Enrolled>)>,
    /// Whether anything about any database is different from before, target or not.
    pub anything: bool,
    /// Whether the scope is not completely read now, and that is news.
    pub failed: bool,
}

/// What people see of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enrolled {
    endpoint: Option<String>,
    state: String,
    version: String,
    labels: BTreeMap<String, String>,
    /// Those that stand with the members of a cluster, in another listing than the cluster.
    facts: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    scope: Option<Arc<Scope>>,
    seen: Enrolled,
    /// All of them, also those that become no label.
    tags: BTreeMap<String, String>,
    /// Whether something of it was never read.
    half: bool,
    /// Whether it is not to be enrolled, which is carried out when its scope is completely read.
    never: bool,
    missing: Option<(Timestamp, u32)>,
    target: Option<Enrolled>,
}

enum Wanted {
    Yes,
    /// It cannot be used just now, which takes no target away.
    Later,
    Never,
}

// === impl Model ===

impl Model {
    /// Nothing is known.
    pub const fn new(grace: Grace) -> Self {
        Self {
            grace,
            known: BTreeMap::new(),
            scopes: BTreeMap::new(),
        }
    }

    /// What is enrolled.
    pub fn targets(&self) -> BTreeMap<ResourceId, Enrolled> {
        let target = |(id, known): (&ResourceId, &Known)| Some((id.clone(), known.target.clone()?));
        self.known.iter().filter_map(target).collect()
    }

    /// How a scope's last scans went.
    pub fn scope(&self, scope: &Scope) -> Option<&ScopeRecord> {
        self.scopes.get(scope)
    }

    /// Takes a scan in.
    pub fn take(&mut self, scan: &Scan, now: Timestamp) -> Effect {
        let complete = scan.coverage.is_complete();
        let mut effect = Effect {
            failed: self.note(scan, now),
            ..Effect::default()
        };
        for database in &scan.found {
            let known = self.known.entry(database.id.clone()).or_default();
            let before = known.clone();
            known.scope = Some(Arc::clone(&scan.scope));
            known.seen = sight(database, &before.seen);
            known.tags.clone_from(&database.tags);
            known.half = !database.unread.is_empty() && (before.scope.is_none() || before.half);
            known.missing = None;
            let wanted = wanted(database);
            known.never = matches!(wanted, Wanted::Never);
            match wanted {
                Wanted::Yes => known.target = Some(known.seen.clone()),
                Wanted::Later => {
                    if let Some(target) = &mut known.target {
                        target.state.clone_from(&known.seen.state);
                        if known.seen.endpoint.is_some() {
                            target.endpoint.clone_from(&known.seen.endpoint);
                        }
                    }
                }
                Wanted::Never if complete => known.target = None,
                Wanted::Never => {}
            }
            effect.anything |= *known != before;
            effect.note(&database.id, before.target, known.target.clone());
        }
        if complete {
            self.miss(scan, now, &mut effect);
        } else {
            for (id, known) in &mut self.known {
                let here = known.scope.as_ref() == Some(&scan.scope);
                if here && is_malformed(scan, id) {
                    effect.anything |= known.missing.take().is_some();
                }
            }
        }
        effect
    }

    fn miss(&mut self, scan: &Scan, now: Timestamp, effect: &mut Effect) {
        let absent: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| known.scope.as_ref() == Some(&scan.scope))
            .map(|(id, _)| id.clone())
            .filter(|id| !scan.found.iter().any(|database| database.id == *id))
            .collect();
        for id in absent {
            let known = self.known.get_mut(&id).unwrap();
            if is_malformed(scan, &id) {
                // It was seen, and is as it was.
                let before = known.target.clone();
                effect.anything |= known.missing.take().is_some();
                known.target = before.clone().filter(|_| !known.never);
                effect.anything |= known.target != before;
                effect.note(&id, before, known.target.clone());
                continue;
            }
            let (since, scans) = known
                .missing
                .map_or((now, 1), |(since, scans)| (since, scans + 1));
            known.missing = Some((since, scans));
            effect.anything = true;
            if scans >= self.grace.scans && now.since(since) >= self.grace.seconds {
                let known = self.known.remove(&id).unwrap();
                effect.note(&id, known.target, None);
            }
        }
    }

    /// How the scan went; whether that it failed is news.
    fn note(&mut self, scan: &Scan, now: Timestamp) -> bool {
        let complete = scan.coverage.is_complete();
        let last = self.scopes.get(&scan.scope);
        let failed = last.is_none_or(|last| last.coverage.is_complete()) && !complete;
        let record = ScopeRecord {
            scope: Arc::clone(&scan.scope),
            attempted: now,
            coverage: scan.coverage.clone(),
            complete: complete
                .then_some(now)
                .or(last.and_then(|last| last.complete)),
            found: match (complete, last) {
                (true, _) => scan.found.len() as u64,
                (false, last) => last.map_or(0, |last| last.found),
            },
            failures_in_a_row: match (complete, last) {
                (true, _) => 0,
                (false, last) => last.map_or(0, |last| last.failures_in_a_row) + 1,
            },
            malformed: scan.malformed.clone(),
        };
        self.scopes.insert(Arc::clone(&scan.scope), record);
        failed
    }
}

/// Whether there was a record of it that could not be understood.
fn is_malformed(scan: &Scan, id: &ResourceId) -> bool {
    let provider_id = Some(id.provider_id());
    let mut malformed = scan.malformed.iter();
    malformed.any(|it| it.provider_id.as_deref() == provider_id)
}

impl Effect {
    fn note(&mut self, id: &ResourceId, before: Option<Enrolled>, after: Option<Enrolled>) {
        let event = match (&before, &after) {
            (None, Some(_)) => Event::Enrolled,
            (Some(_), None) => Event::Removed,
            (Some(before), Some(after)) if before != after => Event::Updated,
            _ => return,
        };
        self.targets.insert(id.clone(), (event, after));
    }
}

// === impl Enrolled ===

impl Enrolled {
    /// What people see of this target.
    pub fn of(target: &Target) -> Self {
        Self {
            endpoint: target.endpoint.as_ref().map(ToString::to_string),
            state: target.state.name.clone(),
            version: target.engine_version.clone(),
            labels: target
                .labels
                .iter()
                .map(|(key, label)| (key.to_owned(), label.value.clone()))
                .collect(),
            facts: shown(&target.facts),
        }
    }

    /// Where people are led.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }
}

/// What there is to see of a database. What could not be read this time is as it was.
fn sight(database: &Database, before: &Enrolled) -> Enrolled {
    let (labels, _) = database.labels();
    let mut seen = Enrolled {
        endpoint: database.endpoint.as_ref().map(ToString::to_string),
        state: database.state.name.clone(),
        version: database.engine_version.clone(),
        labels: labels
            .iter()
            .map(|(key, label)| (key.to_owned(), label.value.clone()))
            .collect(),
        facts: shown(&database.facts),
    };
    let keep =
        |now: &mut BTreeMap<String, String>, before: &BTreeMap<String, String>, key: &str| {
            if let Some(value) = before.get(key) {
                now.entry(key.to_owned()).or_insert_with(|| value.clone());
            }
        };
    keep(&mut seen.labels, &before.labels, "vpc-id");
    for key in FACTS {
        keep(&mut seen.facts, &before.facts, key);
    }
    seen
}

/// What stands with the members of a cluster.
const FACTS: [&str; 3] = [fact::VPC, fact::CA, fact::PUBLIC];

fn shown(facts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    facts
        .iter()
        .filter(|(key, _)| FACTS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn wanted(database: &Database) -> Wanted {
    if database.unsupported.is_some() {
        return Wanted::Never;
    }
    if database.state.availability == Availability::Unavailable || database.endpoint.is_none() {
        return Wanted::Later;
    }
    if database
        .tags
        .get("enroll")
        .is_some_and(|value| value == "no")
    {
        return Wanted::Never;
    }
    Wanted::Yes
}
