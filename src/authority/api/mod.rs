//! The API on the proxy's port: logging in, invitations, certificates for one database. HTTP/1.1 within the proxy's TLS.
//!
//! | route | who | what |
//! |---|---|---|
//! | `GET /v1/ping` | anybody | the cluster, and the fingerprints of its authorities |
//! | `POST /v1/login` | anybody | a certificate for password and code |
//! | `POST /v1/invite` | who holds an invitation | who is invited, and the second factor that is offered |
//! | `POST /v1/invite/accept` | who holds an invitation | sets the password, once |
//! | `/invite/TOKEN` | who holds an invitation | the same two as a page for a browser |
//! | `POST /v1/certificates` | who shows a certificate | another one: for one database, not longer, not more |
//! | `GET /v1/whoami` | who shows a certificate | who that is, with which roles, until when |
//! | `GET /v1/databases` | who shows a certificate | the databases that the roles let see, by pages |
//! | `GET /v1/databases/NAME` | who shows a certificate | one of them |
//! | `GET /v1/sessions`, `DELETE /v1/sessions/ID` | who shows a certificate | one's own sessions |
//!
//! Bodies are bounded in size and time, and passwords are checked by few at a time. `docs/authority.md` describes it.

mod behind;
mod caller;
mod databases;
mod mine;
mod page;
pub(super) mod place;
mod problem;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http_body_util::{BodyExt, Limited};
use muster_access::{Denial, Identity, Policy};
use muster_model::{Protocol, Target, Timestamp};
use muster_proxy::Catalog;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

pub use self::{
    behind::{Behind, Sessions},
    caller::{Caller, Login},
};
use self::{databases::resolve, problem::Problem};
use super::{
    Authority, By, Ca, RouteAsked, ca::ClientKey, certificates::Wanted, people::LoginAsked,
};
use crate::config::words;

/// The most bytes of a request.
const MAX_BODY: usize = 64 << 10;

/// How long a request may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(15);

/// Passwords that are checked at the same time: each takes 19 MiB.
const AT_ONCE: usize = 4;

/// How long somebody waits for a place among them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lists that are made at the same time: each may walk over every database that there is.
const LISTS: usize = 2;

