//! The admin API: health, metrics and what muster knows, as HTTP on a loopback port. It answers and changes nothing.
//!
//! What it says is the [`Status`], and what the store holds, read in pages: a request costs a page, however many
//! databases there are. Every route stands in one table with its parameters and answers ([`routes`]), of which the
//! router, the check of parameters and the OpenAPI document are made.
//!
//! It has no accounts: whoever can open a connection on this machine can read. So it listens on a loopback address,
//! asks that the `Host` be one of this machine (a page in a browser must not reach it under a name of its own), and
//! nothing in its answers is secret.
//!
//! | part | what it does |
//! |---|---|
//! | `accept` | connections: how many, how long, and what happens when there are no file descriptors left |
//! | `guard` | what every request has to be, and every answer gets |
//! | `routes`, `openapi` | the table of routes, and the document made of it |
//! | `health`, `lists`, `details`, `sd` | the answers |
//! | `query`, `page` | parameters and cursors, and a page of a collection |
//! | `problem` | what is wrong, as RFC 9457 has it |

mod accept;
mod config;
mod details;
mod guard;
mod health;
mod lists;
mod openapi;
mod page;
mod problem;
mod query;
mod routes;
mod sd;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderValue, header},
    middleware,
    response::{IntoResponse, Response},
};
use muster_store::Store;
use serde::Serialize;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

pub use self::lists::PlanLine;
use self::{guard::Guard, problem::Problem};
use crate::{
    metrics::Metrics,
    service::{handle::Handle, status::Status},
};

/// How long one answer may take. What reads the store goes on behind it until its next page.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How many requests read the store at once, so that asking never takes the machine from the service.
const READERS: usize = 2;

/// The OpenAPI document, as `docs/openapi.json` holds it.
pub fn document() -> String {
    openapi::document(routes::ROUTES)
}

/// The paths of all routes, with `{names}` for what varies.
pub fn paths() -> impl Iterator<Item = &'static str> {
    routes::ROUTES.iter().map(|route| route.path)
}

/// Serves until `stop`; then ends when the requests that are being answered have been, or after a few seconds.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let scrape = Box::new(move |status: &Status| metrics.encode(status));
    serve_with(listener, handle, scrape, stop).await;
}

async fn serve_with(
    listener: TcpListener,
    handle: Handle,
    scrape: Scrape,
    stop: CancellationToken,
) {
    let address = listener.local_addr().ok();
    accept::run(listener, router(handle, scrape, address), stop).await;
}

/// What turns the status into metrics.
type Scrape = Box<dyn Fn(&Status) -> String + Send + Sync>;

/// What the handlers share.
struct Api {
    handle: Handle,
    scrape: Scrape,
    readers: Arc<Semaphore>,
}

/// All routes. `address` is where they are served.
fn router(handle: Handle, scrape: Scrape, address: Option<SocketAddr>) -> Router {
    let api = Arc::new(Api {
        handle,
        scrape,
        readers: Arc::new(Semaphore::new(READERS)),
    });
    let guard = Arc::new(Guard::new(address));
    let routes = routes::ROUTES.iter().fold(Router::new(), |router, route| {
        router.route(route.path, (route.handler)())
    });
    routes
        .fallback(|| async { Problem::no_route() })
        .layer(middleware::from_fn_with_state(guard, guard::around))
        .with_state(api)
}

// === impl Api ===

impl Api {
    /// Reads the store, off the reactor and within bounds.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = self
            .handle
            .store()
            .map_err(|refused| Problem::refused(&refused))?;
        let readers = Arc::clone(&self.readers);
        let reading = async {
            // Held until the read has ended, whether or not anybody still waits for it.
            let permit = readers.acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                read(&*store)
            })
            .await
        };
        match tokio::time::timeout(ANSWER_WITHIN, reading).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(Problem::internal(&error)),
            Err(_) => Err(Problem::too_slow(ANSWER_WITHIN)),
        }
    }
}

/// An answer in JSON.
fn json(value: &impl Serialize) -> Result<Response, Problem> {
    let mut bytes = serde_json::to_vec(value).map_err(|error| Problem::internal(&error))?;
    bytes.push(b'\n');
    Ok(typed("application/json", Bytes::from(bytes)))
}

/// An answer of a content type.
fn typed(content: &'static str, body: impl Into<Bytes>) -> Response {
    let content = HeaderValue::from_static(content);
    ([(header::CONTENT_TYPE, content)], body.into()).into_response()
}
