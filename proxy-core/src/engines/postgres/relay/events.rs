//! The event of a message that waits, made of its texts and of what its names stand for.

use muster_audit::{Closed, Event, Failure, NotWritten, Outcome, Parameters, Redaction, Sensitive};

use super::{
    client::bind,
    emit::Core,
    names::Prepared,
    queue::{Kind, Waiting, cut_statement},
    values::Bound,
};
use crate::engine::Record;

/// How far back a statement that is not prepared yet is looked for.
const LOOK_BACK: usize = 64;
/// The place of a message that the server passes over: its names may stand for anything.
pub(super) const PASSED_OVER: usize = usize::MAX;

impl Core {
    /// Whether an error of this one may quote what nobody may read. One of Bind quotes a value, so that has to be known.
    pub(super) fn is_sensitive(&self, waiting: &Waiting) -> bool {
        if waiting.is_hidden() {
            return true;
        }
        let (name, text) = self.queue.texts(waiting);
        let sensitive = match waiting.kind {
            Kind::Query | Kind::Parse => judged(waiting, text),
            Kind::Execute => self.names.is_sensitive(name),
            _ => bind(text).map_or(Sensitive::Yes, |(_, statement, _)| {
                self.names
                    .statement(statement)
                    .map_or(Sensitive::Yes, |prepared| prepared.sensitive)
            }),
        };
        sensitive == Sensitive::Yes
    }

    /// Makes the event of the one at `index` and writes it. What its names stand for is known of the first alone: to
    /// others, what stands before them may still happen.
    pub(super) fn write_event(
        &self,
        index: usize,
        waiting: &Waiting,
        outcome: Option<Outcome<'_>>,
        record: &mut dyn Record,
    ) -> Result<u64, NotWritten> {
        let (name, text) = self.queue.texts(waiting);
        // The database's errors are in the client's encoding as well.
        let outcome = if waiting.is_hidden() {
            outcome.map(without_text)
        } else {
            outcome
        };
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
                let sensitive = if waiting.is_hidden() {
                    Sensitive::Yes
                } else {
                    self.sensitivity(index, statement)
                };
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
                let mut outcome = outcome;
                if index == 0 && self.is_sensitive(waiting) {
                    outcome = outcome.map(without_text);
                }
                let event = Event::Execute {
                    portal: name,
                    statement: prepared.map(|prepared| prepared.name.as_slice()),
                    query: prepared.and_then(Prepared::statement),
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
                    sensitive: if waiting.is_hidden() {
                        Sensitive::Yes
                    } else {
                        Sensitive::No
                    },
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
                return judged(waiting, text);
            }
        }
        match self.names.statement(statement) {
            Some(prepared) if before <= LOOK_BACK => prepared.sensitive,
            _ => Sensitive::Yes,
        }
    }
}

/// Whether the statement of a `Query` or `Parse`, of this text, has a secret or a place for one.
fn judged(waiting: &Waiting, text: &[u8]) -> Sensitive {
    if waiting.is_hidden() {
        Sensitive::Yes
    } else if waiting.shed {
        waiting.sensitive
    } else if waiting.cut {
        Redaction::of(cut_statement(text).2)
    } else {
        Redaction::of(text)
    }
}

/// The same outcome without the error's text: a database likes to quote what it did not understand.
pub(super) fn without_text(outcome: Outcome<'_>) -> Outcome<'_> {
    let error = outcome.error.map(|error| Failure {
        message: b"[redacted]",
        ..error
    });
    Outcome { error, ..outcome }
}
