//! Reading: what the service is, and what its store holds.

use std::time::Duration;

use axum::{
    extract::{Path, State},
    response::Response,
};
use muster_store::{Revision, tables};
use tokio::time::Instant;

use super::{Asked, Served, json};
use crate::{
    control::{
        VERSION,
        store::{self, WAIT_SLICE},
        wire::{AskChanges, AskKey, AskPage, AskWait, At, Loaded, Plans, Problem, Service},
    },
    pipeline::{held::plan_id, saved::sha256},
    service::handle::RefusedKind,
};

/// The longest that somebody may wait for a change in one request.
const MAX_WAIT: Duration = Duration::from_secs(30);

pub(super) async fn service(State(shared): Served) -> Result<Response, Problem> {
    let status = shared.handle.status();
    json(&Service {
        version: VERSION.to_owned(),
        pid: status.pid,
        started: status.started,
    })
}

pub(super) async fn status(State(shared): Served) -> Result<Response, Problem> {
    json(&*shared.handle.status())
}

pub(super) async fn config(State(shared): Served) -> Result<Response, Problem> {
    let active = shared.handle.active();
    let path = active.config.path.as_ref();
    json(&Loaded {
        // Where it is from the service's directory means nothing to others.
        path: path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        digest: sha256(&active.bytes),
        loaded: active.loaded,
        text: String::from_utf8_lossy(&active.bytes).into_owned(),
    })
}

pub(super) async fn revision(State(shared): Served) -> Result<Response, Problem> {
    shared.of_store(|store| Ok(store::revision(store)?)).await
}

pub(super) async fn value(
    State(shared): Served,
    Asked(ask): Asked<AskKey>,
) -> Result<Response, Problem> {
    let read = move |store: &dyn muster_store::Store| Ok(store::value(store, ask)??);
    shared.of_store(read).await
}

pub(super) async fn page(
    State(shared): Served,
    Asked(ask): Asked<AskPage>,
) -> Result<Response, Problem> {
    let read = move |store: &dyn muster_store::Store| Ok(store::page(store, ask)??);
    shared.of_store(read).await
}

pub(super) async fn changes(
    State(shared): Served,
    Asked(ask): Asked<AskChanges>,
) -> Result<Response, Problem> {
    let read = move |store: &dyn muster_store::Store| Ok(store::changes(store, &ask)?);
    shared.of_store(read).await
}

/// Waits in slices: of somebody who is gone nothing is left soon.
pub(super) async fn wait(
    State(shared): Served,
    Asked(ask): Asked<AskWait>,
) -> Result<Response, Problem> {
    let after = Revision(ask.after);
    let end = Instant::now() + Duration::from_millis(ask.milliseconds).min(MAX_WAIT);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let slice = left.min(WAIT_SLICE);
        let store = shared.handle.store()?;
        let waiting = tokio::task::spawn_blocking(move || store.wait(after, slice));
        let revision = waiting.await.map_err(|_| super::broke_off())??;
        if revision > after || left <= slice {
            return json(&At {
                revision: revision.0,
            });
        }
    }
}

pub(super) async fn check(State(shared): Served) -> Result<Response, Problem> {
    shared.of_store(|store| Ok(store::check(store)?)).await
}

pub(super) async fn plans(State(shared): Served) -> Result<Response, Problem> {
    let read = |store: &dyn muster_store::Store| {
        let listing = tables::PLANS.list(store)?;
        for damaged in &listing.damaged {
            tracing::warn!(%damaged, "a held plan cannot be read");
        }
        let plans = listing.records.into_iter().map(|(_, plan)| plan.value);
        Ok(Plans {
            plans: plans.collect(),
        })
    };
    shared.of_store(read).await
}

pub(super) async fn plan(
    State(shared): Served,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    let number = self::number(&number)?;
    let read = move |store: &dyn muster_store::Store| {
        let plan = tables::PLANS.get(store, &plan_id(number))?;
        plan.map(|plan| plan.value).ok_or_else(|| {
            Problem::new(RefusedKind::NotFound, format!("there is no plan {number}"))
                .hint("`muster plan ls` lists the plans that wait")
        })
    };
    shared.of_store(read).await
}

/// The number of a plan.
pub(super) fn number(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(40).collect();
        Problem::new(
            RefusedKind::NotFound,
            format!("`{text}` is not the number of a plan"),
        )
    })
}
