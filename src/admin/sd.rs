//! The enrolled databases for Prometheus' HTTP service discovery, so that exporters find them.
//!
//! Prometheus wants all of them in one answer, so it is written while the store is read. When reading fails on the way
//! the connection is broken off: then Prometheus keeps the list that it has.

use std::{collections::BTreeMap, io, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{Method, Uri},
    response::Response,
};
use futures::stream;
use muster_model::{Selector, Target};
use muster_store::{Order, Store, tables};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{
    Api,
    lists::fits,
    page::{AT_ONCE, Chunk},
    problem::Problem,
    query::Query,
    typed,
};

/// What all labels begin with.
const META: &str = "__meta_muster_";

/// Parts of an answer that wait to be sent.
const AHEAD: usize = 2;

/// One enrolled database.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Group {
    /// Its endpoint, `HOST:PORT`.
    targets: [String; 1],
    /// What it is: all begin with `__meta_muster_`.
    labels: BTreeMap<String, String>,
}

pub(super) async fn prometheus(
    State(api): State<Arc<Api>>,
    method: Method,
    uri: Uri,
) -> Result<Response, Problem> {
    let selector = Query::of(&uri).selector()?;
    // What cannot be read at all is said in a status.
    let first = api.read(|store| chunk(store, None)).await?;
    if method == Method::HEAD {
        return Ok(typed("application/json", Bytes::new()));
    }
    let store = api
        .handle
        .store()
        .map_err(|refused| Problem::refused(&refused))?;
    let (parts, receiver) = mpsc::channel(AHEAD);
    let readers = Arc::clone(&api.readers);
    tokio::spawn(async move {
        let permit = readers.acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            write(&*store, first, selector.as_ref(), &parts);
        });
    });
    let parts = stream::unfold(receiver, |mut receiver| async move {
        let part = receiver.recv().await?;
        Some((part, receiver))
    });
    let mut response = typed("application/json", Bytes::new());
    *response.body_mut() = Body::from_stream(parts);
    Ok(response)
}

fn chunk(store: &dyn Store, after: Option<&str>) -> Result<Chunk<Target>, Problem> {
    Chunk::read(store, tables::TARGETS, "", after, Order::Ascending, AT_ONCE)
}

/// Writes the answer in parts, until nobody takes them.
fn write(
    store: &dyn Store,
    mut chunk_: Chunk<Target>,
    selector: Option<&Selector>,
    parts: &mpsc::Sender<io::Result<Bytes>>,
) {
    let mut before = "[";
    loop {
        let mut part = Vec::new();
        for (_, target) in chunk_
            .found
            .iter()
            .filter(|(_, target)| fits(selector, |key| target.labels.value(key)))
        {
            let Some(group) = group(target) else { continue };
            part.extend_from_slice(before.as_bytes());
            // Strings only: there is nothing in it that JSON cannot hold.
            let _ = serde_json::to_writer(&mut part, &group);
            before = ",\n";
        }
        let next = match chunk_.last.take() {
            None => {
                if before == "[" {
                    part.push(b'[');
                }
                part.extend_from_slice(b"]\n");
                None
            }
            Some(last) => Some(chunk(store, Some(&last))),
        };
        if parts.blocking_send(Ok(part.into())).is_err() {
            return;
        }
        match next {
            None => return,
            Some(Ok(next)) => chunk_ = next,
            Some(Err(_)) => {
                tracing::warn!(
                    "the list of targets for Prometheus was broken off: the store cannot be read"
                );
                // The receiver has gone, or breaks the connection off.
                let _ = parts.blocking_send(Err(io::Error::other("cannot read the store")));
                return;
            }
        }
    }
}

/// A target as Prometheus has it; none while it has no endpoint.
pub(super) fn group(target: &Target) -> Option<Group> {
    let endpoint = target.endpoint.as_ref()?;
    let mut labels = BTreeMap::new();
    let scope = &target.scope;
    for (name, value) in [
        ("id", target.id.as_str()),
        ("name", &target.name),
        ("short_name", &target.short_name),
        ("kind", target.kind.as_str()),
        ("protocol", target.protocol.as_str()),
        ("engine", &target.engine),
        ("engine_version", &target.engine_version),
        ("state", &target.state.name),
        ("availability", target.state.availability.as_str()),
        ("group", &target.owner.group),
        ("scope", &scope.to_string()),
        ("provider", scope.provider.as_str()),
        ("account", scope.account.as_str()),
        ("region", scope.region.as_str()),
        ("service", scope.service.as_str()),
    ] {
        labels.insert(format!("{META}{name}"), value.to_owned());
    }
    for (key, value) in target.labels.values() {
        let key = label_name(key);
        labels.insert(format!("{META}labelpresent_{key}"), "true".to_owned());
        // Keys that differ only in what Prometheus does not allow: the first in their order is taken.
        labels
            .entry(format!("{META}label_{key}"))
            .or_insert_with(|| value.to_owned());
    }
    Some(Group {
        targets: [endpoint.to_string()],
        labels,
    })
}

/// A label's key in what Prometheus allows in a name.
fn label_name(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    key.chars().map(plain).collect()
}
