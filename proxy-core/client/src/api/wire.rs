//! A question and its answer over a connection of their own: bounded in time and size, and every failure in words.

use std::{io, sync::Arc, time::Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode,
    client::conn::http1,
    header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::Api;
use crate::{
    Address, Error, Kind, Refusal, Result,
    trust::verify::{failed, foreign},
};

/// The most characters of a text in an error that the proxy sent.
const MAX_TEXT: usize = 2000;

/// The most reasons of an error that the proxy sent.
const MAX_WHY: usize = 16;

/// `application/problem+json`, as far as it is used.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type")]
    urn: String,
    title: String,
    why: Vec<String>,
    hint: Option<String>,
    candidates: Vec<String>,
    retry_after: Option<u64>,
}

impl Api {
    /// Asks, and returns the body of an answer that says yes.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Bytes> {
        let stream = self.connect().await?;
        let asked = self.exchange(stream, method, path, body);
        match timeout(self.limits.answer, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(silent(&self.address, self.limits.answer.as_secs())),
        }
    }

    /// A connection to the proxy that is verified as the settings say.
    async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let start = Instant::now();
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let name = self.address.server_name()?;
        let whole = async {
            let stream = dial(&self.address, start).await?;
            let made = connector.connect(name, stream).await;
            made.map_err(|error| failed(&error, &self.address, (self.clock)()))
        };
        match timeout(self.limits.connect, whole).await {
            Ok(stream) => stream,
            Err(_) => Err(unreachable(
                &self.address,
                &format!("no answer within {} s", self.limits.connect.as_secs()),
            )),
        }
    }

    async fn exchange(
        &self,
        stream: TlsStream<TcpStream>,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Bytes> {
        let broken =
            |error: &dyn std::fmt::Display| foreign(&self.address).because(error.to_string());
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(64 << 10)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(USER_AGENT, concat!("muster/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())));
        let request = request.map_err(|error| broken(&error))?;
        let answer = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| broken(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), self.limits.bytes)
                .collect()
                .await;
            let body = body.map_err(|error| broken(&error))?.to_bytes();
            Ok((status, body))
        };
        // The answer may be whole when the proxy has closed the connection already: it counts.
        let (status, body) = tokio::select! {
            biased;
            answer = answer => answer?,
            ended = async { let _ = connection.await; std::future::pending::<Result<_>>().await } => ended?,
        };
        if status.is_success() {
            return Ok(body);
        }
        Err(self.refused(status, &body))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Error {
        let problem = serde_json::from_slice::<Problem>(body).ok();
        let Some(problem) = problem.filter(|problem| !problem.title.is_empty()) else {
            return foreign(&self.address).because(format!(
                "it answers HTTP {status}, and not in the words of one"
            ));
        };
        let kind = problem
            .urn
            .strip_prefix("urn:muster:denied:")
            .unwrap_or_default();
        let candidates = problem.candidates.iter().take(MAX_WHY);
        let refusal = Refusal {
            status: status.as_u16(),
            kind: short(kind),
            candidates: candidates.map(|name| short(name)).collect(),
            retry_after: problem.retry_after,
        };
        let mut error = Error::new(Kind::Refused(Box::new(refusal)), short(&problem.title));
        for why in problem.why.iter().take(MAX_WHY) {
            error = error.because(short(why));
        }
        match &problem.hint {
            Some(hint) => error.hint(short(hint)),
            None => error,
        }
    }
}

/// A TCP connection to whichever of the host's addresses answers first in their order.
async fn dial(address: &Address, start: Instant) -> Result<TcpStream> {
    let found = tokio::net::lookup_host((address.host(), address.port())).await;
    let found: Vec<_> = found
        .map_err(|error| {
            let host = address.host();
            unreachable(
                address,
                &format!("the name {host} cannot be looked up: {}", plain(&error)),
            )
        })?
        .collect();
    let mut last = None;
    for one in found {
        match TcpStream::connect(one).await {
            Ok(stream) => {
                // A question is small, and its answer is waited for.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(
        || "the name has no address".to_owned(),
        |error| plain(&error),
    );
    let tried = start.elapsed().as_millis();
    Err(unreachable(address, &format!("{why} (after {tried} ms)")))
}

/// An error of the system in a few words.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nobody listens there".to_owned(),
        _ => error.to_string(),
    }
}

fn unreachable(address: &Address, why: &str) -> Error {
    Error::new(
        Kind::Unreachable,
        format!("cannot reach the proxy {address}"),
    )
    .because(why)
    .hint(format!(
        "check host and port, and the way there: `nc -vz {} {}`",
        address.host(),
        address.port()
    ))
}

fn silent(address: &Address, seconds: u64) -> Error {
    Error::new(
        Kind::Unreachable,
        format!("the proxy {address} does not answer"),
    )
    .because(format!(
        "it took the question, and said nothing within {seconds} s"
    ))
    .hint("try again; if it lasts, tell whoever runs it")
}

fn short(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
