//! The way to the database: connection, TLS, and our own log-in.

use std::{future::poll_fn, net::SocketAddr, sync::Arc, time::Duration};

use muster_access::Permit;
use muster_credentials::{Failure, Login, Proof, UpstreamTls};
use muster_model::Target;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::super::{Kind, Refusal};
use crate::{
    door::Shared,
    engines::postgres::{
        codec::Version,
        scram,
        server::{Ask, Line, LogIn, LogInError, Ready, TlsAnswer, put_tls_request, tls_answer},
        start::Startup,
    },
    tls::{self, HandshakeError, Leg, Shown},
    upstream,
};

/// A database that has let us in.
pub(super) struct Link {
    pub(super) leg: Leg,
    pub(super) ready: Ready,
    pub(super) address: SocketAddr,
    pub(super) target: Arc<Target>,
    pub(super) db_user: String,
}

/// Why TLS with a database was not agreed on.
pub(super) enum NoTls {
    Closed,
    Refused,
    /// An answer that is none, or an error that cannot be believed before TLS.
    Odd,
    Tls(rustls::Error),
}

pub(super) async fn link(
    shared: &Shared,
    permit: &Permit,
    startup: &Startup,
) -> Result<Link, Refusal> {
    let (target, db_user) = (permit.target(), permit.db_user());
    let credentials = &shared.parts.credentials;
    let explain =
        |failure: &Failure<'_>| Refusal::advised(credentials.explain(target, db_user, failure));
    let began = Instant::now();
    let deadline = began + shared.parts.settings.connect_timeout;
    let unreachable = |why: &str| {
        let endpoint = target.endpoint.as_ref();
        explain(&Failure::Unreachable {
            host: endpoint.map_or("", |endpoint| &endpoint.host),
            port: endpoint.map_or(0, |endpoint| endpoint.port),
            tried_for: began.elapsed(),
            why,
        })
    };
    let way = credentials
        .tls(target, db_user)
        .map_err(|error| explain(&Failure::Credentials(&error)))?;
    // Both at once: the cloud may have to be asked for a token.
    let (login, dialled) = tokio::join!(
        timeout_at(deadline, credentials.login(target, db_user)),
        upstream::dial(
            permit,
            &*shared.parts.resolver,
            deadline,
            shared.parts.settings.keepalive,
        ),
    );
    let login = login
        .map_err(|_| {
            Refusal::new(
                Kind::Unreachable,
                "the cloud gave no credentials for the database in time",
            )
        })?
        .map_err(|error| explain(&Failure::Credentials(&error)))?;
    let (socket, address) = dialled.map_err(|why| unreachable(&why))?;
    let rest = async {
        let (mut leg, shown) = secure(socket, &way).await.map_err(|why| match why {
            NoTls::Closed => explain(&Failure::Closed),
            NoTls::Refused => explain(&Failure::NoTls),
            NoTls::Odd => unreachable("it answered the request for TLS with an error"),
            NoTls::Tls(error) => explain(&Failure::Tls {
                error: &error,
                // The verifier of the credentials keeps what it has refused.
                leaf: None,
            }),
        })?;
        let ready = log_in(
            shared,
            &mut leg,
            &shown,
            permit,
            startup,
            login,
            way.verified,
        )
        .await
        .map_err(|error| match leg.alerted() {
            Some(alert) if matches!(error, NoLogin::Broken) => explain(&Failure::Tls {
                error: &rustls::Error::AlertReceived(alert.into()),
                leaf: None,
            }),
            _ => refused(error, &explain),
        })?;
        Ok((leg, ready))
    };
    let (leg, ready) = match timeout_at(deadline, rest).await {
        Ok(done) => done?,
        Err(_) => return Err(unreachable("timed out")),
    };
    Ok(Link {
        leg,
        ready,
        address,
        target: Arc::clone(target),
        db_user: db_user.to_owned(),
    })
}

