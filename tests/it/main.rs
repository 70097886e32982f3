//! Tests of the whole: the program as it is run, and the rules that hold between the crates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

mod audit;
mod beside;
mod cli;
mod clients;
mod demo;
mod docs;
mod doctor;
mod door;
mod faults;
mod guides;
mod languages;
mod layering;
mod moto;
mod notify;
mod plugin;
mod plugins;
mod readme;
mod seen;
mod service;
mod support;
mod terminal;
