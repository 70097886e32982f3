//! What is due to be written, and how it is written: one event at a time, so that a full queue stops it anywhere.

use std::collections::VecDeque;

use muster_audit::{Direction, Event, Micros, NotWritten, Outcome};

use super::{
    Encoding, Settings,
    copy::Copy,
    done::{Done, SKIPPED},
    events::{PASSED_OVER, without_text},
    names::Names,
    queue::{Kind, Queue, Waiting},
};
use crate::engine::Record;

/// Microseconds that a statement may wait for its result before it is recorded without.
const PATIENCE: u64 = 1_000_000;
/// Whether all that was due is in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Emit {
    All,
    Busy,
}

/// Something to be done, in order. Each one can be begun again where it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Record the first in the queue before its outcome is known.
    Early,
    /// Record that COPY begins.
    CopyStart,
    /// Record that COPY ends.
    CopyEnd,
    /// Record the first in the queue with its outcome, and forget it.
    Finish,
    /// Record as not answered, and forget, all before the one of this number.
    Abandon(u64),
    /// Record as passed over, and forget, all up to the next Sync.
    Skip,
    /// Finish up to the first that ends with `ReadyForQuery`.
    Ready,
    /// Record an error that belongs to nothing that waits.
    Loose,
}

/// What is known of a session.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) queue: Queue,
    pub(super) names: Names,
    pub(super) copy: Copy,
    pub(super) done: Done,
    /// The number up to which the server owes answers, whatever the client does: behind that, it may wait for a Flush or Sync.
    pub(super) owed: u64,
    /// The server passes over all up to the next Sync.
    pub(super) skipping: bool,
    /// Unless one of the Syncs was one that came among the rows of the COPY that failed.
    pub(super) doubt: bool,
    /// Syncs that came among the rows of a COPY that failed, and may be answered yet.
    pub(super) spare: u32,
    pub(super) transaction: u8,
    pub(super) statements: u64,
    /// The number of the last statement's event.
    pub(super) last: Option<u64>,
    due: VecDeque<Action>,
}

