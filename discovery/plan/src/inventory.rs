//! What is known of every database, and how a run of scans changes it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use muster_model::{
    Availability, Database, EndpointRole, Event, HistoryEntry, Missing, Provider, Record,
    ResourceId, Scan, Scope, ScopeRecord, State, Target, Timestamp, Unread, Unsupported, fact,
};

use crate::diff;

/// Every database that was seen and is not yet forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    records: BTreeMap<ResourceId, Record>,
}

/// What a merge changed: exactly what has to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merge {
    /// Databases that some scan of this run saw, readable or not.
    pub seen: HashSet<ResourceId>,
    /// Records that are new or differ from before, in order.
    pub changed: BTreeSet<ResourceId>,
    /// How each scope's scan went, by scope.
    pub scopes: Vec<ScopeRecord>,
    /// What happened, in the order of the ids.
    pub history: Vec<HistoryEntry>,
}

impl Inventory {
    /// An inventory of these records.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Self {
        Self {
            records: records
                .into_iter()
                .map(|record| (record.database.id.clone(), record))
                .collect(),
        }
    }

    /// Has another scope's word count for a database. Says whether it did not before.
    pub fn hand_over(&mut self, id: &ResourceId, to: &Arc<Scope>) -> bool {
        match self.records.get_mut(id) {
            Some(record) if record.database.scope != *to => {
                record.database.scope = Arc::clone(to);
                true
            }
            _ => false,
        }
    }

    /// A record by its id.
    pub fn get(&self, id: &ResourceId) -> Option<&Record> {
        self.records.get(id)
    }

    /// Every record, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Puts a record in as it is, in place of the one that is there.
    pub fn insert(&mut self, record: Record) {
        self.records.insert(record.database.id.clone(), record);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing was ever seen.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Takes a record out, once its target is removed and it is to be forgotten.
    pub fn forget(&mut self, id: &ResourceId) -> Option<Record> {
        self.records.remove(id)
    }

    /// Gives every target that has lost its record (a damaged one) a new one, so that the ordinary rules see
    /// it: found again, or missing, then gone.
    pub fn adopt<'a>(&mut self, targets: impl IntoIterator<Item = &'a Target>, now: Timestamp) {
        for target in targets {
            self.records
                .entry(target.id.clone())
                .or_insert_with(|| Record {
                    database: from_target(target),
                    first_seen: now,
                    changed: now,
                    missing: None,
                });
        }
    }

    /// Takes the scans of one run in.
    ///
    /// * What a scan found is new, changed or the same. What could not be read of it this time (tags, network,
    ///   version) is carried over from before.
    /// * What a *complete* scan of its scope did not find is missing. An incomplete scan changes nothing about
    ///   what it did not find.
    /// * What was seen but not understood counts as seen.
    /// * `enough` is how many complete scans prove that a database is gone: more are not counted, so that a
    ///   database whose removal is held is not written again with every scan.
    ///
    /// The order of the scans, and of the databases in them, makes no difference.
    pub fn merge(
        &mut self,
        scans: &[Scan],
        before: &BTreeMap<Arc<Scope>, ScopeRecord>,
        now: Timestamp,
        run: &str,
        enough: u32,
    ) -> Merge {
        let mut merge = Merge::default();
        let mut scans: Vec<&Scan> = scans.iter().collect();
        scans.sort_by(|a, b| a.scope.cmp(&b.scope));

        // Where two scopes found the same database, the first scope's word counts.
        let mut found: BTreeMap<&ResourceId, &Database> = BTreeMap::new();
        for database in scans.iter().flat_map(|scan| &scan.found) {
            // Two records of one id within a scan (a page that came twice) are settled by content, not by order.
            found
                .entry(&database.id)
                .and_modify(|kept| {
                    if kept.scope == database.scope && diff::prefer(database, kept) {
                        *kept = database;
                    }
                })
                .or_insert(database);
        }
        for database in found.into_values() {
            merge.seen.insert(database.id.clone());
            self.take(database, now, run, &mut merge);
        }
        self.miss(&scans, now, run, enough, &mut merge);

        for scan in scans {
            let last = before.get(&scan.scope);
            let complete = scan.coverage.is_complete();
            merge.scopes.push(ScopeRecord {
                scope: scan.scope.clone(),
                attempted: now,
                complete: if complete {
                    Some(now)
                } else {
                    last.and_then(|last| last.complete)
                },
                found: if complete {
                    scan.found.len() as u64
                } else {
                    last.map_or(0, |last| last.found)
                },
                malformed: scan
                    .malformed
                    .iter()
                    .take(ScopeRecord::MAX_MALFORMED)
                    .cloned()
                    .collect(),
                failures_in_a_row: if complete {
                    0
                } else {
                    last.map_or(0, |last| last.failures_in_a_row)
                        .saturating_add(1)
                },
                coverage: scan.coverage.clone(),
            });
        }
        merge
    }

    fn take(&mut self, database: &Database, now: Timestamp, run: &str, merge: &mut Merge) {
        let Some(record) = self.records.get_mut(&database.id) else {
            merge.changed.insert(database.id.clone());
            merge.history.push(entry(database, Event::Seen, now, run));
            let record = Record {
                database: database.clone(),
                first_seen: now,
                changed: now,
                missing: None,
            };
            self.records.insert(database.id.clone(), record);
            return;
        };
        let returned = record.missing.take().is_some();
        let carried;
        let database = if database.unread.is_empty() && !respelled(database, &record.database) {
            database
        } else {
            carried = keep_spelling(
                carry_over(database.clone(), &record.database),
                &record.database,
            );
            &carried
        };
        let differs = record.database != *database;
        if returned {
            merge
                .history
                .push(entry(database, Event::Returned, now, run));
        }
        if differs {
            let fields = diff::databases(&record.database, database);
            if !fields.is_empty() {
                merge.history.push(HistoryEntry {
                    fields,
                    ..entry(database, Event::Changed, now, run)
                });
            }
            record.database = database.clone();
            record.changed = now;
        }
        if returned || differs {
            merge.changed.insert(database.id.clone());
        }
    }

    fn miss(&mut self, scans: &[&Scan], now: Timestamp, run: &str, enough: u32, merge: &mut Merge) {
        let mut complete: HashMap<&Scope, Vec<&Scan>> = HashMap::new();
        for scan in scans.iter().filter(|scan| scan.coverage.is_complete()) {
            complete.entry(&scan.scope).or_default().push(scan);
        }
        let unreadable: HashSet<&str> = scans
            .iter()
            .flat_map(|scan| &scan.malformed)
            .filter_map(|record| record.provider_id.as_deref())
            .collect();
        if complete.is_empty() && unreadable.is_empty() {
            return;
        }
        for record in self.records.values_mut() {
            let id = &record.database.id;
            if merge.seen.contains(id) {
                continue;
            }
            if unreadable.contains(id.provider_id()) {
                merge.seen.insert(id.clone());
                if record.missing.take().is_some() {
                    merge.changed.insert(id.clone());
                    merge
                        .history
                        .push(entry(&record.database, Event::Returned, now, run));
                }
                continue;
            }
            if !covering(&record.database.scope).any(|scope| complete.contains_key(&scope)) {
                continue;
            }
            match &mut record.missing {
                Some(missing) if missing.scans >= enough && missing.since <= now => continue,
                Some(missing) => {
                    missing.scans = missing
                        .scans
                        .saturating_add(1)
                        .min(enough.max(missing.scans));
                    // A clock that was ahead then must not put the removal off until then.
                    missing.since = missing.since.min(now);
                }
                none => {
                    *none = Some(Missing {
                        since: now,
                        scans: 1,
                    });
                    merge
                        .history
                        .push(entry(&record.database, Event::Missing, now, run));
                }
            }
            merge.changed.insert(id.clone());
        }
        merge
            .history
            .sort_by(|a, b| (&a.id, a.event).cmp(&(&b.id, b.event)));
    }
}

