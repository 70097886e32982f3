//! What is due to be written, and how it is written: one event at a time, so that a full queue stops it anywhere.

use std::collections::VecDeque;

use muster_audit::{
    Closed, Direction, Event, Failure, Micros, NotWritten, Outcome, Parameters, Redaction,
    Sensitive,
};

use super::{
    Copy, Settings,
    client::bind,
    names::Names,
    queue::{Kind, Queue, Waiting},
    values::Bound,
};
use crate::engine::Record;

/// Microseconds that a statement may wait for its result before it is recorded without.
const PATIENCE: u64 = 1_000_000;
/// How far back a statement that is not prepared yet is looked for.
const LOOK_BACK: usize = 64;
/// The place of a message that the server passes over: its names may stand for anything.
const PASSED_OVER: usize = usize::MAX;

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

/// How what is first in the queue ended, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) at: Micros,
    /// Of all statements of a Query together.
    rows: Option<u64>,
    last_rows: Option<u64>,
    tag: Vec<u8>,
    failed: bool,
    code: Vec<u8>,
    text: Vec<u8>,
}

impl Done {
    pub(super) fn complete(&mut self, tag: &[u8], at: Micros) {
        self.at = at;
        self.tag.clear();
        self.tag.extend_from_slice(tag);
        self.last_rows = rows(tag);
        if let Some(rows) = self.last_rows {
            self.rows = Some(self.rows.unwrap_or(0).saturating_add(rows));
        }
    }

    pub(super) fn fail(&mut self, code: &[u8], text: &[u8], at: Micros) {
        self.at = at;
        self.failed = true;
        self.code.clear();
        self.code.extend_from_slice(code.get(..5).unwrap_or(code));
        self.text.clear();
        self.text.extend_from_slice(text);
    }

    fn outcome(&self, since: Micros) -> Outcome<'_> {
        Outcome {
            rows: self.rows,
            tag: &self.tag,
            duration_us: self.at.since(since),
            error: self.failed.then_some(Failure {
                code: &self.code,
                message: &self.text,
            }),
        }
    }

    fn clear(&mut self) {
        self.rows = None;
        self.last_rows = None;
        self.failed = false;
        self.tag.clear();
        self.code.clear();
        self.text.clear();
    }
}

/// The number at the end of a command's tag: `INSERT 0 5`, `SELECT 5`.
fn rows(tag: &[u8]) -> Option<u64> {
    let digits = tag
        .rsplit(|byte| *byte == b' ')
        .next()
        .filter(|digits| digits.len() < tag.len())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// How a message ended that the server passed over.
const SKIPPED: Outcome<'static> = Outcome {
    rows: None,
    tag: b"",
    duration_us: 0,
    error: Some(Failure {
        code: b"skipped",
        message: b"not executed: an earlier message of the pipeline failed",
    }),
};

/// What is known of a session.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) queue: Queue,
    pub(super) names: Names,
    pub(super) copy: Copy,
    /// The number that was next when the client last said that its rows end.
    pub(super) copy_finished: u64,
    pub(super) done: Done,
    /// The server passes over all up to the next Sync.
    pub(super) skipping: bool,
    pub(super) transaction: u8,
    pub(super) statements: u64,
    /// The number of the last statement's event.
    last: Option<u64>,
    due: VecDeque<Action>,
}

