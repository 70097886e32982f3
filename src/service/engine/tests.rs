//! The engine against a whole run, and what it costs when nothing changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod applied;
mod broken;
mod held;
pub(in crate::service) mod kit;
mod own;
mod same;
mod work;
mod wrongs;
