//! What happens to a store whose process is killed, whose directory is opened twice, or whose files are damaged.
//!
//! Children are this test binary itself, started on one test that does nothing unless an environment variable
//! says what the child is to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

mod child;
mod compact;
mod damage;
mod gone;
mod kill;
mod lost;
mod second;
mod work;
