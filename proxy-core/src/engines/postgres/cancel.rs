//! Requests to cancel: the keys that clients are given, and how a request finds its session.
//!
//! `psql` before version 17, and everything built on the older `PQcancel`, sends a request to cancel in clear and without a
//! certificate, however the session itself is encrypted. The key in it is all that says who asks. So every client gets a pair
//! of a number and a key of our own, all of it random: 31 bits of number and 32 of key with protocol 3.0, 31 and 256 with
//! 3.2. The database's own pair never leaves this side. Nobody guesses 63 bits at a few tries a second; a request in
//! clear must by default also come from the address of its session, as somebody on the line could have read the key.
//!
//! There is never an answer, so that nobody learns which numbers exist. Keys are compared in constant time.

use std::{collections::HashMap, net::IpAddr};

use subtle::ConstantTimeEq;

use super::{
    codec::{Version, code, put, put_packet},
    start::{CancelRequest, Channel},
};
use crate::address::network;

/// Random bytes that a new key needs.
pub const RANDOM: usize = 36;

/// The pair that one client is given, to name its session in a request to cancel.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKey {
    pid: u32,
    secret: [u8; 32],
    used: usize,
}

impl ClientKey {
    /// Makes a pair from `random` bytes, which nobody may know. With protocol 3.0 the key has 4 bytes, with 3.2 it has 32.
    #[must_use]
    pub fn mint(version: Version, random: &[u8; RANDOM]) -> Self {
        let mut secret = [0; 32];
        let mut pid = [0; 4];
        for (to, from) in pid.iter_mut().chain(&mut secret).zip(random) {
            *to = *from;
        }
        // Clients keep the number as a signed one and show it; zero means "none" to some.
        let pid = (u32::from_be_bytes(pid) & 0x7fff_ffff).max(1);
        let used = if version == Version::V30 { 4 } else { 32 };
        Self { pid, secret, used }
    }

    /// The number, which is what the client takes for its process at the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    fn secret(&self) -> &[u8] {
        self.secret.get(..self.used).unwrap_or_default()
    }

    /// Puts a `BackendKeyData` behind `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        put(out, b'K', |out| {
            out.extend_from_slice(&self.pid.to_be_bytes());
            out.extend_from_slice(self.secret());
        });
    }
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientKey")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// The pair that the database gave for one session.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKey {
    /// The process at the database; also what `pg_stat_activity` shows.
    pub pid: u32,
    /// The key: 4 bytes, or up to 256 with protocol 3.2.
    pub secret: Vec<u8>,
}

impl ServerKey {
    /// Puts the request that cancels what this session is doing behind `out`. It goes over a connection of its own,
    /// encrypted like the session's; the database closes that without an answer.
    pub fn put_request(&self, out: &mut Vec<u8>) {
        put_packet(out, |out| {
            out.extend_from_slice(&code::CANCEL.to_be_bytes());
            out.extend_from_slice(&self.pid.to_be_bytes());
            out.extend_from_slice(&self.secret);
        });
    }
}

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerKey")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// Which requests in clear are taken. Those inside TLS are, whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InClear {
    /// None.
    Refuse,
    /// Those from the address of the session itself.
    #[default]
    SameAddress,
    /// From anywhere, for clients behind changing addresses.
    Anywhere,
}

/// Why a request did nothing; for the log and the metric, never for whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Ignored {
    /// This address has tried too many wrong keys.
    #[error("too many wrong cancel keys from this address")]
    TooMany,
    /// No session has this key.
    #[error("no session has this cancel key")]
    Unknown,
    /// It came in clear, and that is not allowed.
    #[error("a cancel request in clear")]
    Clear,
    /// It came in clear from another address than the session's.
    #[error("a cancel request in clear from another address than its session's")]
    Address,
}

/// The keys of all sessions, each with what finds its session (`S`).
#[derive(Debug)]
pub struct Keys<S> {
    in_clear: InClear,
    sessions: HashMap<u32, Entry<S>>,
    tries: Tries,
}

#[derive(Debug)]
struct Entry<S> {
    key: ClientKey,
    from: IpAddr,
    session: S,
}

impl<S: Clone> Keys<S> {
    /// No keys yet.
    #[must_use]
    pub fn new(in_clear: InClear) -> Self {
        Self {
            in_clear,
            sessions: HashMap::new(),
            tries: Tries::default(),
        }
    }

    /// Takes a session in. Gives it back where its number is taken already: mint another key then.
    ///
    /// # Errors
    /// The session, where the number is taken.
    pub fn add(&mut self, key: &ClientKey, from: IpAddr, session: S) -> Result<(), S> {
        match self.sessions.entry(key.pid) {
            std::collections::hash_map::Entry::Occupied(_) => Err(session),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(Entry {
                    key: key.clone(),
                    from: from.to_canonical(),
                    session,
                });
                Ok(())
            }
        }
    }

    /// Forgets a session.
    pub fn remove(&mut self, key: &ClientKey) {
        self.sessions.remove(&key.pid);
    }

    /// How many sessions are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no session is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The session that `request`, which came from `from` at `now` (microseconds of any clock that does not run back), names.
    ///
    /// # Errors
    /// Why nothing is to be done. Do not tell whoever sent it.
    pub fn find(&mut self, request: &CancelRequest, from: IpAddr, now: u64) -> Result<S, Ignored> {
        let from = from.to_canonical();
        if !self.tries.may(from, now) {
            return Err(Ignored::TooMany);
        }
        let entry = self.sessions.get(&request.pid);
        // Also where there is no such session, something is compared.
        let secret = entry.map_or(&[0; 4][..], |entry| entry.key.secret());
        let equal = bool::from(secret.ct_eq(&request.key));
        let Some(entry) = entry.filter(|_| equal) else {
            self.tries.wrong(from, now);
            return Err(Ignored::Unknown);
        };
        match (request.channel, self.in_clear) {
            (Channel::Tls, _) | (Channel::Clear, InClear::Anywhere) => Ok(entry.session.clone()),
            (Channel::Clear, InClear::Refuse) => Err(Ignored::Clear),
            (Channel::Clear, InClear::SameAddress) if entry.from == from => {
                Ok(entry.session.clone())
            }
            (Channel::Clear, InClear::SameAddress) => Err(Ignored::Address),
        }
    }
}

/// Wrong keys that an address may try at once.
const BURST: u64 = 10;
/// Microseconds after which it may try another one.
const REFILL: u64 = 1_000_000;
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

/// Wrong tries by address. An address is remembered by the time at which all its tries are forgiven.
#[derive(Debug, Default)]
struct Tries {
    forgiven_at: HashMap<IpAddr, u64>,
}

impl Tries {
    fn may(&self, from: IpAddr, now: u64) -> bool {
        self.forgiven_at
            .get(&network(from))
            .is_none_or(|at| at.saturating_sub(now) <= (BURST - 1) * REFILL)
    }

    fn wrong(&mut self, from: IpAddr, now: u64) {
        if self.forgiven_at.len() >= ADDRESSES {
            self.forgiven_at.retain(|_, at| *at > now);
        }
        if self.forgiven_at.len() >= ADDRESSES {
            // Full of addresses that all tried lately: what is forgiven first may go.
            if let Some(first) = self
                .forgiven_at
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(address, _)| *address)
            {
                self.forgiven_at.remove(&first);
            }
        }
        let at = self.forgiven_at.entry(network(from)).or_insert(now);
        *at = (*at).max(now) + REFILL;
    }
}

#[cfg(test)]
#[path = "cancel_tests.rs"]
mod tests;
