//! What the door may be told: addresses, limits and times.

use std::{net::SocketAddr, time::Duration};

use crate::engines::postgres::cancel::InClear;

/// How the door listens and what it bears. [`Default`] is fit for production but for the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the one port for every protocol listens.
    pub listen: SocketAddr,
    /// More ports, each for PostgreSQL alone: for clients that can only be given an address.
    pub postgres: Vec<SocketAddr>,
    /// The host names of the door: each may be the suffix of `{target}.{host}` in the server name that a client shows.
    /// Without any, the first label of any server name may name a target.
    pub hosts: Vec<String>,
    /// Threads that carry sessions. Zero: one for each processor.
    pub workers: usize,
    /// Connections of people who are in, at the same time: sessions, those that are being opened, and connections for HTTP
    /// with a certificate. Those are served also where no place is left, and go on counting as on their way then.
    pub connections: usize,
    /// Connections that have not become a session yet, in total.
    pub handshakes: usize,
    /// Connections that have not become a session yet, from one address.
    pub handshakes_per_address: usize,
    /// How long a client may take from the connection to the end of its start-up packet.
    pub handshake_timeout: Duration,
    /// How long the way to the database may take: name, connection, TLS and login together.
    pub connect_timeout: Duration,
    /// Which requests to cancel a query are taken that come in clear, as plain `psql` sends them.
    pub cancel_in_clear: InClear,
    /// How often one address may ask for a query to be cancelled, in a second.
    pub cancels_per_second: u32,
    /// After how long without a byte the system asks whether the peer still lives.
    pub keepalive: Duration,
    /// How many buffers that nobody needs a worker keeps; 64 KiB each.
    pub spare_buffers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3080)),
            postgres: Vec::new(),
            hosts: Vec::new(),
            workers: 0,
            connections: 20_000,
            handshakes: 4_096,
            handshakes_per_address: 1_024,
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(20),
            cancel_in_clear: InClear::default(),
            cancels_per_second: 50,
            keepalive: Duration::from_secs(60),
            spare_buffers: 16,
        }
    }
}
