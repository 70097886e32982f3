//! What a store holds, and what must hold for it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use muster_model::{Event, HeldPlan, HistoryEntry, ResourceId, ScopeRecord, Verdict};
use muster_store::{SledStore, Store, tables};

use super::{super::moving::Past, person::Said};
use crate::{notify::receiver::Got, support::fleet::Truth};

/// What a store holds.
#[derive(Default)]
pub struct Books {
    pub revision: u64,
    targets: BTreeSet<ResourceId>,
    scopes: BTreeMap<String, ScopeRecord>,
    plans: BTreeMap<u64, HeldPlan>,
    /// Oldest first.
    history: Arc<Vec<HistoryEntry>>,
    /// The number of the newest entry.
    newest: u64,
}

/// Says where it happened.
type Context<'a> = &'a dyn Fn() -> String;

const TARGETS: [Event; 3] = [Event::Enrolled, Event::Updated, Event::Removed];

// === impl Books ===

impl Books {
    /// Reads a store that no service holds. What was read `before` of the history is not read again, but for its end.
    pub fn read(dir: &Path, before: Option<&Self>) -> Self {
        Self::of(&SledStore::open(dir).expect("a store"), before)
    }

    /// Reads a store.
    pub fn of(store: &dyn Store, before: Option<&Self>) -> Self {
        let revision = store.revision().unwrap().0;
        let scopes = tables::SCOPES.list(store).unwrap();
        let plans = tables::PLANS.list(store).unwrap();
        assert_eq!((scopes.damaged, plans.damaged), (vec![], vec![]));
        let scopes = scopes.records.into_iter();
        let plans = plans.records.into_iter();
        let (history, newest) = history(store, before);
        Self {
            revision,
            targets: Self::targets_of(store),
            scopes: scopes.map(|(id, record)| (id, record.value)).collect(),
            plans: plans
                .map(|(_, plan)| (plan.value.number, plan.value))
                .collect(),
            history: Arc::new(history),
            newest,
        }
    }

    /// The targets in a store.
    pub fn targets_of(store: &dyn Store) -> BTreeSet<ResourceId> {
        let targets = tables::TARGETS.list(store).unwrap();
        assert_eq!(targets.damaged, []);
        let targets = targets.records.into_iter();
        targets.map(|(_, target)| target.value.id).collect()
    }

    /// Whether all is enrolled that has to be when all is read, and nothing else.
    pub fn is_true(targets: &BTreeSet<ResourceId>, truth: &BTreeMap<ResourceId, Truth>) -> bool {
        let fits = |(id, truth): (&ResourceId, &Truth)| {
            let wanted =
                truth.engine != "oracle-ee" && truth.tags.get("enroll").is_none_or(|it| it != "no");
            // What is being made or deleted may be a target, or not yet or no longer one.
            ["creating", "deleting"].contains(&truth.state) || targets.contains(id) == wanted
        };
        truth.iter().all(fits) && targets.iter().all(|id| truth.contains_key(id))
    }

