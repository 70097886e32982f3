//! The door in front of a real PostgreSQL, with real clients: `psql` and `tokio-postgres`.
//!
//! One server and one door for most tests; a test that stops or fills the door starts its own. The clock is the tests', so
//! that hours pass at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod attacks;
mod bed;
mod cancels;
mod changes;
mod clients;
mod copies;
mod ends;
mod entry;
mod faults;
mod hostile;
mod raw;
mod real;
#[path = "../../../tests/it/support/reaper.rs"]
mod reaper;
mod server;
mod sessions;
