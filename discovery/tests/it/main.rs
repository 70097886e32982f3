//! The scanners over real HTTP, against recorded answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod aws_demo;
mod aws_faults;
mod world;
