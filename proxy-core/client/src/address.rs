//! Where the proxy is: a name or an address, and a port.

use std::{fmt, net::IpAddr, str::FromStr};

use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};

use crate::{Error, Kind};

/// The port of the proxy where none is named.
pub const PORT: u16 = 7430;

/// The most characters of a host's name (RFC 1035).
const MAX_HOST: usize = 253;

/// The proxy's address. Written as `HOST:PORT`, IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// The name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The name that the proxy's certificate is for.
    ///
    /// # Errors
    /// Never for an address that was read here.
    pub fn server_name(&self) -> Result<ServerName<'static>, Error> {
        ServerName::try_from(self.host.clone()).map_err(|_| wrong(&self.host))
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Reads `HOST`, `HOST:PORT`, `ADDRESS`, `[ADDRESS]:PORT`; `https://` in front and `/` at the end are passed over.
    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = text.trim();
        let plain = plain.strip_prefix("https://").unwrap_or(plain);
        let plain = plain.strip_suffix('/').unwrap_or(plain);
        let is_v6 = |host: &str| matches!(host.parse(), Ok(IpAddr::V6(_)));
        let (host, port) = if is_v6(plain) {
            (plain, None)
        } else if let Some(bracketed) = plain.strip_prefix('[') {
            let (host, rest) = bracketed.split_once(']').ok_or_else(|| wrong(text))?;
            if !is_v6(host) || !(rest.is_empty() || rest.starts_with(':')) {
                return Err(wrong(text));
            }
            (host, rest.strip_prefix(':'))
        } else {
            match plain.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (plain, None),
            }
        };
        let port = match port {
            None => PORT,
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(wrong(text)),
            },
        };
        let host = host.to_ascii_lowercase();
        if host.len() > MAX_HOST || ServerName::try_from(host.as_str()).is_err() {
            return Err(wrong(text));
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for Address {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

fn wrong(text: &str) -> Error {
    let short: String = text.chars().take(300).collect();
    Error::new(Kind::Usage, format!("`{short}` is no address of a proxy"))
        .because("it is not HOST or HOST:PORT")
        .hint(format!(
            "write it as `proxy.example.com` or `proxy.example.com:{PORT}`"
        ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, whole) in [
            ("proxy.example.com", "proxy.example.com:7430"),
            ("Proxy.Example.com:443", "proxy.example.com:443"),
            ("https://proxy.example.com:443/", "proxy.example.com:443"),
            (" localhost:1 ", "localhost:1"),
            ("127.0.0.1", "127.0.0.1:7430"),
            ("::1", "[::1]:7430"),
            ("[::1]", "[::1]:7430"),
            ("[2001:db8::1]:99", "[2001:db8::1]:99"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), whole, "{text}");
            assert_eq!(whole.parse::<Address>().unwrap(), address);
            address.server_name().unwrap();
        }
        for text in [
            "",
            ":7430",
            "a:b",
            "host:0",
            "host:65536",
            "host:-1",
            "[::1",
            "[::1]x",
            "[host]:1",
            "two words",
            "a/b",
            "user@host",
            "http://host",
            &"x".repeat(254),
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
