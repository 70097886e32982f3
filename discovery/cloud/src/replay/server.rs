//! [`Replayer`]: the server.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

use super::{Answer, Exchange, Fault, Request, Seen, Tape};

/// A running server of recorded answers, on a port of the loopback address that the system chose. Dropping it stops it.
#[derive(Debug)]
pub struct Replayer {
    url: String,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    lines: RwLock<Vec<Line>>,
    log: Mutex<Vec<Seen>>,
    asked: AtomicUsize,
    stopped: watch::Receiver<bool>,
}

/// One exchange, made ready.
#[derive(Debug)]
struct Line {
    name: String,
    request: Request,
    answers: Vec<Ready>,
    /// How many answers it has given.
    given: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Ready {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    fault: Option<Fault>,
}

// === impl Replayer ===

impl Replayer {
    /// Starts serving. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When there is no runtime, when no port can be had, or when an answer that a program made has a status or a
    /// header that HTTP does not allow.
    pub fn start(tape: Tape) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };

        let lines = RwLock::new(ready(&tape, &url)?);
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            lines,
            log: Mutex::default(),
            asked: AtomicUsize::new(0),
            stopped: stopped.clone(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let server = axum::serve(listener, router).with_graceful_shutdown(until(stopped));
        let task = runtime.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the replayer stopped");
            }
        });
        Ok(Self {
            url,
            shared,
            stop,
            task,
        })
    }

    /// Where it listens: `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Goes on with other answers: each begins with its first. Answers that were begun are finished as they were.
    ///
    /// # Errors
    /// When an answer that a program made has a status or a header that HTTP does not allow; then nothing changes.
    pub fn change(&self, tape: &Tape) -> io::Result<()> {
        let lines = ready(tape, &self.url)?;
        *self
            .shared
            .lines
            .write()
            .unwrap_or_else(PoisonError::into_inner) = lines;
        Ok(())
    }

    /// What was asked so far, in order. The first 100,000 calls are kept.
    pub fn log(&self) -> Vec<Seen> {
        self.shared
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The calls for which nothing was recorded. A test that ends with any has missed something.
    pub fn unmatched(&self) -> Vec<Seen> {
        self.log()
            .into_iter()
            .filter(|seen| seen.exchange.is_none())
            .collect()
    }

    /// How many calls were made so far.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Stops: no new connection is accepted, answers that were begun are finished.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // The task ends by itself; it can only fail by panicking, which has been reported already.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Replayer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

// === impl Shared ===

impl Shared {
    /// The answer that is due for a call, or a text that says that there is none; writes the log.
    fn next(&self, mut seen: Seen) -> Result<Ready, String> {
        // Of those that ask equally much, the first one by name.
        let weight = |line: &Line| line.request.weight();
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        let best = lines
            .iter()
            .filter(|line| line.request.matches(&seen))
            .reduce(|best, next| {
                if weight(next) > weight(best) {
                    next
                } else {
                    best
                }
            });
        let due = best.and_then(|line| {
            let last = line.answers.len().checked_sub(1)?;
            let turn = line.given.fetch_add(1, Ordering::Relaxed).min(last);
            seen.exchange = Some(line.name.clone());
            line.answers.get(turn).cloned()
        });
        drop(lines);
        seen.status = match &due {
            Some(Ready {
                fault: Some(Fault::Close | Fault::Hang),
                ..
            }) => None,
            Some(ready) => Some(ready.status.as_u16()),
            None => Some(StatusCode::NOT_FOUND.as_u16()),
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() < MAX_LOG {
            log.push(seen.clone());
        }
        due.ok_or_else(|| format!("replayer: {seen}\n"))
    }
}

/// The exchanges of a tape, made ready for a server.
fn ready(tape: &Tape, url: &str) -> io::Result<Vec<Line>> {
    let exchanges = tape.exchanges().iter();
    exchanges.map(|exchange| Line::new(exchange, url)).collect()
}

// === impl Line ===

impl Line {
    fn new(exchange: &Exchange, url: &str) -> io::Result<Self> {
        let answers = exchange
            .answers
            .iter()
            .map(|answer| Ready::new(answer, url))
            .collect::<Result<_, _>>();
        let invalid = |error: http::Error| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("exchange {}: {error}", exchange.name),
            )
        };
        Ok(Self {
            name: exchange.name.clone(),
            request: exchange.request.clone(),
            answers: answers.map_err(invalid)?,
            given: AtomicUsize::new(0),
        })
    }
}

// === impl Ready ===

impl Ready {
    fn new(answer: &Answer, url: &str) -> Result<Self, http::Error> {
        let body = with_url(&answer.body, url);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(&body)));
        if let Some(Fault::TruncateAfter(_)) = answer.fault {
            // The whole length is announced, and then less is sent.
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        for (name, value) in &answer.headers {
            headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        Ok(Self {
            status: StatusCode::from_u16(answer.status)?,
            headers,
            body,
            fault: answer.fault,
        })
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, MAX_REQUEST).await {
        Ok(body) => respond(&shared, &parts, &body).await,
        Err(_) => plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("replayer: more than {MAX_REQUEST} bytes\n"),
        ),
    }
}

async fn respond(shared: &Shared, parts: &Parts, body: &[u8]) -> Response {
    let ready = match shared.next(Seen::read(parts, body)) {
        Ok(ready) => ready,
        Err(text) => return plain(StatusCode::NOT_FOUND, text),
    };
    let body = match ready.fault {
        None => Body::from(ready.body),
        Some(Fault::TruncateAfter(after)) => cut(ready.body.slice(..after.min(ready.body.len()))),
        Some(Fault::Close) => cut(Bytes::new()),
        Some(Fault::Hang) => {
            until(shared.stopped.clone()).await;
            cut(Bytes::new())
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = ready.status;
    *response.headers_mut() = ready.headers;
    response
}

fn plain(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// A body that ends in an error, upon which the connection is cut. After bytes the error comes a turn later, so that
/// they are sent first; without bytes it comes at once, and the head of the answer is not sent either.
fn cut(bytes: Bytes) -> Body {
    let error = || io::Error::from(io::ErrorKind::ConnectionReset);
    if bytes.is_empty() {
        return Body::from_stream(stream::iter([Err::<Bytes, _>(error())]));
    }
    Body::from_stream(stream::unfold(Some(bytes), move |rest| async move {
        match rest {
            Some(bytes) if !bytes.is_empty() => Some((Ok(bytes), Some(Bytes::new()))),
            Some(_) => {
                tokio::task::yield_now().await;
                Some((Err(error()), None))
            }
            None => None,
        }
    }))
}

/// Waits until the replayer is stopped or gone.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn with_url(body: &Bytes, url: &str) -> Bytes {
    match std::str::from_utf8(body) {
        Ok(text) if text.contains(URL) => Bytes::from(text.replace(URL, url)),
        _ => body.clone(),
    }
}

/// The content type that fits a body.
const fn kind(body: &[u8]) -> &'static str {
    match body.first() {
        Some(b'<') => "text/xml",
        Some(b'{' | b'[') => "application/json",
        _ => "text/plain",
    }
}

/// Stands for the replayer's address in a body.
const URL: &str = "{{URL}}";

/// The largest request body that is read, in bytes.
const MAX_REQUEST: usize = 1 << 20;

/// How many calls the log keeps.
const MAX_LOG: usize = 100_000;
