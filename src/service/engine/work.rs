//! [`Work`]: the databases that are looked at in one go. They are read from the store, judged where that is needed,
//! planned with what is known of all others, and written.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use muster_matchers::Subject;
use muster_model::{
    Became, Decision, DecisionRecord, HistoryEntry, Record, ResourceId, ScopeRecord, Target,
    Timestamp,
};
use muster_plan::{
    Action, Change, Input, Inventory, Judged, Outcome, Plan, Removals, Safety, ScopeLine, Standing,
    plan,
};
use muster_store::{Batch, StoreError, Versioned, tables};

use super::{
    Engine, EngineError, Taken,
    judgements::{Judgements, who_said_what},
};
use crate::{
    pipeline::{
        commit::{self, Tell},
        held,
        matched::{self, Matched},
        run::{BATCH, Made, Writes, braked, deleted, forgotten, removed},
    },
    service::notice::{Notice, NoticeEvent},
};

/// The databases that are looked at in one go.
#[derive(Default)]
pub(super) struct Work {
    pub(super) inventory: Inventory,
    /// Records that are to be written.
    pub(super) changed: BTreeSet<ResourceId>,
    /// What happened so far.
    pub(super) history: Vec<HistoryEntry>,
    /// How the scan went.
    pub(super) scope: Option<ScopeRecord>,
    pub(super) line: Option<ScopeLine>,
    /// What is told beside the history.
    pub(super) notices: Vec<Notice>,
    /// Removals that are on their way beside these databases, and that the index does not know of.
    pub(super) elsewhere: usize,
    pub(super) done: BTreeSet<ResourceId>,
    pub(super) targets: BTreeMap<ResourceId, Target>,
    pub(super) judged: BTreeMap<ResourceId, Judged>,
    pub(super) decisions: Vec<(ResourceId, DecisionRecord)>,
    pub(super) judgements: Judgements,
    /// What the matchers said already of those that are still to be looked at.
    pub(super) ready: BTreeMap<ResourceId, Judged>,
}

