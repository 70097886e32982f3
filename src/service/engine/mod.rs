//! The engine: takes one scope's scan in, and makes the store say what follows from it.
//!
//! It keeps of every database what is needed to see that nothing changed, and reads the rest from the store when
//! something did. So an unchanged scan costs a comparison a database and one write, and a changed database costs
//! one judgement, one plan and one write. It is synchronous and takes the time as an argument.
//!
//! | part | what |
//! |---|---|
//! | here | what it is made of, and starting it from what the store holds |
//! | `take` | a scan |
//! | `work` | the databases that are looked at in one go: read, judged, planned, written |
//! | `configure` | another configuration: what comes out otherwise by it |
//! | `undecided` | what plugins left undecided, to ask them again |
//! | `person` | what people do: apply a plan of their own, approve or reject a held one |
//! | `resumed` | what is known of a target without a plan of it |
//!
//! After a failed write the engine no longer knows what the store holds: drop it and open another.

mod configure;
mod judgements;
mod person;
mod resumed;
mod take;
#[cfg(test)]
pub(super) mod tests;
mod undecided;
mod work;

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

pub use self::judgements::{JUDGEMENTS, Judgements};
use self::{resumed::Resumed, undecided::Undecided};
use muster_matchers::Chain;
use muster_model::{Decision, ResourceId, Scope, ScopeRecord, Timestamp};
pub use muster_model::{HeldPlan, HeldRemoval, Verdict};
use muster_plan::{Index, OpenScopes, Settings, Summary, unread_line};
use muster_store::{Batch, Keep, Order, Revision, Store, StoreError, tables};

use super::{notice::Notice, status::Counts};
use crate::{
    notify::outbox,
    pipeline::{
        commit::{self, CommitError},
        held::{KEEP_PLANS, RemovedLately, plan_id},
        matched,
        state::removed_lately,
    },
    plugins::Plugins,
};

/// What a configuration asks of the engine.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The matchers, for the scopes below.
    pub chain: Chain,
    /// Those among them that are one's own.
    pub plugins: Arc<Plugins>,
    /// What identifies the matchers: what was judged under another digest is judged again.
    pub digest: String,
    /// What a plan may do.
    pub settings: Settings,
    /// Every scope that the configuration asks for, as far as is known.
    pub scopes: Vec<Arc<Scope>>,
    /// Whether that is all.
    pub scopes_known: bool,
    /// What the configuration asks for by `*`.
    pub open: Vec<OpenScopes>,
    /// Whether anybody is told of changes: then notices are queued in the store.
    pub tell: bool,
    /// How much of the history is kept.
    pub history: Keep,
}

/// What taking something in came to.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The store's revision after it.
    pub revision: Revision,
    /// How many of each among the databases that were planned: the unchanged ones are not among them.
    pub summary: Summary,
    /// How many databases were judged.
    pub judged: u64,
    /// How many of them each who decided said what of; see [`JUDGEMENTS`].
    pub judgements: Judgements,
    /// How many targets were written: enrolled, updated, removed.
    pub written: u64,
    /// How many decisions differ from before.
    pub decided: u64,
    /// Whether a scan saw other databases than the one before may have seen, although nothing is planned about them: what
    /// an incomplete one did not see is there again, or the other way round.
    pub sighted: bool,
    /// What happened.
    pub notices: Vec<Notice>,
    /// How the scan went, as it is remembered; none when no scan was taken in.
    pub scope: Option<ScopeRecord>,
}

/// Why the engine did not do something.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed. What it holds now is not known: open it, and another engine, again.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// Somebody else wrote, or the plan was made from an older state. Nothing was changed.
    #[error("the store is at revision {found}, and this was made at {expected}")]
    Stale {
        /// The revision that it was made from.
        expected: Revision,
        /// The present one.
        found: Revision,
    },
    /// There is no such plan.
    #[error("there is no plan {0}")]
    NoPlan(u64),
    /// The plan does not wait for a person.
    #[error("{0}")]
    NotWaiting(String),
}

/// The engine.
pub struct Engine {
    store: Arc<dyn Store>,
    setup: Setup,
    index: Index,
    scopes: BTreeMap<Arc<Scope>, ScopeRecord>,
    /// By number.
    plans: Vec<HeldPlan>,
    removed: RemovedLately,
    revision: Revision,
    undecided: Undecided,
    /// Whether nothing is written: for finding out what a configuration would change.
    dry: bool,
    /// Whether the store says that targets may differ from what they should be.
    behind: bool,
}

impl Engine {
    /// An engine for what a store holds. What was judged by other matchers is judged again.
    ///
    /// Nothing counts as completely read before it was read again: so nothing is removed on the word of a scan
    /// from before the start.
    ///
    /// # Errors
    /// Those of the store.
    pub fn open(store: Arc<dyn Store>, setup: Setup, now: Timestamp) -> Result<Self, EngineError> {
        let Known {
            index,
            scopes,
            plans,
            removed,
            revision,
            undecided,
            behind,
        } = load(&*store, &setup, now)?;
        let mut engine = Self {
            store,
            setup,
            index,
            scopes,
            plans,
            removed,
            revision,
            undecided,
            dry: false,
            behind,
        };
        engine.set_scopes();
        if matched::known(&*engine.store)?.as_deref() != Some(engine.setup.digest.as_str()) {
            engine.judge_everything(now, "start")?;
        }
        Ok(engine)
    }

    /// How many of each there are. One pass over all databases.
    pub fn counts(&self) -> Counts {
        let tally = self.index.tally();
        Counts {
            databases: tally.databases,
            targets: tally.targets,
            skipped: tally.skipped,
            held: tally.held,
            would: tally.would,
        }
    }

