//! What systemd is told: that the service is ready, reloads, ends, lives, and how it is. Without systemd nothing
//! happens.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The service manager.
pub(super) struct Systemd {
    /// How often it wants to hear that the service lives.
    watchdog: Option<Duration>,
    fed: Instant,
    said: String,
}

// === impl Systemd ===

impl Systemd {
    pub(super) fn new() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled(),
            fed: Instant::now(),
            said: String::new(),
        }
    }

    /// The service is ready, or has ended a reload.
    pub(super) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// A reload begins. It ends with [`Self::ready`], however it went.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!(%error, "the monotonic clock cannot be read"),
        }
    }

    /// The service ends.
    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// One line on how it is, when that is another one than before.
    pub(super) fn status(&mut self, line: String) {
        if self.said != line {
            tell(&[NotifyState::Status(&line)]);
            self.said = line;
        }
    }

    /// The loop still turns: to be called at least every second.
    pub(super) fn alive(&mut self) {
        let Some(watchdog) = self.watchdog else {
            return;
        };
        if self.fed.elapsed() >= watchdog / 3 {
            self.fed = Instant::now();
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
