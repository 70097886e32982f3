//! The proxy's sessions: listed, and ended by an operator.

use axum::{
    Extension,
    extract::{Request, State},
    response::Response,
};

use super::{Served, asked, body, json};
use crate::{
    control::{
        peer::Peer,
        wire::{EndSession, Nothing, Problem, Sessions},
    },
    service::handle::RefusedKind,
};

/// The most bytes of a request: a message.
const MAX_BODY: usize = 16 << 10;
/// The most bytes of a message to a client.
const MAX_MESSAGE: usize = 1000;

pub(super) async fn list(State(shared): Served) -> Result<Response, Problem> {
    let proxy = shared.handle.proxy().ok_or_else(no_proxy)?;
    json(&Sessions {
        sessions: proxy.sessions(),
    })
}

pub(super) async fn end(
    State(shared): Served,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Problem> {
    let EndSession { id, message } = body(request, MAX_BODY).await?;
    let proxy = shared.handle.proxy().ok_or_else(no_proxy)?;
    if message.len() > MAX_MESSAGE {
        let what = format!("the message has more than {MAX_MESSAGE} bytes");
        return Err(Problem::new(RefusedKind::Invalid, what));
    }
    let message = match message.trim() {
        "" => "an operator ended this session",
        given => given,
    };
    asked("end a session", &peer.name());
    if proxy.end_session(&id, message) {
        return json(&Nothing {});
    }
    let id: String = id.chars().take(80).collect();
    Err(
        Problem::new(RefusedKind::NotFound, format!("there is no session {id}"))
            .hint("`muster session ls` lists those that are open"),
    )
}

fn no_proxy() -> Problem {
    Problem::new(RefusedKind::Unavailable, "the service has no proxy")
        .because("its configuration has no `proxy`, or it is starting or ending")
}
