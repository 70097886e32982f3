//! [`CredentialError`]: why there is nothing to log in with.

use std::path::PathBuf;

use muster_cloud::CallError;

use crate::{endpoint::EndpointError, method::MethodError};

/// Why there is nothing to log in with, or no TLS to do it in. `Display` is for the operator's log: it may name files
/// and sources. What a person at the client may see is what `explain` makes of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The way of logging in is off, unknown, or not one of this kind of database.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The target has no endpoint, or one that a token must not go to.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The cloud gave no keys or no token.
    #[error("cannot get credentials: {0}")]
    Cloud(CallError),
    /// A role may not be assumed.
    #[error("cannot assume a role: {}", .0.error)]
    Role(Box<RoleRefused>),
    /// Whoever runs muster gave it no access to this cloud.
    #[error("no access to {cloud} is configured")]
    NoAccess {
        /// `AWS` or `Azure`.
        cloud: &'static str,
    },
    /// The region is not one that a token can name.
    #[error("`{region}` is not the name of an AWS region")]
    Region {
        /// What the target says.
        region: String,
    },
    /// No stored password is for this target and user.
    #[error("no stored password is for this database user")]
    NoSecret,
    /// The file of a stored password cannot be used.
    #[error("cannot use the password file {}: {why}", .file.display())]
    Secret {
        /// Which file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// There is no client certificate.
    #[error("cannot get a client certificate: {0}")]
    Certificate(String),
    /// The trust settings of the target contradict each other, or a certificate of theirs cannot be read.
    #[error("cannot decide whom to trust: {0}")]
    Trust(String),
    /// A token must not be sent in the TLS mode that was asked for.
    #[error("no token is sent under TLS mode {mode}")]
    Unverified {
        /// The mode.
        mode: crate::TlsMode,
    },
}

/// A role that may not be assumed, and what is needed to write the missing policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRefused {
    /// Who asked: the ARN of the caller, or of the role before it in the chain.
    pub caller: String,
    /// The role that was asked for.
    pub role: String,
    /// The external id that was sent.
    pub external_id: Option<String>,
    /// What STS said.
    pub error: CallError,
}