/// Asks for TLS and begins it.
pub(super) async fn secure(
    mut socket: TcpStream,
    way: &UpstreamTls,
) -> Result<(Leg, Shown), NoTls> {
    let mut request = Vec::with_capacity(8);
    put_tls_request(&mut request);
    socket
        .write_all(&request)
        .await
        .map_err(|_| NoTls::Closed)?;
    let mut answer = Vec::with_capacity(16);
    loop {
        match tls_answer(&answer) {
            None => match socket.read_buf(&mut answer).await {
                Ok(0) | Err(_) => return Err(NoTls::Closed),
                Ok(_) => {}
            },
            Some(TlsAnswer::Yes) => break,
            Some(TlsAnswer::No) => return Err(NoTls::Refused),
            Some(TlsAnswer::Error | TlsAnswer::Garbage) => return Err(NoTls::Odd),
        }
    }
    match tls::connect(socket, extractable(&way.config), way.name.clone()).await {
        Ok(done) => Ok(done),
        Err(HandshakeError::Tls(error)) => Err(NoTls::Tls(error)),
        Err(HandshakeError::Io(_) | HandshakeError::Closed | HandshakeError::TooLong) => {
            Err(NoTls::Closed)
        }
    }
}

/// The settings with the one that [`tls::record`] needs.
fn extractable(config: &Arc<ClientConfig>) -> Arc<ClientConfig> {
    if config.enable_secret_extraction {
        return Arc::clone(config);
    }
    let mut config = ClientConfig::clone(config);
    config.enable_secret_extraction = true;
    Arc::new(config)
}

enum NoLogin {
    Broken,
    Said(LogInError),
}

async fn log_in(
    shared: &Shared,
    leg: &mut Leg,
    shown: &Shown,
    permit: &Permit,
    startup: &Startup,
    login: Login,
    verified: bool,
) -> Result<Ready, NoLogin> {
    let random = shared.random().ok_or(NoLogin::Broken)?;
    let end_point = match (&login.proof, shown.certificates.first()) {
        (Proof::Password(_), Some(leaf)) => scram::end_point(leaf),
        _ => None,
    };
    let ask = Ask {
        user: login.user,
        // As it was judged: an empty one of a physical replication opens none.
        database: match permit.db_name() {
            "" => startup.database.clone(),
            name => name.to_owned(),
        },
        replication: startup.replication,
        parameters: startup.parameters.clone(),
        version: Version::V30,
    };
    let mut out = Vec::with_capacity(256);
    let line = Line {
        verified,
        end_point,
    };
    let mut state = LogIn::begin(ask, login.proof, line, random, &mut out);
    let mut bytes = Vec::new();
    loop {
        if !out.is_empty() {
            leg.write_all(&out).await.map_err(|_| NoLogin::Broken)?;
            leg.flush().await.map_err(|_| NoLogin::Broken)?;
            out.clear();
        }
        if !matches!(poll_fn(|cx| leg.poll_fill(cx)).await, Ok(true)) {
            return Err(NoLogin::Broken);
        }
        bytes.extend_from_slice(leg.plain());
        let count = leg.plain().len();
        leg.consume(count);
        let (took, ready) = state.read(&bytes, &mut out).map_err(NoLogin::Said)?;
        bytes.drain(..took.min(bytes.len()));
        if let Some(ready) = ready {
            return if leg.give_back(&bytes) {
                Ok(ready)
            } else {
                Err(NoLogin::Broken)
            };
        }
    }
}

fn refused(error: NoLogin, explain: &impl Fn(&Failure<'_>) -> Refusal) -> Refusal {
    let error = match error {
        NoLogin::Broken => return explain(&Failure::Closed),
        NoLogin::Said(error) => error,
    };
    let code = error.code().as_str().to_owned();
    let mut refusal = match &error {
        LogInError::Refused(said) => explain(&Failure::Refused {
            severity: &said.severity,
            code: &said.code,
            message: &said.message,
        }),
        LogInError::Unanswerable { asked, .. } => explain(&Failure::Unanswerable { asked }),
        LogInError::NotVerified => explain(&Failure::Unanswerable {
            asked: "a password in clear text",
        }),
        LogInError::Scram(_) | LogInError::Violation(_) => {
            Refusal::new(Kind::Unreachable, error.to_string())
        }
    };
    refusal.code = Some(code);
    refusal.error = format!("{}: {error}", refusal.message);
    refusal
}

/// How long a request to cancel may take.
pub(super) const CANCEL: Duration = Duration::from_secs(10);