struct Api {
    authority: Arc<Authority>,
    behind: Behind,
    hashing: Arc<Semaphore>,
    listing: Arc<Semaphore>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    user: String,
    password: String,
    totp: Option<String>,
    key: String,
    ttl: Option<String>,
    route: Option<RouteAsked>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InviteBody {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptBody {
    token: String,
    password: String,
    totp: Option<String>,
    /// With it, a login comes at once: the code is good for nothing else any more.
    key: Option<String>,
    ttl: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateBody {
    key: String,
    ttl: Option<String>,
    route: RouteAsked,
}

impl Authority {
    /// The API, with what is behind the door. Each request needs a [`Caller`] as an extension.
    pub fn router(self: Arc<Self>, behind: Behind) -> Router {
        if let Err(error) = self.passwords.ready() {
            // It is tried again with the first login.
            tracing::warn!(%error, "passwords cannot be checked");
        }
        let api = Arc::new(Api::new(self, behind));
        Router::new()
            .route("/v1/ping", get(ping))
            .route("/v1/login", post(login))
            .route("/v1/invite", post(invite))
            .route("/v1/invite/accept", post(accept))
            .route("/v1/certificates", post(certificates))
            .route("/v1/whoami", get(mine::whoami))
            .route("/v1/databases", get(databases::list))
            .route("/v1/databases/{name}", get(databases::show))
            .route("/v1/sessions", get(mine::sessions))
            .route("/v1/sessions/{id}", delete(mine::end))
            .route("/invite/{token}", get(page::show).post(page::take))
            .fallback(async || Problem::new(404, "not-found", "there is nothing here"))
            .method_not_allowed_fallback(async || {
                Problem::new(405, "method", "this is not asked for in this way")
            })
            .with_state(api)
    }
}

type Served = State<Arc<Api>>;
type From = Extension<Caller>;

async fn ping(State(api): Served) -> Result<Response, Problem> {
    let authority = Arc::clone(&api.authority);
    blocking(move || {
        let now = authority.now();
        let state = authority.state();
        let fingerprints = |ca| {
            let status = state.ca(ca).status(now);
            let certificates = status.certificates.into_iter();
            certificates
                .map(|certificate| certificate.fingerprint)
                .collect::<Vec<_>>()
        };
        let host_ca = state.ca(Ca::Host).trusted_pem(now);
        json(&json!({
            "cluster": authority.cluster_name(),
            "version": env!("CARGO_PKG_VERSION"),
            "time": now,
            "fingerprints": {"user": fingerprints(Ca::User), "host": fingerprints(Ca::Host)},
            "host_ca": host_ca,
        }))
    })
    .await
}

async fn login(
    State(api): Served,
    Extension(caller): From,
    request: Request,
) -> Result<Response, Problem> {
    let body: LoginBody = body(request).await?;
    let seconds = seconds(body.ttl.as_deref())?;
    let behind = api.behind.clone();
    api.slowly(move |authority| {
        let mut asked = LoginAsked {
            user: &body.user,
            password: &body.password,
            totp: body.totp.as_deref(),
            key: &body.key,
            seconds,
            route: body.route,
        };
        let proven = authority.prove(&asked, caller.address)?;
        if let Some(route) = &mut asked.route {
            let (now, policy) = (authority.now(), authority.policy.load_full());
            let who = policy.as_if_logged_in(asked.user, Duration::from_secs(60), now);
            let who = Identity {
                totp: proven.factor,
                ..who.map_err(|denial| refused(&denial))?
            };
            meant(&behind.catalog.load_full(), &policy, &who, route, now)?;
        }
        json(&authority.login(asked, &proven, caller.address)?)
    })
    .await
}

async fn invite(
    State(api): Served,
    Extension(caller): From,
    request: Request,
) -> Result<Response, Problem> {
    let body: InviteBody = body(request).await?;
    let authority = Arc::clone(&api.authority);
    blocking(move || json(&authority.invitation(&body.token, caller.address)?)).await
}

async fn accept(
    State(api): Served,
    Extension(caller): From,
    request: Request,
) -> Result<Response, Problem> {
    let body: AcceptBody = body(request).await?;
    let seconds = seconds(body.ttl.as_deref())?;
    api.slowly(move |authority| {
        let AcceptBody {
            token,
            password,
            totp,
            key,
            ..
        } = &body;
        let (from, key) = (caller.address, key.as_deref().map(client_key).transpose()?);
        let accepted = authority.accept(token, password, totp.as_deref(), from)?;
        match key {
            Some(key) => json(&authority.enter(&accepted, &key, seconds, from)?),
            None => json(&json!({ "user": accepted.user })),
        }
    })
    .await
}

async fn certificates(
    State(api): Served,
    Extension(caller): From,
    request: Request,
) -> Result<Response, Problem> {
    let address = caller.address;
    let login = caller.logged_in(&api.authority)?;
    let host = host(&request);
    let body: CertificateBody = body(request).await?;
    let seconds = seconds(body.ttl.as_deref())?;
    blocking(move || {
        let (authority, who) = (&api.authority, &login.identity);
        let key = ClientKey::from_pem(&body.key);
        let key = key.map_err(|error| Problem::new(422, "invalid", error.to_string()))?;
        let by = By {
            who: &who.user,
            from: Some(address),
        };
        let now = authority.now();
        let policy = authority.policy.load_full();
        let catalog = api.behind.catalog.load_full();
        policy.admits(who, now).map_err(|denial| refused(&denial))?;
        let mut route = body.route;
        let target = meant(&catalog, &policy, who, &mut route, now)?;
        let wanted = Wanted {
            user: &who.user,
            key: &key,
            seconds,
            route: Some(route),
            totp: who.totp,
            within: Some(&login),
        };
        json(&Routed {
            signed: authority.sign(wanted, by, now)?,
            target: &target.name,
            protocol: target.protocol,
            server_name: authority.settings.server_name(host.as_deref()),
        })
    })
    .await
}

/// The target of a route that this person may open so. The route has its full name afterwards.
fn meant(
    catalog: &Catalog,
    policy: &Policy,
    who: &Identity,
    route: &mut RouteAsked,
    now: Timestamp,
) -> Result<Arc<Target>, Problem> {
    let target = resolve(catalog, policy, who, &route.target, now)?;
    databases::may(policy, who, &target, route, now)?;
    route.target.clone_from(&target.name);
    Ok(target)
}

/// The part of a path that somebody chose. What is no text names nothing.
struct InPath(String);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(Problem::new(404, "not-found", "there is nothing here")),
        }
    }
}

