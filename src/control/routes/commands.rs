//! Commands: what changes something, or reads the clouds.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use muster_model::Scan;
use muster_store::Revision;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Served, asked, body, broke_off, bytes, json, line, parse, place, reads::number};
use crate::{
    control::{
        peer::Peer,
        wire::{Apply, At, Nothing, Problem, ReadLine, Reload, Scanned, Scopes},
    },
    service::handle::{Reading, ReadingBasis, RefusedKind},
};

/// The most bytes of a request that lists something.
const MAX_BODY: usize = 4 << 20;

/// The most bytes of a plan: as many as a saved one may have, and as the store takes in one batch.
const MAX_PLAN: usize = 512 << 20;

type By = Extension<Peer>;

pub(super) async fn scan(
    State(shared): Served,
    Extension(peer): By,
    request: Request,
) -> Result<Response, Problem> {
    let ask: Scopes = body(request, MAX_BODY).await?;
    let _place = place(&shared.scans, "scan")?;
    asked("scan", &peer.name());
    let scopes = shared.handle.scan_now(ask.scopes).await?;
    json(&Scanned { scopes })
}

pub(super) async fn reload(
    State(shared): Served,
    Extension(peer): By,
    request: Request,
) -> Result<Response, Problem> {
    let ask: Reload = body(request, MAX_BODY).await?;
    let by = peer.name();
    asked("reload", &by);
    json(&shared.handle.reload(by, ask.dry_run).await?)
}

pub(super) async fn apply(
    State(shared): Served,
    Extension(peer): By,
    request: Request,
) -> Result<Response, Problem> {
    let _place = place(&shared.plans, "apply a plan")?;
    let bytes = bytes(request, MAX_PLAN).await?;
    let parsing = tokio::task::spawn_blocking(move || parse::<Apply<'static>>(&bytes));
    let Apply { expected, writes } = parsing.await.map_err(|_| broke_off())??;
    let by = peer.name();
    asked("apply", &by);
    let applied = shared
        .handle
        .apply(writes.into_owned(), Revision(expected), by);
    let revision = applied.await?.0;
    json(&At { revision })
}

pub(super) async fn approve(
    shared: Served,
    by: By,
    plan: Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    decide(shared, by, plan, request, true).await
}

pub(super) async fn reject(
    shared: Served,
    by: By,
    plan: Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    decide(shared, by, plan, request, false).await
}

async fn decide(
    State(shared): Served,
    Extension(peer): By,
    Path(plan): Path<String>,
    request: Request,
    approve: bool,
) -> Result<Response, Problem> {
    let plan = number(&plan)?;
    let Nothing {} = body(request, MAX_BODY).await?;
    let by = peer.name();
    asked(if approve { "approve" } else { "reject" }, &by);
    json(&shared.handle.decide(plan, approve, by).await?)
}

pub(super) async fn stop(
    State(shared): Served,
    Extension(peer): By,
    request: Request,
) -> Result<Response, Problem> {
    let Nothing {} = body(request, MAX_BODY).await?;
    asked("stop", &peer.name());
    shared.handle.stop().await;
    Ok((StatusCode::ACCEPTED, json(&Nothing {})?).into_response())
}

/// One line for what is needed to judge the scans, one for each scan as it ends, and one that says that these
/// were all: whoever does not see the last line has seen nothing.
pub(super) async fn read(State(shared): Served, request: Request) -> Result<Response, Problem> {
    let ask: Scopes = body(request, MAX_BODY).await?;
    let place = place(&shared.scans, "read the clouds")?;
    let Reading { basis, scans } = shared.handle.read(ask.scopes).await?;
    let lines = Lines {
        scopes: basis.scopes,
        basis: Some(basis),
        scans,
        count: 0,
        ended: false,
        _place: place,
    };
    let lines = futures::stream::unfold(lines, Lines::next);
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// The lines of an answer to `read`.
struct Lines {
    scopes: usize,
    basis: Option<ReadingBasis>,
    scans: mpsc::Receiver<Scan>,
    count: usize,
    ended: bool,
    /// Kept for as long as there are scans to come.
    _place: OwnedSemaphorePermit,
}

impl Lines {
    async fn next(mut self) -> Option<(Result<Bytes, axum::Error>, Self)> {
        if self.ended {
            return None;
        }
        let next = match self.basis.take() {
            Some(basis) => ReadLine::Basis(basis),
            None => self.scan().await,
        };
        // A scan can be large.
        let written = tokio::task::spawn_blocking(move || line(&next)).await;
        let bytes = match written {
            Ok(Ok(bytes)) => Ok(bytes.into()),
            // The answer is cut, and whoever reads it sees that it is.
            Ok(Err(problem)) => Err(axum::Error::new(std::io::Error::other(problem.title))),
            Err(broke) => Err(axum::Error::new(broke)),
        };
        self.ended |= bytes.is_err();
        Some((bytes, self))
    }

    async fn scan(&mut self) -> ReadLine {
        if let Some(scan) = self.scans.recv().await {
            self.count += 1;
            return ReadLine::Scan(Box::new(scan));
        }
        self.ended = true;
        let (scans, scopes) = (self.count, self.scopes);
        if scans == scopes {
            return ReadLine::End { scans };
        }
        let problem = Problem::new(RefusedKind::Unavailable, "the service broke off reading")
            .because(format!("it had read {scans} of {scopes} scopes"))
            .hint("nothing was changed; see whether it is ending: `muster status`");
        ReadLine::Failed(Box::new(problem))
    }
}
