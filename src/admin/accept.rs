//! Connections: a bounded number of them, each with a bounded head, a bounded life, and a bounded wait for silence.

use std::{
    future::poll_fn,
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at once. More wait in the system's queue.
const CONNECTIONS: usize = 64;
/// How long a request's head may take to come, also the first byte of the next one on a connection.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The longest request head: an id in a path is at most 2 KiB, and three times that when it is written with `%`.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// How long a connection may live; its present request may end first.
const LIVES: Duration = Duration::from_secs(120);
/// How long the last request of a connection may take, and all of them at the end of the service.
const GRACE: Duration = Duration::from_secs(5);
/// The pause after an accept that failed for want of something; it doubles with each failure.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Where connections come from.
pub(super) trait Source: Send + Sync {
    /// The next one.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<TcpStream>>;
}

impl Source for TcpListener {
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        Self::poll_accept(self, context).map_ok(|(stream, _)| stream)
    }
}

/// Accepts until `stop`, then waits for the requests that are being answered.
pub(super) async fn run(listener: impl Source, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    let mut pause = PAUSE;
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            let accepted = poll_fn(|context| listener.poll_accept(context)).await;
            (place, accepted)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok(stream) => {
                if pause > PAUSE {
                    tracing::info!("the API accepts connections again");
                }
                pause = PAUSE;
                let connection = connection(stream, router.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            // The other side has gone before it was let in.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // No file descriptors or no memory: it does not get better by asking again at once.
                if pause == PAUSE {
                    tracing::warn!(%error, "the API cannot accept a connection");
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                }
            }
        }
    }
    drop(listener);
    connections.close();
    if timeout(GRACE, connections.wait()).await.is_err() {
        tracing::debug!("connections of the API were cut at the end");
    }
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Answers are small and written whole: waiting for more to send gains nothing. If it cannot be set, they
    // come a little later.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    // How it ended concerns the other side, who knows.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(LIVES) => {}
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, connection).await;
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