/// A record that can be read; a damaged one counts as none, and is written anew when there is reason to.
pub(super) fn found<T>(
    read: Result<Option<Versioned<T>>, StoreError>,
) -> Result<Option<T>, StoreError> {
    match read {
        Ok(found) => Ok(found.map(|found| found.value)),
        Err(StoreError::Damaged(damaged)) => {
            tracing::warn!(%damaged, "a record cannot be read");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Engine {
    pub(super) fn record(&self, id: &ResourceId) -> Result<Option<Record>, StoreError> {
        found(tables::INVENTORY.get(&*self.store, id.as_str()))
    }

    pub(super) fn target(&self, id: &ResourceId) -> Result<Option<Target>, StoreError> {
        found(tables::TARGETS.get(&*self.store, id.as_str()))
    }

    pub(super) fn decision(&self, id: &ResourceId) -> Result<Option<DecisionRecord>, StoreError> {
        found(tables::DECISIONS.get(&*self.store, id.as_str()))
    }

    /// Puts a database's record and target into the work. A target of ours that has lost its record gets one.
    pub(super) fn fetch(
        &self,
        work: &mut Work,
        id: &ResourceId,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        if !work.targets.contains_key(id)
            && let Some(target) = self.target(id)?
        {
            work.targets.insert(id.clone(), target);
        }
        if work.inventory.get(id).is_none() {
            match self.record(id)? {
                Some(record) => work.inventory.insert(record),
                None if self.index.is_own(id) => work.inventory.adopt(work.targets.get(id), now),
                None => {}
            }
        }
        Ok(())
    }

    /// Plans these databases again, as they are remembered, and whoever that touches.
    pub(super) fn replan(
        &mut self,
        ids: Vec<ResourceId>,
        now: Timestamp,
        run: &str,
    ) -> Result<Taken, EngineError> {
        let mut work = Work::default();
        let ids = ids.into_iter().map(|id| (id, false));
        self.look(&mut work, ids, now)?;
        self.finish(work, now, run)
    }

    /// Reads databases, and judges those that have to be (`again`) or never were: all of them at once.
    pub(super) fn look(
        &mut self,
        work: &mut Work,
        ids: impl IntoIterator<Item = (ResourceId, bool)>,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let mut looked = Vec::new();
        for (id, again) in ids {
            if !work.done.insert(id.clone()) {
                continue;
            }
            self.fetch(work, &id, now)?;
            if let Some(scope) = self.index.scope_of(&id)
                && work.inventory.hand_over(&id, scope)
            {
                work.changed.insert(id.clone());
                // It was judged as what another scope sees.
                work.ready.remove(&id);
            }
            let present = work.inventory.get(&id).filter(|it| it.missing.is_none());
            if present.is_some() {
                let before = self.decision(&id)?;
                let keeps = !again && !self.dry && before.is_some();
                looked.push((id, before, keeps));
            }
        }
        let asked: Vec<&ResourceId> = looked
            .iter()
            .filter(|(id, _, keeps)| !keeps && !work.ready.contains_key(id))
            .map(|(id, ..)| id)
            .collect();
        let records: Vec<&Record> = asked
            .iter()
            .filter_map(|id| work.inventory.get(id))
            .collect();
        let judged = self.judge(&records);
        let judged: Vec<_> = asked.into_iter().cloned().zip(judged).collect();
        work.ready.extend(judged);
        for (id, before, keeps) in looked {
            let judged = match (&before, work.ready.remove(&id)) {
                (Some(before), _) if keeps => Judged {
                    decision: before.decision.clone(),
                    trace: before.trace.clone(),
                },
                (_, Some(judged)) => {
                    let said = who_said_what(&judged.decision);
                    *work.judgements.entry(said).or_default() += 1;
                    judged
                }
                // Whoever is asked about is answered.
                (_, None) => continue,
            };
            if before.is_none_or(|before| {
                before.decision != judged.decision || before.trace != judged.trace
            }) {
                let decided = DecisionRecord {
                    decision: judged.decision.clone(),
                    trace: judged.trace.clone(),
                    changed: now,
                };
                work.decisions.push((id.clone(), decided));
            }
            let name = match &judged.decision {
                Decision::Enroll(enrollment) => Some(enrollment.name.as_str()),
                Decision::Skip { .. } | Decision::Undecided { .. } => None,
            };
            self.index.want(&id, name);
            self.undecided.note(&id, &judged.decision);
            work.judged.insert(id, judged);
        }
        Ok(())
    }

    /// What the matchers say of these, each in its place.
    pub(super) fn judge(&self, records: &[&Record]) -> Vec<Judged> {
        let mut judged = Vec::with_capacity(records.len());
        for batch in records.chunks(BATCH) {
            let subjects: Vec<Subject<'_>> = batch.iter().map(|it| Subject::from(*it)).collect();
            let judgements = self.setup.chain.judge_all(&subjects).into_iter();
            judged.extend(judgements.map(|judgement| Judged {
                decision: judgement.decision,
                trace: judgement.trace,
            }));
        }
        judged
    }

    /// Plans all that was looked at, and whoever claims a name that this touches; writes what follows.
    pub(super) fn finish(
        &mut self,
        mut work: Work,
        now: Timestamp,
        run: &str,
    ) -> Result<Taken, EngineError> {
        let stirred = self.index.take_stirred();
        let stirred = stirred.into_iter().map(|id| (id, false));
        self.look(&mut work, stirred, now)?;
        let outcome = self.plan(&work, now);
        let held = self.newly_held(&outcome.plan, now, run);
        work.notices.extend(held);
        let targets = self.index.own_targets();
        self.index.settle(&outcome);
        let plans = self.held_plans(&outcome, targets, now);
        let removed = removed(&self.removed, &outcome.writes, &self.setup.settings, now);
        self.write(work, outcome, plans, removed, now, run)
    }

    fn plan(&self, work: &Work, now: Timestamp) -> Outcome {
        let settings = &self.setup.settings;
        let seen: HashSet<ResourceId> = work
            .done
            .iter()
            .filter(|id| self.index.is_seen(id))
            .cloned()
            .collect();
        let lately = self.removed.count(now, settings.brake.window);
        plan(Input {
            inventory: &work.inventory,
            seen: &seen,
            targets: &work.targets,
            judged: &work.judged,
            scopes: work.line.as_slice(),
            scopes_known: self.index.scopes_known(),
            open: self.index.open_scopes(),
            before: &self.scopes,
            removals: Removals {
                besides: lately.saturating_add(work.elsewhere),
                approved: &held::approved(&self.plans, &settings.group, now),
            },
            rest: Some(&self.index),
            notes: Vec::new(),
            settings,
            now,
        })
    }

    /// What is held now and was not held in this way before.
    fn newly_held(&self, plan: &Plan, now: Timestamp, run: &str) -> Vec<Notice> {
        let news = |change: &Change| -> Option<Notice> {
            let hold = change.hold.filter(|_| change.action == Action::Held)?;
            (self.index.standing(&change.id) != Standing::Held(hold)).then(|| Notice {
                event: NoticeEvent::Held,
                at: now,
                group: self.setup.settings.group.clone(),
                run: run.to_owned(),
                id: Some(change.id.clone()),
                name: change.name.clone(),
                reason: change.reason.clone(),
                would: Some(hold.would.as_str().to_owned()),
                safety: Some(hold.safety.as_str().to_owned()),
                fields: change.fields.clone(),
            })
        };
        plan.changes.iter().filter_map(news).collect()
    }

    /// What holds the removal of a target.
    pub(super) fn leaves(&self, id: &ResourceId) -> Option<Safety> {
        match self.index.standing(id) {
            Standing::Held(hold) if hold.would == Action::Remove => Some(hold.safety),
            _ => None,
        }
    }

    /// The plans that wait for a person, after this one.
    fn held_plans(
        &self,
        outcome: &Outcome,
        targets: usize,
        now: Timestamp,
    ) -> Vec<super::HeldPlan> {
        let settings = &self.setup.settings;
        let held = held::all(&self.plans, &settings.group, braked(&outcome.plan), |id| {
            matches!(self.leaves(id), Some(Safety::Brake | Safety::Coverage))
        });
        let is_kept = |id: &ResourceId| {
            let planned = matches!(self.index.standing(id), Standing::Kept | Standing::Held(_));
            planned
                && self.leaves(id).is_none()
                && self.index.is_own(id)
                && !self.index.is_missing(id)
        };
        let removed = deleted(&outcome.writes);
        held::update(
            &self.plans,
            &held,
            |id| match () {
                () if removed.contains(id) => Became::Removed,
                () if is_kept(id) => Became::Stays,
                () => Became::Open,
            },
            &held::Now {
                group: &settings.group,
                targets,
                allowance: settings.brake.allowance(targets),
                at: now,
            },
        )
    }

    fn write(
        &mut self,
        work: Work,
        outcome: Outcome,
        plans: Vec<super::HeldPlan>,
        removed: Option<held::RemovedLately>,
        now: Timestamp,
        run: &str,
    ) -> Result<Taken, EngineError> {
        let mut history = work.history;
        let made = Made {
            judged: &work.judged,
            inventory: &work.inventory,
            plans: &self.plans,
            group: &self.setup.settings.group,
            now,
            run,
        };
        history.extend(made.applied(&outcome.plan));
        history.extend(forgotten(&outcome, &work.inventory, now, run));
        let group = self.setup.settings.group.clone();
        let mut notices: Vec<Notice> = history
            .iter()
            .filter_map(|entry| Notice::of(entry, &group))
            .collect();
        notices.extend_from_slice(&work.notices);
        let scope = work.scope;
        let writes = Writes {
            records: work
                .changed
                .iter()
                .filter(|id| outcome.forget.binary_search(id).is_err())
                .filter_map(|id| work.inventory.get(id).cloned())
                .collect(),
            forget: outcome.forget,
            scopes: scope
                .iter()
                .filter(|record| crate::pipeline::run::is_named(&record.scope))
                .cloned()
                .collect(),
            targets: outcome.writes,
            decisions: work.decisions,
            history,
            plans: plans.clone(),
            removed: removed.clone(),
            behind: self.index.is_behind() && !self.behind,
        };
        if !self.dry {
            let tell = self.setup.tell.then_some(Tell {
                group: &group,
                also: &work.notices,
            });
            self.revision =
                commit::commit(&*self.store, &writes, self.revision, Matched::Alike, tell)?;
            self.behind |= writes.behind;
            if self.behind && self.index.is_up_to_date() {
                let mut batch = Batch::new();
                matched::catch_up(&mut batch)?;
                self.revision = self.store.commit(batch)?;
                self.behind = false;
            }
        }
        for plan in plans {
            match self.plans.iter_mut().find(|it| it.number == plan.number) {
                Some(known) => *known = plan,
                None => self.plans.push(plan),
            }
        }
        if let Some(removed) = removed {
            self.removed = removed;
        }
        if let Some(record) = &scope {
            self.scopes.insert(record.scope.clone(), record.clone());
        }
        Ok(Taken {
            revision: self.revision,
            summary: outcome.plan.summary,
            judged: work.judgements.values().sum(),
            judgements: work.judgements,
            written: writes.targets.len() as u64,
            decided: writes.decisions.len() as u64,
            sighted: false,
            notices,
            scope,
        })
    }
}