    /// How each scope's last scan went.
    pub fn scope_records(&self) -> &BTreeMap<Arc<Scope>, ScopeRecord> {
        &self.scopes
    }

    /// How many plans wait for a person.
    pub fn waiting(&self) -> usize {
        let waits = |plan: &&HeldPlan| plan.verdict == Verdict::Waiting;
        self.plans.iter().filter(waits).count()
    }

    /// The store's revision as of the last write.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What time alone brings about: targets of scopes that nobody asks for any more, approvals that are over,
    /// history and plans that are too old. To be called every minute or so.
    ///
    /// # Errors
    /// Those of the store.
    pub fn sweep(&mut self, now: Timestamp) -> Result<Taken, EngineError> {
        let mut ids = Vec::new();
        if self.setup.settings.unconfigured == muster_plan::Unconfigured::Remove {
            let own = |id: &ResourceId| self.index.is_own(id);
            ids.extend(self.index.unconfigured().into_iter().filter(own));
        }
        let taken = self.replan(ids, now, "sweep")?;
        commit::trim(&*self.store, self.setup.history, now)?;
        self.trim_plans()?;
        self.revision = self.store.revision()?;
        Ok(Taken {
            revision: self.revision,
            ..taken
        })
    }

    /// Takes notices away that everybody has had: those before the number `upto`.
    ///
    /// # Errors
    /// Those of the store.
    pub fn trim_outbox(&mut self, upto: u64) -> Result<(), EngineError> {
        loop {
            let mut batch = Batch::new();
            if outbox::trim(&*self.store, &mut batch, upto)? == 0 {
                return Ok(());
            }
            self.revision = self.store.commit(batch)?;
        }
    }

    fn trim_plans(&mut self) -> Result<(), EngineError> {
        let over = self.plans.len().saturating_sub(KEEP_PLANS);
        if over == 0 {
            return Ok(());
        }
        let mut batch = Batch::new();
        for plan in self.plans.drain(..over) {
            let any = muster_store::Expect::Any;
            tables::PLANS.delete(&mut batch, &plan_id(plan.number), any)?;
        }
        self.revision = self.store.commit(batch)?;
        Ok(())
    }

    /// Tells the index what the configuration asks for. What was not read since the start proves nothing.
    fn set_scopes(&mut self) {
        let setup = &self.setup;
        self.index
            .configure(&setup.scopes, setup.scopes_known, setup.open.clone());
        for scope in &setup.scopes {
            if self.index.line(scope).is_none() {
                self.index.set_line(unread_line(scope));
            }
        }
    }
}

/// What the store holds, as far as it is kept in memory.
struct Known {
    index: Index,
    scopes: BTreeMap<Arc<Scope>, ScopeRecord>,
    plans: Vec<HeldPlan>,
    removed: RemovedLately,
    revision: Revision,
    undecided: Undecided,
    behind: bool,
}

/// Reads everything once, a record at a time.
fn load(store: &dyn Store, setup: &Setup, now: Timestamp) -> Result<Known, StoreError> {
    let revision = store.revision()?;
    let mut index = Index::new(&setup.settings.group);
    // What the configuration asks for has to be known first: what is there counts as seen, by a scan that saw all.
    index.configure(&setup.scopes, setup.scopes_known, setup.open.clone());
    let go = ControlFlow::Continue(());
    tables::INVENTORY.each(store, "", Order::Ascending, &mut |id, record| {
        match record {
            Ok(record) => index.put_record(&record.value),
            Err(damaged) => tracing::warn!(id, %damaged, "an inventory record cannot be read"),
        }
        go
    })?;
    let scopes = tables::SCOPES.list(store)?.records;
    for (_, record) in &scopes {
        if !record.value.coverage.is_complete() {
            index.unsee(&record.value.scope);
        }
    }
    let mut undecided = Undecided::default();
    tables::DECISIONS.each(store, "", Order::Ascending, &mut |id, record| {
        let id = ResourceId::new(id);
        let decision = record.map(|record| record.value.decision);
        if let Ok(decision) = &decision {
            undecided.note(&id, decision);
        }
        match decision {
            Ok(Decision::Enroll(enrollment)) if !index.is_missing(&id) => {
                index.want(&id, Some(&enrollment.name));
            }
            Ok(Decision::Skip { reason }) => index.skip(&id, reason.code()),
            _ => {}
        }
        go
    })?;
    let plans = tables::PLANS.list(store)?.records;
    let plans: Vec<HeldPlan> = plans.into_iter().map(|(_, plan)| plan.value).collect();
    let behind = matched::is_behind(store)?;
    let resumed = Resumed::of(&plans, &setup.settings, now).behind(behind);
    tables::TARGETS.each(store, "", Order::Ascending, &mut |id, target| {
        match target {
            Ok(target) => {
                index.put_target(&target.value);
                resumed.stand(&mut index, &target.value.id);
            }
            Err(damaged) => tracing::warn!(id, %damaged, "a target cannot be read"),
        }
        go
    })?;
    // Nothing of that is news.
    index.take_stirred();
    let scopes = scopes.into_iter();
    Ok(Known {
        index,
        scopes: scopes
            .map(|(_, record)| (Arc::clone(&record.value.scope), record.value))
            .collect(),
        plans,
        removed: removed_lately(store)?,
        revision,
        undecided,
        behind,
    })
}

impl From<CommitError> for EngineError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Stale { expected, found } => Self::Stale { expected, found },
            CommitError::Store(error) => Self::Store(error),
        }
    }
}