impl Core {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            queue: Queue::new(settings.encoding),
            names: Names::default(),
            copy: Copy::default(),
            done: Done::default(),
            owed: 0,
            skipping: false,
            doubt: false,
            spare: 0,
            transaction: settings.transaction,
            statements: 0,
            last: None,
            due: VecDeque::new(),
        }
    }

    pub(super) fn due(&mut self, action: Action) {
        if self.due.back() != Some(&action) {
            self.due.push_back(action);
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.due.is_empty() && self.copy.direction.is_none()
    }

    pub(super) fn waits_for_client(&self) -> bool {
        let rows = self.copy.taking_in && self.copy.direction == Some(Direction::In);
        let owes = !self.queue.is_empty() && self.queue.head_number() < self.owed;
        self.due.is_empty() && (rows || !owes)
    }

    /// The server is to answer all that it was asked.
    pub(super) fn owes(&mut self) {
        self.owed = self.queue.next_number();
    }

    /// Whether bytes of an answer whose statement is not recorded have come.
    pub(super) fn holds(&self) -> bool {
        self.queue
            .head()
            .is_some_and(|head| head.started && !head.written)
    }

    /// All bytes that came are about to go on.
    pub(super) fn before_release(&mut self) {
        if self.holds() {
            self.due(Action::Early);
        }
    }

    pub(super) fn rest(&mut self) {
        if self.is_idle() {
            self.queue.rest();
            self.due = VecDeque::new();
            self.done = Done::default();
        }
    }

    /// Writes all that is due.
    pub(super) fn emit(&mut self, record: &mut dyn Record) -> Result<Emit, crate::engine::Stop> {
        while let Some(action) = self.due.front() {
            match self.act(*action, record) {
                Ok(()) => {
                    self.due.pop_front();
                    all_taken(record).map_err(crate::engine::Stop::Record)?;
                }
                Err(NotWritten::Busy) => return Ok(Emit::Busy),
                Err(failing) => return Err(crate::engine::Stop::Record(failing)),
            }
        }
        Ok(Emit::All)
    }

    fn act(&mut self, action: Action, record: &mut dyn Record) -> Result<(), NotWritten> {
        match action {
            Action::Early => self.write(0, record),
            Action::Finish => self.finish_head(record),
            Action::Skip => self.skip_all(record),
            Action::Abandon(number) => {
                while self.queue.head_number() < number && !self.queue.is_empty() {
                    self.write(0, record)?;
                    self.queue.pop();
                }
                Ok(())
            }
            Action::Ready => {
                if self.is_spare() {
                    self.done.clear();
                    return Ok(());
                }
                while let Some(head) = self.queue.head() {
                    if head.kind.ends_ready() {
                        return self.finish_head(record);
                    }
                    self.write(0, record)?;
                    self.queue.pop();
                }
                self.done.clear();
                Ok(())
            }
            Action::Loose => {
                let mut outcome = Outcome {
                    duration_us: 0,
                    ..self.done.outcome(self.done.at)
                };
                if self.queue.encoding() == Encoding::Ambiguous {
                    outcome = without_text(outcome);
                }
                record.write(
                    self.done.at,
                    &Event::Result {
                        of: self.last,
                        outcome,
                    },
                )?;
                self.done.clear();
                Ok(())
            }
            Action::CopyStart => {
                let direction = self.copy.direction.unwrap_or(Direction::Both);
                record.write(
                    self.done.at,
                    &Event::CopyStart {
                        direction,
                        binary: self.copy.binary,
                    },
                )?;
                Ok(())
            }
            Action::CopyEnd => self.copy_end(true, record),
        }
    }

    fn copy_end(&mut self, known: bool, record: &mut dyn Record) -> Result<(), NotWritten> {
        let Some(direction) = self.copy.direction else {
            return Ok(());
        };
        let (client, server) = (self.copy.from_client, self.copy.from_server);
        let (bytes, messages) = match direction {
            Direction::In => (client.bytes, client.messages),
            Direction::Out => (server.bytes, server.messages),
            Direction::Both => (
                client.bytes + server.bytes,
                client.messages + server.messages,
            ),
        };
        let since = self.queue.head().map_or(self.done.at, |head| head.at);
        let mut outcome = known.then(|| Outcome {
            rows: self.done.last_rows,
            ..self.done.outcome(since)
        });
        if self.queue.head().is_some_and(Waiting::is_hidden) {
            outcome = outcome.map(without_text);
        }
        record.write(
            self.done.at,
            &Event::CopyEnd {
                direction,
                bytes,
                messages,
                outcome,
            },
        )?;
        self.copy = Copy::default();
        Ok(())
    }

    /// The first in the queue has ended.
    fn finish_head(&mut self, record: &mut dyn Record) -> Result<(), NotWritten> {
        let Some(head) = self.queue.head().copied() else {
            return Ok(());
        };
        if has_outcome(head.kind) && !head.written {
            let outcome = self.done.outcome(head.at);
            self.last = Some(self.write_event(0, &head, Some(outcome), record)?);
        } else {
            self.write(0, record)?;
            // Where its event has the outcome already, there is nothing left to say.
            if !head.told && (has_outcome(head.kind) || self.done.failed) {
                self.result(0, record)?;
            }
        }
        self.queue.pop();
        if head.kind != Kind::Sync {
            self.forget_ignored(self.done.failed);
        }
        self.done.clear();
        Ok(())
    }

    /// Writes how one ended whose event is in the record.
    fn result(&self, index: usize, record: &mut dyn Record) -> Result<(), NotWritten> {
        let Some(waiting) = self.queue.get(index) else {
            return Ok(());
        };
        let mut outcome = self.done.outcome(waiting.at);
        if waiting.is_hidden()
            || matches!(
                waiting.kind,
                Kind::Query | Kind::Parse | Kind::Execute | Kind::Bind
            ) && self.is_sensitive(waiting)
        {
            outcome = without_text(outcome);
        }
        let of = waiting
            .kind
            .is_recorded()
            .then_some(waiting.ei)
            .or(self.last);
        record.write(self.done.at, &Event::Result { of, outcome })?;
        Ok(())
    }

    /// Passes over the queue up to the next Sync.
    fn skip_all(&mut self, record: &mut dyn Record) -> Result<(), NotWritten> {
        while let Some(head) = self.queue.head().copied() {
            if head.kind == Kind::Sync {
                self.skipping = false;
                return Ok(());
            }
            if !head.written {
                let outcome = has_outcome(head.kind).then_some(SKIPPED);
                self.write_event(PASSED_OVER, &head, outcome, record)?;
            } else if has_outcome(head.kind) {
                record.write(
                    self.done.at,
                    &Event::Result {
                        of: Some(head.ei),
                        outcome: SKIPPED,
                    },
                )?;
            }
            self.queue.pop();
        }
        Ok(())
    }

    /// Records the one at `index` as it is, unless it is recorded. Where its failure is known, with that.
    fn write(&mut self, index: usize, record: &mut dyn Record) -> Result<(), NotWritten> {
        let Some(waiting) = self
            .queue
            .get(index)
            .copied()
            .filter(|waiting| !waiting.written)
        else {
            return Ok(());
        };
        let told = index == 0 && self.done.failed && has_outcome(waiting.kind);
        let outcome = told.then(|| self.done.outcome(waiting.at));
        let ei = self.write_event(index, &waiting, outcome, record)?;
        self.last = Some(ei);
        if let Some(waiting) = self.queue.get_mut(index) {
            waiting.written = true;
            waiting.told = told;
            waiting.ei = ei;
        }
        Ok(())
    }

    /// Records what has waited for too long.
    pub(super) fn tick(&mut self, at: Micros, record: &mut dyn Record) -> Result<(), NotWritten> {
        self.all_due(record)?;
        for index in 0..self.queue.len() {
            match self.queue.get(index) {
                Some(waiting) if at.since(waiting.at) >= PATIENCE => self.write(index, record)?,
                _ => break,
            }
        }
        all_taken(record)
    }

    /// Records what will not be answered any more.
    pub(super) fn finish(&mut self, at: Micros, record: &mut dyn Record) -> Result<(), NotWritten> {
        self.all_due(record)?;
        if self.copy.direction.is_some() {
            self.done.at = at;
            self.copy_end(false, record)?;
        }
        while !self.queue.is_empty() {
            if self.done.failed {
                self.finish_head(record)?;
                continue;
            }
            self.write(0, record)?;
            self.queue.pop();
        }
        Ok(())
    }

    /// Records all that waits, and lets go of the texts.
    pub(super) fn shed(&mut self, record: &mut dyn Record) -> Result<(), NotWritten> {
        self.all_due(record)?;
        for index in 0..self.queue.len() {
            self.write(index, record)?;
        }
        self.queue.shed();
        all_taken(record)
    }

    fn all_due(&mut self, record: &mut dyn Record) -> Result<(), NotWritten> {
        while let Some(action) = self.due.front().copied() {
            self.act(action, record)?;
            self.due.pop_front();
        }
        Ok(())
    }
}

/// Whether what the events are about may go on.
fn all_taken(record: &dyn Record) -> Result<(), NotWritten> {
    record.failing().map_or(Ok(()), Err)
}

/// Whether the event of this kind says how it ended.
fn has_outcome(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Query | Kind::Parse | Kind::Execute | Kind::Function
    )
}
