//! The thread that takes connections.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};
use tracing::{debug, info, warn};

use super::{Shared, limits::Most, worker::Hand};
use crate::upstream;

/// Connections that the system keeps until they are taken.
const BACKLOG: i32 = 4096;
/// How long nothing is taken after the system could not give a connection.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is told while that lasts.
const TELL: Duration = Duration::from_secs(10);

pub(super) fn bind(address: SocketAddr, keepalive: Duration) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // What is set here, the connections inherit: five calls less for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&upstream::asking(keepalive))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

pub(super) fn start(
    shared: &Arc<Shared>,
    listeners: Vec<TcpListener>,
    hands: Vec<Hand>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name("door".to_owned())
        .spawn(move || runtime.block_on(listen(shared, listeners, hands)))
}

async fn listen(shared: Arc<Shared>, listeners: Vec<TcpListener>, hands: Vec<Hand>) {
    let hands = Arc::new(hands);
    let mut all = tokio::task::JoinSet::new();
    for (number, listener) in listeners.into_iter().enumerate() {
        let (shared, hands) = (Arc::clone(&shared), Arc::clone(&hands));
        all.spawn(async move {
            let stop = shared.no_more.clone();
            // Dropping the future closes the socket.
            stop.run_until_cancelled(take(&shared, listener, &hands, number > 0))
                .await;
        });
    }
    // The hands must live until the end: a worker without one stops.
    shared.stop.cancelled().await;
    all.shutdown().await;
}

/// `only`: whoever comes here wants the one protocol that this port is for.
async fn take(shared: &Arc<Shared>, listener: TcpListener, hands: &[Hand], only: bool) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(%error, "cannot wait for connections");
            return;
        }
    };
    let mut failing = Failing::default();
    loop {
        let accepted = listener.accept().await;
        match accepted.and_then(|(socket, peer)| Ok((socket.into_std()?, peer))) {
            Ok((socket, peer)) => {
                failing.is_over();
                taken(shared, socket, peer, hands, only);
            }
            Err(error) if is_of_one_connection(&error) => {
                debug!(%error, "a connection was gone before it was taken");
            }
            Err(error) => {
                shared.tally.accept_errors.fetch_add(1, Relaxed);
                failing.tell(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// A time in which the system gives no connections: told when it begins, now and then while it lasts, and when it ends.
#[derive(Default)]
struct Failing {
    told: Option<Instant>,
    times: u64,
}

impl Failing {
    fn tell(&mut self, error: &io::Error) {
        self.times += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.told = Some(Instant::now());
            warn!(%error, times = self.times, "cannot take connections; trying again");
        }
    }

    fn is_over(&mut self) {
        if self.told.is_some() {
            info!(times = self.times, "connections are taken again");
            *self = Self::default();
        }
    }
}

fn taken(shared: &Arc<Shared>, socket: TcpStream, peer: SocketAddr, hands: &[Hand], only: bool) {
    let settings = &shared.parts.settings;
    shared.tally.accepted.fetch_add(1, Relaxed);
    let most = Most {
        handshakes: settings.handshakes,
        handshakes_per_address: settings.handshakes_per_address,
    };
    let ticket = match shared.limits.enter(peer.ip(), most) {
        Ok(ticket) => ticket,
        Err(full) => {
            shared.tally.turned_away.fetch_add(1, Relaxed);
            debug!(%peer, ?full, "a connection was turned away");
            return;
        }
    };
    if let Some(hand) = hands.iter().min_by_key(|hand| hand.load()) {
        hand.give(socket, peer, ticket, only);
    }
}
