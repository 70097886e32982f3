//! One question to the service and its answer: connects, asks, and gives up when nothing comes.

use std::{future::Future, io, path::PathBuf, sync::Arc, time::Duration};

use axum::body::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::UnixStream,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    VERSION, VERSION_HEADER,
    client::Limits,
    error::ClientError,
    peer,
    socket::{Place, is_absent},
    understands,
    wire::{Problem, Service},
};
use crate::service::handle::Refused;

/// The pause before a service that has many connections waiting is asked again.
const BUSY: Duration = Duration::from_millis(20);

/// Asks the service of one directory.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub dir: PathBuf,
    pub limits: Limits,
}

/// An answer that has begun, with the task that reads it from the socket.
pub(super) struct Answer {
    pub response: Response<Incoming>,
    _connection: AbortOnDropHandle<()>,
}

impl Caller {
    /// Asks for something that is there at once.
    pub async fn soon<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let limit = self.limits.answer;
        match timeout(limit, self.whole(Method::GET, path, Vec::new())).await {
            Ok(answer) => answer,
            Err(_) => Err(silent(limit)),
        }
    }

    /// Asks for something that may take its time: for as long as the service shows that it lives.
    pub async fn patiently<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, ClientError> {
        self.while_alive(self.whole(method, path, body)).await
    }

    /// Waits for something while the service answers other questions.
    pub async fn while_alive<T>(
        &self,
        wanted: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        tokio::select! {
            biased;
            answer = wanted => answer,
            error = self.death() => Err(error),
        }
    }

    /// Ends when the service shows no more sign of life.
    async fn death(&self) -> ClientError {
        loop {
            sleep(self.limits.pulse).await;
            if let Err(error) = self.soon::<Service>("/v1/service").await {
                return error;
            }
        }
    }

    async fn whole<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, ClientError> {
        let answer = self.ask(method, path, body).await?;
        let bytes = self.collect(answer.response).await?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::malformed(error.to_string()))
    }

    /// Asks, and waits for the beginning of the answer. A refusal is an error.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer, ClientError> {
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            // What breaks here breaks the answer as well, and is told there.
            let _ = connection.await;
        }));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "muster")
            .header(CONTENT_TYPE, "application/json")
            .header(VERSION_HEADER, VERSION)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ClientError::malformed(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let theirs = response.headers().get(VERSION_HEADER);
        match theirs.map(|theirs| theirs.to_str().unwrap_or("of an unknown version")) {
            Some(theirs) if understands(theirs) => {}
            Some(theirs) => {
                let theirs = theirs.chars().take(40).collect();
                return Err(ClientError::Version { theirs });
            }
            None => {
                return Err(ClientError::malformed(
                    "it does not say of which version it is",
                ));
            }
        }
        if response.status().is_success() {
            return Ok(Answer {
                response,
                _connection: connection,
            });
        }
        let bytes = self.collect(response).await?;
        let problem: Problem = serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::malformed(error.to_string()))?;
        Err(problem.into())
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        let socket = || self.dir.join(super::NAME);
        let failed = |source: io::Error| {
            let (socket, absent) = (socket(), is_absent(&source));
            let source = Arc::new(source);
            match absent {
                true => ClientError::Absent { socket, source },
                false => ClientError::Connect { socket, source },
            }
        };
        let place = Place::of(&self.dir).map_err(failed)?;
        let end = Instant::now() + self.limits.answer;
        loop {
            match place.connect().await {
                // More connections wait already than the kernel keeps.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() >= end {
                        return Err(silent(self.limits.answer));
                    }
                    sleep(BUSY).await;
                }
                connected => {
                    let stream = connected.map_err(failed)?;
                    peer::trust(&stream, &self.dir).map_err(failed)?;
                    return Ok(stream);
                }
            }
        }
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let most = self.limits.bytes;
        match Limited::new(response.into_body(), most).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(ClientError::malformed(format!(
                "it has more than {most} bytes"
            ))),
            Err(error) => Err(ClientError::Broken(error.into())),
        }
    }
}

impl From<Problem> for ClientError {
    fn from(mut problem: Problem) -> Self {
        match problem.store.take() {
            Some(fault) => Self::Store((*fault).into()),
            None => Self::Refused(Refused::from(problem)),
        }
    }
}

/// The body of a request.
pub(super) fn body<T: Serialize>(request: &T) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(request).map_err(|error| ClientError::malformed(error.to_string()))
}

pub(super) fn broken(error: hyper::Error) -> ClientError {
    ClientError::Broken(Arc::new(error))
}

fn silent(limit: Duration) -> ClientError {
    ClientError::Silent {
        // Part of a second is not nothing.
        seconds: limit.as_secs().max(1),
    }
}
