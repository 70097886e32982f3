//! What a session looks at from time to time: orders from outside, and what is due by the clock.

use std::sync::atomic::Ordering::Relaxed;

use muster_access::EndsBy;
use muster_audit::Event;

use super::{Limits, Phase, Relaying, moving::Over};
use crate::{
    door::Order,
    engine::{End, Farewell, Micros, NotWritten, Stop},
};

const SECOND: i64 = 1_000_000;
/// After how long without a byte a session lets go of memory that it has no use for.
const REST: i64 = 2 * SECOND;

impl Relaying {
    /// Somebody outside has something for this session.
    pub(super) fn look_outside(&mut self, now: Micros) {
        for _ in 0..self.live.cancels.swap(0, Relaxed) {
            self.record.note(now, &Event::Cancel { error: None });
        }
        for _ in 0..self.live.cancels_failed.swap(0, Relaxed) {
            let error = Some("the database could not be asked");
            self.record.note(now, &Event::Cancel { error });
        }
        self.look_at_options();
        if let Some(order) = self.live.order() {
            self.give(now, order);
        }
    }

    pub(super) fn look_at_options(&mut self) {
        let options = self.live.options();
        let not_after = self.live.who.not_after();
        let ends_at = options.ends_at.min(not_after);
        self.limits = Limits {
            ends_at: Micros::from_seconds(ends_at.unix()),
            ends_by: match options.ends_by {
                by if options.ends_at < not_after => by,
                _ => EndsBy::Certificate,
            },
            idle: options
                .idle
                .map(|limit| i64::try_from(limit.as_micros()).unwrap_or(i64::MAX)),
        };
        self.record.strict = options.audit == muster_access::Audit::Strict;
        self.live.due.store(0, Relaxed);
    }

    pub(super) fn give(&mut self, now: Micros, order: Order) {
        if matches!(self.phase, Phase::Leaving { .. } | Phase::Closing { .. }) {
            return;
        }
        let at_once = order.when_idle_until.is_none();
        self.order = Some(order);
        if at_once {
            self.phase = Phase::Leaving {
                until: self.farewell(now),
            };
        }
    }

    /// What is due by the clock.
    pub(super) fn look_at_time(&mut self, now: Micros) {
        let ending = matches!(self.phase, Phase::Leaving { .. } | Phase::Closing { .. });
        if !self.engine.idle() {
            match self.engine.tick(now, &mut self.record) {
                Ok(()) | Err(NotWritten::Busy) => {}
                Err(error @ NotWritten::Failing { .. }) if !ending => {
                    self.over(now, Over::Stop(Stop::Record(error)));
                    return;
                }
                Err(NotWritten::Failing { .. }) => {}
            }
        }
        if ending {
            return;
        }
        if self.rested < self.active && self.active.0 + REST <= now.0 && self.engine.idle() {
            self.engine.rest();
            self.rested = now;
        }
        if self.limits.ends_at <= now {
            const AGAIN: &str = "Log in again with `muster login`.";
            const ASK: &str = "Ask whoever administers muster.";
            let (why, hint) = match &self.limits.ends_by {
                EndsBy::Certificate => ("the certificate has expired".to_owned(), AGAIN),
                EndsBy::Role(role) => (
                    format!("the longest session of role `{role}` is over"),
                    AGAIN,
                ),
                EndsBy::UserExpires(user) => (format!("the user `{user}` has expired"), ASK),
                EndsBy::RoleExpires(role) => (
                    format!("the role `{role}` that allowed it has expired"),
                    ASK,
                ),
            };
            let mut farewell = Farewell::new(End::Expired, format!("the session has ended: {why}"));
            farewell.hint = Some(hint.to_owned());
            self.give(now, Order::now(farewell, why));
        } else if let Some(limit) = self.limits.idle
            && self.is_clients_turn()
            && now.0.saturating_sub(self.active.0) >= limit
        {
            let seconds = limit / SECOND;
            self.give(
                now,
                Order::now(
                    Farewell::new(
                        End::Idle,
                        format!("nothing was done for {seconds} s, which ends a session here"),
                    ),
                    format!("idle for {seconds} s"),
                ),
            );
        }
    }

    /// Whether nothing happens until the client goes on, also where it has stopped in the middle of something.
    fn is_clients_turn(&self) -> bool {
        // Rows of COPY that the database does not take are its turn.
        self.engine.waits_for_client() && self.client.plain().is_empty() && self.server.flushed()
    }

    /// When the worker is to wake this task. Set only when it is too late as it stands: for most messages not at all.
    pub(super) fn set_due(&mut self, now: Micros) {
        let next = match &self.phase {
            Phase::Open => {
                let mut next = self.limits.ends_at.0;
                if let Some(limit) = self.limits.idle {
                    next = next.min(self.active.0.saturating_add(limit));
                }
                if let Some(until) = self.order.as_ref().and_then(|order| order.when_idle_until) {
                    next = next.min(until.0);
                }
                if !self.engine.idle() {
                    next = next.min(now.0 + SECOND);
                } else if self.rested < self.active {
                    next = next.min(self.active.0 + REST);
                }
                next
            }
            Phase::Alone { until } => until.0.min(now.0 + SECOND),
            Phase::Leaving { until } | Phase::Closing { until, .. } => until.0,
        };
        let due = self.live.due.load(Relaxed);
        // A later time than needed is wrong; an earlier one costs a look. So it is put off only once it is over.
        if next < due || due <= now.0 {
            self.live.due.store(next, Relaxed);
        }
        self.live.active.store(self.active.0, Relaxed);
        self.live.from_client.store(self.from_client, Relaxed);
        self.live.to_client.store(self.to_client, Relaxed);
        self.live
            .statements
            .store(self.engine.statements(), Relaxed);
    }
}
