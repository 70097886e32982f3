//! Connections: a bounded number of them, each with a bounded head, a bounded life, and a bounded wait for silence.
//!
//! Whoever opens connections and says nothing does not keep others out: when all places are taken, the connection that
//! has been silent for longest makes room.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{pending, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::Request,
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Connections at once. More wait in the system's queue.
pub(super) const CONNECTIONS: usize = 128;
/// How long a connection may be silent even when others wait.
const YOUNG: Duration = Duration::from_millis(100);
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
    let mut lines: BTreeMap<u64, Arc<Line>> = BTreeMap::new();
    let mut connections = JoinSet::new();
    let mut number = 0_u64;
    let mut pause = PAUSE;
    loop {
        let full = lines.len() >= CONNECTIONS;
        // Nobody makes room who has not had the time to say anything, or is being answered.
        let leaves = full.then(|| longest_silent(&lines)).flatten();
        let room = async {
            match &leaves {
                Some((since, _)) => sleep_until(*since + YOUNG).await,
                None => pending().await,
            }
        };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                if let Ok(number) = ended {
                    lines.remove(&number);
                }
                continue;
            }
            () = room => {
                if let Some((_, number)) = leaves
                    && let Some(line) = lines.remove(&number)
                {
                    line.leave.cancel();
                }
                continue;
            }
            accepted = poll_fn(|context| listener.poll_accept(context)), if !full => accepted,
        };
        match accepted {
            Ok(stream) => {
                if pause > PAUSE {
                    tracing::info!("the API accepts connections again");
                }
                pause = PAUSE;
                number = number.wrapping_add(1);
                let line = Arc::new(Line::new());
                lines.insert(number, Arc::clone(&line));
                let connection = connection(stream, router.clone(), line, stop.clone());
                connections.spawn(async move {
                    connection.await;
                    number
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
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, ended).await.is_err() {
        tracing::debug!("connections of the API were cut at the end");
    }
}

/// The connection that has been waited for longest, and since when.
fn longest_silent(lines: &BTreeMap<u64, Arc<Line>>) -> Option<(Instant, u64)> {
    let silent = lines
        .iter()
        .filter_map(|(number, line)| Some((line.silent()?, *number)));
    silent.min()
}

/// What is known of one connection.
struct Line {
    /// Since when its next request is waited for; none while one is being answered.
    silent: Mutex<Option<Instant>>,
    /// Ends it, for another.
    leave: CancellationToken,
}

/// A request that is being answered, until this is dropped.
struct Answering(Arc<Line>);

/// A body, and the request that it answers.
struct Watched {
    body: Body,
    _answering: Answering,
}

async fn connection(stream: TcpStream, router: Router, line: Arc<Line>, stop: CancellationToken) {
    // Answers are small and written whole: waiting for more to send gains nothing. If it cannot be set, they
    // come a little later.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let leave = line.leave.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let _answering = Answering::on(&line);
        let answer = router.call(request);
        async move {
            let response = answer.await?;
            Ok::<_, Infallible>(response.map(|body| Watched { body, _answering }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // How it ended concerns the other side, who knows.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = leave.cancelled() => return,
        () = sleep(LIVES) => {}
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, connection).await;
}

// === impl Line ===

impl Line {
    fn new() -> Self {
        Self {
            silent: Mutex::new(Some(Instant::now())),
            leave: CancellationToken::new(),
        }
    }

    fn silent(&self) -> Option<Instant> {
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, silent: Option<Instant>) {
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = silent;
    }
}

// === impl Answering ===

impl Answering {
    fn on(line: &Arc<Line>) -> Self {
        line.set(None);
        Self(Arc::clone(line))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(Some(Instant::now()));
    }
}

// === impl Watched ===

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
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
