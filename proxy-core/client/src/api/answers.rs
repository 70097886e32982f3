//! What the proxy answers. Keys that are not known are passed over, so that an older client gets along with a newer proxy.

use std::collections::BTreeMap;

use muster_model::Timestamp;
use serde::{Deserialize, Serialize};

/// What a proxy says to anybody.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Ping {
    /// The cluster's name.
    pub cluster: String,
    /// The version of muster.
    pub version: String,
    /// What its clock says.
    pub time: Timestamp,
    /// The fingerprints of its authorities.
    pub fingerprints: Fingerprints,
    /// The authorities of its own certificate, in PEM.
    #[serde(default)]
    pub host_ca: Option<String>,
}

/// SHA-256 of authorities, in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Fingerprints {
    /// Of people's certificates.
    #[serde(default)]
    pub user: Vec<String>,
    /// Of the proxy's own.
    #[serde(default)]
    pub host: Vec<String>,
}

/// A certificate that was signed, with all that is needed to use it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Signed {
    /// Whose.
    pub user: String,
    /// The certificate and what leads to its authority, in PEM.
    pub certificate: String,
    /// What the proxy's certificate is verified by, in PEM.
    pub host_ca: String,
    /// From when.
    pub issued: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// The roles in it.
    pub roles: Vec<String>,
    /// For one database only.
    #[serde(default)]
    pub route: Option<Route>,
    /// Why it lives no longer, when it was asked to: `role contractor allows 1h`.
    #[serde(default)]
    pub limited_by: Option<String>,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// The database's full name, where it is for one.
    #[serde(default)]
    pub target: Option<String>,
    /// What the database speaks, where it is for one.
    #[serde(default)]
    pub protocol: Option<String>,
    /// The name for TLS to connect with, where it is for a database.
    #[serde(default)]
    pub server_name: Option<String>,
}

/// Which database, and as whom on what where that is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The database: its full name, or short name or id where that is unique.
    pub target: String,
    /// As which database user alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_user: Option<String>,
    /// On which database name alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_name: Option<String>,
}

/// What whoever holds an invitation is shown.
#[derive(Clone, Deserialize)]
pub struct Invitation {
    /// Who is invited.
    pub user: String,
    /// Until when.
    pub expires: Timestamp,
    /// Whether a second factor has to be set up.
    pub totp_required: bool,
    /// For an authenticator app, to type in.
    pub totp_secret: crate::Secret,
    /// The same, as a link.
    pub totp_link: crate::Secret,
}

/// Who the proxy takes somebody for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whoami {
    /// The user.
    pub user: String,
    /// The roles that count: of those in the certificate, those that the user still has.
    pub roles: Vec<String>,
    /// From when the login is.
    pub issued: Timestamp,
    /// Until when it is.
    pub expires: Timestamp,
    /// The cluster's name.
    pub cluster: String,
    /// The version of muster that the proxy is.
    pub version: String,
    /// Whether a second factor was shown.
    #[serde(default)]
    pub second_factor: bool,
}

/// A database, as far as a person may know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DbView {
    /// The full name.
    pub name: String,
    /// The short one; several may have it.
    #[serde(default)]
    pub short_name: String,
    /// What it is for, in a person's words.
    #[serde(default)]
    pub description: String,
    /// What it speaks: `postgres`.
    #[serde(default)]
    pub protocol: String,
    /// What sort of database it is.
    #[serde(default)]
    pub kind: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// As whom the roles let one connect: names and patterns.
    #[serde(default)]
    pub db_users: Vec<String>,
    /// To which names of databases: names and patterns.
    #[serde(default)]
    pub db_names: Vec<String>,
    /// Names and patterns that are denied, whatever stands above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub db_users_denied: Vec<String>,
    /// The same of databases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub db_names_denied: Vec<String>,
    /// How it is: `available`.
    #[serde(default)]
    pub state: String,
    /// Why connecting would fail, as far as that is known.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One of one's own sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// Whose.
    pub user: String,
    /// The database.
    pub target: String,
    /// As which database user.
    #[serde(default)]
    pub db_user: String,
    /// On which database name.
    #[serde(default)]
    pub db_name: String,
    /// From where.
    #[serde(default)]
    pub client: String,
    /// Since when, in microseconds since 1970.
    pub started: i64,
    /// When something was last carried, in microseconds since 1970.
    #[serde(default)]
    pub active: i64,
    /// Statements so far.
    #[serde(default)]
    pub statements: u64,
    /// When it has to end.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// The roles that allow it.
    #[serde(default)]
    pub roles: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Databases {
    pub databases: Vec<DbView>,
    #[serde(default)]
    pub next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Sessions {
    pub sessions: Vec<SessionView>,
}
