//! What is asked of the authority, as [`crate::authority::Command`].

use axum::{
    Extension,
    extract::{Request, State},
    response::Response,
};

use super::{Served, broke_off, bytes, json, parse};
use crate::{
    authority::Command,
    control::{peer::Peer, wire::Problem},
    service::handle::RefusedKind,
};

/// The most bytes of a request: some records.
const MAX_BODY: usize = 16 << 20;

pub(super) async fn ask(
    State(shared): Served,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Problem> {
    let command: Command = parse(&bytes(request, MAX_BODY).await?)?;
    let authority = shared.handle.authority().ok_or_else(|| {
        Problem::new(
            RefusedKind::Unavailable,
            "the service has no authority at the moment",
        )
        .hint("it may be starting or ending: try again")
    })?;
    let by = peer.name();
    let answer = tokio::task::spawn_blocking(move || authority.handle(command, &by));
    json(&answer.await.map_err(|_| broke_off())??)
}
