//! A pen: what one worker writes events with.

use std::sync::{Arc, atomic::Ordering};

use rtrb::Producer;

use super::{NotWritten, shared::Shared};
use crate::{Event, Micros, Subject, scribe::Scribe};

/// Writes the events of the sessions of one worker thread. No lock, and no allocation once it has written a long event;
/// the writer is woken once a burst.
pub struct Pen {
    shared: Arc<Shared>,
    queue: Producer<u8>,
    scribe: Scribe,
    line: Vec<u8>,
}

impl Pen {
    pub(super) const fn new(shared: Arc<Shared>, queue: Producer<u8>, scribe: Scribe) -> Self {
        Self {
            shared,
            queue,
            scribe,
            line: Vec::new(),
        }
    }

    /// Queues an event for the writer, which has it in some milliseconds.
    ///
    /// # Errors
    /// [`NotWritten::Busy`] when the queue is full; [`NotWritten::Failing`] when the log cannot be written now. What
    /// was queued before is never lost while the process lives.
    pub fn write(
        &mut self,
        subject: &mut Subject,
        at: Micros,
        event: &Event<'_>,
    ) -> Result<(), NotWritten> {
        self.line.clear();
        let most = self.queue.buffer().capacity();
        self.scribe
            .session(&mut self.line, subject, at, event, most);
        let queued = self.queue.push_entire_slice(&self.line).is_ok();
        if queued {
            subject.next += 1;
        }
        self.shared.wake();
        if self.shared.is_failing() || self.queue.is_abandoned() {
            return Err(self.shared.failing(queued));
        }
        if queued {
            Ok(())
        } else {
            Err(NotWritten::Busy)
        }
    }

    /// Says that an event that was not taken will not be tried again. How many there were is recorded, as an event of
    /// its own, as soon as that is possible. Its number in the session is used up: a gap says that something is missing, and
    /// what names a number names no other event.
    pub fn skip(&self, subject: &mut Subject) {
        subject.next += 1;
        self.shared.skipped.fetch_add(1, Ordering::Relaxed);
        self.shared.wake();
    }
}

impl std::fmt::Debug for Pen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pen").finish_non_exhaustive()
    }
}