    /// How many entries of each event.
    pub fn events(&self) -> BTreeMap<&'static str, usize> {
        let mut events = BTreeMap::new();
        for entry in &*self.history {
            *events.entry(entry.event.as_str()).or_default() += 1;
        }
        events
    }

    /// Nothing that was there before is lost or otherwise.
    pub fn go_on_from(&self, before: &Self, context: Context<'_>) {
        let context = context();
        assert!(
            self.revision >= before.revision,
            "{context}: revision {} after {}",
            self.revision,
            before.revision
        );
        assert!(
            self.history.starts_with(&before.history),
            "{context}: the history is another one than before"
        );
        for (name, scope) in &before.scopes {
            let now = self.scopes.get(name);
            assert!(
                now.is_some_and(|now| now.attempted >= scope.attempted),
                "{context}: {name}: {now:?} after {scope:?}"
            );
        }
    }

    /// What the service said it did is done.
    pub fn hold(&self, said: &[Said], context: Context<'_>) {
        for said in said {
            let context = || format!("{}: {said:?}", context());
            match said {
                Said::Status(revision) => assert!(self.revision >= *revision, "{}", context()),
                Said::Scanned(scopes) => {
                    for scope in scopes {
                        let now = self.scopes.get(&scope.scope.to_string());
                        assert!(
                            now.is_some_and(|now| now.attempted >= scope.attempted
                                && now.complete >= scope.complete),
                            "{}: {now:?}",
                            context()
                        );
                    }
                }
                Said::Decided(plan) => {
                    let now = self.plans.get(&plan.number);
                    let verdict = now.map(|now| &now.verdict);
                    assert_eq!(verdict, Some(&plan.verdict), "{}", context());
                    let (event, by, at) = match &plan.verdict {
                        Verdict::Approved { by, at } => (Event::Approved, by, at),
                        Verdict::Rejected { by, at } => (Event::Rejected, by, at),
                        other => panic!("{other:?}"),
                    };
                    let run = format!("plan {}", plan.number);
                    for removal in plan.open() {
                        let entries = self.history.iter().filter(|entry| {
                            (&entry.id, entry.event, &entry.by, &entry.at, &entry.run)
                                == (&removal.id, event, by, at, &run)
                        });
                        assert_eq!(entries.count(), 1, "{}", context());
                    }
                }
                Said::Applied(changes) => {
                    for (id, action) in changes {
                        let event = match action.as_str() {
                            "add" => Event::Enrolled,
                            "update" => Event::Updated,
                            _ => Event::Removed,
                        };
                        let told = |entry: &&HistoryEntry| {
                            entry.id == *id
                                && entry.event == event
                                && entry.by.contains("applied by")
                        };
                        assert!(self.history.iter().any(|e| told(&e)), "{}", context());
                    }
                }
            }
        }
    }

    /// What the webhook was told is so.
    pub fn hold_told(&self, got: &[Got], context: Context<'_>) {
        for got in got {
            let notice = got.body().notice;
            let (Some(id), Ok(event)) = (&notice.id, notice.event.as_str().parse::<Event>()) else {
                continue;
            };
            let told = self.history.iter().rev().any(|entry| {
                (&entry.id, entry.event, entry.at, &entry.run)
                    == (id, event, notice.at, &notice.run)
            });
            assert!(told, "{}: told and not so: {notice:?}", context());
        }
    }

    /// The history tells how the targets came to be, each change once; and nothing was removed that was always there.
    pub fn agree(&self, past: &Past, context: Context<'_>) {
        let context = context();
        let mut targets = BTreeSet::new();
        let mut removed = BTreeMap::<&ResourceId, usize>::new();
        let mut fields = HashMap::new();
        for entry in self.history.iter().filter(|e| TARGETS.contains(&e.event)) {
            let id = &entry.id;
            match entry.event {
                Event::Enrolled => {
                    assert!(targets.insert(id.clone()), "{context}: twice: {entry:?}");
                }
                Event::Removed => {
                    assert!(targets.remove(id), "{context}: twice: {entry:?}");
                    *removed.entry(id).or_default() += 1;
                    fields.retain(|(of, _), _| of != id);
                }
                _ => {
                    assert!(targets.contains(id), "{context}: no target: {entry:?}");
                    assert!(!entry.fields.is_empty(), "{context}: {entry:?}");
                    for change in &entry.fields {
                        assert_ne!(change.from, change.to, "{context}: {entry:?}");
                        let key = (id.clone(), change.field.clone());
                        let before = fields.insert(key, change.to.clone());
                        assert!(
                            before.as_ref().is_none_or(|before| *before == change.from),
                            "{context}: it was {before:?}: {entry:?}"
                        );
                    }
                }
            }
        }
        assert_eq!(
            targets, self.targets,
            "{context}: the targets that there should be by the history, and those that there are"
        );
        for (id, times) in removed {
            let ceased = past.ceased.get(id).copied().unwrap_or_default();
            assert!(
                times <= ceased,
                "{context}: {id} was removed {times} times, and ceased to be {ceased} times"
            );
        }
        for id in &self.targets {
            assert!(
                past.truth.contains_key(id) || past.ceased.contains_key(id),
                "{context}: {id} never was"
            );
        }
    }

    /// The webhook was told of what the history says, all of it, in its order; repeats are told by their ids.
    pub fn was_told(&self, got: &[Got]) {
        let mut ids = BTreeSet::new();
        let mut last = 0;
        let mut told = Vec::new();
        for got in got {
            let body = got.body();
            assert_eq!(body.dropped, 0);
            let (_, number) = body
                .delivery
                .split_once('-')
                .expect("an epoch and a number");
            let number: u64 = number.parse().expect("a number");
            if !ids.insert(body.delivery) {
                continue;
            }
            assert_eq!(number, last + 1, "one is missing, or out of order");
            last = number;
            if let Ok(event) = body.notice.event.as_str().parse::<Event>() {
                told.push((event, body.notice.at, body.notice.run, body.notice.id));
            }
        }
        let written: Vec<_> = self
            .history
            .iter()
            .filter(|entry| TARGETS.contains(&entry.event))
            .map(|entry| {
                let id = Some(entry.id.clone());
                (entry.event, entry.at, entry.run.clone(), id)
            })
            .collect();
        assert_eq!(told, written);
    }
}

/// The whole history, oldest first, and the number of its newest entry.
fn history(store: &dyn Store, before: Option<&Books>) -> (Vec<HistoryEntry>, u64) {
    /// How much of what is known is read again.
    const OVERLAP: u64 = 20;
    let page = tables::HISTORY.page(store, None, None, 1).unwrap();
    let newest = page.next.unwrap_or_default();
    let (known, number) = before.map_or((&[][..], 0), |b| (&b.history[..], b.newest));
    let keep = match before {
        Some(_) => known
            .len()
            .saturating_sub(usize::try_from(OVERLAP).unwrap()),
        None => 0,
    };
    let more = match before {
        Some(_) if number > 0 => usize::try_from(newest.saturating_sub(number)).unwrap(),
        _ => usize::MAX / 2,
    };
    let limit = more.saturating_add(known.len() - keep);
    let lines = tables::HISTORY.recent(store, limit).unwrap();
    assert_eq!(lines.damaged, []);
    let mut history = known[..keep].to_vec();
    history.extend(lines.entries.into_iter().rev());
    (history, newest)
}
