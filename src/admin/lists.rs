//! The lists: databases, targets, scopes, held plans, the history.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use axum::{extract::State, http::Uri, response::Response};
use muster_model::{
    Became, Coverage, Database, Decision, Failure, HeldPlan, HistoryEntry, Missing, Record,
    ResourceId, ScopeRecord, Selector, Target, Timestamp, Verdict,
};
use muster_store::{Order, Store, StoreError, tables};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Api, json,
    page::{Ask, Page, read},
    problem::Problem,
    query::{Query, cursor},
};
use crate::service::status::{ScopeStatus, Status};

/// A database, and what was decided of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KnownDatabase {
    /// What was seen in the cloud.
    database: Database,
    /// The first scan that saw it.
    first_seen: Timestamp,
    /// The last scan that saw it different.
    changed: Timestamp,
    /// Set while complete scans do not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
    /// What the matchers said; null when it was never judged.
    decision: Option<Decision>,
}

/// A scope, and how its scans go.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KnownScope")]
pub(super) struct KnownScope {
    /// `PROVIDER/ACCOUNT/REGION/SERVICE`.
    scope: String,
    /// `complete`, `partial`, `unread`, or `unknown` before its first scan.
    coverage: &'static str,
    /// Databases that the last complete scan found.
    found: u64,
    /// Records of the last scan that could not be understood.
    malformed: u64,
    /// The last scan.
    last_scan: Option<Timestamp>,
    /// The last complete scan.
    last_complete_scan: Option<Timestamp>,
    /// Incomplete scans in a row.
    failures_in_a_row: u32,
    /// What went wrong in the last scan, a sentence each.
    errors: Vec<String>,
    /// Whether the configuration still asks for it.
    configured: bool,
    /// Whether it is being scanned.
    running: bool,
    /// When it is due next; null while it is being scanned, and when nobody asks for it.
    next_scan: Option<Timestamp>,
    /// How long its last scan took, in milliseconds.
    milliseconds: Option<u64>,
}

/// A held plan, without the list of what it would remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlanLine {
    /// Its number.
    pub number: u64,
    /// When the brake first held it.
    pub made: Timestamp,
    /// The group whose plan it is.
    pub group: String,
    /// How many targets it would remove; of one that a person approved or rejected, how many they were shown.
    pub remove: u64,
    /// How many of these were removed since.
    pub removed: u64,
    /// How many of these stay, because they are there again or are not to be removed any more.
    pub stay: u64,
    /// How many targets there were.
    pub targets: u64,
    /// How many removals the brake would have let through.
    pub allowance: u64,
    /// What became of it.
    pub verdict: Verdict,
}

