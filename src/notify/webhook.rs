//! A sink that is told by HTTP: one POST of JSON for each notice.
//!
//! Delivered is what was answered with 2xx. Redirects are not followed: they would carry the `Authorization`
//! and the notice to somewhere that the configuration does not name. Every other answer is a failure, and is
//! tried again for as long as it takes: a receiver that says 400 or 410 today may be mended tomorrow, and what
//! is skipped is lost.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use muster_model::Timestamp;
use reqwest::{
    Certificate, Client, Response,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};
use url::{Host, Url};

use super::{
    body::{DELIVERY, Delivery, EVENT, SIGNATURE},
    signature,
    task::{Failure, Transport},
    text,
};

/// The largest file with a secret.
const MAX_SECRET: u64 = 64 << 10;

/// A sink that is told by HTTP.
pub(super) struct Webhook {
    url: Url,
    authorization_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    timeout: Duration,
    /// Made at the first delivery, and kept with its connection.
    client: Option<Client>,
}

/// What the files say at the moment.
struct Secrets {
    authorization: Option<HeaderValue>,
    key: Option<Vec<u8>>,
    /// What must not be shown.
    hidden: Vec<String>,
}

impl Webhook {
    pub(super) const fn new(
        url: Url,
        authorization_file: Option<PathBuf>,
        secret_file: Option<PathBuf>,
        timeout: Duration,
    ) -> Self {
        Self {
            url,
            authorization_file,
            secret_file,
            timeout,
            client: None,
        }
    }

    async fn post(&mut self, delivery: &Delivery, at: Timestamp) -> Result<(), Failure> {
        let secrets = self.secrets().await?;
        let client = self.client().await?;
        let mut request = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(DELIVERY, &delivery.id)
            .header(EVENT, delivery.event.as_str())
            .body(delivery.json.clone());
        if let Some(authorization) = secrets.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(key) = &secrets.key {
            request = request.header(SIGNATURE, signature::sign(key, at, &delivery.json));
        }
        let response = request.send().await.map_err(|error| {
            Failure::new(format!("{} cannot be told: {}", self.place(), words(error)))
        })?;
        let status = response.status();
        let asked = asked(response.headers());
        let body = beginning(response).await;
        if status.is_success() {
            return Ok(());
        }
        let mut said = format!("{} answered {status}", self.place());
        if status.is_redirection() {
            said.push_str(", and redirects are not followed");
        }
        if let Some(line) = text::first_line(&body, &secrets.hidden) {
            said.push_str(": ");
            said.push_str(&line);
        }
        Err(Failure { text: said, asked })
    }

    /// The client, which trusts the certificates that the system trusts (or those that `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` name) beside the usual ones, and uses the proxy that the environment names, except for
    /// this machine.
    async fn client(&mut self) -> Result<Client, Failure> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let near = is_near(&self.url);
        if self.url.scheme() != "https" && !near {
            return Err(Failure::new(format!(
                "{} is not told: only https leaves this machine",
                self.place()
            )));
        }
        let tls = self.url.scheme() == "https";
        let built = tokio::task::spawn_blocking(move || build(near, tls)).await;
        let client = built
            .map_err(|_| Failure::new("the work was broken off"))?
            .map_err(|error| {
                Failure::new(format!("cannot make an HTTP client: {}", words(error)))
            })?;
        Ok(self.client.insert(client).clone())
    }

    async fn secrets(&self) -> Result<Secrets, Failure> {
        let mut secrets = Secrets {
            authorization: None,
            key: None,
            hidden: Vec::new(),
        };
        // Many receivers know their callers by the URL alone.
        let address = [self.url.path(), self.url.query().unwrap_or_default()];
        let address = address.iter().flat_map(|part| part.split(['/', '&', '=']));
        secrets.hidden.extend(words_of(address));
        if let Some(path) = &self.authorization_file {
            let content = content(path).await?;
            let mut value = HeaderValue::from_bytes(&content).map_err(|_| {
                Failure::new(format!(
                    "cannot use {}: it holds no value of a header",
                    path.display()
                ))
            })?;
            value.set_sensitive(true);
            secrets.authorization = Some(value);
            let text = String::from_utf8_lossy(&content).into_owned();
            secrets.hidden.extend(words_of(text.split_whitespace()));
        }
        if let Some(path) = &self.secret_file {
            let content = content(path).await?;
            secrets
                .hidden
                .push(String::from_utf8_lossy(&content).into_owned());
            secrets.key = Some(content);
        }
        Ok(secrets)
    }

    /// Host and port: the rest of the URL may be a secret.
    fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or("?");
        match self.url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

impl Transport for Webhook {
    async fn deliver(&mut self, delivery: &Delivery, at: Timestamp) -> Result<(), Failure> {
        let (place, timeout) = (self.place(), self.timeout);
        tokio::time::timeout(timeout, self.post(delivery, at))
            .await
            .unwrap_or_else(|_| {
                Err(Failure::new(format!(
                    "{place} did not answer within {} s",
                    timeout.as_secs_f64()
                )))
            })
    }
}

fn build(near: bool, tls: bool) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .referer(false)
        .pool_max_idle_per_host(1)
        .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")));
    if near {
        builder = builder.no_proxy();
    }
    if tls {
        // Those that cannot be read are missing, and the handshake says so.
        for der in rustls_native_certs::load_native_certs().certs {
            if let Ok(certificate) = Certificate::from_der(&der) {
                builder = builder.add_root_certificate(certificate);
            }
        }
    }
    builder.build()
}

/// The content of a file with a secret, without white space around it.
async fn content(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| Failure::new(format!("cannot use {}: {why}", path.display()));
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        // A pipe would keep the thread for ever.
        if !std::fs::metadata(&owned)?.is_file() {
            return Err(std::io::Error::other("it is not a file"));
        }
        let file = std::fs::File::open(owned)?;
        file.take(MAX_SECRET + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let bytes = read
        .await
        .map_err(|_| failed("the work was broken off".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(failed(format!("it has more than {MAX_SECRET} bytes")));
    }
    match bytes.trim_ascii() {
        [] => Err(failed("it is empty".to_owned())),
        content => Ok(content.to_vec()),
    }
}

/// What is long enough to be a secret.
fn words_of<'a>(words: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    words.filter(|word| word.len() >= 8).map(str::to_owned)
}

/// The beginning of an answer: as far as it comes. An answer that is read to its end lets the connection be
/// used again; one that does not end is left.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > text::MAX_READ {
            body.truncate(text::MAX_READ);
            break;
        }
    }
    body
}

/// The seconds of `Retry-After`. Its other form, a date, is not understood.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    seconds.ok().map(Duration::from_secs)
}

/// Whether a URL is on this machine.
fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What went wrong, without the URL.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text::first_line(text.as_bytes(), &[]).unwrap_or_default()
}
