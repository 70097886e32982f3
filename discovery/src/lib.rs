//! Scanners: from cloud APIs to databases, with coverage.
//!
//! | part | what it does |
//! |---|---|
//! | [`Scanner`] | reads one scope: an account or subscription, a region, a service |
//! | [`run`] | runs many scanners at once, with a cap, and loses none |
//! | [`run_one`] | runs one scanner, for so long at most |
//! | [`aws`] | RDS and Aurora, DocumentDB, ElastiCache with its serverless caches |
//! | [`azure`] | servers for PostgreSQL and MySQL, single and flexible |
//!
//! A scanner reports everything it sees, also what muster cannot serve, with the reason: judging is the matchers'
//! work. It never fails as a whole; what could not be read is in the scan's coverage.

pub mod aws;
pub mod azure;
mod failure;
mod scan;
mod states;

pub use self::{
    aws::aws_scanner,
    azure::azure_scanner,
    failure::failure,
    scan::{Scanner, run, run_one},
};
