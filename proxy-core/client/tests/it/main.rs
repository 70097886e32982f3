//! A person's side against proxies that the tests make: real TLS, real HTTP, and whatever goes wrong with them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod api;
mod profiles;
mod server;
mod trust;
