//! One database, one target, one plan; the status and the configuration.

use std::{ops::ControlFlow, sync::Arc};

use axum::{
    extract::{Path, State},
    response::Response,
};
use muster_model::{Database, Decision, HeldPlan, Missing, Record, Target, Timestamp, Trace};
use muster_store::{Collection, Order, Store, tables};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Api, config::effective, json, page::AT_ONCE, problem::Problem};
use crate::{pipeline::held::plan_id, service::status::ConfigStatus};

/// The most candidates that are named for a name that means several.
const CANDIDATES: usize = 10;

/// A database, what was decided of it, why, and what came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DatabaseDetail {
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
    /// When that changed last.
    decided: Option<Timestamp>,
    /// Why, step by step.
    trace: Option<Trace>,
    /// The target that it is; null when it is not enrolled.
    target: Option<Target>,
}

/// The configuration in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Configuration {
    /// Where it is from, and how reloads went.
    #[serde(flatten)]
    status: ConfigStatus,
    /// Every setting, with defaults filled in, as `muster config show` has it. Who is told of changes is shortened to
    /// the host or the program: the rest can hold a password.
    effective: serde_json::Value,
}

/// What the service knows of itself.
pub(super) async fn status(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    json(&*api.handle.status())
}

pub(super) async fn config(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let status = api.handle.status().config.clone();
    let effective = effective(&api.handle.active())?;
    json(&Configuration { status, effective })
}

pub(super) async fn database(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let detail = api
        .read(move |store| {
            let Some(record) = tables::INVENTORY.get(store, &id)? else {
                return Err(Problem::not_found(format!("there is no database `{id}`")).hint(
                    "an id is the provider's id, `#` and the endpoint's role, with %2F for each slash and %23 for #; /api/v1/databases lists them",
                ));
            };
            let Record {
                database,
                first_seen,
                changed,
                missing,
            } = record.value;
            let decided = tables::DECISIONS.get(store, &id)?.map(|found| found.value);
            let target = tables::TARGETS.get(store, &id)?.map(|found| found.value);
            let (decision, at, trace) = match decided {
                Some(decided) => (
                    Some(decided.decision),
                    Some(decided.changed),
                    Some(decided.trace),
                ),
                None => (None, None, None),
            };
            Ok(DatabaseDetail {
                database,
                first_seen,
                changed,
                missing,
                decision,
                decided: at,
                trace,
                target,
            })
        })
        .await?;
    json(&detail)
}

pub(super) async fn target(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let target = api.read(move |store| find(store, &name)).await?;
    json(&target)
}

pub(super) async fn plan(
    State(api): State<Arc<Api>>,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    let missing = || {
        Problem::not_found(format!("there is no held plan {number}"))
            .hint("/api/v1/plans lists them")
    };
    let wanted: u64 = number.parse().map_err(|_| missing())?;
    let plan: Option<HeldPlan> = api
        .read(move |store| {
            let id = plan_id(wanted);
            Ok(tables::PLANS.get(store, &id)?.map(|found| found.value))
        })
        .await?;
    json(&plan.ok_or_else(missing)?)
}

/// What a target is called: enough of its record to find it.
#[derive(Deserialize)]
struct Called {
    name: String,
    short_name: String,
}

/// The targets' records, of which only the names are read.
const CALLED: Collection<Called> =
    Collection::new(tables::TARGETS.name(), tables::TARGETS.schema());

/// A target by id, by name, or by a short name that only one has.
fn find(store: &dyn Store, name: &str) -> Result<Target, Problem> {
    // Nothing is as long as a name that cannot be an id, and is one.
    if let Ok(Some(found)) = tables::TARGETS.get(store, name) {
        return Ok(found.value);
    }
    let (named, called) = search(store, name)?;
    let candidates = if named.is_empty() { called } else { named };
    match candidates.as_slice() {
        [] => Err(none(name)),
        [id] => match tables::TARGETS.get(store, id)? {
            Some(found) => Ok(found.value),
            None => Err(none(name)),
        },
        several => {
            let problem = Problem::ambiguous(format!("several targets are called `{name}`"));
            let shown = several.iter().take(CANDIDATES);
            Err(shown
                .fold(problem, |problem, id| problem.because(id.as_str()))
                .hint("use the whole name, or the id with %2F for each slash and %23 for #"))
        }
    }
}

fn none(name: &str) -> Problem {
    Problem::not_found(format!("there is no target `{name}`"))
        .hint("/api/v1/targets lists them; `muster explain` says why a database is not among them")
}

/// The ids of targets with this name, and of those with this short name. It reads them all, some at a time.
fn search(store: &dyn Store, name: &str) -> Result<(Vec<String>, Vec<String>), Problem> {
    let (mut named, mut called) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    loop {
        let mut seen = 0;
        let mut last = None;
        CALLED.each_after(
            store,
            "",
            after.as_deref(),
            Order::Ascending,
            &mut |id, record| {
                seen += 1;
                // One that cannot be read has no name; the lists show it as damaged.
                if let Ok(record) = record {
                    last = Some(id.to_owned());
                    if record.value.name == name {
                        named.push(id.to_owned());
                    } else if record.value.short_name == name {
                        called.push(id.to_owned());
                    }
                }
                if seen < AT_ONCE || last.is_none() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            },
        )?;
        if seen < AT_ONCE {
            return Ok((named, called));
        }
        after = last;
    }
}
