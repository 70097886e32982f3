//! A store that cannot be used: nothing is scanned, for nothing could be remembered; it is opened again, with pauses
//! that grow; when that works, the service goes on from what it finds there.

use std::time::Duration;

use muster_schedule::Moment;

use super::{
    Service,
    keeper::{Job, Opened, RESTORE},
};
use crate::service::handle::{Refused, RefusedKind};

/// The first pause before the store is opened again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The store cannot be used.
pub(super) struct Stuck {
    why: String,
    pause: Duration,
    next: Moment,
    /// Whether it is being opened, or an engine made for it.
    trying: bool,
}

impl Service {
    /// The keeper says of a job that the store failed.
    pub(super) fn store_failed(&mut self, why: &[String]) {
        // What was sent before that was known fails for the same reason.
        if self.stuck.is_none() {
            self.fail(why);
        }
    }

    /// The store failed; the keeper has let go of it.
    pub(super) fn fail(&mut self, why: &[String]) {
        let why = why.join(": ");
        self.loaded = false;
        self.looking = false;
        self.sweeping = false;
        self.news = true;
        let now = self.uptime.now();
        let (pause, first) = match &self.stuck {
            Some(stuck) => (
                stuck.pause.saturating_mul(2).min(PAUSES.1),
                stuck.why != why,
            ),
            None => (PAUSES.0, true),
        };
        if first {
            tracing::error!(
                why,
                "the store cannot be used: nothing is scanned until it can"
            );
        }
        let refused = self.unavailable(&why);
        self.handle.set_store(Err(refused.clone()));
        self.board.store.failure = Some(format!("{why}; it is tried again"));
        self.board.counted = false;
        self.stuck = Some(Stuck {
            why,
            pause,
            next: now.plus(pause),
            trying: false,
        });
        self.give_up_waiting(&refused);
        self.show_now();
    }

    /// Opens the store again when it is time.
    pub(super) fn try_again(&mut self) {
        let now = self.uptime.now();
        let ending = self.ending.is_some();
        if let Some(stuck) = &mut self.stuck
            && !stuck.trying
            && !ending
            && now >= stuck.next
        {
            stuck.trying = true;
            self.keeper.send(Job::Open { make: false });
        }
    }

    /// The store was opened again, or was not.
    pub(super) fn opened(&mut self, opened: Result<Opened, Refused>) {
        match opened {
            Err(refused) => {
                let mut why = refused.why;
                why.extend(refused.hint.filter(|hint| hint == RESTORE));
                self.fail(&why);
            }
            Ok(Opened {
                store,
                revision,
                was_at,
                scopes,
            }) => {
                if let Some(was_at) = was_at {
                    tracing::warn!(
                        revision = revision.0,
                        before = was_at.0,
                        "the store is an older one than before"
                    );
                }
                self.board.remember(scopes);
                self.handle.set_store(Ok(store));
                self.load();
            }
        }
    }

    /// Has an engine made for what the store holds.
    pub(super) fn load(&mut self) {
        match self.known.setup(&self.config, &self.plugins) {
            Ok(setup) => {
                let (setup, now) = (Box::new(setup), self.now());
                self.keeper.send(Job::Load { setup, now });
            }
            // The configuration was checked, with these rules.
            Err(problems) => self.fail(&problems),
        }
    }

    /// The engine is there.
    pub(super) fn is_loaded(&mut self) {
        let first = !self.loaded && self.stuck.is_none();
        self.loaded = true;
        self.news = true;
        if self.stuck.take().is_some() {
            self.board.store.failure = None;
            tracing::info!("the store can be used again");
            self.show_now();
        } else if first {
            self.systemd.ready();
        }
        self.deliverer.wake();
    }

    /// What whoever wants something of the store is told.
    pub(super) fn unavailable(&self, why: &str) -> Refused {
        Refused {
            kind: RefusedKind::Unavailable,
            what: "the store cannot be used".to_owned(),
            why: vec![why.to_owned()],
            hint: Some(
                "the service tries again and goes on by itself; `muster status` says how it is"
                    .to_owned(),
            ),
        }
    }

    /// Why nothing can be done at present that needs the engine.
    pub(super) fn not_now(&self) -> Option<Refused> {
        if self.ending.is_some() {
            return Some(ending());
        }
        if let Some(stuck) = &self.stuck {
            return Some(self.unavailable(&stuck.why));
        }
        (!self.loaded).then(|| Refused {
            kind: RefusedKind::Unavailable,
            what: "the service is starting".to_owned(),
            why: vec!["it reads its store".to_owned()],
            hint: Some("try again in a moment".to_owned()),
        })
    }
}

/// What everybody is told while the service ends.
pub(super) fn ending() -> Refused {
    Refused {
        kind: RefusedKind::Unavailable,
        what: "the service is ending".to_owned(),
        why: Vec::new(),
        hint: None,
    }
}