/// The scopes whose complete scan proves something about a database of this scope: itself, and the whole
/// subscription around a resource group.
pub(crate) fn covering(scope: &Scope) -> impl Iterator<Item = Scope> {
    let whole = scope.resource_group.is_some().then(|| Scope {
        resource_group: None,
        ..scope.clone()
    });
    std::iter::once(scope.clone()).chain(whole)
}

/// What could not be read this time, from the last time it could.
fn carry_over(mut database: Database, before: &Database) -> Database {
    let unread = std::mem::take(&mut database.unread);
    for what in unread {
        let ever = !before.unread.contains(&what);
        if !ever {
            database.unread.insert(what);
        }
        match what {
            // Some of it may have been read now, and some of it before: what is read counts, and no fact that
            // stands beside the network comes and goes with the answers.
            Unread::Vpc => {
                let keep =
                    |now: &mut BTreeMap<String, String>, before: &BTreeMap<_, _>, key: &str| {
                        if let Some(value) = before.get(key) {
                            now.entry(key.to_owned())
                                .or_insert_with(|| String::clone(value));
                        }
                    };
                keep(&mut database.derived, &before.derived, fact::VPC);
                for key in [fact::VPC, fact::PUBLIC, fact::CA] {
                    keep(&mut database.facts, &before.facts, key);
                }
            }
            _ if !ever => {}
            Unread::Tags => database.tags.clone_from(&before.tags),
            Unread::Version => {
                database.engine_version.clone_from(&before.engine_version);
                // That no version was told is nothing against a database whose version is known.
                if matches!(&database.unsupported, Some(Unsupported::Version { have, .. }) if have.is_empty())
                {
                    database.unsupported.clone_from(&before.unsupported);
                }
                if let Some(value) = before.derived.get("engine-version") {
                    database
                        .derived
                        .insert("engine-version".to_owned(), value.clone());
                }
                if let Some(value) = before.fact(fact::IAM_AUTH) {
                    database
                        .facts
                        .entry(fact::IAM_AUTH.to_owned())
                        .or_insert_with(|| value.to_owned());
                }
            }
        }
    }
    database
}

