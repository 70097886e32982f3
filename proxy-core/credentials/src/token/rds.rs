//! The password of RDS and Aurora with IAM authentication: PostgreSQL, MySQL and MariaDB alike.
//!
//! It is good for [`LIFE`] seconds at one host, port and user, and for nothing else. A session that it opened lives on.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use muster_cloud::Secret;

use super::{LIFE, sigv4::Presign};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rds<'a> {
    /// The endpoint's host, as RDS gave it: a CNAME of one's own does not do.
    pub host: &'a str,
    /// The endpoint's port.
    pub port: u16,
    /// The region of the database.
    pub region: &'a str,
    /// The database user.
    pub user: &'a str,
}

/// The token. It is 300 to 2000 bytes long, by the keys' session.
pub fn token(ask: Rds<'_>, keys: &Credentials, at: SystemTime) -> Secret {
    let host = format!("{}:{}", ask.host.to_ascii_lowercase(), ask.port);
    let presign = Presign {
        service: "rds-db",
        region: ask.region,
        host: &host,
        query: &[("Action", "connect"), ("DBUser", ask.user)],
        expires: LIFE,
    };
    presign.sign(keys, at)
}
