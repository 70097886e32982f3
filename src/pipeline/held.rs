//! Plans that the brake held: which wait for a person, what a person said, and for how long that counts.

use std::collections::BTreeSet;

use muster_model::{
    Became, Event, HeldPlan, HeldRemoval, HistoryEntry, ResourceId, Timestamp, Verdict,
};
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
        plan.open()
            .map(move |removal| (&removal.id, plan.number, by))
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
        .flat_map(HeldPlan::open)
        .filter(|removal| !told.contains(&removal.id) && waits(&removal.id));
    held.extend(others.cloned());
    held
}

/// What becomes of the plans when the brake holds `held`, all of it, and `became` says of a database that it is
/// removed now, or that it is there and is not to be removed any more. Returns the plans that are new or differ.
///
/// What a person was shown stays in the list of the plan that they approved or rejected, with what became of it. A plan that grows is another plan: nobody approves what was not shown. One that was rejected is not raised
/// again until it grows.
pub fn update(
    plans: &[HeldPlan],
    held: &[HeldRemoval],
    became: impl Fn(&ResourceId) -> Became,
    now: &Now<'_>,
) -> Vec<HeldPlan> {
    let mut changed = Vec::new();
    // What a person said is for this loss, not for the next one of the same database.
    for plan in plans.iter().filter(|plan| plan.group == now.group) {
        let said = matches!(
            plan.verdict,
            Verdict::Approved { .. } | Verdict::Rejected { .. }
        );
        let ends = |removal: &HeldRemoval| became(&removal.id) != Became::Open;
        if said && plan.open().any(ends) {
            let mut plan = plan.clone();
            let removals = plan.removals.iter_mut();
            for removal in removals.filter(|removal| removal.became == Became::Open) {
                removal.became = became(&removal.id);
            }
            changed.push(plan);
        }
    }
    let ids: BTreeSet<&ResourceId> = held.iter().map(|removal| &removal.id).collect();
    if let Some(current) = current(plans, now.group) {
        let waits = current.verdict == Verdict::Waiting;
        let known: BTreeSet<&ResourceId> = current
            .open()
            .map(|removal| &removal.id)
            .filter(|id| waits || became(id) == Became::Open)
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

/// The plan that took the place of this one: a newer one of its group that waits, or of which a person said something.
fn newer(plans: &[HeldPlan], plan: &HeldPlan) -> Option<u64> {
    let group = plans.iter().filter(|other| other.group == plan.group);
    let stands = |other: &&HeldPlan| {
        other.number > plan.number && !matches!(other.verdict, Verdict::Superseded { .. })
    };
    group.filter(stands).map(|other| other.number).max()
}

/// The id of a plan in [`muster_store::tables::PLANS`]: its number, so that their order is that of the ids.
pub fn plan_id(number: u64) -> String {
    format!("{number:06}")
}

/// What a person said of a plan, one of `plans`, and what the history says of that.
///
/// Who has rejected a plan may think again, as long as no other plan took its place. Who has approved one may not: what it
/// shows may be removed already.
///
/// # Errors
/// When the plan does not wait any more: with what became of it.
pub fn decide(
    plans: &[HeldPlan],
    plan: &HeldPlan,
    approve: bool,
    by: &str,
    now: Timestamp,
) -> Result<(HeldPlan, Vec<HistoryEntry>), String> {
    let number = plan.number;
    match &plan.verdict {
        Verdict::Waiting => {}
        Verdict::Rejected { by, at } if approve => {
            let said = format!("plan {number} was rejected by {by} at {at}");
            if let Some(newer) = newer(plans, plan) {
                return Err(format!("{said}, and plan {newer} took its place since"));
            }
            if plan.open().next().is_none() {
                return Err(format!("{said}, and nothing that it would remove is left"));
            }
        }
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
        .open()
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
