//! Whose session it is: what is the same in all of its events, encoded once.

use std::net::SocketAddr;

use crate::json::Members;

/// What is known of a session when it begins. What is empty or none is left out of the record.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubjectParts<'a> {
    /// This muster's name.
    pub cluster_name: &'a str,
    /// The session's id, a UUID.
    pub sid: &'a str,
    /// Who.
    pub user: &'a str,
    /// Whether a service, and not a person.
    pub service: bool,
    /// The roles that count.
    pub roles: &'a [&'a str],
    /// The target's name.
    pub db_service: &'a str,
    /// The protocol: `postgres`.
    pub db_protocol: &'a str,
    /// What runs it: `rds`.
    pub db_type: &'a str,
    /// How the target came here.
    pub db_origin: &'a str,
    /// The target's address.
    pub db_uri: &'a str,
    /// The database's name.
    pub db_name: &'a str,
    /// The user's name in it.
    pub db_user: &'a str,
    /// The roles that allowed the session.
    pub db_roles: &'a [&'a str],
    /// The client's address.
    pub client: Option<SocketAddr>,
    /// The address that the target was reached at.
    pub upstream: Option<SocketAddr>,
}

/// Whose session it is, as JSON, and the number of its next event.
#[derive(Clone, Debug)]
pub struct Subject {
    pub(crate) json: Vec<u8>,
    pub(crate) next: u64,
}

impl Subject {
    /// Encodes what all events of the session have.
    pub fn new(parts: &SubjectParts<'_>) -> Self {
        let mut json = Vec::with_capacity(640);
        let mut members = Members { out: &mut json };
        let mut some = |key: &str, value: &str| {
            if !value.is_empty() {
                members.text(key, value);
            }
        };
        some("cluster_name", parts.cluster_name);
        some("sid", parts.sid);
        some("user", parts.user);
        some("db_service", parts.db_service);
        some("db_protocol", parts.db_protocol);
        some("db_type", parts.db_type);
        some("db_origin", parts.db_origin);
        some("db_uri", parts.db_uri);
        some("db_name", parts.db_name);
        some("db_user", parts.db_user);
        members.number("user_kind", if parts.service { 2 } else { 1 });
        if !parts.roles.is_empty() {
            members.list("roles", parts.roles.iter().copied());
        }
        if !parts.db_roles.is_empty() {
            members.list("db_roles", parts.db_roles.iter().copied());
        }
        members.address("addr.remote", parts.client);
        members.address("addr.upstream", parts.upstream);
        Self { json, next: 0 }
    }

    /// Adds the address that the target was reached at, once it is known. To be called once, and not when it was
    /// among the parts.
    pub fn reached(&mut self, upstream: SocketAddr) {
        let mut members = Members {
            out: &mut self.json,
        };
        members.address("addr.upstream", Some(upstream));
        // Kept as long as the session.
        self.json.shrink_to_fit();
    }

    /// The number (`ei`) that the next event gets.
    pub const fn next(&self) -> u64 {
        self.next
    }
}
