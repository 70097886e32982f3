//! What is one's own: who one is, and one's sessions.

use std::sync::Arc;

use axum::{Extension, extract::State, response::Response};
use muster_proxy::SessionView;
use serde::Serialize;

use super::{From, InPath, Problem, Served, Sessions, blocking, json, refused};

/// What the client of a session reads that its user ended.
const ENDED: &str = "you ended this session";

pub(super) async fn whoami(
    State(api): Served,
    Extension(caller): From,
) -> Result<Response, Problem> {
    let who = caller.logged_in(&api.authority)?.identity;
    blocking(move || {
        let authority = &api.authority;
        let now = authority.now();
        let roles = authority.policy.load().admits(&who, now);
        let roles = roles.map_err(|denial| refused(&denial))?;
        json(&json!({
            "user": who.user,
            "roles": roles,
            "issued": who.issued,
            "expires": who.expires,
            "cluster": authority.cluster_name(),
            "version": env!("CARGO_PKG_VERSION"),
            "second_factor": who.totp,
        }))
    })
    .await
}

/// A session, as the person sees it who opened it: without where the database is.
#[derive(Serialize)]
struct Mine {
    id: String,
    user: String,
    roles: Vec<String>,
    target: String,
    protocol: muster_model::Protocol,
    db_user: String,
    db_name: String,
    client: std::net::SocketAddr,
    /// In microseconds since the epoch, as the next.
    started: i64,
    active: i64,
    ends_at: muster_model::Timestamp,
    from_client: u64,
    to_client: u64,
    statements: u64,
}

impl std::convert::From<SessionView> for Mine {
    fn from(view: SessionView) -> Self {
        Self {
            id: view.id,
            user: view.user,
            roles: view.roles,
            target: view.target,
            protocol: view.protocol,
            db_user: view.db_user,
            db_name: view.db_name,
            client: view.client,
            started: view.started,
            active: view.active,
            ends_at: view.ends_at,
            from_client: view.from_client,
            to_client: view.to_client,
            statements: view.statements,
        }
    }
}

pub(super) async fn sessions(
    State(api): Served,
    Extension(caller): From,
) -> Result<Response, Problem> {
    let who = caller.admitted(&api.authority)?;
    blocking(move || {
        let mine: Vec<Mine> = match api.behind.sessions.get() {
            Some(all) => all.of(&who.user).into_iter().map(Mine::from).collect(),
            None => Vec::new(),
        };
        json(&json!({ "sessions": mine }))
    })
    .await
}

pub(super) async fn end(
    State(api): Served,
    Extension(caller): From,
    InPath(id): InPath,
) -> Result<Response, Problem> {
    let who = caller.admitted(&api.authority)?;
    blocking(move || {
        let sessions: Option<&Arc<dyn Sessions>> = api.behind.sessions.get();
        let ended = sessions.is_some_and(|all| {
            // Somebody else's is told of as one that is not there.
            all.of(&who.user).iter().any(|mine| mine.id == id) && all.end(&id, ENDED)
        });
        match ended {
            true => json(&json!({ "ended": id })),
            false => Err(
                Problem::new(404, "not-found", "you have no session with this id")
                    .hint("`muster session ls` shows your sessions"),
            ),
        }
    })
    .await
}
