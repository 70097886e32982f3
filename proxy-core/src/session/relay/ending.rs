//! How a session ends: by its client, by the database, by muster, or by something that broke.

use std::task::{Context as Cx, Poll};

use muster_audit::Event;

use super::{
    Phase, Relaying,
    moving::{Over, Went},
};
use crate::{
    door::{EndReason, Order},
    engine::{End, Farewell, Micros, Side, Stop},
};

/// How long after the client has gone the database may still work for it.
const ALONE: i64 = 60_000_000;

impl Relaying {
    /// The client has ended its side. What it asked for may still be done if it said so; who just vanishes wants nothing more.
    pub(super) fn client_ended(&mut self, now: Micros) {
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        if self.engine.idle() {
            self.close(now, EndReason::Client);
            return;
        }
        if !self.engine.said_goodbye() {
            let why = "it was closed while something was under way".to_owned();
            self.close(now, EndReason::ClientBroken(why));
            return;
        }
        self.phase = Phase::Alone {
            until: Micros(now.0 + ALONE),
        };
    }

    /// Waits for a place where a farewell may stand, and says it.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>, now: Micros) -> Result<bool, Over> {
        let Phase::Leaving { until } = self.phase else {
            return Ok(false);
        };
        if until > now && !self.engine.between_messages() {
            let went = self.back(cx, now)?;
            if !matches!(self.phase, Phase::Leaving { .. }) {
                return Ok(true);
            }
            if !self.engine.between_messages() {
                return Ok(went == Went::Full);
            }
        }
        let order = self.order.take();
        let reason = order
            .as_ref()
            .map(|order| order.reason.clone())
            .unwrap_or_default();
        if let Some(order) = order
            && self.engine.between_messages()
        {
            self.say(&order.farewell);
        }
        self.disconnect(now, reason);
        Ok(true)
    }

    pub(super) fn say(&mut self, farewell: &Farewell) {
        let mut packet = Vec::new();
        self.engine.farewell(farewell, &mut packet);
        // Where the outbox is full the client does not read, and there is nobody to be told.
        let _ = self.client.send(&packet);
    }

    /// Ends both legs in order.
    pub(super) fn close(&mut self, now: Micros, reason: EndReason) -> bool {
        if !matches!(self.phase, Phase::Closing { .. }) {
            self.bulk_end();
            self.unfinished = !self.engine.idle() && reason != EndReason::Database;
            let mut packet = Vec::new();
            self.engine.leave(&mut packet);
            if !packet.is_empty() && !self.server.ended() {
                let _ = self.server.send(&packet);
            }
            let until = self.farewell(now);
            self.phase = Phase::Closing { until, reason };
        }
        true
    }

    pub(super) fn poll_closing(
        &mut self,
        cx: &mut Cx<'_>,
        now: Micros,
        until: Micros,
        reason: EndReason,
    ) -> Poll<EndReason> {
        let client = self.client.poll_close(cx).is_ready();
        let server = self.server.poll_close(cx).is_ready();
        if (client && server) || until <= now {
            return Poll::Ready(reason);
        }
        self.set_due(now);
        Poll::Pending
    }

    /// Something went wrong.
    pub(super) fn over(&mut self, now: Micros, over: Over) {
        match over {
            Over::Client(error) => {
                self.close(now, EndReason::ClientBroken(error.to_string()));
            }
            Over::Server(error) => {
                if self.engine.between_messages() && !self.server.ended() {
                    self.say(&Farewell::new(
                        End::ServerGone,
                        "the connection to the database broke",
                    ));
                }
                self.close(now, EndReason::DatabaseBroken(error.to_string()));
            }
            Over::Stop(Stop::Record(why)) => {
                let farewell = Farewell::new(
                    End::Unrecorded,
                    "what is done here cannot be recorded, so the session ends",
                );
                let reason = why.to_string();
                // What the engine still lets pass is recorded, and ends where the client can be told.
                if self.engine.between_messages() || matches!(self.phase, Phase::Leaving { .. }) {
                    self.end_with(now, farewell, reason);
                } else {
                    self.give(now, Order::now(farewell, reason));
                }
            }
            Over::Stop(Stop::Violation(violation)) => {
                let event = Event::Malformed {
                    error: &violation.what,
                    payload: &violation.payload,
                };
                self.record.note(now, &event);
                let reason = violation.to_string();
                match violation.side {
                    Side::Server => {
                        let farewell = Farewell::new(End::ServerViolation, &*reason);
                        self.end_with(now, farewell, reason);
                    }
                    // Nothing more is read of the client; what it is being sent goes on to where it can be told.
                    Side::Client => {
                        let farewell = Farewell::new(End::ClientViolation, &*reason);
                        self.give(now, Order::now(farewell, reason));
                    }
                }
            }
        }
    }

    /// Says the farewell if that can be said here, and closes: nothing may pass any more.
    pub(super) fn end_with(&mut self, now: Micros, farewell: Farewell, reason: String) {
        if self.engine.between_messages() {
            self.say(&farewell);
        }
        self.disconnect(now, reason);
    }

    /// Records that it is muster who ends the session, and ends it.
    fn disconnect(&mut self, now: Micros, reason: String) {
        let event = Event::Disconnect { reason: &reason };
        self.record.note(now, &event);
        self.close(now, EndReason::Muster(reason));
        if !self.engine.between_messages()
            && let Phase::Closing { until, .. } = &mut self.phase
        {
            // The client does not read, or what it reads cannot be ended well: there is nothing to wait for.
            *until = now;
        }
    }
}
