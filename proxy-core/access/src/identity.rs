//! [`Identity`]: who holds a certificate. It stands in an extension of the certificate as versioned JSON.
//!
//! What is read here comes from outside until the certificate's signature has been checked, and often is read before:
//! so it is bounded, and a field that this version does not know is an error, since it might restrict something.

use muster_model::Timestamp;
use serde::{Deserialize, Serialize};

/// The arcs of the extension's object identifier: below `2.25` stands a UUID whose upper half is
/// zero, and so is its highest bit: parsers that count the bits of an arc in sevens take no more than 63.
pub const IDENTITY_OID: &[u64] = &[2, 25, 0x1f4c_6a1d_37b2_5e83];

/// The most bytes that an encoded identity may have.
pub const MAX_IDENTITY: usize = 16 * 1024;

/// The most roles that an identity may carry.
const MAX_ROLES: usize = 256;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Who holds a certificate, and what was written into it when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name; the id of the node for [`Usage::Service`].
    pub user: String,
    /// The roles that the user had when the certificate was made, in the order of their names.
    pub roles: Vec<String>,
    /// What the certificate is for.
    pub usage: Usage,
    /// The one way that it opens; none when it opens any that the roles allow.
    pub route: Option<Route>,
    /// The cluster whose authority made it.
    pub cluster: String,
    /// When it was made.
    pub issued: Timestamp,
    /// The first second in which it is no longer good.
    pub expires: Timestamp,
    /// The certificate's serial number, as hexadecimal digits.
    pub serial: String,
    /// Whether a second factor was shown at login.
    pub totp: bool,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    /// A person's: the authority's API, and databases.
    User,
    /// A person's, for databases only.
    Database,
    /// A node's. It opens no database.
    Service,
}

/// The one way that a certificate opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The unique name of the target.
    pub target: String,
    /// The database user; none when it is not bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_user: Option<String>,
    /// The database name; none when it is not bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_name: Option<String>,
}

/// Why an identity cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is larger than [`MAX_IDENTITY`].
    #[error("an identity has at most {MAX_IDENTITY} bytes, and this one {0}")]
    TooLarge(usize),
    /// It was written by a version that this one does not know.
    #[error("identity of version {0}: this muster knows version {VERSION}")]
    Version(u32),
    /// It is no identity.
    #[error("not an identity: {0}")]
    Malformed(String),
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    v: u32,
    user: String,
    roles: Vec<String>,
    usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    route: Option<Route>,
    cluster: String,
    issued: Timestamp,
    expires: Timestamp,
    serial: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    totp: bool,
}

impl Identity {
    /// The bytes for the certificate.
    ///
    /// # Errors
    /// When they would not be read again: too many roles or too long names.
    pub fn encode(&self) -> Result<Vec<u8>, IdentityError> {
        self.check()?;
        let Self {
            user,
            roles,
            usage,
            route,
            cluster,
            issued,
            expires,
            serial,
            totp,
        } = self.clone();
        let written = Written {
            v: VERSION,
            user,
            roles,
            usage,
            route,
            cluster,
            issued,
            expires,
            serial,
            totp,
        };
        let bytes = serde_json::to_vec(&written).map_err(malformed)?;
        if bytes.len() > MAX_IDENTITY {
            return Err(IdentityError::TooLarge(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Anything else, and what is longer than [`MAX_IDENTITY`], which is not looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        if bytes.len() > MAX_IDENTITY {
            return Err(IdentityError::TooLarge(bytes.len()));
        }
        let Versioned { v } = serde_json::from_slice(bytes).map_err(malformed)?;
        if v != VERSION {
            return Err(IdentityError::Version(v));
        }
        let written: Written = serde_json::from_slice(bytes).map_err(malformed)?;
        let identity = Self {
            user: written.user,
            roles: written.roles,
            usage: written.usage,
            route: written.route,
            cluster: written.cluster,
            issued: written.issued,
            expires: written.expires,
            serial: written.serial,
            totp: written.totp,
        };
        identity.check()?;
        Ok(identity)
    }

    fn check(&self) -> Result<(), IdentityError> {
        let wrong = |what: &str| Err(IdentityError::Malformed(what.to_owned()));
        if self.user.is_empty() {
            return wrong("it has no user");
        }
        if self.roles.len() > MAX_ROLES {
            return wrong("it has too many roles");
        }
        if self.usage == Usage::Service && self.route.is_some() {
            return wrong("a service has no route");
        }
        Ok(())
    }
}

fn malformed(error: serde_json::Error) -> IdentityError {
    IdentityError::Malformed(error.to_string())
}

#[cfg(test)]
mod tests;
