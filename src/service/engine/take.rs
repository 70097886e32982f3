//! Taking a scan in.

use std::{collections::BTreeMap, sync::Arc};

use muster_model::{Database, ResourceId, Scan, ScopeRecord, Timestamp};
use muster_plan::ScopeLine;

use super::{Engine, EngineError, Taken, work::Work};
use crate::service::notice::{Notice, NoticeEvent};

impl Engine {
    /// Takes one scope's scan in: what changed is merged, judged, planned and written. What did not costs a
    /// comparison.
    ///
    /// `run` names the run in the history.
    ///
    /// # Errors
    /// Those of the store: then open another engine. What the scan saw is not lost: the next one sees it again.
    pub fn take(&mut self, scan: &Scan, now: Timestamp, run: &str) -> Result<Taken, EngineError> {
        // Two complete ones in a row differ only in what is planned.
        let before = self.index.line(&scan.scope);
        let sighted = !scan.coverage.is_complete()
            || before.is_none_or(|before| !before.coverage.is_complete());
        let sighting = self.index.see(scan);
        let found: Vec<Database> = sighting
            .touched
            .iter()
            .filter_map(|place| scan.found.get(*place))
            .cloned()
            .collect();
        let mut work = Work {
            line: Some(ScopeLine {
                scope: Arc::clone(&scan.scope),
                coverage: scan.coverage.clone(),
                found: scan.found.len(),
                malformed: Vec::new(),
                warnings: Vec::new(),
            }),
            ..Work::default()
        };

        // What it was judged as: nothing while it was missing, for then the matchers may have changed.
        let mut before: BTreeMap<ResourceId, Option<Database>> = BTreeMap::new();
        for id in found
            .iter()
            .map(|database| &database.id)
            .chain(&sighting.vanished)
        {
            if before.contains_key(id) {
                continue;
            }
            self.fetch(&mut work, id, now)?;
            let known = work.inventory.get(id).filter(|it| it.missing.is_none());
            before.insert(id.clone(), known.map(|record| record.database.clone()));
        }
        // The same merge as for a whole run, over the databases that matter.
        let small = Scan {
            found,
            warnings: Vec::new(),
            ..scan_without_databases(scan)
        };
        let enough = self.setup.settings.grace.scans;
        let scans = std::slice::from_ref(&small);
        let merge = work.inventory.merge(scans, &self.scopes, now, run, enough);
        work.changed = merge.changed;
        work.history = merge.history;
        let record = merge.scopes.into_iter().next().map(|record| {
            let found = match scan.coverage.is_complete() {
                true => scan.found.len() as u64,
                false => record.found,
            };
            ScopeRecord { found, ..record }
        });
        work.notices.extend(
            record
                .as_ref()
                .filter(|record| record.failures_in_a_row == 1)
                .map(|record| self.scope_failed(record, now, run)),
        );
        work.scope = record;

        for id in before.keys() {
            if let Some(record) = work.inventory.get(id) {
                self.index.put_record(record);
            }
        }
        for database in &small.found {
            self.index.recognise(database);
        }
        let mut touched: Vec<(ResourceId, bool)> = Vec::with_capacity(before.len());
        for (id, before) in before {
            let record = work.inventory.get(&id);
            let differs = record.is_some_and(|record| before.as_ref() != Some(&record.database));
            touched.push((id, differs));
        }
        let again = sighting.again.into_iter().map(|id| (id, false));
        self.look(&mut work, touched.into_iter().chain(again), now)?;
        let taken = self.finish(work, now, run)?;
        Ok(Taken { sighted, ..taken })
    }

    fn scope_failed(&self, record: &ScopeRecord, now: Timestamp, run: &str) -> Notice {
        let failure = record.coverage.failures().first();
        Notice {
            event: NoticeEvent::ScopeFailed,
            at: now,
            group: self.setup.settings.group.clone(),
            run: run.to_owned(),
            id: None,
            name: record.scope.to_string(),
            reason: failure.map_or_else(String::new, ToString::to_string),
            would: None,
            safety: None,
            fields: Vec::new(),
        }
    }
}

/// A scan's frame: all but what it found.
fn scan_without_databases(scan: &Scan) -> Scan {
    Scan {
        scope: Arc::clone(&scan.scope),
        found: Vec::new(),
        malformed: scan.malformed.clone(),
        coverage: scan.coverage.clone(),
        warnings: Vec::new(),
        requests: scan.requests,
    }
}
