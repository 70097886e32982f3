//! Which scopes there are, found out again and again: every `service.resolve`, sooner and with growing pauses while
//! somebody does not answer, and when a person asks for what is there now.

use std::{sync::Arc, time::Duration};

use muster_model::{FailureReason, Scan};
use muster_schedule::Moment;
use tokio::task::JoinError;

use super::{
    Service,
    commands::Later,
    keeper::{self, Job},
    scopes::Known,
};
use crate::{
    pipeline::{
        run_id,
        sources::{Clouds, Expansion, is_placeholder},
    },
    service::handle::{Aside, ScopeScan},
};

/// How soon somebody who did not answer is asked again: the first time, twice as long each further time, up to
/// `service.resolve`.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// How long an account may take to answer the first time: the others are not kept waiting for it at the start.
const FIRST_PATIENCE: Duration = Duration::from_secs(20);
/// The longest that a resolution may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// For how long everybody's answers count when a person asks.
const FRESH: Duration = Duration::from_secs(30);

/// What was found out.
pub(super) struct Resolved {
    /// None when it took too long, or broke off.
    pub(super) expansion: Option<Expansion>,
    clouds: Option<Arc<Clouds>>,
    why: String,
    /// For which of the configurations that were in force; none when it found out nothing.
    of: Option<u64>,
}

impl Resolved {
    pub(super) fn broken(error: &JoinError) -> Self {
        Self {
            expansion: None,
            clouds: None,
            why: format!("it broke off: {error}"),
            of: None,
        }
    }
}

/// Asks, for so long at most.
pub(super) async fn expand(
    clouds: &Clouds,
    config: &crate::config::Config,
    patience: Option<Duration>,
) -> Option<Expansion> {
    let expanding = clouds.expand(config, patience);
    tokio::time::timeout(LIMIT, expanding).await.ok()
}

impl Service {
    /// Asks when it is time.
    pub(super) fn start_resolution(&mut self) {
        if !self.reload
            && let Some(resolved) = self.found_meanwhile.take()
        {
            self.resolved(resolved);
        }
        let now = self.uptime.now();
        let due = self.resolve_at.is_some_and(|at| at <= now);
        let idle = self.stuck.is_some() || self.ending.is_some();
        let asked = !self.resolving.is_empty() || self.found_meanwhile.is_some();
        if !due || asked || idle {
            return;
        }
        self.resolve_at = None;
        // What was refused with these credentials may not be with those that are there now.
        let clouds = match std::mem::take(&mut self.refused) {
            true => Arc::new(self.clouds.anew(&self.config)),
            false => Arc::clone(&self.clouds),
        };
        let (config, of) = (self.config.clone(), Some(self.configurations));
        let patience = (self.resolutions == 0).then_some(FIRST_PATIENCE);
        self.resolving.spawn(async move {
            let expansion = expand(&clouds, &config, patience).await;
            Resolved {
                expansion,
                clouds: Some(clouds),
                why: format!("it took longer than {} s", LIMIT.as_secs()),
                of,
            }
        });
    }

    /// Asks as soon as nobody else is being asked.
    pub(super) fn resolve_soon(&mut self) {
        let now = self.uptime.now();
        self.resolve_at = Some(self.resolve_at.map_or(now, |at| at.min(now)));
    }

    /// Whether what is known of the scopes is what is there now.
    pub(super) fn is_fresh(&self) -> bool {
        let now = self.uptime.now();
        let recent = |at: Moment| now.since(at) < FRESH;
        self.resolved_at.is_some_and(recent) && !self.known.is_wanting()
    }