/// A certificate for one database, with what a client needs to use it.
#[derive(Serialize)]
struct Routed<'a> {
    #[serde(flatten)]
    signed: super::Signed,
    target: &'a str,
    protocol: Protocol,
    /// The name that the proxy's certificate has, for whoever connects.
    server_name: String,
}

/// What somebody reads who may open nothing, or not this.
fn refused(denial: &Denial) -> Problem {
    Problem::new(403, "refused", "this is not allowed").because(denial.person())
}

/// The host name that the request was sent to.
fn host(request: &Request) -> Option<String> {
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let authority: axum::http::uri::Authority = host.parse().ok()?;
    Some(authority.host().to_ascii_lowercase())
}

impl Api {
    fn new(authority: Arc<Authority>, behind: Behind) -> Self {
        Self {
            authority,
            behind,
            hashing: Arc::new(Semaphore::new(AT_ONCE)),
            listing: Arc::new(Semaphore::new(LISTS)),
        }
    }

    /// What may walk over everything that there is: few at a time.
    async fn listing(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<Response, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let busy = || {
            Problem::new(503, "busy", "too many lists are asked for at this moment")
                .hint("try again in some seconds")
                .after(2)
        };
        let place = place(&self.listing).await.ok_or_else(busy)?;
        let api = Arc::clone(self);
        blocking(move || {
            let _place = place;
            work(&api)
        })
        .await
    }

    /// What takes long and much memory: few at a time.
    async fn slowly(
        &self,
        work: impl FnOnce(&Authority) -> Result<Response, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let busy = || {
            Problem::new(503, "busy", "too many are logging in at this moment")
                .hint("try again in some seconds")
                .after(5)
        };
        let place = place(&self.hashing).await.ok_or_else(busy)?;
        let authority = Arc::clone(&self.authority);
        blocking(move || {
            let _place = place;
            work(&authority)
        })
        .await
    }
}

/// One of few places; none when all stay taken. It belongs to the work, and not to who waits for it: whoever goes away leaves
/// the work behind, and its memory with it.
async fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let place = timeout(PATIENCE, Arc::clone(places).acquire_owned()).await;
    place.ok()?.ok()
}

/// Off the threads that carry sessions.
async fn blocking(
    work: impl FnOnce() -> Result<Response, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Problem::new(500, "failed", "the answer broke off")))
}

async fn bytes(request: Request) -> Result<Bytes, Problem> {
    let collect = Limited::new(request.into_body(), MAX_BODY).collect();
    match timeout(BODY_TIME, collect).await {
        Err(_) => Err(Problem::new(
            408,
            "slow",
            "the request did not arrive in time",
        )),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Problem::new(413, "large", "the request is too large"))
        }
        Ok(Err(_)) => Err(Problem::new(400, "broken", "the request broke off")),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let bytes = bytes(request).await?;
    // What is wrong with it is said without repeating any of it: it holds passwords.
    serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let why = match error.classify() {
            serde_json::error::Category::Data => "it is not what this route takes",
            _ => "it is not JSON",
        };
        Problem::new(400, "malformed", "the request makes no sense")
            .because(format!("{why} ({place})"))
    })
}

fn client_key(pem: &str) -> Result<ClientKey, Problem> {
    ClientKey::from_pem(pem).map_err(|error| Problem::new(422, "invalid", error.to_string()))
}

fn seconds(ttl: Option<&str>) -> Result<Option<u64>, Problem> {
    let read = ttl.map(|ttl| {
        let short: String = ttl.chars().take(32).collect();
        words::seconds(&short)
    });
    read.transpose()
        .map_err(|why| Problem::new(422, "invalid", "`ttl` makes no sense").because(why))
}

fn json<T: Serialize>(answer: &T) -> Result<Response, Problem> {
    let body = serde_json::to_vec(answer);
    let body = body.map_err(|_| Problem::new(500, "failed", "cannot write the answer"))?;
    let mut response = Body::from(body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
