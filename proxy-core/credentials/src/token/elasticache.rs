//! The password of ElastiCache users in mode IAM, for Redis and Valkey.
//!
//! It names the replication group or the serverless cache, not a host. What it opens is cut by AWS after twelve hours
//! unless another token is given meanwhile.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use muster_cloud::Secret;

use super::{LIFE, sigv4::Presign};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache<'a> {
    /// The id of the replication group, or the name of the serverless cache. AWS keeps both in lower case.
    pub id: &'a str,
    /// Whether it is a serverless cache.
    pub serverless: bool,
    /// The region of the cache.
    pub region: &'a str,
    /// The user's id, which is its name as well.
    pub user: &'a str,
}

/// The token.
pub fn token(ask: Cache<'_>, keys: &Credentials, at: SystemTime) -> Secret {
    token_for(ask, keys, at, LIFE)
}

pub(super) fn token_for(
    ask: Cache<'_>,
    keys: &Credentials,
    at: SystemTime,
    expires: u64,
) -> Secret {
    let id = ask.id.to_ascii_lowercase();
    let mut query = vec![("Action", "connect"), ("User", ask.user)];
    if ask.serverless {
        query.push(("ResourceType", "ServerlessCache"));
    }
    let presign = Presign {
        service: "elasticache",
        region: ask.region,
        host: &id,
        query: &query,
        expires,
    };
    presign.sign(keys, at)
}
