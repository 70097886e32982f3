//! A local port, or a Unix socket, for one database: programs that know nothing of certificates connect to it in clear text,
//! and from here on it is TLS with the certificate of the person who started it.
//!
//! | part | what |
//! |---|---|
//! | here | takes connections, a bounded number, until it is told to stop |
//! | [`Keeper`] | the certificate: renewed before its end, exchanged when the person logs in anew |
//! | `peer` | who is at the other end: other users of the machine are turned away |
//! | `postgres` | what a client says before it says who it is, and what it is told when there is no way on |
//! | [`Place`] | where it listens |

mod keeper;
mod peer;
mod place;
pub(crate) mod postgres;

use std::{io, sync::Arc, time::Duration};

use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub use self::{
    keeper::{Issued, Issuer, Keeper, OfProfile},
    peer::TCP_CHECKED,
    place::{Listener, Place},
};
use self::{peer::Stranger, postgres::Begun};
use crate::{Address, Clock, Error, Kind, Result, native::Chosen, trust::verify::failed};

/// The protocol within TLS by which the proxy knows what is spoken.
pub const POSTGRES: &[u8] = b"postgresql";

/// How a local port behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections at the same time; more wait until one ends.
    pub connections: usize,
    /// How long a client may take to say what it wants.
    pub hello: Duration,
    /// For how long the proxy is tried, when it does not answer: a service that is started anew is back in some seconds.
    pub patience: Duration,
    /// How long one try may take.
    pub connect: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 200,
            hello: Duration::from_secs(30),
            patience: Duration::from_secs(20),
            connect: Duration::from_secs(10),
        }
    }
}

/// A local port for one database.
pub struct Port {
    /// Where the proxy is.
    pub proxy: Address,
    /// The certificate.
    pub keeper: Keeper,
    /// The clock.
    pub clock: Clock,
    /// How it behaves.
    pub settings: Settings,
    /// Told of what a person at the terminal may want to know: who was turned away, and what does not work.
    pub notice: Box<dyn Fn(&str) + Send + Sync>,
}

impl Port {
    /// Serves connections until `stop` comes; what is open then is broken off.
    ///
    /// # Errors
    /// When no connection can be taken any more.
    pub async fn serve(
        self: Arc<Self>,
        listener: &Listener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let places = Arc::new(Semaphore::new(self.settings.connections));
        let mut open = JoinSet::new();
        tokio::pin!(stop);
        loop {
            // Those that have ended are not kept.
            while open.try_join_next().is_some() {}
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                let place = place.map_err(io::Error::other)?;
                Ok::<_, io::Error>((listener.accept().await, place))
            };
            let (accepted, place) = tokio::select! {
                biased;
                () = &mut stop => break,
                next = next => next?,
            };
            let connection = match accepted {
                Ok(connection) => connection,
                Err(error) => {
                    // Out of files, or gone before it was there: the next one may be better.
                    (self.notice)(&format!("cannot take a connection: {error}"));
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            if let Err(Stranger::Other(why)) = &connection.mine {
                (self.notice)(&format!("turned a connection away: {why}"));
                continue;
            }
            let port = Arc::clone(&self);
            open.spawn(async move {
                port.one(connection.stream, connection.mine.is_ok()).await;
                drop(place);
            });
        }
        open.shutdown().await;
        Ok(())
    }

    /// One connection, from its first byte to its last. Of whom it is not known any more, for it was closed at once, a request
    /// to cancel is carried: some drivers wait for no answer, and the request's key is secret.
    async fn one(&self, mut client: Box<dyn Stream>, mine: bool) {
        let begun = timeout(self.settings.hello, postgres::begin(&mut client)).await;
        let Ok(Ok(begun)) = begun else {
            // Whoever says nothing sensible is told nothing.
            return;
        };
        if !mine && begun.is_startup() {
            return;
        }
        let mut upstream = match self.upstream().await {
            Ok(upstream) => upstream,
            Err(error) => {
                (self.notice)(&in_one_line(&error));
                if begun.is_startup() {
                    let _ = client.write_all(&postgres::fatal(&error)).await;
                    let _ = client.shutdown().await;
                }
                return;
            }
        };
        let Begun { bytes } = &begun;
        if upstream.write_all(bytes).await.is_ok() {
            // What breaks off is the client's to notice, as over any other connection.
            let _ = copy_bidirectional(&mut client, &mut upstream).await;
        }
    }

    /// A connection to the proxy. One that does not answer is tried again for a while.
    async fn upstream(&self) -> Result<TlsStream<TcpStream>> {
        let end = Instant::now() + self.settings.patience;
        let mut pause = Duration::from_millis(100);
        loop {
            let error = match self.connect().await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            // While it is started anew nobody listens, or somebody hangs up.
            let may_pass = matches!(error.kind(), Kind::Unreachable | Kind::Foreign);
            if !may_pass || Instant::now() + pause > end {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let tls = self.keeper.tls().await?;
        dial(&self.proxy, &tls, &self.clock, self.settings.connect).await
    }
}

/// A connection to the proxy over TLS.
pub(crate) async fn dial(
    proxy: &Address,
    tls: &Arc<ClientConfig>,
    clock: &Clock,
    limit: Duration,
) -> Result<TlsStream<TcpStream>> {
    let name = proxy.server_name()?;
    let unreachable = |why: String| {
        Error::new(Kind::Unreachable, format!("cannot reach the proxy {proxy}"))
            .because(why)
            .hint("try again; if it lasts, tell whoever runs it")
    };
    let whole = async {
        let stream = TcpStream::connect((proxy.host(), proxy.port())).await;
        let stream = stream.map_err(|error| unreachable(error.to_string()))?;
        // Questions and answers of a database are small and waited for.
        let _ = stream.set_nodelay(true);
        let made = TlsConnector::from(Arc::clone(tls))
            .connect(name, stream)
            .await;
        made.map_err(|error| failed(&error, proxy, clock()))
    };
    match timeout(limit, whole).await {
        Ok(stream) => stream,
        Err(_) => Err(unreachable(format!(
            "no answer within {} s",
            limit.as_secs()
        ))),
    }
}

/// Whether a database lets one in through the proxy now: a session is begun, and ended at once.
///
/// # Errors
/// Why not, in the words of whoever says so.
pub async fn accepts(
    proxy: &Address,
    keeper: &Keeper,
    clock: &Clock,
    chosen: &Chosen,
    limit: Duration,
) -> Result<()> {
    let mut server = dial(proxy, &keeper.tls().await?, clock, limit).await?;
    let asked = async {
        let hello = postgres::startup(&chosen.db_user, &chosen.db_name);
        server.write_all(&hello).await?;
        server.flush().await?;
        postgres::accepted(&mut server).await
    };
    let not = |why: String| {
        Error::new(Kind::Unreachable, "the database does not let you in").because(why)
    };
    match timeout(limit, asked).await {
        Err(_) => Err(not(format!("no answer within {} s", limit.as_secs()))),
        Ok(Err(error)) => Err(not(error.to_string())),
        Ok(Ok(Err(why))) => Err(not(why)),
        Ok(Ok(Ok(()))) => Ok(()),
    }
}

/// Either sort of connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn in_one_line(error: &Error) -> String {
    let parts = std::iter::once(error.what()).chain(error.why().iter().map(String::as_str));
    let mut text = parts.collect::<Vec<_>>().join(": ");
    if let Some(hint) = error.next() {
        text.push_str("; ");
        text.push_str(hint);
    }
    text
}

#[cfg(test)]
mod tests;
