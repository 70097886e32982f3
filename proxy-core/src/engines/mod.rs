//! The wire protocols, one folder each.

pub mod postgres;
