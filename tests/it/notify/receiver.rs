//! A receiver of webhooks: an HTTP server on a port that the system chose.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Router,
    body::{Body as Answered, Bytes},
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode},
};
use muster::notify::Body;
use tokio::{sync::watch, task::JoinHandle};
use url::Url;

use super::eventually;

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Got {
    pub at: Instant,
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Got {
    pub fn body(&self) -> Body {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    Says(u16, Vec<(&'static str, String)>, String),
    /// Never.
    Hangs,
    /// Well, when this says so.
    After(watch::Receiver<bool>),
    /// A status, and a body without an end.
    Endless(u16),
}

type Decides = dyn Fn(usize, &Got) -> Answer + Send + Sync;

struct Shared {
    log: Mutex<Vec<Got>>,
    decides: Box<Decides>,
}

pub struct Receiver {
    pub url: Url,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts one. `decides` gets the number of the request, from 0, and the request.
    pub async fn start(decides: impl Fn(usize, &Got) -> Answer + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            log: Mutex::default(),
            decides: Box::new(decides),
        });
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url: Url::parse(&url).unwrap(),
            shared,
            task,
        }
    }

    /// One that is content with everything.
    pub async fn content() -> Self {
        Self::start(|_, _| Answer::Status(204)).await
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.log.lock().unwrap().clone()
    }

    /// The names that it was told, in order, repeats included.
    pub fn told(&self) -> Vec<String> {
        let got = self.got();
        got.iter().map(|got| got.body().notice.name).collect()
    }

    /// Waits for a number of requests.
    pub async fn until(&self, count: usize) -> Vec<Got> {
        let seen = || Some(self.got()).filter(|got| got.len() >= count);
        eventually(seen, || format!("{} of {count} requests", self.got().len())).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Answered> {
    let (parts, body) = request.into_parts();
    let got = Got {
        at: Instant::now(),
        method: parts.method,
        path: parts.uri.to_string(),
        headers: parts.headers,
        bytes: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
    };
    let answer = {
        let mut log = shared.log.lock().unwrap();
        log.push(got.clone());
        (shared.decides)(log.len() - 1, &got)
    };
    let (status, headers, body) = match answer {
        Answer::Status(status) => (status, Vec::new(), Answered::empty()),
        Answer::Says(status, headers, body) => (status, headers, Answered::from(body)),
        Answer::Hangs => std::future::pending().await,
        Answer::After(mut released) => {
            let _ = released.wait_for(|released| *released).await;
            (200, Vec::new(), Answered::empty())
        }
        Answer::Endless(status) => {
            let chunk = || Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 1024]));
            let body = Answered::from_stream(futures::stream::repeat_with(chunk));
            (status, Vec::new(), body)
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        let value = HeaderValue::from_str(&value).unwrap();
        response.headers_mut().insert(name, value);
    }
    response
}
