//! The way to a database's socket: its name, its addresses, the connection.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use muster_access::Permit;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

/// The least time that one of several addresses gets.
const LEAST: Duration = Duration::from_secs(2);

/// Turns a host name into addresses.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of the host, the best first.
    ///
    /// # Errors
    ///
    /// When there is no answer. The caller bounds the time.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver, asked anew each time: databases move by their names.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Connects to the endpoint of the target that the permit is for. Without a permit there is no way to a database.
///
/// # Errors
///
/// Why there is no connection, in one line.
pub(crate) async fn dial(
    permit: &Permit,
    resolver: &dyn Resolver,
    deadline: Instant,
    keepalive: Duration,
) -> Result<(TcpStream, SocketAddr), String> {
    let Some(endpoint) = permit.target().endpoint.as_ref() else {
        return Err("it has no address now".to_owned());
    };
    let addresses = match endpoint.host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, endpoint.port)],
        Err(_) => match timeout_at(deadline, resolver.resolve(&endpoint.host, endpoint.port)).await
        {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(format!("its name has no address: {error}")),
            Err(_) => return Err("its name was not answered in time".to_owned()),
        },
    };
    let mut last = "its name has no address".to_owned();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let time = deadline.saturating_duration_since(Instant::now());
        match connect(address, (time / left.max(1)).max(LEAST).min(time)).await {
            Ok(socket) => {
                // One that cannot be asked is used all the same.
                let _ = SockRef::from(&socket).set_tcp_keepalive(&asking(keepalive));
                return Ok((socket, address));
            }
            Err(why) => last = why,
        }
        left -= 1;
    }
    Err(last)
}

/// After how long without a byte a peer is asked whether it still lives, and how often before it counts as gone. Without it
/// a machine that is gone without a word is waited for as long as the other side waits.
pub(crate) const fn asking(after: Duration) -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(after)
        .with_interval(Duration::from_secs(10))
        .with_retries(6)
}

/// Connects to one address.
pub(crate) async fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, String> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(socket)) => {
            // A query must not wait for the acknowledgement of the one before.
            let _ = socket.set_nodelay(true);
            Ok(socket)
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err("connection refused".to_owned())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("timed out".to_owned()),
    }
}
