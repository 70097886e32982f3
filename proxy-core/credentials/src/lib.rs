//! How muster authenticates to a database that it serves, and whom it trusts to be that database.
//!
//! | part | what it gives |
//! |---|---|
//! | [`Credentials`] | what the proxy asks: a login, TLS settings, and what a failure means |
//! | [`method`] | which way of logging in a target gets, and why: a pure function |
//! | [`endpoint`] | whether a host belongs to the provider, so that a token may go there |
//! | [`token`] | the tokens themselves, from keys and a time: pure functions |
//!
//! Opens no connection to a database and speaks no wire protocol. Knows no roles and no sessions: whoever asks for a
//! login has already been permitted.

mod api;
pub mod endpoint;
mod error;
pub mod method;
mod settings;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
pub mod token;

pub use muster_cloud::Secret;

pub use self::{
    api::{Advice, Clock, Credentials, DatabaseCa, Failure, Issued, Login, Proof, UpstreamTls},
    error::{CredentialError, RoleRefused},
    settings::{SecretRule, Settings, TlsMode, TlsRule},
};
