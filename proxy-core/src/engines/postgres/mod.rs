//! PostgreSQL, protocol 3.0 and 3.2.
//!
//! A session goes through these in order; all of it is pure:
//!
//! 1. [`start`]: what a client says first, up to its start-up message, or its request to [`cancel`].
//! 2. [`server`]: our own log-in at the database, with [`scram`].
//! 3. [`server::Ready::put_welcome`]: what the client is told.
//! 4. [`relay`]: everything after, both ways, with what is written into the record.
//!
//! Whoever is refused on the way reads an [`error`].

pub mod cancel;
pub mod codec;
pub mod error;
mod ready;
pub mod relay;
pub mod scram;
pub mod server;
pub mod start;
mod startup;

#[cfg(test)]
mod real_tests;
