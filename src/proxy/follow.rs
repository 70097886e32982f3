//! [`Follow`]: keeps the door's snapshots as the store and the authority are, and tells the door what changed.
//!
//! A thread follows the store, for reading it may block; a task follows the authority. Both end with the proxy.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use muster_model::{ResourceId, Timestamp};
use muster_proxy::{Changed, Door, Trust};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    cannot,
    feeder::{Feeder, Place},
};
use crate::{
    authority::{self, Authority},
    service::handle::{Handle, Refused},
};

/// More changes at once are told as one: everything.
const MANY: usize = 256;
/// How long a store that cannot be read is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// How often what is over is put away.
const LOOK: Duration = Duration::from_secs(60);
/// How often the proxy's certificate, authorities that are being exchanged, and the ends of records are looked at.
const SOON: Duration = Duration::from_secs(1);

/// Follows the store and the authority.
pub(super) struct Follow {
    shared: Arc<Shared>,
    place: Mutex<Option<Place>>,
    task: Mutex<Option<AbortOnDropHandle<()>>>,
}

struct Shared {
    feeder: Arc<Feeder>,
    handle: Handle,
    authority: Arc<Authority>,
    trust: Arc<ArcSwap<Trust>>,
    expires: AtomicI64,
    stopped: AtomicBool,
    stop: CancellationToken,
}

// === impl Follow ===

impl Follow {
    pub(super) fn new(
        feeder: Arc<Feeder>,
        handle: Handle,
        authority: Arc<Authority>,
        trust: Arc<ArcSwap<Trust>>,
        expires: Timestamp,
    ) -> Self {
        let shared = Shared {
            feeder,
            handle,
            authority,
            trust,
            expires: AtomicI64::new(expires.unix()),
            stopped: AtomicBool::new(false),
            stop: CancellationToken::new(),
        };
        Self {
            shared: Arc::new(shared),
            place: Mutex::new(Some(Place::default())),
            task: Mutex::new(None),
        }
    }

    /// Publishes what the store holds. One that cannot be read now is read by the thread.
    pub(super) fn read_store(&mut self) {
        let place = self.place.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = place
            && let Ok(store) = self.shared.handle.store()
            && let Err(error) = self.shared.feeder.follow(&store, place)
        {
            tracing::warn!(%error, "the enrolled databases cannot be read yet");
        }
    }

    /// Follows from now on.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(&self, door: Door) -> Result<(), Refused> {
        let place = self
            .place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let shared = Arc::clone(&self.shared);
        let told = door.clone();
        thread::Builder::new()
            .name("catalog".to_owned())
            .spawn(move || shared.follow_store(place.unwrap_or_default(), &told))
            .map_err(|error| cannot("start a thread", &error, "raise the limit of processes"))?;
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move { shared.follow_authority(&door).await });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(AbortOnDropHandle::new(task));
        Ok(())
    }

    /// When the certificate that people are shown ends.
    pub(super) fn certificate_expires(&self) -> Timestamp {
        Timestamp::from_unix(self.shared.expires.load(Ordering::Relaxed))
    }

    /// Follows no more.
    pub(super) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.shared.stop.cancel();
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn follow_store(&self, mut place: Place, door: &Door) {
        while !self.stopped.load(Ordering::Relaxed) {
            let followed = match self.handle.store() {
                Ok(store) => self
                    .feeder
                    .follow(&store, &mut place)
                    .map_err(|error| error.to_string()),
                // The service tells what is wrong with it.
                Err(_) => {
                    thread::sleep(PAUSE);
                    continue;
                }
            };
            match followed {
                Ok(touched) => tell(door, touched),
                Err(error) => {
                    tracing::debug!(
                        error,
                        "the store cannot be followed: the catalog stays as it is"
                    );
                    place = Place::default();
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    async fn follow_authority(&self, door: &Door) {
        let mut changes = self.authority.subscribe();
        let late = tokio::time::MissedTickBehavior::Delay;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(late);
        let mut soon = tokio::time::interval(SOON);
        soon.set_missed_tick_behavior(late);
        let mut failed = false;
        loop {
            let change = tokio::select! {
                () = self.stop.cancelled() => return,
                change = changes.recv() => change,
                _ = look.tick() => {
                    self.authority.tick();
                    failed = false;
                    continue;
                }
                // What fails is tried again with the next look, and told of as often.
                _ = soon.tick(), if !failed => {
                    failed = !self.renew(door);
                    continue;
                }
            };
            match change {
                Ok(authority::Changed::Role(name)) => drop(door.changed(&Changed::Role(name))),
                Ok(authority::Changed::User(name)) => drop(door.changed(&Changed::User(name))),
                Ok(authority::Changed::Lock(target)) => drop(door.changed(&Changed::Lock(target))),
                Ok(authority::Changed::Target(_)) => self.by_hand(door),
                Ok(authority::Changed::Trust) => failed = !self.renew_now(door),
                Err(RecvError::Lagged(_)) => {
                    self.by_hand(door);
                    failed = !self.renew_now(door);
                    door.changed(&Changed::All);
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn by_hand(&self, door: &Door) {
        let touched = self.feeder.set_records(self.authority.databases());
        tell(door, touched);
    }

    /// Takes the authorities that are trusted now, and a new certificate where the old one ends soon; leaves out databases
    /// whose records are over. Says whether that was possible.
    fn renew(&self, door: &Door) -> bool {
        if self.authority.databases_ended() {
            self.by_hand(door);
        }
        !self.authority.trust_is_old() || self.renew_now(door)
    }

    fn renew_now(&self, door: &Door) -> bool {
        match super::trust(&self.authority) {
            Ok((trust, expires)) => {
                self.expires.store(expires.unix(), Ordering::Relaxed);
                self.trust.store(Arc::new(trust));
                door.changed(&Changed::Trust);
                true
            }
            Err(refused) => {
                tracing::error!(why = %refused, "the proxy's certificate cannot be renewed: the old one stays");
                false
            }
        }
    }
}

pub(super) fn tell(door: &Door, touched: Vec<ResourceId>) {
    if touched.len() > MANY {
        door.changed(&Changed::All);
        return;
    }
    for id in touched {
        door.changed(&Changed::Target(id));
    }
}
