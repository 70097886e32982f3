//! The service's side: accepts, looks who it is, and serves one request a connection.

use std::{
    io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    peer::Peer,
    routes::router,
    socket::{Bound, Held, Place},
    stall::Stall,
};
use crate::service::handle::Handle;

/// Connections at the same time. Who comes after them waits.
const MAX_CONNECTIONS: usize = 64;

/// How long is waited for others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the head of a request to arrive.
    pub head: Duration,
    /// For the reader of an answer to take some of it.
    pub stall: Duration,
    /// Before the socket is looked after: somebody may have removed it.
    pub look: Duration,
}

const PATIENCE: Patience = Patience {
    head: Duration::from_secs(10),
    stall: Duration::from_secs(60),
    look: Duration::from_secs(5),
};

/// The most bytes of the head of a request: a key and a prefix, each letter of them escaped.
const MAX_HEAD: usize = 32 << 10;

/// How long those who have asked may take to get their answer, once the service has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(200);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the control socket {path}", path = path.display())]
pub struct ControlError {
    /// The socket.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// The service's end of the socket. Nobody is answered before [`Control::serve`]; who connects, waits.
pub struct Control {
    place: Place,
    bound: Bound,
    listener: UnixListener,
    /// Whether something else is where the socket was: said once.
    covered: bool,
    pub(super) patience: Patience,
}

/// Makes the socket in the store's directory, for its owner alone. The caller holds the store; what a killed
/// process left of a socket is replaced.
///
/// # Errors
/// When the directory cannot be written, or another process serves the socket. Must be called within tokio.
pub fn bind(dir: &Path) -> Result<Control, ControlError> {
    let made = Place::of(dir).and_then(|place| {
        let bound = place.bind()?;
        let listener = UnixListener::from_std(bound.listener.try_clone()?)?;
        Ok(Control {
            place,
            bound,
            listener,
            covered: false,
            patience: PATIENCE,
        })
    });
    made.map_err(|source| ControlError {
        path: dir.join(super::NAME),
        source,
    })
}

/// Makes the socket and answers until `stop`: [`bind`] and [`Control::serve`].
///
/// # Errors
/// Those of [`bind`].
pub async fn serve(
    dir: &Path,
    handle: Handle,
    stop: CancellationToken,
) -> Result<(), ControlError> {
    bind(dir)?.serve(handle, stop).await;
    Ok(())
}

impl Control {
    /// Answers until `stop`, and takes the socket away. Who has asked by then gets an answer, within seconds.
    ///
    /// Cancel `stop` after the service's loop has ended: until then it answers those who wait for it.
    pub async fn serve(mut self, handle: Handle, stop: CancellationToken) {
        let router = router(handle.clone());
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        let mut look = interval(self.patience.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                _ = look.tick() => {
                    self.mend(&handle);
                    continue;
                }
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    let (router, stop, patience) = (router.clone(), stop.clone(), self.patience);
                    connections.spawn(async move {
                        connection(stream, router, patience, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection to the control socket");
                    sleep(PAUSE).await;
                }
            }
        }
        if let Err(error) = self.place.remove(&self.bound) {
            let socket = self.place.shown();
            tracing::warn!(%error, socket = %socket.display(), "cannot remove the control socket");
        }
        drop(self.listener);
        let last = async { while connections.join_next().await.is_some() {} };
        // Who is not done by now is cut off with the set.
        let _ = timeout(LAST_ANSWERS, last).await;
    }

    /// Makes the socket again when somebody removed it, while there is a store beside it. What somebody put in its place
    /// is theirs to take away.
    fn mend(&mut self, handle: &Handle) {
        let held = self.place.holds(&self.bound);
        let socket = self.place.shown();
        let covered = matches!(held, Ok(Held::Others));
        if covered && !self.covered {
            tracing::warn!(
                socket = %socket.display(),
                "something else is where the control socket was: commands cannot reach the service until it is taken away"
            );
        }
        self.covered = covered;
        if !matches!(held, Ok(Held::Nothing)) || handle.store().is_err() {
            return;
        }
        // The directory may be another one of the same name.
        let made = socket.parent().map(bind);
        match made {
            Some(Ok(made)) => {
                (self.place, self.bound, self.listener) = (made.place, made.bound, made.listener);
                tracing::warn!(socket = %socket.display(), "the control socket was gone, and is there again");
            }
            Some(Err(error)) => {
                let error = error.source;
                tracing::warn!(%error, socket = %socket.display(), "the control socket is gone");
            }
            None => {}
        }
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(
    stream: UnixStream,
    router: Router,
    patience: Patience,
    stop: CancellationToken,
) {
    let peer = match Peer::admit(&stream) {
        Ok(peer) => peer,
        Err(uid) => {
            tracing::warn!(uid, "another user asked through the control socket");
            return;
        }
    };
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(Stall::new(stream, patience.stall)), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the control socket broke");
    }
}
