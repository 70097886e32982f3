//! [`plan`]: the difference between what is enrolled and what should be, less what a safety forbids.
//!
//! | part | decides |
//! |---|---|
//! | here | which of the cases a database is |
//! | `removal` | what may be removed, and on what proof |
//! | `rows` | what the plan says of it, and what is to be written |

mod removal;

pub use removal::why_and_why_held;
mod rows;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use muster_model::{
    AccountId, Decision, Enrollment, Provider, Record, ResourceId, Scope, ScopeRecord, Service,
    Skip, Target, Timestamp, Trace, Unread,
};

use self::rows::line;
use crate::{
    Action, Change, Hold, Index, Inventory, Plan, Policy, Safety, ScopeLine, Settings, SkippedLine,
    diff,
    names::{Claim, Claims, Uses},
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
    /// What was removed lately, and which removals a person approved.
    pub removals: Removals<'a>,
    /// What is known beside this input, when it holds only some of the databases; none when it holds all.
    pub rest: Option<&'a Index>,
    /// Notes to pass on.
    pub notes: Vec<String>,
    /// What may be done.
    pub settings: &'a Settings,
    /// The time of the run.
    pub now: Timestamp,
}

/// What the brake counts beside the removals of a plan, and what it lets through.
#[derive(Clone, Copy, Debug)]
pub struct Removals<'a> {
    /// Targets of this group that were removed within the brake's window, and removals that are on their way
    /// beside this plan's.
    pub besides: usize,
    /// Removals that a person approved: the brake does not hold them.
    pub approved: &'a BTreeSet<ResourceId>,
}

/// Scopes that a source asks for by `*`: every region of an account, every subscription.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    removals: Removals<'a>,
    rest: Option<&'a Index>,
    claims: Claims<'a>,
    changes: Vec<Change>,
    puts: BTreeMap<ResourceId, Target>,
    skipped: Vec<SkippedLine>,
    forget: Vec<ResourceId>,
}

impl<'a> Planner<'a> {
    fn new(input: &Input<'a>) -> Self {
        // An index knows all claims; else they are those of the input, which is everything.
        let whole = input.rest.is_none();
        let mut claims = Claims::incumbents(input.targets.values().filter(|_| whole));
        for record in input
            .inventory
            .iter()
            .filter(|record| whole && record.missing.is_none())
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
            removals: input.removals,
            rest: input.rest,
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
                // A matcher of one's own may say itself that it cannot tell; that is no failure.
                let why = match message.strip_prefix("undecided: ") {
                    Some(why) => format!("{matcher} cannot tell, so nothing is decided: {why}"),
                    None => format!("{matcher} failed, so nothing is decided: {message}"),
                };
                self.undecided(record, target, &why);
            }
            (None, target) => self.undecided(record, target, "it was not judged"),
        }
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
        match self.uses(&wanted.id, &wanted.name).settle(&wanted.id) {
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

    fn uses(&self, id: &ResourceId, name: &str) -> Uses<'a> {
        match self.rest {
            Some(index) => index.uses(id, name),
            None => self.claims.uses(id, name),
        }
    }

    /// The last scan of a scope that the configuration asks for.
    fn line(&self, scope: &Scope) -> Option<&'a ScopeLine> {
        match self.rest {
            Some(index) => index.line(scope),
            None => self.scopes.get(scope).copied(),
        }
    }

    fn owns(&self, target: &Target) -> bool {
        target.owner.by == DISCOVERY && target.owner.group == self.settings.group
    }
}

/// Who makes the targets of this plan.
pub(crate) const DISCOVERY: &str = "discovery";

/// The code of a skip for not being found, by this run or by any.
pub(crate) const NOT_SEEN: &str = "not-seen";

/// Whether a skip could come out otherwise if the tags were known.
fn depends_on_tags(reason: &Skip) -> bool {
    matches!(
        reason,
        Skip::NotSelected { .. } | Skip::Matcher { .. } | Skip::NoMatch | Skip::BadName { .. }
    )
}

fn safety_word(safety: Safety) -> String {
    safety.as_str().to_owned()
}