/// What Azure spells now in upper and now in lower case, and means the same: names and labels are made of it.
const SPELLED: [&str; 2] = ["resource-group", "subscription-id"];

/// Whether something of it is spelled in another case than before.
fn respelled(now: &Database, before: &Database) -> bool {
    let other = |now: &str, before: &str| now != before && now.eq_ignore_ascii_case(before);
    now.scope.provider == Provider::Azure
        && (other(&now.identifier, &before.identifier)
            || SPELLED.iter().any(|key| {
                [(&now.derived, &before.derived), (&now.facts, &before.facts)]
                    .into_iter()
                    .any(|(now, before)| {
                        matches!((now.get(*key), before.get(*key)), (Some(now), Some(before)) if other(now, before))
                    })
            }))
}

/// The spelling of the first time, where only the case differs.
fn keep_spelling(mut database: Database, before: &Database) -> Database {
    if database.scope.provider != Provider::Azure {
        return database;
    }
    let keep = |now: &mut String, before: &String| {
        if now.eq_ignore_ascii_case(before) {
            now.clone_from(before);
        }
    };
    keep(&mut database.identifier, &before.identifier);
    for key in SPELLED {
        for (now, before) in [
            (&mut database.derived, &before.derived),
            (&mut database.facts, &before.facts),
        ] {
            if let (Some(now), Some(before)) = (now.get_mut(key), before.get(key)) {
                keep(now, before);
            }
        }
    }
    database
}

fn entry(database: &Database, event: Event, at: Timestamp, run: &str) -> HistoryEntry {
    HistoryEntry {
        at,
        id: database.id.clone(),
        name: database.base_name(),
        event,
        run: run.to_owned(),
        by: format!("scan {}", database.scope),
        fields: Vec::new(),
        reason: String::new(),
    }
}

fn from_target(target: &Target) -> Database {
    let derived = target
        .labels
        .iter()
        .filter(|(_, label)| label.origin == muster_model::Origin::Derived)
        .map(|(key, label)| (key.to_owned(), label.value.clone()))
        .collect();
    Database {
        id: target.id.clone(),
        scope: target.scope.clone(),
        kind: target.kind,
        protocol: Some(target.protocol),
        identifier: target.short_name.clone(),
        role: target
            .id
            .as_str()
            .rsplit_once('#')
            .and_then(|(_, role)| role.parse().ok())
            .unwrap_or(EndpointRole::Server),
        region: target.scope.region.to_string(),
        endpoint: target.endpoint.clone(),
        tls_server_name: target.tls_server_name.clone(),
        engine: target.engine.clone(),
        engine_version: target.engine_version.clone(),
        state: State {
            name: target.state.name.clone(),
            availability: Availability::Unknown,
        },
        tags: BTreeMap::new(),
        derived,
        facts: target.facts.clone(),
        unsupported: None,
        // Its tags are not known: it is kept as it is until a scan reads them.
        unread: BTreeSet::from([Unread::Tags]),
        notes: vec!["the inventory record was lost; made again from the target".to_owned()],
    }
}
