//! Requests to cancel: from a client's key to the database that runs the query.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, PoisonError, Weak, atomic::Ordering::Relaxed},
};

use muster_credentials::UpstreamTls;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tracing::debug;

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
    upstream,
};

/// What a key cancels.
#[derive(Clone)]
pub(crate) struct Cancelled(Arc<Way>);

struct Way {
    address: SocketAddr,
    tls: UpstreamTls,
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
) -> Option<ClientKey> {
    let mut way = Cancelled(Arc::new(Way {
        address: link.address,
        tls: link.tls.clone(),
        key: link.ready.key.clone(),
        live: Arc::downgrade(live),
    }));
    // A number of 31 bits is seldom taken; ten times in a row is no accident.
    for _ in 0..10 {
        let key = ClientKey::mint(version, &shared.random::<RANDOM>()?);
        let mut keys = shared.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match keys.add(&key, from, way) {
            Ok(()) => return Some(key),
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
        keys.find(&request, from, now.0.unsigned_abs())
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
    shared.tally.cancels.fetch_add(1, Relaxed);
    live.cancels.fetch_add(1, Relaxed);
    live.call();
    drop(live);
    let send = async {
        let socket = upstream::connect(way.address, CANCEL).await.ok()?;
        let (mut leg, _) = secure(socket, &way.tls).await.ok()?;
        let mut packet = Vec::with_capacity(16);
        key.put_request(&mut packet);
        leg.write_all(&packet).await.ok()?;
        leg.flush().await.ok()?;
        // The database closes when it has carried it out.
        leg.read(&mut [0; 16]).await.ok()
    };
    if !matches!(timeout(CANCEL, send).await, Ok(Some(_))) {
        debug!(upstream = %way.address, "a request to cancel was not passed on");
    }
}
