//! The relay: one task for a session, which polls both legs by hand.
//!
//! What came in on one leg is shown to the engine where it was opened, and sealed straight into the other leg's outbox. A
//! query and its answer are six calls to the system: two reads, two writes, two waits. Nothing is read while what was read
//! before is not written, so a slow reader slows its sender and never fills memory. There is no timer for a message: the
//! worker wakes a session when something of it is due, to a second.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    task::{Context as Cx, Poll, Waker},
    time::Duration,
};

use muster_access::EndsBy;
use muster_audit::{Event, Subject};
use tokio::time::{Sleep, sleep};

use super::{Context, must_write, postgres::Prepared};
use crate::{
    door::{EndReason, Live, Load, Order, Shared, Ticket, carry, with_pen},
    engine::{End, Farewell, Micros, NotWritten, Record, Relay, Stop},
    engines::postgres::cancel::ClientKey,
    tls::Leg,
};

/// How long bytes are held back before it is tried again to record them.
const RETRY: Duration = Duration::from_millis(3);
/// How long a session that is to end may take to get its farewell out.
const FAREWELL: i64 = 3_000_000;
/// How long after the client has gone the database may still work for it.
const ALONE: i64 = 60_000_000;
const SECOND: i64 = 1_000_000;
/// Pieces that go one way before the other way is looked at.
const TURNS: usize = 8;

/// A session whose both legs are up.
pub(crate) struct Relaying {
    client: Leg,
    server: Leg,
    engine: Box<dyn Relay>,
    record: Recorder,
    live: Arc<Live>,
    shared: Arc<Shared>,
    key: ClientKey,
    waker: Option<Waker>,
    retry: Option<Pin<Box<Sleep>>>,
    active: Micros,
    from_client: u64,
    to_client: u64,
    /// When the session ends at the latest, and why.
    limits: Limits,
    /// Ends when nothing is under way, or at this time.
    order: Option<Order>,
    phase: Phase,
    _ticket: Ticket,
    _load: Load,
}

struct Limits {
    ends_at: Micros,
    ends_by: String,
    idle: Option<i64>,
}

enum Phase {
    /// Bytes go both ways.
    Open,
    /// The client has ended; the database may finish.
    Alone { until: Micros },
    /// A farewell is to be said as soon as it can be, and then at the latest.
    Leaving { until: Micros },
    /// All is said; the legs are being closed.
    Closing { until: Micros, reason: EndReason },
}

/// Writes the session's events with the worker's pen.
struct Recorder {
    subject: Subject,
    strict: bool,
}

impl Record for Recorder {
    fn write(&mut self, at: Micros, event: &Event<'_>) -> Result<u64, NotWritten> {
        with_pen(&mut self.subject, at, event, self.strict)
    }
}

impl Relaying {
    pub(crate) fn new(client: Leg, prepared: Prepared, context: Context) -> Self {
        let Context {
            shared,
            ticket,
            load,
            ..
        } = context;
        let options = prepared.live.options();
        let mut relaying = Self {
            client,
            server: prepared.server,
            engine: prepared.engine,
            record: Recorder {
                subject: prepared.subject,
                strict: options.audit == muster_access::Audit::Strict,
            },
            active: shared.now(),
            live: prepared.live,
            shared,
            key: prepared.key,
            waker: None,
            retry: None,
            from_client: 0,
            to_client: 0,
            limits: Limits {
                ends_at: Micros(i64::MAX),
                ends_by: String::new(),
                idle: None,
            },
            order: None,
            phase: Phase::Open,
            _ticket: ticket,
            _load: load,
        };
        relaying.look_at_options();
        relaying
    }

    /// Relays until the session ends, and records its end.
    pub(crate) async fn run(mut self) {
        self.shared.tally.begun.fetch_add(1, Relaxed);
        carry(&self.live);
        let reason = std::future::poll_fn(|cx| self.poll_relay(cx)).await;
        self.finish(&reason).await;
    }

