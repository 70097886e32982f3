//! The relay: one task for a session, which polls both legs by hand.
//!
//! What came in on one leg is shown to the engine where it was opened, and sealed straight into the other leg's outbox. A
//! query and its answer are six calls to the system: two reads, two writes, two waits. Nothing is read while what was read
//! before is not written, so a slow reader slows its sender and never fills memory. There is no timer for a message: the
//! worker wakes a session when something of it is due, to a second. (A long transfer has one for itself: [`bulk`].)

mod bulk;
mod due;
mod ending;
mod moving;

use std::{
    pin::Pin,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    task::{Context as Cx, Poll, Waker},
    time::Duration,
};

use muster_access::EndsBy;
use muster_audit::{Event, Subject};
use tokio::time::Sleep;

use self::{
    bulk::Bulk,
    moving::{Over, Went},
};
use super::{
    Context, must_write,
    postgres::{Cancelled, Prepared},
};
use crate::{
    door::{EndReason, Live, Load, Order, Shared, Ticket, carry, with_pen},
    engine::{Micros, NotWritten, Record, Relay},
    engines::postgres::cancel::ClientKey,
    tls::Leg,
};

/// How long bytes are held back before it is tried again to record them.
const RETRY: Duration = Duration::from_millis(3);
/// How long a session that is to end may take to come to where it can be told so, and then to get that out.
const FAREWELL: i64 = 3_000_000;
/// The same, when muster stops and has waited already.
const LAST_FAREWELL: i64 = 1_000_000;

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
    bulk: Bulk,
    active: Micros,
    /// When memory was let go of last.
    rested: Micros,
    from_client: u64,
    to_client: u64,
    /// When the session ends at the latest, and why.
    limits: Limits,
    /// Ends when nothing is under way, or at this time.
    order: Option<Order>,
    phase: Phase,
    /// Ended in the middle of something: the database is to be told to stop.
    unfinished: bool,
    /// Its end is in the record.
    finished: bool,
    way: Cancelled,
    listed: bool,
    _ticket: Ticket,
    _load: Load,
}

struct Limits {
    ends_at: Micros,
    ends_by: EndsBy,
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
    /// An event was taken, and the log cannot be written.
    failing: Option<NotWritten>,
}

impl Record for Recorder {
    fn write(&mut self, at: Micros, event: &Event<'_>) -> Result<u64, NotWritten> {
        let number = self.subject.next();
        match with_pen(&mut self.subject, at, event, self.strict) {
            Err(failing @ NotWritten::Failing { kept: true, .. }) => {
                self.failing = Some(failing);
                Ok(number)
            }
            written => {
                self.failing = None;
                written
            }
        }
    }

    fn failing(&self) -> Option<NotWritten> {
        self.failing.clone()
    }
}

impl Recorder {
    /// Writes what nothing waits for: where it is not taken it is counted, and how many there were is recorded.
    fn note(&mut self, at: Micros, event: &Event<'_>) {
        let strict = std::mem::replace(&mut self.strict, false);
        // Without a pen the worker has ended.
        let _ = self.write(at, event);
        self.strict = strict;
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
                failing: None,
            },
            active: shared.now(),
            rested: Micros(0),
            live: prepared.live,
            shared,
            key: prepared.key,
            waker: None,
            retry: None,
            bulk: Bulk::new(),
            from_client: 0,
            to_client: 0,
            limits: Limits {
                ends_at: Micros(i64::MAX),
                ends_by: EndsBy::Certificate,
                idle: None,
            },
            order: None,
            phase: Phase::Open,
            unfinished: false,
            finished: false,
            way: prepared.way,
            listed: true,
            _ticket: ticket,
            _load: load,
        };
        relaying.look_at_options();
        relaying
    }

    /// Relays until the session ends, and records its end.
    ///
    /// Boxed: as a part of the future it would be there several times over, for as long as the session lives.
    pub(crate) async fn run(mut self: Box<Self>) {
        self.shared.tally.begun.fetch_add(1, Relaxed);
        carry(&self.live);
        let reason = std::future::poll_fn(|cx| self.poll_relay(cx)).await;
        self.finish(&reason).await;
        if self.unfinished {
            let _stopping = self.shared.stopping();
            self.forget();
            // Boxed: seldom needed, and larger than all else here.
            Box::pin(self.way.stop(&self.shared, &mut self.server)).await;
        }
    }

    /// Takes it off both lists.
    fn forget(&mut self) {
        if !std::mem::take(&mut self.listed) {
            return;
        }
        let mut keys = self
            .shared
            .keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
        drop(keys);
        self.shared.registry.remove(&self.live);
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
                Phase::Alone { .. } => self.back(cx, now).map(|went| went == Went::Full),
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
        // Within a transaction a client is about to go on, and would lose what it has done.
        let ready = self.order.is_some()
            && self.engine.idle()
            && !self.engine.in_transaction()
            && self.client.plain().is_empty();
        if let Some(order) = &self.order
            && (ready || order.when_idle_until.is_some_and(|until| until <= now))
        {
            self.phase = Phase::Leaving {
                until: self.farewell(now),
            };
            return Ok(true);
        }
        Ok(false)
    }

    /// Until when it may take to be told that it ends.
    fn farewell(&self, now: Micros) -> Micros {
        let span = match self.shared.draining.load(Relaxed) {
            true => LAST_FAREWELL,
            false => FAREWELL,
        };
        Micros(now.0.saturating_add(span))
    }

    /// Writes what its record ends with.
    fn write_end(&mut self, now: Micros, reason: &EndReason) -> Result<u64, NotWritten> {
        let reason = reason.text();
        let event = Event::SessionEnd {
            started: self.live.started,
            reason: reason.as_deref(),
            statements: self.engine.statements(),
            from_client: self.from_client,
            to_client: self.to_client,
        };
        self.record.write(now, &event)
    }

    /// Writes what has no end yet, and then that the session ends, when nothing waits for it: what is not taken is counted,
    /// and how many there were is recorded.
    fn write_off(&mut self, now: Micros, reason: &EndReason) {
        let Self { engine, record, .. } = self;
        record.strict = false;
        // Without a pen the worker has ended.
        let _ = engine.finish(now, record);
        let _ = self.write_end(now, reason);
    }

    /// Records how it ended, and forgets it.
    async fn finish(&mut self, reason: &EndReason) {
        let now = self.shared.now();
        let Self { engine, record, .. } = self;
        let mut written = must_write(|| engine.finish(now, record).map(|()| 0)).await;
        if written.is_ok() {
            written = must_write(|| self.write_end(now, reason)).await;
        }
        if written.is_err() {
            self.write_off(now, reason);
        }
        self.finished = true;
        let tally = &self.shared.tally;
        tally.ended.fetch_add(1, Relaxed);
        tally.from_client.fetch_add(self.from_client, Relaxed);
        tally.to_client.fetch_add(self.to_client, Relaxed);
    }
}

impl Drop for Relaying {
    /// Also when the worker stops in the middle: neither list keeps a session that is gone, and the record has its end.
    fn drop(&mut self) {
        self.forget();
        if !self.finished && !std::thread::panicking() {
            let reason = match &self.phase {
                Phase::Closing { reason, .. } => reason.clone(),
                _ => EndReason::Muster("muster stops".to_owned()),
            };
            self.write_off(self.shared.now(), &reason);
        }
    }
}
