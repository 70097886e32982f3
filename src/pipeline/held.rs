//! Plans that the brake held: which wait for a person, what a person said, and for how long that counts.

use std::collections::BTreeSet;

use muster_model::{Event, HeldPlan, HeldRemoval, HistoryEntry, ResourceId, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

/// For how long an approval counts, in seconds: a day. What could not be removed by then is asked for again.
pub const APPROVAL_HOLDS: u64 = 24 * 60 * 60;

/// How many plans are remembered.
pub const KEEP_PLANS: usize = 100;

/// How many targets were removed when: what the brake counts beside a plan's own removals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedLately(Vec<(Timestamp, u64)>);

impl RemovedLately {
    /// Under which name it is in [`muster_store::tables::META`].
    pub const NAME: &'static str = "removed-lately";

    /// How many were removed in the last `window` seconds.
    pub fn count(&self, now: Timestamp, window: u64) -> usize {
        let lately = self.0.iter().filter(|(at, _)| now.since(*at) < window);
        let count = lately.map(|(_, count)| *count).fold(0, u64::saturating_add);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Adds some, and forgets what is outside of the window.
    pub fn add(&mut self, now: Timestamp, window: u64, count: usize) {
        self.0.retain(|(at, _)| now.since(*at) < window);
        self.0.push((now, count as u64));
    }
}

/// What plans are compared with.
pub struct Now<'a> {
    /// The discovery group.
    pub group: &'a str,
    /// How many targets there are.
    pub targets: usize,
    /// How many the brake lets through.
    pub allowance: usize,
    /// The time.
    pub at: Timestamp,
}

/// The removals that a person approved and that still count.
pub fn approved(plans: &[HeldPlan], group: &str, now: Timestamp) -> BTreeSet<ResourceId> {
    approvals(plans, group, now)
        .map(|(id, ..)| id.clone())
        .collect()
}

/// Who approved the removal of a database, and in which plan; the newest that still counts.
pub fn approval<'a>(
    plans: &'a [HeldPlan],
    group: &str,
    id: &ResourceId,
    now: Timestamp,
) -> Option<(u64, &'a str)> {
    let last = approvals(plans, group, now).filter(|(other, ..)| *other == id);
    last.last().map(|(_, number, by)| (number, by))
}

fn approvals<'a>(
    plans: &'a [HeldPlan],
    group: &str,
    now: Timestamp,
) -> impl Iterator<Item = (&'a ResourceId, u64, &'a str)> {
    let ours = plans.iter().filter(move |plan| plan.group == group);
    let counts = ours.filter_map(move |plan| match &plan.verdict {
        Verdict::Approved { by, at } if now.since(*at) < APPROVAL_HOLDS => Some((plan, &**by)),
        _ => None,
    });
    counts.flat_map(|(plan, by)| {
        let removals = plan.removals.iter();
        removals.map(move |removal| (&removal.id, plan.number, by))
    })
}

/// The plan that says what the brake holds: it waits for a person, or a person rejected it and there was none since.
pub fn current<'a>(plans: &'a [HeldPlan], group: &str) -> Option<&'a HeldPlan> {
    plans
        .iter()
        .filter(|plan| plan.group == group)
        .rfind(|plan| matches!(plan.verdict, Verdict::Waiting | Verdict::Rejected { .. }))
}

/// All that the brake holds: `held`, and what the current plan shows and `waits` says of that it would still be held.
/// That a scope is not read just now, for one, takes nothing out of a plan.
pub fn all(
    plans: &[HeldPlan],
    group: &str,
    mut held: Vec<HeldRemoval>,
    waits: impl Fn(&ResourceId) -> bool,
) -> Vec<HeldRemoval> {
    let told: BTreeSet<ResourceId> = held.iter().map(|removal| removal.id.clone()).collect();
    let others = current(plans, group)
        .into_iter()
        .flat_map(|plan| &plan.removals)
        .filter(|removal| !told.contains(&removal.id) && waits(&removal.id));
    held.extend(others.cloned());
    held
}