    fn poll_relay(&mut self, cx: &mut Cx<'_>) -> Poll<EndReason> {
        let now = self.shared.now();
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            self.waker = Some(cx.waker().clone());
            self.live.lives(cx.waker());
        }
        if self.live.was_called() {
            self.look_outside(now);
        }
        if self.live.due.load(Relaxed) <= now.0 {
            self.look_at_time(now);
        }
        loop {
            let step = match &self.phase {
                Phase::Open => self.relay(cx, now),
                Phase::Alone { until } if *until <= now => Ok(self.close(now, EndReason::Client)),
                Phase::Alone { .. } => self.back(cx, now).map(|_| false),
                Phase::Leaving { .. } => self.leave(cx, now),
                Phase::Closing { until, reason } => {
                    let (until, reason) = (*until, reason.clone());
                    return self.poll_closing(cx, now, until, reason);
                }
            };
            match step {
                Ok(true) => {}
                Ok(false) if matches!(self.phase, Phase::Closing { .. }) => {}
                Ok(false) => break,
                Err(end) => {
                    self.over(now, end);
                }
            }
        }
        self.set_due(now);
        Poll::Pending
    }

    /// Bytes both ways. True when the phase has changed.
    fn relay(&mut self, cx: &mut Cx<'_>, now: Micros) -> Result<bool, Over> {
        loop {
            let forth = self.forth(cx, now)?;
            let back = self.back(cx, now)?;
            if !matches!(self.phase, Phase::Open) {
                return Ok(true);
            }
            if forth != Went::Full && back != Went::Full {
                break;
            }
        }
        let ready = self.engine.idle() && self.client.plain().is_empty();
        if let Some(order) = &self.order
            && (ready || order.when_idle_until.is_some_and(|until| until <= now))
        {
            self.phase = Phase::Leaving {
                until: Micros(now.0 + FAREWELL),
            };
            return Ok(true);
        }
        Ok(false)
    }

    fn forth(&mut self, cx: &mut Cx<'_>, now: Micros) -> Result<Went, Over> {
        for _ in 0..TURNS {
            match self.server.poll_flush_out(cx) {
                Poll::Pending => return Ok(Went::Stuck),
                Poll::Ready(Err(error)) => return Err(Over::Server(error)),
                Poll::Ready(Ok(())) => {}
            }
            match self.client.poll_fill(cx) {
                Poll::Pending => return Ok(Went::Empty),
                Poll::Ready(Err(error)) => return Err(Over::Client(error)),
                Poll::Ready(Ok(false)) => {
                    self.client_ended(now);
                    return Ok(Went::Empty);
                }
                Poll::Ready(Ok(true)) => {}
            }
            let bytes = self.client.plain();
            let pass = self
                .engine
                .from_client(bytes, now, &mut self.record)
                .map_err(Over::Stop)?;
            let bytes = bytes.get(..pass).unwrap_or(bytes);
            if bytes.is_empty() {
                return self.hold(cx);
            }
            let sent = self.server.send(bytes).map_err(Over::Server)?;
            if sent != bytes.len() {
                return Err(Over::Server(io::ErrorKind::WriteZero.into()));
            }
            self.client.consume(sent);
            self.from_client += sent as u64;
            self.moved(now);
            if let Poll::Ready(Err(error)) = self.server.poll_flush_out(cx) {
                return Err(Over::Server(error));
            }
        }
        Ok(Went::Full)
    }

    fn back(&mut self, cx: &mut Cx<'_>, now: Micros) -> Result<Went, Over> {
        for _ in 0..TURNS {
            match self.client.poll_flush_out(cx) {
                Poll::Pending => return Ok(Went::Stuck),
                Poll::Ready(Err(error)) => return Err(Over::Client(error)),
                Poll::Ready(Ok(())) => {}
            }
            if self.at_boundary_of_leaving() {
                return Ok(Went::Empty);
            }
            match self.server.poll_fill(cx) {
                Poll::Pending => return Ok(Went::Empty),
                Poll::Ready(Err(error)) => return Err(Over::Server(error)),
                Poll::Ready(Ok(false)) => {
                    self.close(
                        now,
                        if matches!(self.phase, Phase::Alone { .. }) {
                            EndReason::Client
                        } else {
                            EndReason::Database
                        },
                    );
                    return Ok(Went::Empty);
                }
                Poll::Ready(Ok(true)) => {}
            }
            let bytes = self.server.plain();
            let pass = self
                .engine
                .from_server(bytes, now, &mut self.record)
                .map_err(Over::Stop)?;
            let bytes = bytes.get(..pass).unwrap_or(bytes);
            if bytes.is_empty() {
                return self.hold(cx);
            }
            let sent = self.client.send(bytes).map_err(Over::Client)?;
            if sent != bytes.len() {
                return Err(Over::Client(io::ErrorKind::WriteZero.into()));
            }
            self.server.consume(sent);
            self.to_client += sent as u64;
            self.moved(now);
            if let Poll::Ready(Err(error)) = self.client.poll_flush_out(cx) {
                return Err(Over::Client(error));
            }
        }
        Ok(Went::Full)
    }

    fn at_boundary_of_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving { .. }) && self.engine.between_messages()
    }

    const fn moved(&mut self, now: Micros) {
        self.active = now;
        // Whatever held bytes back: something went on, so the next try comes by itself.
    }

    /// The engine lets nothing pass now: try again in some milliseconds.
    fn hold(&mut self, cx: &mut Cx<'_>) -> Result<Went, Over> {
        let retry = self.retry.get_or_insert_with(|| Box::pin(sleep(RETRY)));
        if retry.as_mut().poll(cx).is_ready() {
            let mut again = Box::pin(sleep(RETRY));
            // Registers this task with the new timer.
            let _ = again.as_mut().poll(cx);
            self.retry = Some(again);
            return Ok(Went::Full);
        }
        Ok(Went::Stuck)
    }

    /// The client has ended its side. What it asked for may still be done.
    fn client_ended(&mut self, now: Micros) {
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        if self.engine.idle() {
            self.close(now, EndReason::Client);
            return;
        }
        self.phase = Phase::Alone {
            until: Micros(now.0 + ALONE),
        };
    }

    /// Waits for a place where a farewell may stand, and says it.
    fn leave(&mut self, cx: &mut Cx<'_>, now: Micros) -> Result<bool, Over> {
        let Phase::Leaving { until } = self.phase else {
            return Ok(false);
        };
        if until > now && !self.engine.between_messages() {
            self.back(cx, now)?;
            if !matches!(self.phase, Phase::Leaving { .. }) {
                return Ok(true);
            }
            if !self.engine.between_messages() {
                return Ok(false);
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
        let event = Event::Disconnect { reason: &reason };
        let _ = self.record.write(now, &event);
        self.close(now, EndReason::Muster(reason));
        Ok(true)
    }

    fn say(&mut self, farewell: &Farewell) {
        let mut packet = Vec::new();
        self.engine.farewell(farewell, &mut packet);
        // Where the outbox is full the client does not read, and there is nobody to be told.
        let _ = self.client.send(&packet);
    }

    /// Ends both legs in order.
    fn close(&mut self, now: Micros, reason: EndReason) -> bool {
        if !matches!(self.phase, Phase::Closing { .. }) {
            let mut packet = Vec::new();
            self.engine.leave(&mut packet);
            if !packet.is_empty() && !self.server.ended() {
                let _ = self.server.send(&packet);
            }
            self.phase = Phase::Closing {
                until: Micros(now.0 + FAREWELL),
                reason,
            };
        }
        true
    }

    fn poll_closing(
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
    fn over(&mut self, now: Micros, over: Over) {
        match over {
            Over::Client(error) => {
                // What the database still does for nobody is its own; it learns that nobody is there.
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
                self.end_with(
                    now,
                    Farewell::new(
                        End::Unrecorded,
                        "what is done here cannot be recorded, so the session ends",
                    ),
                    why.to_string(),
                );
            }
            Over::Stop(Stop::Violation(violation)) => {
                let event = Event::Malformed {
                    error: &violation.what,
                    payload: &violation.payload,
                };
                let _ = self.record.write(now, &event);
                let end = match violation.side {
                    crate::engine::Side::Client => End::ClientViolation,
                    crate::engine::Side::Server => End::ServerViolation,
                };
                self.end_with(
                    now,
                    Farewell::new(end, violation.to_string()),
                    violation.to_string(),
                );
            }
        }
    }

    /// Says the farewell if that can be said here, and closes: nothing may pass any more.
    fn end_with(&mut self, now: Micros, farewell: Farewell, reason: String) {
        if self.engine.between_messages() {
            self.say(&farewell);
        }
        self.close(now, EndReason::Muster(reason));
    }

    /// Somebody outside has something for this session.
    fn look_outside(&mut self, now: Micros) {
        for _ in 0..self.live.cancels.swap(0, Relaxed) {
            let _ = self.record.write(now, &Event::Cancel { error: None });
        }
        self.look_at_options();
        if let Some(order) = self.live.order() {
            self.give(now, order);
        }
    }

    fn look_at_options(&mut self) {
        let options = self.live.options();
        let not_after = self.live.who.not_after();
        let ends_at = options.ends_at.min(not_after);
        self.limits = Limits {
            ends_at: Micros::from_seconds(ends_at.unix()),
            ends_by: match &options.ends_by {
                EndsBy::Role(role) if options.ends_at < not_after => {
                    format!("the longest session of role `{role}` is over")
                }
                _ => "the certificate has expired".to_owned(),
            },
            idle: options
                .idle
                .map(|limit| i64::try_from(limit.as_micros()).unwrap_or(i64::MAX)),
        };
        self.record.strict = options.audit == muster_access::Audit::Strict;
        self.live.due.store(0, Relaxed);
    }

    fn give(&mut self, now: Micros, order: Order) {
        if matches!(self.phase, Phase::Leaving { .. } | Phase::Closing { .. }) {
            return;
        }
        let at_once = order.when_idle_until.is_none();
        self.order = Some(order);
        if at_once {
            self.phase = Phase::Leaving {
                until: Micros(now.0 + FAREWELL),
            };
        }
    }

    /// What is due by the clock.
    fn look_at_time(&mut self, now: Micros) {
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
        if self.limits.ends_at <= now {
            let why = self.limits.ends_by.clone();
            let mut farewell = Farewell::new(End::Expired, format!("the session has ended: {why}"));
            farewell.hint = Some("Log in again with `muster login`.".to_owned());
            self.give(now, Order::now(farewell, why));
        } else if let Some(limit) = self.limits.idle
            && self.engine.idle()
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

    /// When the worker is to wake this task. Set only when it is too late as it stands: for most messages not at all.
    fn set_due(&mut self, now: Micros) {
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

    /// Records how it ended, and forgets it.
    async fn finish(mut self, reason: &EndReason) {
        let now = self.shared.now();
        let Self { engine, record, .. } = &mut self;
        let _ = must_write(|| engine.finish(now, record).map(|()| 0)).await;
        let text = reason.text();
        let (started, statements) = (self.live.started, self.engine.statements());
        let (from_client, to_client) = (self.from_client, self.to_client);
        let record = &mut self.record;
        let _ = must_write(|| {
            let event = Event::SessionEnd {
                started,
                reason: text.as_deref(),
                statements,
                from_client,
                to_client,
            };
            record.write(now, &event)
        })
        .await;
        let tally = &self.shared.tally;
        tally.ended.fetch_add(1, Relaxed);
        tally.from_client.fetch_add(self.from_client, Relaxed);
        tally.to_client.fetch_add(self.to_client, Relaxed);
    }
}

impl Drop for Relaying {
    /// Also when the worker stops in the middle: neither list keeps a session that is gone.
    fn drop(&mut self) {
        let mut keys = self
            .shared
            .keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
        drop(keys);
        self.shared.registry.remove(&self.live);
    }
}

/// How far bytes went one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    /// All that was there.
    Empty,
    /// Not all: the other side does not take it, or the engine holds it.
    Stuck,
    /// There may be more, after the other way had its turn.
    Full,
}

/// Why bytes go no further.
enum Over {
    Client(io::Error),
    Server(io::Error),
    Stop(Stop),
}
