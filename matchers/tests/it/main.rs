//! The matchers as a whole: rules, names and reasons from the files in `fixtures/`, and properties that hold for all
//! rules and databases.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod names;
mod own;
mod properties;
mod rules;
mod world;
