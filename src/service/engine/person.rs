//! What people do: apply a plan of their own, approve or reject a held one.

use std::collections::BTreeSet;

use muster_model::{Decision, ResourceId, Timestamp};
use muster_plan::{Safety, TargetWrite};
use muster_store::{Revision, tables};

use super::{Engine, EngineError, HeldPlan, Taken, resumed::Resumed};
use crate::{
    pipeline::{
        commit::{self, Tell},
        held,
        matched::Matched,
        run::Writes,
        state::removed_lately,
    },
    service::notice::{Notice, NoticeEvent},
};

impl Engine {
    /// Writes what somebody's plan came to. What it judged is judged again by the matchers in force, and what comes out
    /// otherwise by these is changed back.
    ///
    /// # Errors
    /// [`EngineError::Stale`] when what the plan was made from has changed since `expected`: nothing was written.
    /// Those of the store.
    pub fn apply(
        &mut self,
        writes: &Writes,
        expected: Revision,
        by: &str,
        now: Timestamp,
    ) -> Result<Taken, EngineError> {
        let mut writes = writes.clone();
        writes.applied_by(by);
        let group = self.setup.settings.group.clone();
        let tell = self.setup.tell.then_some(Tell {
            group: &group,
            also: &[],
        });
        self.revision = commit::commit(&*self.store, &writes, expected, Matched::Otherwise, tell)?;
        self.behind |= writes.behind;
        self.reread(&writes, now)?;
        let mut taken = Taken {
            revision: self.revision,
            written: writes.targets.len() as u64,
            notices: writes
                .history
                .iter()
                .filter_map(|entry| Notice::of(entry, &group))
                .collect(),
            ..Taken::default()
        };
        for notice in &taken.notices {
            match notice.event {
                NoticeEvent::Enrolled => taken.summary.add += 1,
                NoticeEvent::Updated => taken.summary.update += 1,
                NoticeEvent::Removed => taken.summary.remove += 1,
                NoticeEvent::Held | NoticeEvent::ScopeFailed => {}
            }
        }
        // Its matchers may have been others, and it says nothing of which.
        let seen = writes.records.iter().map(|record| &record.database.id);
        let decided = writes.decisions.iter().map(|(id, _)| id);
        let judged: BTreeSet<&ResourceId> = seen.chain(decided).collect();
        let judged: Vec<ResourceId> = judged.into_iter().cloned().collect();
        if !judged.is_empty() {
            taken.add(self.judge_anew(&judged, now, &format!("apply by {by}"))?);
            taken.revision = self.revision;
        }
        Ok(taken)
    }

    /// Reads again what somebody else's writes touched.
    fn reread(&mut self, writes: &Writes, now: Timestamp) -> Result<(), EngineError> {
        let plans = tables::PLANS.list(&*self.store)?.records;
        self.plans = plans.into_iter().map(|(_, plan)| plan.value).collect();
        self.removed = removed_lately(&*self.store)?;
        let targets = writes.targets.iter().map(|write| match write {
            TargetWrite::Put(target) => &target.id,
            TargetWrite::Delete(id) => id,
        });
        let ids: BTreeSet<ResourceId> = writes
            .records
            .iter()
            .map(|record| &record.database.id)
            .chain(&writes.forget)
            .chain(targets)
            .chain(writes.decisions.iter().map(|(id, _)| id))
            .cloned()
            .collect();
        for id in &ids {
            match self.record(id)? {
                Some(record) => self.index.put_record(&record),
                None => self.index.forget(id),
            }
            match self.target(id)? {
                Some(target) => self.index.put_target(&target),
                None => self.index.delete_target(id),
            }
            let decision = self.decision(id)?.map(|record| record.decision);
            match &decision {
                Some(decision) => self.undecided.note(id, decision),
                None => self.undecided.forget(id),
            }
            let name = match decision {
                Some(Decision::Enroll(enrollment)) if !self.index.is_missing(id) => {
                    Some(enrollment.name)
                }
                _ => None,
            };
            self.index.want(id, name.as_deref());
        }
        let resumed = Resumed::of(&self.plans, &self.setup.settings, now);
        // A held plan shows also what nothing else was written about.
        let shown = resumed.waiting();
        let shown: Vec<&ResourceId> = shown
            .filter(|id| self.leaves(id) != Some(Safety::Coverage))
            .collect();
        for id in ids.iter().chain(shown) {
            // What has no target may come out otherwise by this configuration than by that of the plan.
            resumed.stand(&mut self.index, id);
        }
        for scope in &writes.scopes {
            let newest = self.scopes.entry(scope.scope.clone());
            let newest = newest.or_insert_with(|| scope.clone());
            if newest.attempted < scope.attempted {
                newest.clone_from(scope);
            }
        }
        Ok(())
    }

    /// Approves or rejects a plan that the brake held. What is approved is carried out at once, as far as its
    /// scopes are completely read; the rest when they are, within a day.
    ///
    /// # Errors
    /// [`EngineError::NoPlan`], [`EngineError::NotWaiting`]. Those of the store.
    pub fn decide(
        &mut self,
        number: u64,
        approve: bool,
        by: &str,
        now: Timestamp,
    ) -> Result<(HeldPlan, Taken), EngineError> {
        let place = self
            .plans
            .iter()
            .position(|plan| plan.number == number)
            .ok_or(EngineError::NoPlan(number))?;
        let plan = self.plans.get(place).ok_or(EngineError::NoPlan(number))?;
        let (plan, history) =
            held::decide(&self.plans, plan, approve, by, now).map_err(EngineError::NotWaiting)?;
        let writes = Writes {
            history,
            plans: vec![plan.clone()],
            ..Writes::default()
        };
        self.revision = commit::commit(&*self.store, &writes, self.revision, Matched::Alike, None)?;
        if let Some(known) = self.plans.get_mut(place) {
            known.clone_from(&plan);
        }
        let mut taken = Taken {
            revision: self.revision,
            ..Taken::default()
        };
        if approve {
            let ids: Vec<ResourceId> = plan.open().map(|it| it.id.clone()).collect();
            taken = self.replan(ids, now, &format!("plan {number}"))?;
        }
        Ok((plan, taken))
    }
}
