//! [`plan`]: the difference between what is enrolled and what should be, less what a safety forbids.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use muster_model::{
    AccountId, Availability, Decision, Enrollment, FieldChange, Owner, Provider, Record,
    ResourceId, Scope, ScopeRecord, Service, Skip, Target, Timestamp, Trace, Unread, fact,
};

use crate::{
    Action, Change, Hold, Inventory, Plan, Policy, Safety, ScopeLine, Settings, SkippedLine,
    Summary, Unconfigured, diff,
    inventory::covering,
    names::{Claim, Claims},
};

/// Everything that a plan depends on.
pub struct Input<'a> {
    /// What is known, after this run's scans were merged in.
    pub inventory: &'a Inventory,
    /// What this run's scans saw ([`crate::Merge::seen`]).
    pub seen: &'a HashSet<ResourceId>,
    /// What is enrolled.
    pub targets: &'a BTreeMap<ResourceId, Target>,
    /// What the matchers said, for every record of the inventory.
    pub judged: &'a BTreeMap<ResourceId, Judged>,
    /// Every scope of this run.
    pub scopes: &'a [ScopeLine],
    /// Whether `scopes` is all that the configuration asks for: false when a list of regions, accounts or
    /// subscriptions could not be read.
    pub scopes_known: bool,
    /// What the configuration asks for without naming it. The provider's list says what there is of it, and
    /// a list that has become shorter proves nothing.
    pub open: &'a [OpenScopes],
    /// How the scans went before this run, for every scope that was ever read.
    pub before: &'a BTreeMap<Arc<Scope>, ScopeRecord>,
    /// Notes to pass on.
    pub notes: Vec<String>,
    /// What may be done.
    pub settings: &'a Settings,
    /// The time of the run.
    pub now: Timestamp,
}

/// Scopes that a source asks for by `*`: every region of an account, every subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenScopes {
    /// The cloud.
    pub provider: Provider,
    /// The account; none for every one.
    pub account: Option<AccountId>,
    /// The families of calls.
    pub services: BTreeSet<Service>,
    /// Azure: the resource groups; none for every one.
    pub resource_groups: Option<BTreeSet<String>>,
}

/// A decision with its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub trace: Trace,
}

/// A plan, and what carrying it out means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What a person sees.
    pub plan: Plan,
    /// What the store is to be told, in the order of the ids.
    pub writes: Vec<TargetWrite>,
    /// Records that are gone for good: past their grace, and without a target after this plan.
    pub forget: Vec<ResourceId>,
}

/// One write to the enrolled set.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetWrite {
    /// Enroll or update.
    Put(Box<Target>),
    /// Remove.
    Delete(ResourceId),
}

/// Makes the plan. Pure: the same input gives the same bytes.
pub fn plan(input: Input<'_>) -> Outcome {
    let mut planner = Planner::new(&input);
    for record in input.inventory.iter() {
        planner.judge(record);
    }
    // Targets without a record are not ours to judge: another group's, or static ones. They are listed as kept.
    for target in input
        .targets
        .values()
        .filter(|target| input.inventory.get(&target.id).is_none())
    {
        planner.foreign(target);
    }
    planner.brake();
    planner.finish(input.notes)
}

struct Planner<'a> {
    inventory: &'a Inventory,
    seen: &'a HashSet<ResourceId>,
    targets: &'a BTreeMap<ResourceId, Target>,
    judged: &'a BTreeMap<ResourceId, Judged>,
    lines: &'a [ScopeLine],
    scopes: HashMap<&'a Scope, &'a ScopeLine>,
    scopes_known: bool,
    open: &'a [OpenScopes],
    before: &'a BTreeMap<Arc<Scope>, ScopeRecord>,
    settings: &'a Settings,
    now: Timestamp,
    claims: Claims<'a>,
    changes: Vec<Change>,
    puts: BTreeMap<ResourceId, Target>,
    skipped: Vec<SkippedLine>,
    forget: Vec<ResourceId>,
}

