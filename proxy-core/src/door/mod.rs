//! The door: one TLS port for every protocol, and the sessions behind it.
//!
//! One thread takes connections and hands each to the worker that carries the fewest. A session stays on its worker for
//! its whole life, so that no message crosses threads. What is shared is read as a snapshot ([`ArcSwap`]) when a session
//! begins, and looked at again when [`Door::changed`] says that something is different.

mod limits;
mod listen;
mod reason;
mod registry;
mod worker;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use muster_access::Policy;
use muster_audit::Log;
use muster_credentials::Credentials;
use muster_model::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    limits::Ticket,
    reason::Order,
    registry::{Begin, Live, Registry},
    worker::{Arrival, Load, carry, with_pen},
};
pub use self::{
    reason::{Changed, EndReason},
    registry::SessionView,
};
use crate::{
    catalog::Catalog,
    engine::{End, Farewell, Micros},
    engines::postgres::cancel::Keys,
    session::postgres::Cancelled,
    settings::Settings,
    tls::Leg,
    trust::{Identified, NotIdentified, Trust},
    upstream::Resolver,
};

/// The time, so that tests can set it. Microseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// Random bytes that nobody can guess; false when there are none.
pub type Random = Arc<dyn Fn(&mut [u8]) -> bool + Send + Sync>;

/// What the door is made of.
pub struct Parts {
    /// Addresses, limits and times.
    pub settings: Settings,
    /// What is served.
    pub catalog: Arc<ArcSwap<Catalog>>,
    /// Who may.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Whose certificates are believed.
    pub trust: Arc<ArcSwap<Trust>>,
    /// How to log in at the databases.
    pub credentials: Arc<dyn Credentials>,
    /// The record.
    pub audit: Log,
    /// Who answers HTTP on the same port.
    pub http: Option<Arc<dyn HttpService>>,
    /// The time.
    pub clock: Clock,
    /// Random bytes.
    pub random: Random,
    /// Host names to addresses.
    pub resolver: Arc<dyn Resolver>,
}

/// Who answers HTTP on the door's port: the authority's API.
#[async_trait]
pub trait HttpService: Send + Sync {
    /// Serves one connection until it ends. It runs on a worker's only thread, so it must not block.
    async fn serve(&self, connection: Leg, caller: Caller);
}

/// Who connected for HTTP.
#[derive(Clone, Debug)]
pub struct Caller {
    /// From where.
    pub address: SocketAddr,
    /// Who, where a good certificate was shown; otherwise why not. It was judged when the connection came: whoever serves
    /// more than one request judges again whether the one who signed it is still believed.
    pub identity: Result<Identified, NotIdentified>,
}

/// The door. A clone is the same door; when the last one is dropped, the door closes at once.
#[derive(Clone)]
pub struct Door {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

/// What all threads of the door share.
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    opened: std::time::Instant,
    pub(crate) registry: Arc<Registry>,
    pub(crate) keys: Mutex<Keys<Cancelled>>,
    pub(crate) limits: Arc<limits::Limits>,
    pub(crate) tally: Tally,
    /// Databases that are being told to stop, at the same time.
    pub(crate) turns: Semaphore,
    /// Sessions that have ended and whose database is being told to stop.
    stopping: AtomicUsize,
    /// No session begins any more.
    pub(crate) draining: AtomicBool,
    /// No connection is taken any more.
    pub(crate) no_more: CancellationToken,
    /// All threads end.
    pub(crate) stop: CancellationToken,
}

/// Databases that are told to stop at the same time.
const STOP_AT_ONCE: usize = 64;
/// How long those that had to be ended may take when muster stops.
const LAST: Duration = Duration::from_secs(5);

/// One session whose database is being told to stop.
pub(crate) struct Stopping(Arc<Shared>);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.stopping.fetch_sub(1, Relaxed);
    }
}

/// What is counted, for metrics.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: AtomicU64,
    pub(crate) turned_away: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
    pub(crate) not_identified: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) begun: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) cancels: AtomicU64,
    pub(crate) cancels_ignored: AtomicU64,
    pub(crate) from_client: AtomicU64,
    pub(crate) to_client: AtomicU64,
}

/// What was counted since the door opened, and what is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Connections that were taken.
    pub accepted: u64,
    /// Connections that were turned away at a limit of the door: closed at once, or told that it is full.
    pub turned_away: u64,
    /// Times that the system could not give a connection: no file descriptors, no memory.
    pub accept_errors: u64,
    /// Clients whose certificate did not say who they are.
    pub not_identified: u64,
    /// Sessions that were refused, by roles, by muster or by the database.
    pub refused: u64,
    /// Sessions that began.
    pub begun: u64,
    /// Sessions that ended.
    pub ended: u64,
    /// Requests to cancel that were passed on.
    pub cancels: u64,
    /// Requests to cancel that were not.
    pub cancels_ignored: u64,
    /// Bytes from clients, of sessions that have ended.
    pub from_client: u64,
    /// Bytes to clients, of sessions that have ended.
    pub to_client: u64,
    /// Sessions that are open.
    pub open: usize,
}

impl Shared {
    pub(crate) fn now(&self) -> Micros {
        (self.parts.clock)()
    }

    /// Microseconds since the door was opened, which no change of the machine's clock moves.
    pub(crate) fn uptime(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn stopping(self: &Arc<Self>) -> Stopping {
        self.stopping.fetch_add(1, Relaxed);
        Stopping(Arc::clone(self))
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix(self.now().seconds())
    }

    pub(crate) fn random<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        (self.parts.random)(&mut bytes).then_some(bytes)
    }
}

