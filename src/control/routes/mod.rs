//! The routes: from a request to the [`Handle`] and back.

mod authority;
mod commands;
mod reads;
mod sessions;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use muster_store::Store;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{VERSION, VERSION_HEADER, store::NoKey, understands, wire::Problem};
use crate::service::handle::{Handle, RefusedKind};

/// How long the body of a request may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);

/// What the routes share.
struct Shared {
    handle: Handle,
    /// Who reads the store at the same time.
    reads: Arc<Semaphore>,
    /// Who waits for scans at the same time.
    scans: Arc<Semaphore>,
    /// Who sends a plan at the same time: one may be large.
    plans: Arc<Semaphore>,
}

/// All routes, with what is checked of each request.
pub(super) fn router(handle: Handle) -> Router {
    let shared = Arc::new(Shared {
        handle,
        reads: Arc::new(Semaphore::new(8)),
        scans: Arc::new(Semaphore::new(16)),
        plans: Arc::new(Semaphore::new(1)),
    });
    Router::new()
        .route("/v1/service", get(reads::service))
        .route("/v1/status", get(reads::status))
        .route("/v1/config", get(reads::config))
        .route("/v1/store/revision", get(reads::revision))
        .route("/v1/store/value", get(reads::value))
        .route("/v1/store/page", get(reads::page))
        .route("/v1/store/changes", get(reads::changes))
        .route("/v1/store/wait", get(reads::wait))
        .route("/v1/store/check", get(reads::check))
        .route("/v1/plans", get(reads::plans))
        .route("/v1/plans/{number}", get(reads::plan))
        .route("/v1/plans/{number}/approve", post(commands::approve))
        .route("/v1/plans/{number}/reject", post(commands::reject))
        .route("/v1/scan", post(commands::scan))
        .route("/v1/read", post(commands::read))
        .route("/v1/reload", post(commands::reload))
        .route("/v1/apply", post(commands::apply))
        .route("/v1/authority", post(authority::ask))
        .route("/v1/sessions", get(sessions::list))
        .route("/v1/sessions/end", post(sessions::end))
        .route("/v1/stop", post(commands::stop))
        .fallback(nothing)
        .method_not_allowed_fallback(not_so)
        .layer(middleware::from_fn(versions))
        .with_state(shared)
}

/// Refuses who is of another release, and says which muster this is.
async fn versions(request: Request, next: Next) -> Response {
    let theirs = request.headers().get(VERSION_HEADER);
    let theirs = theirs.map(|theirs| theirs.to_str().unwrap_or("of an unknown version"));
    let mut response = match theirs {
        Some(theirs) if !understands(theirs) => other_release(theirs).into_response(),
        // A person with curl says nothing of a version.
        _ => next.run(request).await,
    };
    response
        .headers_mut()
        .insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
    response
}

fn other_release(theirs: &str) -> Problem {
    let theirs: String = theirs.chars().take(40).collect();
    Problem::new(
        RefusedKind::Invalid,
        format!("the service is muster {VERSION}, and the command is muster {theirs}"),
    )
    .because("they understand each other only when the first two numbers of both are the same")
    .hint("restart the service after an upgrade, or use the program that it was started from")
    .with_status(StatusCode::UPGRADE_REQUIRED)
}

async fn nothing(uri: Uri) -> Problem {
    Problem::new(RefusedKind::NotFound, format!("there is no {}", path(&uri)))
}

async fn not_so(method: Method, uri: Uri) -> Problem {
    let what = format!("{} does not take {method}", path(&uri));
    Problem::new(RefusedKind::Invalid, what).with_status(StatusCode::METHOD_NOT_ALLOWED)
}

fn path(uri: &Uri) -> String {
    uri.path().chars().take(200).collect()
}

impl Shared {
    /// Reads the store, on a thread where that may take its time, and answers with what was read.
    async fn of_store<T: Serialize>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let store = self.handle.store()?;
        let permit = Arc::clone(&self.reads).acquire_owned().await;
        let answer = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            json(&read(&*store)?)
        });
        answer.await.unwrap_or_else(|_| Err(broke_off()))
    }
}

/// What a request says; what says nothing means the usual.
async fn body<T: DeserializeOwned + Default>(request: Request, most: usize) -> Result<T, Problem> {
    let bytes = bytes(request, most).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    parse(&bytes)
}

async fn bytes(request: Request, most: usize) -> Result<axum::body::Bytes, Problem> {
    let invalid =
        |why: String| Problem::new(RefusedKind::Invalid, "the request cannot be read").because(why);
    let collect = Limited::new(request.into_body(), most).collect();
    match timeout(BODY_TIME, collect).await {
        Err(_) => Err(invalid(format!(
            "it did not arrive within {} s",
            BODY_TIME.as_secs()
        ))
        .with_status(StatusCode::REQUEST_TIMEOUT)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(invalid(format!("it has more than {most} bytes"))
                .with_status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Ok(Err(error)) => Err(invalid(error.to_string())),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(RefusedKind::Invalid, "the request makes no sense")
            .because(error.to_string())
            .with_status(StatusCode::BAD_REQUEST)
    })
}

/// An answer with a line's end, for people.
fn json<T: Serialize>(answer: &T) -> Result<Response, Problem> {
    let body = line(answer)?;
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        Body::from(body),
    )
        .into_response())
}

fn line<T: Serialize>(answer: &T) -> Result<Vec<u8>, Problem> {
    let mut line = serde_json::to_vec(answer).map_err(|error| {
        Problem::new(RefusedKind::Failed, "cannot write the answer").because(error.to_string())
    })?;
    line.push(b'\n');
    Ok(line)
}

/// A place among the few who may do this at the same time.
fn place(among: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(among).try_acquire_owned().map_err(|_| {
        Problem::new(RefusedKind::Unavailable, format!("cannot {what} now"))
            .because("others are doing so, and more at a time are too many")
            .hint("try again when they are done")
    })
}

/// A fault of muster's own.
fn broke_off() -> Problem {
    Problem::new(RefusedKind::Failed, "the answer broke off")
        .because("that is a fault of muster's own")
        .hint("see the service's log")
}

impl From<NoKey> for Problem {
    fn from(NoKey(why): NoKey) -> Self {
        Self::new(RefusedKind::Invalid, "the request makes no sense")
            .because(why)
            .with_status(StatusCode::BAD_REQUEST)
    }
}

/// What a query says, or why it makes no sense.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> axum::extract::FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(asked)) => Ok(Self(asked)),
            Err(rejected) => Err(NoKey(rejected.body_text()).into()),
        }
    }
}

/// For the log: what was asked for, and by whom.
fn asked(what: &'static str, by: &str) {
    tracing::info!(what, by, "asked through the control socket");
}

type Served = axum::extract::State<Arc<Shared>>;
