//! Addresses of databases: what the configuration says of a host, else what the system's resolver says.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
};

use async_trait::async_trait;
use muster_proxy::{Resolver, SystemResolver};

/// A resolver that knows some hosts by itself.
pub struct Hosts {
    /// In lower case.
    known: HashMap<String, IpAddr>,
}

impl Hosts {
    /// By the addresses of these; their case means nothing.
    pub fn new<'a>(known: impl IntoIterator<Item = (&'a String, &'a IpAddr)>) -> Self {
        let known = known.into_iter();
        Self {
            known: known
                .map(|(host, address)| (host.to_ascii_lowercase(), *address))
                .collect(),
        }
    }
}

#[async_trait]
impl Resolver for Hosts {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if !self.known.is_empty()
            && let Some(address) = self.known.get(&host.to_ascii_lowercase())
        {
            return Ok(vec![SocketAddr::new(*address, port)]);
        }
        SystemResolver.resolve(host, port).await
    }
}
