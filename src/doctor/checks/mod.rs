//! The checks: each a function from evidence to findings, and nothing else.

pub(super) mod certificates;
pub(super) mod clock;
pub(super) mod configuration;
pub(super) mod credentials;
pub(super) mod endpoints;
pub(super) mod login;
pub(super) mod logins;
pub(super) mod permissions;
pub(super) mod ports;
pub(super) mod store;
mod words;