/// Whether a scope's silence about a database means anything.
enum Proof {
    /// It was read completely.
    Complete,
    /// It was not; what to say.
    Incomplete(String),
    /// No source asks for it any more.
    Unconfigured,
}

impl<'a> Planner<'a> {
    fn new(input: &Input<'a>) -> Self {
        let mut claims = Claims::incumbents(input.targets.values());
        for record in input
            .inventory
            .iter()
            .filter(|record| record.missing.is_none())
        {
            if let Some(Decision::Enroll(enrollment)) =
                input.judged.get(&record.database.id).map(|j| &j.decision)
            {
                claims.want(&record.database.id, &enrollment.name);
            }
        }
        Self {
            inventory: input.inventory,
            seen: input.seen,
            targets: input.targets,
            judged: input.judged,
            lines: input.scopes,
            scopes: input
                .scopes
                .iter()
                .map(|line| (&*line.scope, line))
                .collect(),
            scopes_known: input.scopes_known,
            open: input.open,
            before: input.before,
            settings: input.settings,
            now: input.now,
            claims,
            changes: Vec::new(),
            puts: BTreeMap::new(),
            skipped: Vec::new(),
            forget: Vec::new(),
        }
    }

    fn judge(&mut self, record: &Record) {
        let id = &record.database.id;
        let target = self.targets.get(id);
        if let Some(target) = target
            && !self.owns(target)
        {
            return self.foreign(target);
        }
        if record.missing.is_some() || !self.seen.contains(id) {
            return self.absent(record, target);
        }
        let judged = self.judged.get(id);
        match (judged.map(|judged| &judged.decision), target) {
            (Some(Decision::Enroll(_)), _) if record.database.unread.contains(&Unread::Tags) => {
                self.unread(record, target);
            }
            (Some(Decision::Enroll(enrollment)), target) => self.enroll(record, enrollment, target),
            (Some(Decision::Skip { reason }), Some(target)) if reason.is_passing() => {
                self.refresh(record, target)
            }
            (Some(Decision::Skip { reason }), target)
                if record.database.unread.contains(&Unread::Tags) && depends_on_tags(reason) =>
            {
                self.unread(record, target);
            }
            (
                Some(Decision::Skip {
                    reason: reason @ Skip::NotSelected { .. },
                }),
                Some(target),
            ) if !self.scopes_known => {
                let why =
                    format!("{reason}; but it is not known which accounts the sources stand for");
                self.hold(target, Action::Remove, Safety::Coverage, why);
                self.skip(record, reason);
            }
            (Some(Decision::Skip { reason }), Some(target)) => {
                self.remove(record, target, format!("no longer enrolled: {reason}"));
                self.skip(record, reason);
            }
            (Some(Decision::Skip { reason }), None) => self.skip(record, reason),
            (Some(Decision::Undecided { matcher, message }), target) => {
                self.undecided(
                    record,
                    target,
                    &format!("{matcher} failed, so nothing is decided: {message}"),
                );
            }
            (None, target) => self.undecided(record, target, "it was not judged"),
        }
    }

    /// Not found by this run: missing from complete scans, or its scope was not completely read.
    fn absent(&mut self, record: &Record, target: Option<&Target>) {
        let Some(target) = target else {
            if record.missing.is_some_and(|_| self.gone(record)) {
                self.forget.push(record.database.id.clone());
            } else {
                self.skipped.push(SkippedLine {
                    code: "not-seen".to_owned(),
                    reason: self.absence(record),
                    ..line(record)
                });
            }
            return;
        };
        match self.proof(&record.database.scope) {
            Proof::Incomplete(why) => self.hold(target, Action::Remove, Safety::Coverage, why),
            Proof::Unconfigured if self.settings.unconfigured == Unconfigured::Hold => {
                let why = format!(
                    "no source covers {} any more, so nothing is known of it",
                    record.database.scope
                );
                self.hold(target, Action::Remove, Safety::Coverage, why);
            }
            Proof::Unconfigured => {
                let why = format!("no source covers {} any more", record.database.scope);
                self.remove_unconfigured(record, target, why);
            }
            Proof::Complete if self.gone(record) => {
                let why = self.absence(record);
                self.remove_proven(target, format!("gone: {why}"));
            }
            Proof::Complete => {
                let why = self.absence(record);
                self.hold(target, Action::Remove, Safety::Grace, why);
            }
        }
    }