pub(super) async fn databases(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Problem> {
    let list = tables::INVENTORY;
    let query = Query::of(&uri);
    let (limit, after) = (query.limit()?, query.after(list.name())?);
    let selector = query.selector()?;
    let prefix = query.one("prefix").unwrap_or_default().to_owned();
    let page = api
        .read(move |store| {
            let ask = Ask {
                prefix: &prefix,
                after,
                limit,
                order: Order::Ascending,
            };
            let page = read(store, list, ask, |_, record: Record| {
                let (labels, _) = record.database.labels();
                Ok(fits(selector.as_ref(), |key| labels.value(key)).then_some(record))
            })?;
            page.map(|record| known(store, record))
        })
        .await?;
    json(&page)
}

fn known(store: &dyn Store, record: Record) -> Result<KnownDatabase, Problem> {
    let Record {
        database,
        first_seen,
        changed,
        missing,
    } = record;
    let decision = match tables::DECISIONS.get(store, database.id.as_str()) {
        Ok(found) => found.map(|found| found.value.decision),
        // One bad record must not hide the other databases.
        Err(StoreError::Damaged(damaged)) => Some(Decision::Undecided {
            matcher: "store".to_owned(),
            message: damaged.to_string(),
        }),
        Err(error) => return Err(error.into()),
    };
    Ok(KnownDatabase {
        database,
        first_seen,
        changed,
        missing,
        decision,
    })
}

pub(super) async fn targets(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Problem> {
    let list = tables::TARGETS;
    let query = Query::of(&uri);
    let (limit, after) = (query.limit()?, query.after(list.name())?);
    let selector = query.selector()?;
    let prefix = query.one("prefix").unwrap_or_default().to_owned();
    let page = api
        .read(move |store| {
            let ask = Ask {
                prefix: &prefix,
                after,
                limit,
                order: Order::Ascending,
            };
            read(store, list, ask, |_, target: Target| {
                Ok(fits(selector.as_ref(), |key| target.labels.value(key)).then_some(target))
            })
        })
        .await?;
    json(&page)
}

/// Whether labels fit a selector; without one all do.
pub(super) fn fits<'a>(
    selector: Option<&'a Selector>,
    label: impl Fn(&str) -> Option<&'a str>,
) -> bool {
    selector.is_none_or(|selector| selector.matches(label).is_ok())
}

/// Scopes of the configuration, and those that the store still remembers. There are never so many that they could not
/// be put in order for each page.
pub(super) async fn scopes(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Problem> {
    let list = tables::SCOPES;
    let query = Query::of(&uri);
    let (limit, after) = (query.limit()?, query.after(list.name())?);
    let coverage = query.one("coverage").map(str::to_owned);
    let status = api.handle.status();
    let page = api
        .read(move |store| {
            let revision = store.revision()?;
            let found = list.list(store)?;
            let mut page = Page::new(revision);
            page.damaged.extend(found.damaged.iter().map(Into::into));
            let mut rows = rows(
                &status,
                found.records.into_iter().map(|(_, record)| record.value),
            );
            let start = match &after {
                Some(after) => Bound::Excluded(after.as_str()),
                None => Bound::Unbounded,
            };
            let mut names: Vec<String> = rows
                .range::<str, _>((start, Bound::Unbounded))
                .filter(|(_, row)| coverage.as_ref().is_none_or(|word| row.coverage == word))
                .map(|(name, _)| name.clone())
                .collect();
            if names.len() > limit {
                names.truncate(limit);
                page.next = names.last().map(|last| cursor(list.name(), last));
            }
            page.items
                .extend(names.iter().filter_map(|name| rows.remove(name)));
            Ok(page)
        })
        .await?;
    json(&page)
}

fn rows(
    status: &Status,
    remembered: impl Iterator<Item = ScopeRecord>,
) -> BTreeMap<String, KnownScope> {
    let mut rows: BTreeMap<String, KnownScope> = remembered
        .map(|record| (record.scope.to_string(), KnownScope::remembered(&record)))
        .collect();
    for scope in &status.scopes {
        let name = scope.scope.to_string();
        let row = rows
            .entry(name.clone())
            .or_insert_with(|| KnownScope::new(name));
        row.is_now(scope);
    }
    rows
}

pub(super) async fn plans(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Problem> {
    let list = tables::PLANS;
    let query = Query::of(&uri);
    let (limit, after) = (query.limit()?, query.after(list.name())?);
    let state = query.one("state").map(str::to_owned);
    let page = api
        .read(move |store| {
            let ask = Ask {
                prefix: "",
                after,
                limit,
                order: Order::Descending,
            };
            read(store, list, ask, |_, plan: HeldPlan| {
                let asked = state
                    .as_ref()
                    .is_none_or(|state| plan.verdict.as_str() == state);
                Ok(asked.then(|| PlanLine::from(&plan)))
            })
        })
        .await?;
    json(&page)
}

pub(super) async fn history(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Problem> {
    const LIST: &str = "history";
    let query = Query::of(&uri);
    let limit = query.limit()?;
    let before = match query.after(LIST)? {
        None => None,
        Some(before) => Some(before.parse().map_err(|_| {
            Problem::parameter(
                "cursor",
                "it is not what `next` of a page of this list said",
            )
        })?),
    };
    let database = query.one("database").map(ResourceId::new);
    let page: Page<HistoryEntry> = api
        .read(move |store| {
            let id = database.as_ref().map(ResourceId::as_str);
            let found = tables::HISTORY.page(store, id, before, limit)?;
            let mut page = Page::new(store.revision()?);
            page.items = found.lines.entries;
            page.damaged
                .extend(found.lines.damaged.iter().map(Into::into));
            page.next = found.next.map(|next| cursor(LIST, &next.to_string()));
            Ok(page)
        })
        .await?;
    json(&page)
}

// === impl KnownScope ===

impl KnownScope {
    fn new(scope: String) -> Self {
        Self {
            scope,
            coverage: "unknown",
            found: 0,
            malformed: 0,
            last_scan: None,
            last_complete_scan: None,
            failures_in_a_row: 0,
            errors: Vec::new(),
            configured: false,
            running: false,
            next_scan: None,
            milliseconds: None,
        }
    }

    fn remembered(record: &ScopeRecord) -> Self {
        Self {
            coverage: record.coverage.as_str(),
            found: record.found,
            malformed: record.malformed.len() as u64,
            last_scan: Some(record.attempted),
            last_complete_scan: record.complete,
            failures_in_a_row: record.failures_in_a_row,
            errors: errors(&record.coverage),
            ..Self::new(record.scope.to_string())
        }
    }

    /// What the service knows counts more than what the store remembers.
    fn is_now(&mut self, scope: &ScopeStatus) {
        if let Some(coverage) = &scope.coverage {
            self.coverage = coverage.as_str();
            self.errors = errors(coverage);
            self.found = scope.found;
            self.last_scan = scope.attempted;
            self.last_complete_scan = scope.complete;
            self.failures_in_a_row = scope.failures_in_a_row;
        }
        self.configured = true;
        self.running = scope.running;
        self.next_scan = scope.next;
        self.milliseconds = scope.milliseconds;
    }
}

fn errors(coverage: &Coverage) -> Vec<String> {
    coverage.failures().iter().map(Failure::to_string).collect()
}

// === impl PlanLine ===

impl From<&HeldPlan> for PlanLine {
    fn from(plan: &HeldPlan) -> Self {
        Self {
            number: plan.number,
            made: plan.made,
            group: plan.group.clone(),
            remove: plan.removals.len() as u64,
            removed: plan.ended(Became::Removed).count() as u64,
            stay: plan.ended(Became::Stays).count() as u64,
            targets: plan.targets,
            allowance: plan.allowance,
            verdict: plan.verdict.clone(),
        }
    }
}
