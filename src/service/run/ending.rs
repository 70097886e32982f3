//! The end: nothing new begins, what runs may end within `service.shutdown`, and the store is closed. What is broken
//! off was not written, or not yet begun to be: nothing is ever half there.

use std::time::Duration;

use muster_audit::Ended;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{Service, failure::ending, keeper::Job};

/// It is ending.
pub(super) struct Ending {
    /// When patience is over.
    until: Instant,
    /// The proxy, while its sessions end; none when there is none.
    door: Option<JoinHandle<()>>,
}

/// How long the engine may take for what it has begun, and those who serve for their last answers, when the limit
/// is over.
const LAST: Duration = Duration::from_secs(5);

/// How long the proxy may take beside its sessions.
const CLOSE: Duration = Duration::from_secs(5);

/// How long what is queued for the audit log may take to be written.
const LAST_EVENTS: Duration = Duration::from_secs(5);

impl Service {
    /// Begins to end, unless it has.
    pub(super) fn begin_to_end(&mut self, why: &'static str) {
        if self.ending.is_some() {
            return;
        }
        let limit = self.config.service.shutdown;
        tracing::info!(
            why,
            scans = self.scans.len(),
            seconds = limit.as_secs(),
            "ending: what is under way may end within the limit"
        );
        self.systemd.stopping();
        let drain = self.config.proxy.as_ref().map(|proxy| proxy.drain + CLOSE);
        // It can be looked at, and its sessions listed, until they have ended.
        let door = self
            .proxy
            .clone()
            .map(|proxy| tokio::spawn(async move { proxy.close().await }));
        self.ending = Some(Ending {
            until: Instant::now()
                + drain
                    .filter(|_| door.is_some())
                    .map_or(limit, |drain| drain.max(limit)),
            door,
        });
        self.queue.drain();
        self.resolving.abort_all();
        self.reloading.abort_all();
        self.readings.abort_all();
        self.give_up_reloads(&ending());
        self.give_up_waiting(&ending());
        self.stop_notify.cancel();
        self.show_now();
    }

    /// Whether nothing is under way any more, or patience is over.
    pub(super) fn may_end(&self, ending: &Ending) -> bool {
        let closed = ending.door.as_ref().is_none_or(JoinHandle::is_finished);
        let idle = closed && self.scans.is_empty() && self.keeper.outstanding() == 0;
        idle || Instant::now() >= ending.until
    }

    /// Closes the audit log after its last event: nobody can be at the authority any more, and the proxy has ended.
    async fn close_log(&mut self) {
        let Some(log) = self.log.take() else { return };
        match tokio::task::spawn_blocking(move || log.close(LAST_EVENTS)).await {
            Ok(Ended::Whole) => {}
            Ok(ended) => {
                tracing::error!(?ended, "not every event of the audit log could be written")
            }
            Err(_) => tracing::error!("the audit log did not end in order"),
        }
    }

    /// Ends.
    pub(super) async fn end(mut self) {
        let broken_off = self.scans.len();
        self.scans.shutdown().await;
        let limit = match &self.ending {
            Some(ending) => ending.until.duration_since(Instant::now()).max(LAST),
            None => LAST,
        };
        self.stop_notify.cancel();
        self.deliverer.join(limit.min(LAST)).await;
        self.stop_serving.cancel();
        let served = async { while self.serving.join_next().await.is_some() {} };
        let on_time = timeout(LAST, served).await.is_ok();
        self.serving.shutdown().await;
        self.close_log().await;
        self.handle.set_proxy(None);
        self.handle.set_store(Err(ending()));
        self.keeper.send(Job::Close);
        let keeper = self.keeper;
        let closing = tokio::task::spawn_blocking(move || keeper.join());
        // A commit that has begun is whole, or not there, whenever the process ends.
        let closed = timeout(LAST, closing).await.is_ok();
        tracing::info!(broken_off, on_time, closed, "ended");
    }
}