    fn absence(&self, record: &Record) -> String {
        let grace = self.settings.grace;
        match record.missing {
            Some(missing) => format!(
                "not found by {} complete {} since {} (grace: {} scans and {})",
                missing.scans,
                if missing.scans == 1 { "scan" } else { "scans" },
                missing.since,
                grace.scans,
                span(grace.seconds),
            ),
            None => match self.proof(&record.database.scope) {
                Proof::Incomplete(why) => why,
                Proof::Complete | Proof::Unconfigured => {
                    format!("no source covers {} any more", record.database.scope)
                }
            },
        }
    }

    fn gone(&self, record: &Record) -> bool {
        record.missing.is_some_and(|missing| {
            missing.scans >= self.settings.grace.scans
                && self.now.since(missing.since) >= self.settings.grace.seconds
        })
    }

    fn enroll(&mut self, record: &Record, enrollment: &Enrollment, target: Option<&Target>) {
        let Some(wanted) = self.target(record, enrollment) else {
            return self.skip(
                record,
                &Skip::Unsupported {
                    why: muster_model::Unsupported::Engine {
                        engine: record.database.engine.clone(),
                    },
                },
            );
        };
        let mut notes = Vec::new();
        match self.claims.settle(&wanted.id, &wanted.name) {
            Claim::Refused(why) => {
                let why = format!("the name `{}` {why}", wanted.name);
                let Some(target) = target else {
                    return self.hold(&wanted, Action::Add, Safety::Name, why);
                };
                // A name that cannot be had keeps no other change away: labels decide who may do what.
                let renamed = Target {
                    name: target.name.clone(),
                    short_name: target.short_name.clone(),
                    ..wanted
                };
                if diff::targets(target, &renamed).is_empty() {
                    return self.hold(target, Action::Update, Safety::Name, why);
                }
                return self.update(target, renamed, vec![format!("not renamed: {why}")]);
            }
            Claim::Granted(Some(others)) => {
                notes.push(format!(
                    "keeps the name `{}`, which {others} wants too",
                    wanted.name
                ));
            }
            Claim::Granted(None) => {}
        }
        let Some(target) = target else {
            let mut change = self.change(&wanted, Action::Add, wanted.reason.clone());
            change.notes.extend(notes);
            self.changes.push(change);
            self.puts.insert(wanted.id.clone(), wanted);
            return;
        };
        self.update(target, wanted, notes);
    }

    /// A passing state: the enrolled target stays, with what is known of it now.
    fn refresh(&mut self, record: &Record, target: &Target) {
        let database = &record.database;
        let wanted = Target {
            endpoint: database
                .endpoint
                .clone()
                .or_else(|| target.endpoint.clone()),
            state: database.state.clone(),
            ..target.clone()
        };
        self.update(target, wanted, Vec::new());
    }

    fn update(&mut self, target: &Target, wanted: Target, notes: Vec<String>) {
        let fields = diff::targets(target, &wanted);
        if fields.is_empty() {
            let mut change = self.change(target, Action::Keep, target.reason.clone());
            change.notes.extend(notes);
            return self.changes.push(change);
        }
        if self.settings.policy == Policy::CreateOnly {
            return self.hold_update(
                &wanted,
                fields,
                Safety::Policy,
                "policy create-only never updates".to_owned(),
            );
        }
        let mut change = self.change(&wanted, Action::Update, wanted.reason.clone());
        change.fields = fields;
        change.notes.extend(notes);
        self.changes.push(change);
        self.puts.insert(wanted.id.clone(), wanted);
    }

