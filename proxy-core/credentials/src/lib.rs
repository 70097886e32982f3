//! How muster authenticates to a database that it serves, and whom it trusts to be that database.
//!
//! | part | what it gives |
//! |---|---|
//! | [`Credentials`] | what the proxy asks: a login, TLS settings, and what a failure means |
//! | [`Keyring`] | the implementation, made of [`Parts`] |
//! | [`method`] | which way of logging in a target gets, and why: a pure function |
//! | [`endpoint`] | whether a host belongs to the provider, so that a token may go there |
//! | [`token`] | the tokens themselves, from keys and a time: pure functions |
//! | [`trust`] | trust roots, modes of checking, and a memory of what was checked |
//!
//! Opens no connection to a database and speaks no wire protocol. Knows no roles and no sessions: whoever asks for a
//! login has already been permitted.

mod api;
mod cache;
pub mod endpoint;
mod error;
mod explain;
mod keyring;
pub mod method;
mod password;
mod settings;
mod sources;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
pub mod token;
pub mod trust;

pub use muster_cloud::Secret;

pub use self::{
    api::{Advice, Clock, Credentials, DatabaseCa, Failure, Issued, Login, Proof, UpstreamTls},
    error::{CredentialError, RoleRefused},
    keyring::{Keyring, Parts},
    settings::{SecretRule, Settings, TlsMode, TlsRule},
    sources::{AwsKeys, EntraTokens},
};
