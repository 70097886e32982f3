//! The record of what was done: events, redaction, a hash-chained file, search and replay.
