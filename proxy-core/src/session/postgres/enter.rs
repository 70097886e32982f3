//! From the first byte of a connection to the start-up message of a client.

use std::{future::poll_fn, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tracing::debug;

use super::{
    super::{Accepted, Context},
    LINGER,
};
use crate::{
    engines::postgres::{
        error::{Fatal, SqlState},
        start::{ACCEPT_TLS, CancelRequest, Channel, Next, REFUSE_GSS, Start, Startup},
    },
    tls::{self, Leg},
};

/// What a connection turned out to be.
pub(super) enum Entered {
    /// A client that has said who it is.
    Client(Box<Accepted>, Startup),
    /// HTTP.
    Http(Box<Accepted>),
    /// A request to cancel. The connection is kept until it was carried out.
    Cancel(Box<Context>, Keep, CancelRequest),
    /// Nothing to go on with.
    Gone,
}

/// A connection that is only kept open.
pub(super) enum Keep {
    Clear { _socket: TcpStream },
    Tls { leg: Box<Leg> },
}

// === impl Keep ===

impl Keep {
    /// Ends it. Inside TLS it says so first: libpq's `PQcancelBlocking` takes an end without a word for a failure.
    pub(super) async fn end(self) {
        if let Self::Tls { mut leg } = self {
            // Whoever has gone already is told nothing.
            let _ = timeout(LINGER, leg.shutdown()).await;
        }
    }
}

pub(super) async fn enter(mut socket: TcpStream, context: Context) -> Entered {
    let mut start = Start::new(Channel::Clear);
    let mut bytes = Vec::with_capacity(1024);
    loop {
        match start.next(&bytes) {
            Ok(Next::More) => match socket.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return Entered::Gone,
                Ok(_) => {}
            },
            Ok(Next::DirectTls) => break,
            Ok(Next::Tls { .. }) => {
                bytes.clear();
                if socket.write_all(ACCEPT_TLS).await.is_err() {
                    return Entered::Gone;
                }
                break;
            }
            Ok(Next::NoGss { took }) => {
                bytes.drain(..took.min(bytes.len()));
                if socket.write_all(REFUSE_GSS).await.is_err() {
                    return Entered::Gone;
                }
            }
            Ok(Next::Cancel(request)) => {
                return Entered::Cancel(
                    Box::new(context),
                    Keep::Clear { _socket: socket },
                    request,
                );
            }
            Ok(Next::Startup { .. }) => {
                let why = Fatal::new(SqlState::BAD_AUTHORIZATION, "connections without TLS are not served here")
                    .hint("Set sslmode=verify-full, with the certificate that `muster login` has written.");
                return gone(socket, &why.packet()).await;
            }
            Err(refusal) => {
                debug!(peer = %context.peer, reason = %refusal.reason, "a connection was refused");
                return gone(socket, &refusal.answer).await;
            }
        }
    }
    let config = Arc::clone(context.shared.parts.trust.load().server());
    let (leg, shown) = match tls::accept(socket, config, &bytes).await {
        Ok(accepted) => accepted,
        Err(error) => {
            debug!(peer = %context.peer, %error, "no tls");
            return Entered::Gone;
        }
    };
    let accepted = Accepted {
        leg,
        shown,
        arrival: context,
    };
    bytes.clear();
    in_tls(accepted, start.in_tls(), bytes).await
}

async fn in_tls(mut accepted: Accepted, mut start: Start, mut bytes: Vec<u8>) -> Entered {
    let only = accepted.arrival.only;
    if !only && accepted.shown.alpn.as_deref() == Some(b"http/1.1") {
        return Entered::Http(Box::new(accepted));
    }
    let may_be_http =
        !only && accepted.shown.alpn.is_none() && accepted.arrival.shared.parts.http.is_some();
    loop {
        if may_be_http && bytes.first().is_some_and(u8::is_ascii_uppercase) {
            accepted.leg.give_back(&bytes);
            return Entered::Http(Box::new(accepted));
        }
        match start.next(&bytes) {
            Ok(Next::More) => {
                let leg = &mut accepted.leg;
                if !matches!(poll_fn(|cx| leg.poll_fill(cx)).await, Ok(true)) {
                    return Entered::Gone;
                }
                bytes.extend_from_slice(leg.plain());
                let count = leg.plain().len();
                leg.consume(count);
            }
            Ok(Next::Startup { took, startup }) => {
                if !accepted
                    .leg
                    .give_back(bytes.get(took..).unwrap_or_default())
                {
                    return Entered::Gone;
                }
                return Entered::Client(Box::new(accepted), startup);
            }
            Ok(Next::Cancel(request)) => {
                let Accepted { leg, arrival, .. } = accepted;
                let leg = Box::new(leg);
                let keep = Keep::Tls { leg };
                return Entered::Cancel(Box::new(arrival), keep, request);
            }
            Ok(Next::NoGss { took }) => {
                bytes.drain(..took.min(bytes.len()));
                if accepted.leg.write_all(REFUSE_GSS).await.is_err() {
                    return Entered::Gone;
                }
            }
            // Neither is answered inside TLS.
            Ok(Next::DirectTls | Next::Tls { .. }) => return Entered::Gone,
            Err(refusal) => {
                debug!(peer = %accepted.arrival.peer, reason = %refusal.reason, "a connection was refused");
                let _ = accepted.leg.write_all(&refusal.answer).await;
                let _ = accepted.leg.shutdown().await;
                return Entered::Gone;
            }
        }
    }
}

async fn gone(mut socket: TcpStream, answer: &[u8]) -> Entered {
    if !answer.is_empty() {
        let _ = socket.write_all(answer).await;
    }
    let _ = socket.shutdown().await;
    Entered::Gone
}
