//! What the history says of a plan's changes: what was done, by which matcher or scan, and who approved it.

use std::collections::BTreeMap;

use muster_model::{Decision, Event, HeldPlan, HistoryEntry, Record, ResourceId, Skip, Timestamp};
use muster_plan::{Action, Change, Inventory, Judged, Plan};

use crate::pipeline::held;

/// What the history says of a plan's changes is made of this.
pub(crate) struct Made<'a> {
    pub judged: &'a BTreeMap<ResourceId, Judged>,
    pub inventory: &'a Inventory,
    /// The plans that the brake held.
    pub plans: &'a [HeldPlan],
    pub group: &'a str,
    pub now: Timestamp,
    pub run: &'a str,
}

impl Made<'_> {
    /// What the history says of what a plan does.
    pub fn applied(&self, plan: &Plan) -> impl Iterator<Item = HistoryEntry> {
        plan.changes.iter().filter_map(|change| {
            let event = match change.action {
                Action::Add => Event::Enrolled,
                Action::Update => Event::Updated,
                Action::Remove => Event::Removed,
                Action::Keep | Action::Held => return None,
            };
            Some(HistoryEntry {
                at: self.now,
                id: change.id.clone(),
                name: change.name.clone(),
                event,
                run: self.run.to_owned(),
                by: self.by(change),
                fields: change.fields.clone(),
                reason: change.reason.clone(),
            })
        })
    }

    /// The matcher that decided; for what is gone the scan that missed it; and the person who approved it.
    fn by(&self, change: &Change) -> String {
        let removed = change.action == Action::Remove;
        let record = self.inventory.get(&change.id);
        let scan = |record: &Record| format!("scan {}", record.database.scope);
        let gone = record.filter(|record| removed && record.missing.is_some());
        let decision = self.judged.get(&change.id).map(|judged| &judged.decision);
        let by = match (gone, decision) {
            (Some(gone), _) => scan(gone),
            (None, Some(Decision::Enroll(enrollment))) => enrollment.matcher.clone(),
            (
                None,
                Some(Decision::Skip {
                    reason: Skip::Matcher { matcher, .. },
                }),
            ) => matcher.clone(),
            _ => record.map_or_else(|| "plan".to_owned(), scan),
        };
        let approval = held::approval(self.plans, self.group, &change.id, self.now);
        match approval.filter(|_| removed) {
            Some((number, person)) => format!("{by}, plan {number} approved by {person}"),
            None => by,
        }
    }
}
