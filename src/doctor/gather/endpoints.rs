//! Databases' addresses: does the name resolve, does somebody answer, and is the certificate one that the proxy trusts.
//!
//! Trust and texts are the proxy's own. Nobody logs in: a database sees a connection that agrees on TLS and ends. Of
//! protocols that are not served, only name and port are tried.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use muster_credentials::{Advice, Credentials as _, Failure, Keyring};
use muster_model::{Protocol, Target, Timestamp};
use muster_proxy::Resolver;
use rustls::{CertificateError, Error};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{certificates, handshake};
use crate::doctor::evidence::{Endpoint, Endpoints};

/// PostgreSQL's request for TLS: a length of eight, and the number that stands for it.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Certificates that end later are not told of, in seconds: nobody judges them to be near their end.
const SOON: i64 = 90 * 86_400;

/// How much is looked at, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Databases at once.
    pub at_once: usize,
    /// Time for each step of one.
    pub each: Duration,
    /// Time for all; none for as long as it takes.
    pub all: Option<Duration>,
}

/// Looks at these databases, out of so many.
pub async fn endpoints(
    targets: Vec<Arc<Target>>,
    of: u64,
    keyring: &Keyring,
    resolver: &dyn Resolver,
    limits: Limits,
    now: Timestamp,
) -> Endpoints {
    // One that is stopped has no address, and nothing is wrong with that.
    let with: Vec<_> = targets
        .into_iter()
        .filter(|t| t.endpoint.is_some())
        .collect();
    let wanted = with.len() as u64;
    let over = async {
        match limits.all {
            Some(all) => tokio::time::sleep(all).await,
            None => std::future::pending().await,
        }
    };
    let mut looking = stream::iter(with)
        .map(|target| async move { one(&target, keyring, resolver, limits.each, now).await })
        .buffer_unordered(limits.at_once.max(1))
        .take_until(Box::pin(over));
    let (mut looked, mut at) = (0, Vec::new());
    while let Some(seen) = looking.next().await {
        looked += 1;
        at.extend(seen);
    }
    at.sort_by(|a: &Endpoint, b| a.target.cmp(&b.target));
    Endpoints {
        of,
        looked,
        unfinished: wanted.saturating_sub(looked),
        at,
    }
}

/// One database; none when all is well with it.
async fn one(
    target: &Target,
    keyring: &Keyring,
    resolver: &dyn Resolver,
    each: Duration,
    now: Timestamp,
) -> Option<Endpoint> {
    let endpoint = target.endpoint.as_ref()?;
    let (host, port) = (endpoint.host.as_str(), endpoint.port);
    let stopped = |at: &str, advice: Advice| {
        Some(Endpoint {
            target: target.name.clone(),
            at: endpoint.to_string(),
            stopped: Some(at.to_owned()),
            message: advice.message,
            detail: advice.log,
            hint: advice.hint,
            expires: None,
        })
    };
    let explain = |failure: Failure<'_>| keyring.explain(target, "", &failure);
    let begun = Instant::now();
    let unreachable = |why: &str| {
        explain(Failure::Unreachable {
            host,
            port,
            tried_for: begun.elapsed(),
            why,
        })
    };
    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => match timeout(each, resolver.resolve(host, port)).await {
            Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
            Ok(Ok(_)) => return stopped("resolve", unreachable("its name has no address")),
            Ok(Err(error)) => {
                let why = format!("its name has no address: {error}");
                return stopped("resolve", unreachable(&why));
            }
            Err(_) => {
                let why = "its name was not answered in time";
                return stopped("resolve", unreachable(why));
            }
        },
    };
    let mut socket = match timeout(each, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return stopped("connect", unreachable("connection refused"));
        }
        Ok(Err(error)) => return stopped("connect", unreachable(&error.to_string())),
        Err(_) => return stopped("connect", unreachable("timed out")),
    };
    if target.protocol != Protocol::Postgres {
        return None;
    }
    let agreed = async {
        socket.write_all(&SSL_REQUEST).await?;
        socket.read_u8().await
    };
    match timeout(each, agreed).await {
        Ok(Ok(b'S')) => {}
        Ok(Ok(_)) => return stopped("no-tls", explain(Failure::NoTls)),
        Ok(Err(_)) => return stopped("closed", explain(Failure::Closed)),
        Err(_) => return stopped("connect", unreachable("timed out: it says nothing")),
    }
    let tls = match keyring.trust().tls(target, "", false) {
        Ok(tls) => tls,
        Err(error) => return stopped("tls", explain(Failure::Credentials(&error))),
    };
    let shaken = handshake::client(&mut socket, &tls.config, tls.name);
    let error = match timeout(each, shaken).await {
        Ok(Ok(connection)) => {
            let shown = connection
                .peer_certificates()
                .and_then(|chain| chain.first());
            let (_, expires) = certificates::ends(shown?)?;
            if expires > now.plus(SOON) {
                return None;
            }
            let ended = Error::InvalidCertificate(CertificateError::Expired);
            let renew = explain(Failure::Tls {
                error: &ended,
                leaf: shown.map(AsRef::as_ref),
            });
            return Some(Endpoint {
                target: target.name.clone(),
                at: endpoint.to_string(),
                hint: renew.hint,
                expires: Some(expires),
                ..Endpoint::default()
            });
        }
        Ok(Err(handshake::Broken::Tls(error))) => error,
        Ok(Err(_)) => return stopped("closed", explain(Failure::Closed)),
        Err(_) => {
            return stopped(
                "connect",
                unreachable("timed out: it does not agree on TLS"),
            );
        }
    };
    let failure = Failure::Tls {
        error: &error,
        leaf: None,
    };
    stopped("tls", explain(failure))
}
