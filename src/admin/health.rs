//! Whether the service lives, has started and is ready, for probes; its metrics; its version.
//!
//! Ready is about what the service itself can do: once it serves, a cloud that is down makes it `degraded`, which is
//! ready, with the reason.

use std::{fmt::Write, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::Response,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Api, json, problem::Problem, query::Query, typed};
use crate::{
    metrics::{self, plain},
    report::escape::Shown,
    service::status::{Reason, ServiceState, Status},
};

/// After how long without a sign of the service's loop it counts as hung. It gives one every few seconds.
pub(super) const HUNG_AFTER: Duration = Duration::from_secs(60);

const TEXT: &str = "text/plain; charset=utf-8";

/// Whether the service is ready, and everything that is not as it should be.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Readiness {
    /// Whether it is ready.
    ready: bool,
    /// The service in one word.
    state: ServiceState,
    /// Everything that is not as it should be; the first is the one to mend first.
    reasons: Vec<Reason>,
}

/// What runs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Version {
    /// The program: `muster`.
    name: &'static str,
    /// Its version.
    version: String,
    /// The version of this API. Fields may be added within a version; none is removed or changes its meaning.
    api: u32,
}

/// The version of the paths under `/api/v1`.
pub(super) const API_VERSION: u32 = 1;

/// Whether the loop turns. Nothing else: whoever restarts the service for what a restart does not mend makes it worse.
pub(super) async fn live(State(api): State<Arc<Api>>) -> Response {
    let silent = api.handle.silent();
    if silent < HUNG_AFTER {
        return text(StatusCode::OK, "alive\n".to_owned());
    }
    let why = format!(
        "hung: the service's loop has given no sign for {} s\n",
        silent.as_secs()
    );
    text(StatusCode::SERVICE_UNAVAILABLE, why)
}

/// Whether every scope has been tried once since the start.
pub(super) async fn started(State(api): State<Arc<Api>>) -> Response {
    let status = api.handle.status();
    match status.state {
        ServiceState::Starting => {
            let mut why = "starting\n".to_owned();
            list(&status, &mut why);
            text(StatusCode::SERVICE_UNAVAILABLE, why)
        }
        _ => text(StatusCode::OK, "started\n".to_owned()),
    }
}

/// Whether it is ready: in a word, with reasons, or as JSON.
pub(super) async fn ready(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let status = api.handle.status();
    let ready = is_ready(status.state);
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    if accepts(&headers, "application/json") {
        let mut response = json(&Readiness {
            ready,
            state: status.state,
            reasons: status.reasons.clone(),
        })?;
        *response.status_mut() = code;
        return Ok(response);
    }
    let mut page = format!("{}\n", status.state.as_str());
    // What is not ready says why without being asked.
    if !ready || Query::of(&uri).has("verbose") {
        list(&status, &mut page);
    }
    Ok(text(code, page))
}

/// The metrics: in the format of OpenMetrics for whoever asks for it, as Prometheus does, else in the older one.
pub(super) async fn scrape(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let text = (api.scrape)(&api.handle.status());
    if accepts(&headers, "application/openmetrics-text") {
        typed(metrics::CONTENT_TYPE, text)
    } else {
        typed(plain::CONTENT_TYPE, plain::plain(&text))
    }
}

/// What runs.
pub(super) async fn version(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    json(&Version {
        name: env!("CARGO_PKG_NAME"),
        version: api.handle.status().version.clone(),
        api: API_VERSION,
    })
}

/// Whether a service in this state can be relied on.
pub(super) const fn is_ready(state: ServiceState) -> bool {
    match state {
        ServiceState::Ready | ServiceState::Degraded => true,
        ServiceState::Starting | ServiceState::Stuck | ServiceState::Draining => false,
    }
}

fn list(status: &Status, page: &mut String) {
    for reason in &status.reasons {
        let Reason {
            code,
            subject,
            message,
            since,
        } = reason;
        // Writing to a String does not fail.
        let _ = writeln!(
            page,
            "{code} {}: {} (since {since})",
            Shown(subject),
            Shown(message)
        );
    }
}

fn accepts(headers: &HeaderMap, content: &str) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|accept| accept.to_str().is_ok_and(|accept| accept.contains(content)))
}

fn text(status: StatusCode, page: String) -> Response {
    let mut response = typed(TEXT, page);
    *response.status_mut() = status;
    response
}
