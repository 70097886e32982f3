//! One run: what the scans saw is merged, judged and planned. No I/O and no clock: `muster plan` shows what
//! comes out, `muster apply` and the service write it.

mod made;

use std::collections::{BTreeMap, BTreeSet};

use muster_matchers::{Chain, Subject};
use muster_model::{
    Became, DecisionRecord, Event, HeldPlan, HeldRemoval, HistoryEntry, Provider, Record,
    ResourceId, Scan, Scope, ScopeRecord, Target, Timestamp,
};
use muster_plan::{
    Action, Change, Hold, Input, Inventory, Judged, OpenScopes, Outcome, Plan, Removals, Safety,
    ScopeLine, Settings, TargetWrite, plan,
};

pub(crate) use self::made::Made;
use serde::{Deserialize, Serialize};

use super::{
    held::{self, RemovedLately},
    sources::UNKNOWN,
    state::State,
};

/// What one run came to.
#[derive(Clone, Debug)]
pub struct Run {
    /// What a person sees.
    pub plan: Plan,
    /// What the store is to be told.
    pub writes: Writes,
    /// Every database that is known after the scans, with its judgement.
    pub judged: BTreeMap<ResourceId, Judged>,
}

/// What the store is to be told: all of it, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    /// Databases that are new, or differ from before.
    pub records: Vec<Record>,
    /// Databases that are gone for good.
    pub forget: Vec<ResourceId>,
    /// How each scope's scan went.
    pub scopes: Vec<ScopeRecord>,
    /// What is enrolled, updated and removed.
    pub targets: Vec<TargetWrite>,
    /// Decisions that differ from before.
    pub decisions: Vec<(ResourceId, DecisionRecord)>,
    /// What happened.
    pub history: Vec<HistoryEntry>,
    /// Plans that the brake held, where they are new or differ.
    #[serde(default)]
    pub plans: Vec<HeldPlan>,
    /// How many were removed when, where that differs.
    #[serde(default)]
    pub removed: Option<RemovedLately>,
    /// Whether a target is held as it was, and not as it should be; but for its name.
    #[serde(default)]
    pub behind: bool,
}

impl Writes {
    /// Adds to what the history will say of changes who had them carried out.
    pub fn applied_by(&mut self, person: &str) {
        for entry in &mut self.history {
            if matches!(
                entry.event,
                Event::Enrolled | Event::Updated | Event::Removed
            ) {
                entry.by = format!("{}, applied by {person}", entry.by);
            }
        }
    }
}

/// What a run is told, beside what the store and the scans say.
pub struct Ask<'a> {
    /// The matchers.
    pub chain: &'a Chain,
    /// What the plan may do.
    pub settings: &'a Settings,
    /// Whether the scans are all that the configuration asks for.
    pub scopes_known: bool,
    /// What the configuration asks for by `*`.
    pub open: &'a [OpenScopes],
    /// The time.
    pub now: Timestamp,
    /// The run's name, for the history.
    pub run: &'a str,
}

/// Judges and plans what the store remembers, as if every scope had just been read again with the result of
/// the last time. For explaining: there is nothing new in it to write.
pub fn remember(state: &State, chain: &Chain, settings: &Settings, now: Timestamp) -> Run {
    let inventory = Inventory::new(state.records.values().cloned());
    // Seen is what the last scan of its scope could have seen: what was complete, or what is not missing.
    let seen = inventory
        .iter()
        .filter(|record| record.missing.is_none())
        .map(|r| r.database.id.clone())
        .collect();
    let judged = judge(&inventory, chain, &state.records).0;
    let lines: Vec<ScopeLine> = state
        .scopes
        .values()
        .map(|record| ScopeLine {
            scope: record.scope.clone(),
            coverage: record.coverage.clone(),
            found: usize::try_from(record.found).unwrap_or(usize::MAX),
            malformed: Vec::new(),
            warnings: Vec::new(),
        })
        .collect();
    let outcome = plan(Input {
        inventory: &inventory,
        seen: &seen,
        targets: &state.targets,
        judged: &judged,
        scopes: &lines,
        scopes_known: false,
        open: &[],
        before: &state.scopes,
        removals: Removals {
            besides: state.removed.count(now, settings.brake.window),
            approved: &held::approved(&state.plans, &settings.group, now),
        },
        rest: None,
        notes: Vec::new(),
        settings,
        now,
    });
    Run {
        plan: outcome.plan,
        writes: Writes::default(),
        judged,
    }
}

/// How many databases are judged at once, so that memory is bounded.
pub(crate) const BATCH: usize = 4096;

