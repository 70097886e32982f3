//! Plugins as their host sees them: good ones, and all sorts of others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod bounds;
mod contract;
mod first;
mod hostile;
mod kit;
mod loader;
mod output;
mod stable;
