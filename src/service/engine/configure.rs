//! Another configuration: what comes out otherwise by it.

use muster_model::{Decision, ResourceId, Timestamp};
use muster_plan::Standing;
use muster_store::Batch;

use super::{Engine, EngineError, Setup, Taken, load, work::Work};
use crate::{pipeline::matched, service::handle::Reloaded};

/// How many databases are judged and planned in one go, so that memory is bounded.
pub(super) const CHUNK: usize = 4096;

impl Engine {
    /// Puts a configuration into force. That costs nothing for each database unless the matchers differ; then
    /// everything is judged again.
    ///
    /// # Errors
    /// Those of the store.
    pub fn configure(
        &mut self,
        setup: Setup,
        now: Timestamp,
        by: &str,
    ) -> Result<Taken, EngineError> {
        let before = std::mem::replace(&mut self.setup, setup);
        if before.settings.group != self.setup.settings.group {
            let known = load(&*self.store, &self.setup, now)?;
            self.index = known.index;
            self.scopes = known.scopes;
            self.plans = known.plans;
            self.removed = known.removed;
            self.revision = known.revision;
            self.undecided = known.undecided;
            self.behind = known.behind;
        }
        self.set_scopes();
        if before.digest != self.setup.digest {
            return self.judge_everything(now, by);
        }
        let setup = &self.setup;
        let same = before.settings == setup.settings
            && before.scopes == setup.scopes
            && before.scopes_known == setup.scopes_known
            && before.open == setup.open;
        if same {
            return Ok(Taken {
                revision: self.revision,
                ..Taken::default()
            });
        }
        // What waits for its grace in a scope that nobody asks for any more waits for something else now, and the
        // brake does not count it.
        let held = self.index.held().map(|(id, _)| id.clone()).collect();
        self.replan(held, now, by)
    }

    /// What a configuration would change, from what is remembered. Nothing is written, and the configuration in
    /// force stays.
    ///
    /// # Errors
    /// Those of the store.
    pub fn preview(&self, setup: &Setup, now: Timestamp) -> Result<Reloaded, EngineError> {
        let mut other = Self {
            store: self.store.clone(),
            setup: self.setup.clone(),
            index: self.index.clone(),
            scopes: self.scopes.clone(),
            plans: self.plans.clone(),
            removed: self.removed.clone(),
            revision: self.revision,
            undecided: self.undecided.clone(),
            dry: true,
            behind: self.behind,
        };
        let taken = other.configure(setup.clone(), now, "preview")?;
        let count = |count: usize| count as u64;
        Ok(Reloaded {
            judged_otherwise: taken.decided,
            add: count(taken.summary.add),
            update: count(taken.summary.update),
            remove: count(taken.summary.remove),
            held: count(taken.summary.held),
            ..Reloaded::default()
        })
    }

    /// Judges everything that is remembered, and plans what comes out otherwise.
    pub(super) fn judge_everything(
        &mut self,
        now: Timestamp,
        run: &str,
    ) -> Result<Taken, EngineError> {
        let mut ids: Vec<ResourceId> = self.index.ids().cloned().collect();
        // In the store's order, which is that of its pages.
        ids.sort();
        self.judge_anew(&ids, now, run)
    }

    /// Judges these, and plans what comes out otherwise. After that everything was judged by the matchers in force; while it
    /// goes on, or when it breaks off, nobody may believe that of any.
    pub(super) fn judge_anew(
        &mut self,
        ids: &[ResourceId],
        now: Timestamp,
        run: &str,
    ) -> Result<Taken, EngineError> {
        if !self.dry && matched::known(&*self.store)?.is_some() {
            let mut batch = Batch::new();
            matched::forget(&mut batch)?;
            self.revision = self.store.commit(batch)?;
        }
        // The brake has to know of all removals before the first is made.
        let going = if ids.len() > CHUNK {
            self.leaving(ids)?
        } else {
            0
        };
        let mut gone = 0_usize;
        let mut total = Taken::default();
        for chunk in ids.chunks(CHUNK) {
            let mut work = Work::default();
            gone += self.look_if_otherwise(&mut work, chunk, now)?;
            work.elsewhere = going.saturating_sub(gone);
            let taken = self.finish(work, now, run)?;
            total.add(taken);
        }
        if !self.dry {
            let mut batch = Batch::new();
            matched::put(&mut batch, &self.setup.digest)?;
            self.revision = self.store.commit(batch)?;
        }
        total.revision = self.revision;
        Ok(total)
    }

    /// How many targets the matchers do not want any more.
    fn leaving(&self, ids: &[ResourceId]) -> Result<usize, EngineError> {
        let own: Vec<&ResourceId> = ids.iter().filter(|id| self.index.is_own(id)).collect();
        let mut leaving = 0;
        for chunk in own.chunks(CHUNK) {
            let mut present = Vec::with_capacity(chunk.len());
            for id in chunk {
                present.extend(self.record(id)?.filter(|record| record.missing.is_none()));
            }
            let judged = self.judge(&present.iter().collect::<Vec<_>>());
            leaving += judged.iter().filter(|it| leaves(&it.decision)).count();
        }
        Ok(leaving)
    }

    /// Takes databases into the work that are judged otherwise than before, or that a safety holds. Says how many of
    /// all are targets that the matchers do not want any more.
    fn look_if_otherwise(
        &mut self,
        work: &mut Work,
        ids: &[ResourceId],
        now: Timestamp,
    ) -> Result<usize, EngineError> {
        let mut wanted = Vec::new();
        let mut present = Vec::with_capacity(ids.len());
        for id in ids {
            match self.record(id)? {
                None => {}
                Some(record) if record.missing.is_none() => present.push(record),
                // Nothing is judged about what is not there; it waits, or it goes.
                Some(_) if matches!(self.index.standing(id), Standing::Held(_)) => {
                    wanted.push((id.clone(), false));
                }
                Some(_) => {}
            }
        }
        let judged = self.judge(&present.iter().collect::<Vec<_>>());
        let mut leaving = 0;
        for (record, judged) in present.into_iter().zip(judged) {
            let id = record.database.id.clone();
            leaving += usize::from(self.index.is_own(&id) && leaves(&judged.decision));
            let same = self.decision(&id)?.is_some_and(|before| {
                before.decision == judged.decision && before.trace == judged.trace
            });
            let settled = matches!(
                self.index.standing(&id),
                Standing::Kept | Standing::Skipped(_)
            );
            if !same || !settled {
                work.inventory.insert(record);
                work.ready.insert(id.clone(), judged);
                wanted.push((id, true));
            }
        }
        self.look(work, wanted, now)?;
        Ok(leaving)
    }
}

/// Whether a decision takes an enrolled database away.
fn leaves(decision: &Decision) -> bool {
    matches!(decision, Decision::Skip { reason } if !reason.is_passing())
}

impl Taken {
    pub(super) fn add(&mut self, other: Self) {
        let (sum, more) = (&mut self.summary, other.summary);
        sum.add += more.add;
        sum.update += more.update;
        sum.remove += more.remove;
        sum.keep += more.keep;
        sum.held += more.held;
        sum.skip += more.skip;
        self.judged += other.judged;
        for (judgement, many) in other.judgements {
            *self.judgements.entry(judgement).or_default() += many;
        }
        self.written += other.written;
        self.decided += other.decided;
        self.notices.extend(other.notices);
    }
}