/// The judgement of every record, and which rules matched something. A database that was not `known` before has no
/// first sighting yet: the same scan comes to the same plan at any time.
fn judge(
    inventory: &Inventory,
    chain: &Chain,
    known: &BTreeMap<ResourceId, Record>,
) -> (BTreeMap<ResourceId, Judged>, Vec<bool>) {
    let mut matched = vec![false; chain.rules().len()];
    let mut judged = BTreeMap::new();
    let subjects: Vec<Subject<'_>> = inventory
        .iter()
        .map(|record| {
            let database = &record.database;
            let known = known.get(&database.id);
            Subject {
                database,
                first_seen: known.map(|record| record.first_seen),
            }
        })
        .collect();
    for batch in subjects.chunks(BATCH) {
        for (subject, judgement) in batch.iter().zip(chain.judge_all(batch)) {
            for rule in judgement.matched {
                if let Some(matched) = matched.get_mut(rule) {
                    *matched = true;
                }
            }
            let decided = Judged {
                decision: judgement.decision,
                trace: judgement.trace,
            };
            judged.insert(subject.database.id.clone(), decided);
        }
    }
    (judged, matched)
}

/// Merges, judges and plans.
pub fn run(state: &State, scans: &[Scan], ask: &Ask<'_>) -> Run {
    let mut inventory = Inventory::new(state.records.values().cloned());
    inventory.adopt(
        state
            .targets
            .values()
            .filter(|target| target.owner.by == "discovery"),
        ask.now,
    );
    let merge = inventory.merge(
        scans,
        &state.scopes,
        ask.now,
        ask.run,
        ask.settings.grace.scans,
    );

    let (judged, matched) = judge(&inventory, ask.chain, &state.records);

    let lines: Vec<ScopeLine> = scans
        .iter()
        .map(|scan| ScopeLine {
            scope: scan.scope.clone(),
            coverage: scan.coverage.clone(),
            found: scan.found.len(),
            malformed: scan.malformed.clone(),
            warnings: scan.warnings.clone(),
        })
        .collect();
    let outcome = plan(Input {
        inventory: &inventory,
        seen: &merge.seen,
        targets: &state.targets,
        judged: &judged,
        scopes: &lines,
        scopes_known: ask.scopes_known,
        open: ask.open,
        before: &state.scopes,
        removals: Removals {
            besides: state.removed.count(ask.now, ask.settings.brake.window),
            approved: &held::approved(&state.plans, &ask.settings.group, ask.now),
        },
        rest: None,
        notes: notes(state, ask.chain, &matched),
        settings: ask.settings,
        now: ask.now,
    });

    let mut history = merge.history;
    let made = Made {
        judged: &judged,
        inventory: &inventory,
        plans: &state.plans,
        group: &ask.settings.group,
        now: ask.now,
        run: ask.run,
    };
    history.extend(made.applied(&outcome.plan));
    history.extend(forgotten(&outcome, &inventory, ask.now, ask.run));
    let records = merge
        .changed
        .iter()
        .filter(|id| outcome.forget.binary_search(id).is_err())
        .filter_map(|id| inventory.get(id).cloned())
        .collect();
    let decisions = changed_decisions(state, &judged, ask.now);
    let plans = held_plans(state, &outcome, ask);
    let removed = removed(&state.removed, &outcome.writes, ask.settings, ask.now);
    let behind = outcome.plan.changes.iter().any(is_behind);
    Run {
        plan: outcome.plan,
        writes: Writes {
            records,
            forget: outcome.forget,
            // A scope whose account or regions could not be found out has no name to remember it by.
            scopes: merge
                .scopes
                .into_iter()
                .filter(|record| is_named(&record.scope))
                .collect(),
            targets: outcome.writes,
            decisions,
            history,
            plans,
            removed,
            behind,
        },
        judged,
    }
}

/// The plans that wait for a person, after this one.
fn held_plans(state: &State, outcome: &Outcome, ask: &Ask<'_>) -> Vec<HeldPlan> {
    let is_own = |target: &&Target| {
        target.owner.by == "discovery" && target.owner.group == ask.settings.group
    };
    let targets = state.targets.values().filter(is_own).count();
    let (mut kept, mut unread) = (BTreeSet::new(), BTreeSet::new());
    for change in &outcome.plan.changes {
        match (change.action, change.hold) {
            (Action::Keep | Action::Update | Action::Add, _) => kept.insert(&change.id),
            (_, Some(hold)) if hold.would == Action::Update => kept.insert(&change.id),
            (_, Some(hold)) if hold.would == Action::Remove => {
                hold.safety == Safety::Coverage && unread.insert(&change.id)
            }
            _ => false,
        };
    }
    let group = &ask.settings.group;
    let removed = deleted(&outcome.writes);
    let held = held::all(&state.plans, group, braked(&outcome.plan), |id| {
        unread.contains(id)
    });
    held::update(
        &state.plans,
        &held,
        |id| match () {
            () if removed.contains(id) => Became::Removed,
            () if kept.contains(id) => Became::Stays,
            () => Became::Open,
        },
        &held::Now {
            group,
            targets,
            allowance: ask.settings.brake.allowance(targets),
            at: ask.now,
        },
    )
}

