//! Requests to cancel: from a client's key to the database that runs the query.

use std::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    sync::{Arc, PoisonError, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use muster_model::Target;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tracing::{debug, warn};

use super::{
    super::Context,
    link::{CANCEL, Link, secure},
};
use crate::{
    door::{Live, Shared},
    engines::postgres::{
        cancel::{ClientKey, RANDOM, ServerKey},
        codec::Version,
        start::CancelRequest,
    },
    tls::Leg,
    upstream,
};

/// What a key cancels.
#[derive(Clone)]
pub(crate) struct Cancelled(Arc<Way>);

struct Way {
    address: SocketAddr,
    target: Arc<Target>,
    db_user: String,
    key: Option<ServerKey>,
    live: Weak<Live>,
}

/// Makes a key for the client of a session. `None` when there is no randomness.
pub(super) fn mint(
    shared: &Shared,
    version: Version,
    from: IpAddr,
    link: &Link,
    live: &Arc<Live>,
) -> Option<(ClientKey, Cancelled)> {
    let mut way = Cancelled(Arc::new(Way {
        address: link.address,
        target: Arc::clone(&link.target),
        db_user: link.db_user.clone(),
        key: link.ready.key.clone(),
        live: Arc::downgrade(live),
    }));
    // A number of 31 bits is seldom taken; ten times in a row is no accident.
    for _ in 0..10 {
        let key = ClientKey::mint(version, &shared.random::<RANDOM>()?);
        let mut keys = shared.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match keys.add(&key, from, way.clone()) {
            Ok(()) => return Some((key, way)),
            Err(back) => way = back,
        }
    }
    None
}

/// Carries a request out. Whoever sent it is never told anything.
pub(super) async fn cancel(context: &Context, request: CancelRequest) {
    let shared = &context.shared;
    let (from, now) = (context.peer.ip(), shared.now());
    let most = shared.parts.settings.cancels_per_second;
    let found = if shared.limits.may_cancel(from, now.seconds(), most) {
        let mut keys = shared.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.find(&request, from, shared.uptime())
            .map_err(|why| why.to_string())
    } else {
        Err("too many requests to cancel".to_owned())
    };
    let way = match found {
        Ok(Cancelled(way)) => way,
        Err(why) => {
            shared.tally.cancels_ignored.fetch_add(1, Relaxed);
            debug!(peer = %context.peer, why, "a request to cancel was ignored");
            return;
        }
    };
    let (Some(key), Some(live)) = (&way.key, way.live.upgrade()) else {
        return;
    };
    // Recorded before it is tried: the session may be over as soon as the database has heard of it.
    live.cancels.fetch_add(1, Relaxed);
    live.call();
    if matches!(timeout(CANCEL, way.ask(shared, key)).await, Ok(Some(()))) {
        shared.tally.cancels.fetch_add(1, Relaxed);
    } else {
        shared.tally.cancels_ignored.fetch_add(1, Relaxed);
        live.cancels_failed.fetch_add(1, Relaxed);
        live.call();
        debug!(upstream = %way.address, "a request to cancel was not passed on");
    }
}

impl Way {
    /// Asks the database to cancel what it does, over a connection of its own.
    async fn ask(&self, shared: &Shared, key: &ServerKey) -> Option<()> {
        // Not what the session began with: a client certificate may have ended since, and its signer have been replaced.
        let credentials = &shared.parts.credentials;
        let tls = credentials.tls(&self.target, &self.db_user).ok()?;
        let socket = upstream::connect(self.address, CANCEL).await.ok()?;
        let (mut leg, _) = secure(socket, &tls).await.ok()?;
        let mut packet = Vec::with_capacity(16);
        key.put_request(&mut packet);
        leg.write_all(&packet).await.ok()?;
        leg.flush().await.ok()?;
        // The database closes when it has carried it out, and also when it does not believe our certificate: then with an alert.
        let closed = leg.read(&mut [0; 16]).await.is_ok();
        (closed && leg.alerted().is_none()).then_some(())
    }
}

/// How long a database may go on after the first request, and how much longer after each next one.
const PATIENCE: Duration = Duration::from_millis(500);

impl Cancelled {
    /// Has the database stop what it still does for a session that has ended, and waits until it has closed `leg`. A client
    /// may have asked for several things ahead, so one request may not be enough.
    pub(crate) async fn stop(&self, shared: &Shared, leg: &mut Leg) {
        let Some(key) = &self.0.key else {
            debug!(upstream = %self.0.address, "the database gave no key to cancel with");
            return;
        };
        let stop = async {
            // Many may end at the same moment; the databases need not see that as an attack.
            let _turn = shared.turns.acquire().await;
            let mut patience = PATIENCE;
            loop {
                let asked = self.0.ask(shared, key).await.is_some();
                if timeout(patience, closed(leg)).await.is_ok() || !asked {
                    return asked;
                }
                patience += PATIENCE;
            }
        };
        if !matches!(timeout(CANCEL, stop).await, Ok(true)) {
            warn!(
                upstream = %self.0.address,
                backend = key.pid,
                "a session has ended, and the database may still be at work for it: it could not be told to stop"
            );
        }
    }
}

/// Waits until the database has closed, reading what it still says: it may have to be rid of it first.
async fn closed(leg: &mut Leg) {
    while let Ok(true) = poll_fn(|cx| leg.poll_fill(cx)).await {
        let count = leg.plain().len();
        leg.consume(count);
    }
}