/// What becomes of the plans when the brake holds `held`, all of it, and `is_kept` says of a database that it is
/// there and is not to be removed any more. Returns the plans that are new or differ.
///
/// A plan that grows is another plan: nobody approves what was not shown. One that was rejected is not raised
/// again until it grows.
pub fn update(
    plans: &[HeldPlan],
    held: &[HeldRemoval],
    is_kept: impl Fn(&ResourceId) -> bool,
    now: &Now<'_>,
) -> Vec<HeldPlan> {
    let mut changed = Vec::new();
    // What a person said is for this loss, not for the next one of the same database.
    for plan in plans.iter().filter(|plan| plan.group == now.group) {
        let said = matches!(
            plan.verdict,
            Verdict::Approved { .. } | Verdict::Rejected { .. }
        );
        if said && plan.removals.iter().any(|removal| is_kept(&removal.id)) {
            let mut plan = plan.clone();
            plan.removals.retain(|removal| !is_kept(&removal.id));
            changed.push(plan);
        }
    }
    let ids: BTreeSet<&ResourceId> = held.iter().map(|removal| &removal.id).collect();
    if let Some(current) = current(plans, now.group) {
        let waits = current.verdict == Verdict::Waiting;
        let known: BTreeSet<&ResourceId> = current
            .removals
            .iter()
            .map(|removal| &removal.id)
            .filter(|id| waits || !is_kept(id))
            .collect();
        if known == ids || (!waits && ids.is_subset(&known)) {
            return changed;
        }
        if waits && !ids.is_empty() && ids.is_subset(&known) {
            let mut plan = current.clone();
            plan.removals.retain(|removal| ids.contains(&removal.id));
            changed.push(plan);
            return changed;
        }
        if waits {
            changed.push(HeldPlan {
                verdict: Verdict::Superseded { at: now.at },
                ..current.clone()
            });
        }
    }
    if !held.is_empty() {
        let mut removals = held.to_vec();
        removals.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        changed.push(HeldPlan {
            number: plans.iter().map(|plan| plan.number).max().unwrap_or(0) + 1,
            made: now.at,
            group: now.group.to_owned(),
            removals,
            targets: now.targets as u64,
            allowance: now.allowance as u64,
            verdict: Verdict::Waiting,
        });
    }
    changed
}

/// The id of a plan in [`muster_store::tables::PLANS`]: its number, so that their order is that of the ids.
pub fn plan_id(number: u64) -> String {
    format!("{number:06}")
}

/// What a person said of a plan, and what the history says of that.
///
/// # Errors
/// When the plan does not wait any more: with what became of it.
pub fn decide(
    plan: &HeldPlan,
    approve: bool,
    by: &str,
    now: Timestamp,
) -> Result<(HeldPlan, Vec<HistoryEntry>), String> {
    let number = plan.number;
    match &plan.verdict {
        Verdict::Waiting => {}
        // Who changes their mind after a rejection may.
        Verdict::Rejected { .. } if approve => {}
        Verdict::Approved { by, at } => {
            return Err(format!("plan {number} was approved by {by} at {at}"));
        }
        Verdict::Rejected { by, at } => {
            return Err(format!("plan {number} was rejected by {by} at {at}"));
        }
        Verdict::Superseded { at } => {
            return Err(format!(
                "plan {number} no longer stands since {at}: the databases came back, or another plan took its place"
            ));
        }
    }
    let (by, at) = (by.to_owned(), now);
    let (event, verdict) = if approve {
        (Event::Approved, Verdict::Approved { by: by.clone(), at })
    } else {
        (Event::Rejected, Verdict::Rejected { by: by.clone(), at })
    };
    let history = plan
        .removals
        .iter()
        .map(|removal| HistoryEntry {
            at: now,
            id: removal.id.clone(),
            name: removal.name.clone(),
            event,
            run: format!("plan {number}"),
            by: by.clone(),
            fields: Vec::new(),
            reason: removal.reason.clone(),
        })
        .collect();
    let plan = HeldPlan {
        verdict,
        ..plan.clone()
    };
    Ok((plan, history))
}
