//! Whether events are being written, and why one was not.

use std::sync::Arc;

use crate::time::Micros;

/// Whether events are being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// They are.
    Ok,
    /// They are not; what was queued waits, and it is tried again and again.
    Failing {
        /// Why: the operation, the file and the system's error.
        why: Arc<str>,
        /// Since when.
        since: Micros,
    },
}

/// Why an event was not written.
///
/// A session that is strict holds the bytes back and tries again when it is [`Busy`](Self::Busy), and ends when it is
/// [`Failing`](Self::Failing). One of best effort calls [`Pen::skip`](crate::Pen::skip) and goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// The queue is full: in some milliseconds there is room. The event was not taken.
    #[error("the audit log's queue is full")]
    Busy,
    /// The log cannot be written now.
    #[error("the audit log cannot be written: {why}")]
    Failing {
        /// Why.
        why: Arc<str>,
        /// Whether the event was queued all the same, and is written if the log recovers while muster runs. Where
        /// not, the queue is full.
        kept: bool,
    },
}
