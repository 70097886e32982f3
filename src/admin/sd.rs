//! The enrolled databases for Prometheus' HTTP service discovery, so that exporters find them.
//!
//! Prometheus wants all of them in one answer, so it is written while the store is read. When reading fails on the way
//! the connection is broken off: then Prometheus keeps the list that it has.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

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
use tokio::{sync::mpsc, time::timeout};

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
/// How long the other side may take to take a part.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

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
    let (parts, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(write(api, first, selector, parts));
    let parts = stream::unfold(receiver, |mut receiver| async move {
        let part = match receiver.recv().await {
            Some(None) => return None,
            Some(Some(part)) => Ok(part),
            // It was not written to the end.
            None => Err(io::Error::other("the answer was broken off")),
        };
        Some((part, receiver))
    });
    let mut response = typed("application/json", Bytes::new());
    *response.body_mut() = Body::from_stream(parts);
    Ok(response)
}

fn chunk(store: &dyn Store, after: Option<&str>) -> Result<Chunk<Target>, Problem> {
    Chunk::read(store, tables::TARGETS, "", after, Order::Ascending, AT_ONCE)
}

/// Writes the answer in parts, and nothing behind the last, until nobody takes them. Who takes them slowly keeps
/// nobody else from reading.
async fn write(
    api: Arc<Api>,
    mut found: Chunk<Target>,
    selector: Option<Selector>,
    parts: mpsc::Sender<Option<Bytes>>,
) {
    let mut before = "[";
    loop {
        let mut part = text(&found, selector.as_ref(), &mut before);
        let last = found.last.take();
        if last.is_none() {
            if before == "[" {
                part.push(b'[');
            }
            part.extend_from_slice(b"]\n");
        }
        let sent = timeout(TAKEN_WITHIN, parts.send(Some(part.into()))).await;
        let Ok(Ok(())) = sent else { return };
        let Some(last) = last else { break };
        match api.read(move |store| chunk(store, Some(&last))).await {
            Ok(next) => found = next,
            Err(_) => {
                tracing::warn!(
                    "the list of targets for Prometheus was broken off: the store cannot be read"
                );
                return;
            }
        }
    }
    // The receiver may have gone.
    let _ = timeout(TAKEN_WITHIN, parts.send(None)).await;
}

/// The targets of a chunk, each after what is to stand before it.
fn text(found: &Chunk<Target>, selector: Option<&Selector>, before: &mut &'static str) -> Vec<u8> {
    let mut part = Vec::new();
    let fitting = found
        .found
        .iter()
        .filter(|(_, target)| fits(selector, |key| target.labels.value(key)));
    for group in fitting.filter_map(|(_, target)| group(target)) {
        part.extend_from_slice(before.as_bytes());
        // Strings only: there is nothing in it that JSON cannot hold.
        let _ = serde_json::to_writer(&mut part, &group);
        *before = ",\n";
    }
    part
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