impl Core {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            queue: Queue::default(),
            names: Names::default(),
            copy: Copy::default(),
            copy_finished: 0,
            done: Done::default(),
            skipping: false,
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
            self.done = Done {
                at: self.done.at,
                ..Done::default()
            };
        }
    }

    /// Writes all that is due.
    pub(super) fn emit(&mut self, record: &mut dyn Record) -> Result<Emit, crate::engine::Stop> {
        while let Some(action) = self.due.front() {
            match self.act(*action, record) {
                Ok(()) => {
                    self.due.pop_front();
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
                let outcome = Outcome {
                    duration_us: 0,
                    ..self.done.outcome(self.done.at)
                };
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
        let outcome = known.then(|| Outcome {
            rows: self.done.last_rows,
            ..self.done.outcome(since)
        });
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
        self.done.clear();
        Ok(())
    }

    /// Writes how one ended whose event is in the record.
    fn result(&self, index: usize, record: &mut dyn Record) -> Result<(), NotWritten> {
        let Some(waiting) = self.queue.get(index) else {
            return Ok(());
        };
        let mut outcome = self.done.outcome(waiting.at);
        if let Some(error) = &mut outcome.error
            && matches!(waiting.kind, Kind::Query | Kind::Execute | Kind::Bind)
            && self.is_sensitive(waiting)
        {
            // A database likes to quote what it did not understand.
            error.message = b"[redacted]";
        }
        let of = waiting
            .kind
            .is_recorded()
            .then_some(waiting.ei)
            .or(self.last);
        record.write(self.done.at, &Event::Result { of, outcome })?;
        Ok(())
    }

    fn is_sensitive(&self, waiting: &Waiting) -> bool {
        let (name, text) = self.queue.texts(waiting);
        let sensitive = match waiting.kind {
            Kind::Query if waiting.shed => waiting.sensitive,
            Kind::Query if waiting.cut => Redaction::of(super::queue::cut_statement(text).2),
            Kind::Query => Redaction::of(text),
            Kind::Execute => self
                .names
                .portal(name)
                .map_or(Sensitive::Yes, |prepared| prepared.sensitive),
            _ => bind(text).map_or(Sensitive::Yes, |(_, statement, _)| {
                self.names
                    .statement(statement)
                    .map_or(Sensitive::Yes, |prepared| prepared.sensitive)
            }),
        };
        sensitive == Sensitive::Yes
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

    /// Makes the event of the one at `index` and writes it. What its names stand for is known of the first alone: to
    /// others, what stands before them may still happen.
    fn write_event(
        &self,
        index: usize,
        waiting: &Waiting,
        outcome: Option<Outcome<'_>>,
        record: &mut dyn Record,
    ) -> Result<u64, NotWritten> {
        let (name, text) = self.queue.texts(waiting);
        let write = |record: &mut dyn Record, event: Event<'_>| record.write(waiting.at, &event);
        match waiting.kind {
            Kind::Query => {
                let query = self.queue.statement(waiting);
                write(
                    record,
                    Event::Query {
                        query,
                        parameters: None,
                        outcome,
                    },
                )
            }
            Kind::Parse => {
                let query = self.queue.statement(waiting);
                write(
                    record,
                    Event::Parse {
                        statement: name,
                        query,
                        outcome,
                    },
                )
            }
            Kind::Bind => {
                let (portal, statement, values) = bind(text).unwrap_or_default();
                let sensitive = self.sensitivity(index, statement);
                let bound = Bound::read(values, waiting.cut).filter(Bound::fits);
                let parameters = bound.as_ref().map(|bound| Parameters {
                    values: bound,
                    sensitive,
                });
                write(
                    record,
                    Event::Bind {
                        portal,
                        statement,
                        parameters,
                    },
                )
            }
            Kind::Execute => {
                let prepared = if index == 0 {
                    self.names.portal(name)
                } else {
                    None
                };
                let event = Event::Execute {
                    portal: name,
                    statement: prepared.map(|prepared| prepared.name.as_slice()),
                    query: prepared.and_then(super::names::Prepared::statement),
                    parameters: None,
                    limit: waiting.number,
                    outcome,
                };
                write(record, event)
            }
            Kind::CloseStatement => write(
                record,
                Event::Close {
                    what: Closed::Statement(name),
                },
            ),
            Kind::ClosePortal => write(
                record,
                Event::Close {
                    what: Closed::Portal(name),
                },
            ),
            Kind::Function => {
                let bound = Bound::read(text, waiting.cut).filter(Bound::fits);
                let arguments = bound.as_ref().map(|bound| Parameters {
                    values: bound,
                    sensitive: Sensitive::No,
                });
                write(
                    record,
                    Event::Function {
                        oid: waiting.number,
                        arguments,
                        outcome,
                    },
                )
            }
            Kind::Describe | Kind::Sync | Kind::IgnoredSync => Ok(self.last.unwrap_or(0)),
        }
    }

    /// Whether what is bound to the statement of this name may be recorded. Where that cannot be known, it is not.
    fn sensitivity(&self, index: usize, statement: &[u8]) -> Sensitive {
        if index == PASSED_OVER {
            return Sensitive::Yes;
        }
        let before = index.min(self.queue.len());
        for index in (before.saturating_sub(LOOK_BACK)..before).rev() {
            let Some(waiting) = self
                .queue
                .get(index)
                .filter(|waiting| waiting.kind == Kind::Parse)
            else {
                continue;
            };
            let (name, text) = self.queue.texts(waiting);
            if name == statement {
                return if waiting.shed {
                    waiting.sensitive
                } else {
                    Redaction::of(text)
                };
            }
        }
        match self.names.statement(statement) {
            Some(prepared) if before <= LOOK_BACK => prepared.sensitive,
            _ => Sensitive::Yes,
        }
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
        Ok(())
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
        Ok(())
    }

    fn all_due(&mut self, record: &mut dyn Record) -> Result<(), NotWritten> {
        while let Some(action) = self.due.front().copied() {
            self.act(action, record)?;
            self.due.pop_front();
        }
        Ok(())
    }
}

/// Whether the event of this kind says how it ended.
fn has_outcome(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Query | Kind::Parse | Kind::Execute | Kind::Function
    )
}
