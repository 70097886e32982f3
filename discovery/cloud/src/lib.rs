//! What every scanner needs of a cloud, and nothing of what it scans.
//!
//! | part | what it gives |
//! |---|---|
//! | [`budget`] | a request budget per account, region and service: rate, concurrency, back-off, patience |
//! | [`observe`] | who is told of every request and of credentials, for metrics |
//! | [`error`] | why a call failed, in ten words that a report can sort by, and whether to try again |
//! | [`aws`] | AWS credentials, role assumption, endpoints, the enabled regions and tags in bulk |
//! | [`azure`] | Azure credentials, endpoints and subscriptions |
//! | [`replay`] | a small HTTP server that answers with recorded files |
//!
//! This crate does not know what a database is.

pub mod aws;
pub mod azure;
pub mod budget;
pub mod error;
pub mod observe;
pub mod replay;
mod rng;
mod text;

pub use self::{
    azure::Secret,
    budget::{Budget, BudgetConfig, Budgets},
    error::{CallError, Classified, Classify, Reason, Retry},
    observe::{Observed, Observer},
};