    fn unread(&mut self, record: &Record, target: Option<&Target>) {
        let why = "its tags could not be read, and no rule may judge it without".to_owned();
        self.held_record(record, target, Safety::Coverage, why);
    }

    fn undecided(&mut self, record: &Record, target: Option<&Target>, why: &str) {
        self.held_record(record, target, Safety::Matcher, why.to_owned());
    }

    fn held_record(
        &mut self,
        record: &Record,
        target: Option<&Target>,
        safety: Safety,
        why: String,
    ) {
        match target {
            Some(target) => self.hold(target, Action::Update, safety, why),
            None => {
                let database = &record.database;
                let Some(protocol) = database.protocol else {
                    self.skipped.push(SkippedLine {
                        code: safety_word(safety),
                        reason: why,
                        ..line(record)
                    });
                    return;
                };
                let (labels, shadowed) = database.labels();
                self.changes.push(Change {
                    action: Action::Held,
                    id: database.id.clone(),
                    name: database.base_name(),
                    kind: database.kind,
                    protocol,
                    endpoint: database.endpoint.clone(),
                    state: database.state.clone(),
                    labels,
                    shadowed,
                    reason: why,
                    fields: Vec::new(),
                    hold: Some(Hold {
                        would: Action::Add,
                        safety,
                    }),
                    notes: database.notes.clone(),
                });
            }
        }
    }

    /// A removal for another reason than absence: still only where the scope was completely read.
    fn remove(&mut self, record: &Record, target: &Target, reason: String) {
        match self.proof(&record.database.scope) {
            Proof::Incomplete(why) => {
                self.hold(
                    target,
                    Action::Remove,
                    Safety::Coverage,
                    format!("{reason}; but {why}"),
                );
            }
            Proof::Unconfigured if self.settings.unconfigured == Unconfigured::Hold => {
                self.hold(target, Action::Remove, Safety::Coverage, reason);
            }
            Proof::Unconfigured => self.remove_unconfigured(record, target, reason),
            Proof::Complete => self.remove_proven(target, reason),
        }
    }

    /// A removal because nobody asks for its scope any more: not before the grace has passed since the scope
    /// was last read, for it may be that the credentials lead to another account just now.
    fn remove_unconfigured(&mut self, record: &Record, target: &Target, reason: String) {
        let last = covering(&record.database.scope)
            .filter_map(|scope| self.before.get(&scope))
            .map(|before| before.attempted)
            .max()
            .unwrap_or(record.changed);
        let grace = self.settings.grace.seconds;
        if self.now.since(last) < grace {
            let why = format!("{reason}; last read {last} (grace: {})", span(grace));
            return self.hold(target, Action::Remove, Safety::Grace, why);
        }
        self.remove_proven(target, reason);
    }

    fn remove_proven(&mut self, target: &Target, reason: String) {
        if self.settings.policy != Policy::Sync {
            let why = format!(
                "{reason}; policy {} never removes",
                self.settings.policy.as_str()
            );
            return self.hold(target, Action::Remove, Safety::Policy, why);
        }
        let change = self.change(target, Action::Remove, reason);
        self.changes.push(change);
    }

    fn foreign(&mut self, target: &Target) {
        if self.owns(target) {
            // Ours, and no record of it: nothing proves anything.
            return self.hold(
                target,
                Action::Remove,
                Safety::Coverage,
                "the inventory has no record of it".to_owned(),
            );
        }
        let wants = matches!(
            self.judged.get(&target.id).map(|judged| &judged.decision),
            Some(Decision::Enroll(_))
        );
        let owner = format!(
            "it belongs to {} of group `{}`",
            target.owner.by, target.owner.group
        );
        if wants {
            self.hold(target, Action::Update, Safety::Owner, owner);
        } else {
            let change = self.change(target, Action::Keep, owner);
            self.changes.push(change);
        }
    }

