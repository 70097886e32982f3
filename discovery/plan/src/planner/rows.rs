//! What the plan says of each database, and what is to be written.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::{
    Availability, Enrollment, FieldChange, Owner, Record, ResourceId, Skip, Target, fact,
};

use super::{DISCOVERY, Outcome, Planner, TargetWrite};
use crate::{Action, Change, Hold, Plan, Safety, SkippedLine, Summary};

impl Planner<'_> {
    pub(super) fn skip(&mut self, record: &Record, reason: &Skip) {
        self.skipped.push(SkippedLine {
            code: reason.code().to_owned(),
            reason: reason.to_string(),
            ..line(record)
        });
    }

    pub(super) fn hold(&mut self, target: &Target, would: Action, safety: Safety, reason: String) {
        let mut change = self.change(target, Action::Held, reason);
        change.hold = Some(Hold { would, safety });
        self.changes.push(change);
    }

    pub(super) fn hold_update(
        &mut self,
        target: &Target,
        fields: Vec<FieldChange>,
        safety: Safety,
        reason: String,
    ) {
        let mut change = self.change(target, Action::Held, reason);
        change.hold = Some(Hold {
            would: Action::Update,
            safety,
        });
        change.fields = fields;
        self.changes.push(change);
    }

    pub(super) fn change(&self, target: &Target, action: Action, reason: String) -> Change {
        let record = self.inventory.get(&target.id);
        let shadowed = self
            .judged
            .get(&target.id)
            .map(|judged| judged.trace.shadowed.clone())
            .unwrap_or_default();
        let mut notes = record
            .map(|record| record.database.notes.clone())
            .unwrap_or_default();
        if action != Action::Remove {
            if target
                .facts
                .get(fact::IAM_AUTH)
                .is_some_and(|on| on == "false")
            {
                notes.push(
                    "IAM authentication is off: nobody can connect by IAM until it is switched on"
                        .to_owned(),
                );
            }
            if target
                .facts
                .get(fact::ENTRA_AUTH)
                .is_some_and(|on| on == "false")
            {
                notes.push("Entra authentication is off: nobody can connect by Entra until it is switched on".to_owned());
            }
            match target.state.availability {
                Availability::Stopped => {
                    notes.push(format!(
                        "state is `{}`: it stays enrolled, and connecting says so",
                        target.state.name
                    ));
                }
                Availability::Unavailable => {
                    notes.push(format!(
                        "state is `{}`: it cannot be used now, and stays enrolled",
                        target.state.name
                    ));
                }
                Availability::Available | Availability::Unknown => {}
            }
        }
        Change {
            action,
            id: target.id.clone(),
            name: target.name.clone(),
            kind: target.kind,
            protocol: target.protocol,
            endpoint: target.endpoint.clone(),
            state: target.state.clone(),
            labels: target.labels.clone(),
            shadowed,
            reason,
            fields: Vec::new(),
            hold: None,
            notes,
        }
    }

    /// None when muster does not speak the engine's protocol, which no matcher can change.
    pub(super) fn target(&self, record: &Record, enrollment: &Enrollment) -> Option<Target> {
        let database = &record.database;
        Some(Target {
            id: database.id.clone(),
            name: enrollment.name.clone(),
            short_name: enrollment.short_name.clone(),
            kind: database.kind,
            protocol: database.protocol?,
            endpoint: database.endpoint.clone(),
            tls_server_name: database.tls_server_name.clone(),
            engine: database.engine.clone(),
            engine_version: database.engine_version.clone(),
            state: database.state.clone(),
            labels: enrollment.labels.clone(),
            hints: enrollment.hints.clone(),
            facts: database.facts.clone(),
            scope: database.scope.clone(),
            owner: Owner {
                by: DISCOVERY.to_owned(),
                group: self.settings.group.clone(),
            },
            reason: enrollment.reason.clone(),
        })
    }

    pub(super) fn finish(mut self, mut notes: Vec<String>) -> Outcome {
        self.changes
            .sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        self.skipped
            .sort_by(|a, b| (&a.id, &a.code).cmp(&(&b.id, &b.code)));

        let removed: BTreeSet<ResourceId> = self
            .changes
            .iter()
            .filter(|c| c.action == Action::Remove)
            .map(|c| c.id.clone())
            .collect();
        for id in &removed {
            if self
                .inventory
                .get(id)
                .is_some_and(|record| record.missing.is_some())
            {
                self.forget.push(id.clone());
            }
        }
        self.forget.sort();
        let mut writes: BTreeMap<ResourceId, TargetWrite> = self
            .puts
            .into_iter()
            .map(|(id, target)| (id, TargetWrite::Put(Box::new(target))))
            .collect();
        writes.extend(
            removed
                .into_iter()
                .map(|id| (id.clone(), TargetWrite::Delete(id))),
        );

        let mut summary = Summary {
            skip: self.skipped.len(),
            ..Summary::default()
        };
        for change in &self.changes {
            *match change.action {
                Action::Add => &mut summary.add,
                Action::Update => &mut summary.update,
                Action::Remove => &mut summary.remove,
                Action::Keep => &mut summary.keep,
                Action::Held => &mut summary.held,
            } += 1;
        }
        let mut scopes = self.lines.to_vec();
        scopes.sort_by(|a, b| a.scope.cmp(&b.scope));
        notes.sort();
        notes.dedup();
        let plan = Plan {
            summary,
            scopes,
            changes: self.changes,
            skipped: self.skipped,
            notes,
            at: self.now,
        };
        Outcome {
            plan,
            writes: writes.into_values().collect(),
            forget: self.forget,
        }
    }
}

pub(super) fn line(record: &Record) -> SkippedLine {
    SkippedLine {
        id: record.database.id.clone(),
        name: record.database.base_name(),
        kind: record.database.kind,
        code: String::new(),
        reason: String::new(),
    }
}