    /// Somebody has answered, or nobody.
    pub(super) fn resolved(&mut self, resolved: Resolved) {
        if self.ending.is_some() {
            return;
        }
        if self.reload {
            // Whatever the engine was told now would overtake the configuration that it is on its way to.
            self.found_meanwhile = Some(resolved);
            return;
        }
        let Resolved {
            expansion,
            clouds,
            why,
            of,
        } = resolved;
        if of.is_some_and(|of| of != self.configurations) {
            tracing::info!(
                "which scopes there are was asked for another configuration: it is not heard"
            );
            // The one that is in force has asked for itself, maybe before those who wait here.
            if !self.later.is_empty() {
                self.resolve_soon();
            }
            return;
        }
        match (expansion, clouds) {
            (Some(expansion), Some(clouds)) => {
                let known = Known::settle(expansion, Some(&self.known), self.board.remembered());
                self.clouds = clouds;
                self.adopt(known, true);
            }
            _ => tracing::warn!(why, "it could not be found out which scopes there are"),
        }
        self.resolutions = self.resolutions.saturating_add(1);
        self.plan_resolution();
        self.news = true;
        for later in std::mem::take(&mut self.later) {
            match later {
                Later::Read { scopes, reply } => self.read(scopes, reply),
                Later::Scan(number) => self.add_to_waiter(number),
            }
        }
    }

    /// Says when to ask next.
    pub(super) fn plan_resolution(&mut self) {
        let now = self.uptime.now();
        let wanting = self.known.is_wanting();
        if !wanting {
            self.resolved_at = Some(now);
            self.resolve_pause = FIRST_PAUSE;
        }
        let usual = self.config.service.resolve;
        let pause = if wanting {
            let pause = self.resolve_pause.min(usual);
            self.resolve_pause = self.resolve_pause.saturating_mul(2).min(usual);
            pause
        } else {
            usual
        };
        if self.resolve_at.is_none() {
            self.resolve_at = Some(now.plus(pause));
        }
    }

    /// These are the scopes from now on. The engine is told, unless it has been.
    pub(super) fn adopt(&mut self, known: Known, tell: bool) {
        let before = (self.known.len(), self.known.complete);
        let same = known.scopes().eq(self.known.scopes())
            && known.complete == self.known.complete
            && known.filters == self.known.filters
            && known.open == self.known.open;
        self.known = known;
        if before != (self.known.len(), self.known.complete) || self.resolutions == 0 {
            tracing::info!(
                scopes = self.known.len(),
                unread = self.known.unread.len(),
                complete = self.known.complete,
                "scopes found out"
            );
        }
        for (scope, failure) in &self.known.unlisted {
            tracing::warn!(%scope, %failure, "a list of scopes could not be read");
        }
        self.board.set_scopes(&self.known);
        if tell && !same {
            self.configure("scopes");
        }
        let board = &self.board;
        let wanted = self
            .known
            .wanted(&self.config, |scope| board.failures(scope));
        let dropped = self.queue.set(wanted, self.uptime.now());
        self.forget_waiting(&dropped);
        self.take_unread();
        self.news = true;
    }

    /// Has the engine told of the scopes.
    fn configure(&mut self, by: &str) {
        if self.stuck.is_some() {
            // It is told when it is made.
            return;
        }
        match self.known.setup(&self.config, &self.plugins) {
            Ok(setup) => self.keeper.send(Job::Configure {
                setup: Box::new(setup),
                now: self.now(),
                by: by.to_owned(),
                then: None,
            }),
            Err(problems) => {
                tracing::error!(problems = problems.join("; "), "the rules cannot be used");
            }
        }
    }

    /// Has it remembered that what cannot be read could not be read.
    fn take_unread(&mut self) {
        let now = self.now();
        if self.stuck.is_some() {
            return;
        }
        let unread: Vec<Scan> = self.known.unread.values().cloned().collect();
        for scan in unread {
            self.metrics.scan_ended(&scan, Duration::ZERO);
            if is_placeholder(&scan.scope) {
                let record = self.board.unlisted(&scan, now);
                let aside = Aside::from(&scan);
                self.tell_waiters(ScopeScan { record, aside }, None);
            } else {
                self.keeper.send(Job::Take(Box::new(keeper::Scanned {
                    scan,
                    took: Duration::ZERO,
                    now,
                    run: run_id(now),
                    number: None,
                })));
            }
        }
    }

    /// Whether a scan's answer was that of credentials which are no longer good.
    pub(super) fn note_refusal(&mut self, scan: &Scan) {
        self.refused |= scan.coverage.failures().iter().any(|failure| {
            matches!(
                failure.reason,
                FailureReason::NoCredentials | FailureReason::Denied
            )
        });
    }
}