// === impl Door ===

impl Door {
    /// Binds the addresses and starts the threads.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound, or a thread cannot be started.
    pub fn start(parts: Parts) -> io::Result<Self> {
        let mut listeners = vec![listen::bind(
            parts.settings.listen,
            parts.settings.keepalive,
        )?];
        for address in &parts.settings.postgres {
            listeners.push(listen::bind(*address, parts.settings.keepalive)?);
        }
        let addresses = listeners
            .iter()
            .map(std::net::TcpListener::local_addr)
            .collect::<io::Result<Vec<_>>>()?;
        let workers = match parts.settings.workers {
            0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            count => count,
        };
        let shared = Arc::new(Shared {
            opened: std::time::Instant::now(),
            registry: Arc::new(Registry::default()),
            keys: Mutex::new(Keys::new(parts.settings.cancel_in_clear)),
            limits: Arc::new(limits::Limits::default()),
            tally: Tally::default(),
            turns: Semaphore::new(STOP_AT_ONCE),
            stopping: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            no_more: CancellationToken::new(),
            stop: CancellationToken::new(),
            parts,
        });
        let mut threads = Vec::new();
        let mut hands = Vec::new();
        for number in 0..workers {
            let (hand, thread) = worker::start(&shared, number)?;
            hands.push(hand);
            threads.push(thread);
        }
        threads.push(listen::start(&shared, listeners, hands)?);
        Ok(Self {
            owner: Arc::new(Owner {
                shared,
                addresses,
                threads: Mutex::new(threads),
            }),
        })
    }

    /// Where the door listens: the port for every protocol.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses()
            .first()
            .copied()
            .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Where the door listens: the port for every protocol, then those for PostgreSQL alone.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.owner.addresses
    }

    /// The sessions that are open, the oldest first.
    pub fn sessions(&self) -> Vec<SessionView> {
        self.owner.shared.registry.views()
    }

    /// The sessions of one user, the oldest first.
    pub fn sessions_of(&self, user: &str) -> Vec<SessionView> {
        self.owner.shared.registry.views_of(user)
    }

    /// What was counted.
    pub fn numbers(&self) -> Numbers {
        let tally = &self.owner.shared.tally;
        Numbers {
            accepted: tally.accepted.load(Relaxed),
            turned_away: tally.turned_away.load(Relaxed),
            accept_errors: tally.accept_errors.load(Relaxed),
            not_identified: tally.not_identified.load(Relaxed),
            refused: tally.refused.load(Relaxed),
            begun: tally.begun.load(Relaxed),
            ended: tally.ended.load(Relaxed),
            cancels: tally.cancels.load(Relaxed),
            cancels_ignored: tally.cancels_ignored.load(Relaxed),
            from_client: tally.from_client.load(Relaxed),
            to_client: tally.to_client.load(Relaxed),
            open: self.owner.shared.registry.len(),
        }
    }

    /// Ends one session; its client reads the message. False when there is no such session.
    pub fn end(&self, id: &str, message: &str) -> bool {
        let Some(live) = self.owner.shared.registry.find(id) else {
            return false;
        };
        live.give(Order::now(
            Farewell::new(End::Ended, message),
            format!("ended by an operator: {message}"),
        ));
        true
    }

    /// Judges again the sessions that a change concerns, and ends those that are no longer allowed. The snapshots must
    /// hold the new state already. Says how many sessions it ended.
    pub fn changed(&self, changed: &Changed) -> usize {
        let shared = &self.owner.shared;
        shared.registry.judge(shared, changed)
    }

    /// Takes no more connections and ends all sessions: those with nothing under way at once, the others as soon as they
    /// have finished, and all after `limit`. Says how many had to be ended in the middle of something.
    pub async fn drain(&self, limit: Duration, message: &str) -> usize {
        let shared = &self.owner.shared;
        shared.draining.store(true, Relaxed);
        shared.no_more.cancel();
        let span = i64::try_from(limit.as_micros()).unwrap_or(i64::MAX);
        let until = Micros(shared.now().0.saturating_add(span));
        let order = Order {
            farewell: Farewell::new(End::Stopping, message),
            reason: "muster stops".to_owned(),
            when_idle_until: Some(until),
        };
        let deadline = tokio::time::Instant::now() + limit;
        // Sessions that were being made when it began are told as well, when they are there.
        let mut told = std::collections::HashSet::new();
        loop {
            let open = shared.registry.all();
            if open.is_empty() {
                break;
            }
            for live in open {
                if told.insert(live.serial) {
                    live.give(order.clone());
                }
            }
            if tokio::time::Instant::now() >= deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let left = shared.registry.all();
        for live in &left {
            live.give(Order::now(order.farewell.clone(), order.reason.clone()));
        }
        let last = tokio::time::Instant::now() + LAST;
        // Sessions say farewell; databases stop what they were doing for them.
        while (shared.registry.len() > 0 || shared.stopping.load(Relaxed) > 0)
            && tokio::time::Instant::now() < last
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        left.len()
    }

    /// Closes everything at once and waits for the threads. To be called after [`drain`](Self::drain), from a thread that
    /// may block.
    pub fn stop(&self) {
        self.owner.shared.stop.cancel();
        let threads = std::mem::take(
            &mut *self
                .owner
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("addresses", &self.owner.addresses)
            .finish_non_exhaustive()
    }
}