    fn owns(&self, target: &Target) -> bool {
        target.owner.by == DISCOVERY && target.owner.group == self.settings.group
    }

    fn proof(&self, scope: &Scope) -> Proof {
        let mut configured = None;
        for scope in covering(scope) {
            let Some(line) = self.scopes.get(&scope) else {
                continue;
            };
            if line.coverage.is_complete() {
                return Proof::Complete;
            }
            configured = Some(*line);
        }
        match configured {
            Some(line) => {
                // The report says it all once for the scope; here the call and the reason are enough.
                let why = line
                    .coverage
                    .failures()
                    .first()
                    .map_or_else(String::new, |failure| {
                        format!(" ({} {})", failure.reason, failure.call)
                    });
                Proof::Incomplete(format!("{} was not completely read{why}", line.scope))
            }
            None if !self.scopes_known => Proof::Incomplete(format!(
                "{scope} was not read: it is not known which scopes there are"
            )),
            None if self.open.iter().any(|open| open.covers(scope)) => Proof::Incomplete(format!(
                "{scope} was not read: a source asks for all there are, and the provider no longer lists it"
            )),
            None => Proof::Unconfigured,
        }
    }

    fn skip(&mut self, record: &Record, reason: &Skip) {
        self.skipped.push(SkippedLine {
            code: reason.code().to_owned(),
            reason: reason.to_string(),
            ..line(record)
        });
    }

    fn hold(&mut self, target: &Target, would: Action, safety: Safety, reason: String) {
        let mut change = self.change(target, Action::Held, reason);
        change.hold = Some(Hold { would, safety });
        self.changes.push(change);
    }

    fn hold_update(
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

    fn change(&self, target: &Target, action: Action, reason: String) -> Change {
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
    fn target(&self, record: &Record, enrollment: &Enrollment) -> Option<Target> {
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

    /// Too many removals at once are none.
    fn brake(&mut self) {
        let own = self
            .targets
            .values()
            .filter(|target| self.owns(target))
            .count();
        let allowance = self.settings.brake.allowance(own);
        let removals = self
            .changes
            .iter()
            .filter(|change| change.action == Action::Remove)
            .count();
        if removals <= allowance {
            return;
        }
        for change in self
            .changes
            .iter_mut()
            .filter(|change| change.action == Action::Remove)
        {
            change.action = Action::Held;
            change.hold = Some(Hold {
                would: Action::Remove,
                safety: Safety::Brake,
            });
            change.reason = format!(
                "{}; but this plan would remove {removals} of {own} targets, and {allowance} is the most it may",
                change.reason
            );
        }
    }

    fn finish(mut self, mut notes: Vec<String>) -> Outcome {
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

// === impl OpenScopes ===

impl OpenScopes {
    /// Whether it stands for this scope too.
    fn covers(&self, scope: &Scope) -> bool {
        self.provider == scope.provider
            && self.services.contains(&scope.service)
            && self.account.as_ref().is_none_or(|it| *it == scope.account)
            && self.resource_groups.as_ref().is_none_or(|groups| {
                let group = scope.resource_group.as_deref().unwrap_or_default();
                groups.iter().any(|it| it.eq_ignore_ascii_case(group))
            })
    }
}

/// Who makes the targets of this plan.
const DISCOVERY: &str = "discovery";

/// Whether a skip could come out otherwise if the tags were known.
fn depends_on_tags(reason: &Skip) -> bool {
    matches!(
        reason,
        Skip::NotSelected { .. } | Skip::Matcher { .. } | Skip::NoMatch | Skip::BadName { .. }
    )
}

fn line(record: &Record) -> SkippedLine {
    SkippedLine {
        id: record.database.id.clone(),
        name: record.database.base_name(),
        kind: record.database.kind,
        code: String::new(),
        reason: String::new(),
    }
}

fn safety_word(safety: Safety) -> String {
    safety.as_str().to_owned()
}

fn span(seconds: u64) -> String {
    match seconds {
        s if s > 0 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s > 0 && s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s > 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