/// What the brake holds of a plan.
pub(crate) fn braked(plan: &Plan) -> Vec<HeldRemoval> {
    plan.changes
        .iter()
        .filter(|change| {
            matches!(
                change.hold,
                Some(Hold {
                    safety: Safety::Brake,
                    ..
                })
            )
        })
        .map(|change| HeldRemoval {
            id: change.id.clone(),
            name: change.name.clone(),
            reason: change.reason.clone(),
            became: Became::Open,
        })
        .collect()
}

/// What these writes remove.
pub(crate) fn deleted(writes: &[TargetWrite]) -> BTreeSet<&ResourceId> {
    let deleted = writes.iter().filter_map(|write| match write {
        TargetWrite::Delete(id) => Some(id),
        TargetWrite::Put(_) => None,
    });
    deleted.collect()
}

/// How many were removed when, after these writes; none when that is as before.
pub(crate) fn removed(
    before: &RemovedLately,
    writes: &[TargetWrite],
    settings: &Settings,
    now: Timestamp,
) -> Option<RemovedLately> {
    let removals = writes
        .iter()
        .filter(|write| matches!(write, TargetWrite::Delete(_)))
        .count();
    (removals > 0).then(|| {
        let mut removed = before.clone();
        removed.add(now, settings.brake.window, removals);
        removed
    })
}

/// What the history says of records that are gone for good.
pub(crate) fn forgotten<'a>(
    outcome: &'a Outcome,
    inventory: &'a Inventory,
    now: Timestamp,
    run: &'a str,
) -> impl Iterator<Item = HistoryEntry> + 'a {
    outcome
        .forget
        .iter()
        .filter_map(|id| inventory.get(id))
        .map(move |record| HistoryEntry {
            at: now,
            id: record.database.id.clone(),
            name: record.database.base_name(),
            event: Event::Forgotten,
            run: run.to_owned(),
            by: format!("scan {}", record.database.scope),
            fields: Vec::new(),
            reason: "missing for longer than the grace".to_owned(),
        })
}

impl Writes {
    /// What a mere scan writes: what was seen, and nothing of what follows from it.
    #[must_use]
    pub fn inventory_only(self) -> Self {
        let seen = |entry: &HistoryEntry| {
            matches!(
                entry.event,
                Event::Seen | Event::Changed | Event::Missing | Event::Returned
            )
        };
        Self {
            history: self.history.into_iter().filter(seen).collect(),
            records: self.records,
            scopes: self.scopes,
            ..Self::default()
        }
    }
}

/// Whether a target stays as it was, and is not as it should be. What name it should have is compared at every start.
fn is_behind(change: &Change) -> bool {
    change
        .hold
        .is_some_and(|hold| hold.would == Action::Update && hold.safety != Safety::Name)
}

pub(crate) fn is_named(scope: &Scope) -> bool {
    scope.account.as_str() != UNKNOWN
        && (scope.provider == Provider::Azure || scope.region.as_str() != "*")
}

fn notes(state: &State, chain: &Chain, matched: &[bool]) -> Vec<String> {
    let mut notes: Vec<String> = state
        .damaged
        .iter()
        .map(|damaged| format!("store: {damaged}; it is written anew when it is seen"))
        .collect();
    for (rule, _) in chain
        .rules()
        .iter()
        .zip(matched)
        .filter(|(_, matched)| !**matched)
    {
        notes.push(format!("rule \"{rule}\" matched nothing"));
    }
    notes
}

fn changed_decisions(
    state: &State,
    judged: &BTreeMap<ResourceId, Judged>,
    now: Timestamp,
) -> Vec<(ResourceId, DecisionRecord)> {
    judged
        .iter()
        .filter(|(id, judged)| {
            state.decisions.get(id).is_none_or(|before| {
                before.decision != judged.decision || before.trace != judged.trace
            })
        })
        .map(|(id, judged)| {
            let record = DecisionRecord {
                decision: judged.decision.clone(),
                trace: judged.trace.clone(),
                changed: now,
            };
            (id.clone(), record)
        })
        .collect()
}

/// What [`Target`]s there are after these writes: for showing, and for tests.
pub fn after(
    targets: &BTreeMap<ResourceId, Target>,
    writes: &Writes,
) -> BTreeMap<ResourceId, Target> {
    let mut targets = targets.clone();
    for write in &writes.targets {
        match write {
            TargetWrite::Put(target) => {
                targets.insert(target.id.clone(), (**target).clone());
            }
            TargetWrite::Delete(id) => {
                targets.remove(id);
            }
        }
    }
    targets
}
