//! Who listens where, as the system's own tables say, and whether the proxy is reached under its public names.
//!
//! No port is listened on to try it: a service that starts at this moment would find it taken.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use muster_proxy::{Resolver, SystemResolver};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{net::TcpStream, time::timeout};

use super::handshake;
use crate::{
    config::Config,
    doctor::evidence::{Holder, Listener, PublicName, Reach},
};

/// `CAP_NET_BIND_SERVICE`.
const BIND_SERVICE: u64 = 1 << 10;

/// An entry of the system's tables: who listens, by the number of the socket.
struct Listening {
    address: SocketAddr,
    inode: u64,
}

/// The addresses that a configuration listens on, and who has them now.
pub fn listeners(config: &Config) -> Vec<Listener> {
    let proxy = config.proxy.as_ref();
    let wanted = [
        ("proxy.listen", proxy.and_then(|proxy| proxy.listen)),
        ("proxy.postgres", proxy.and_then(|proxy| proxy.postgres)),
        ("service.listen", config.service.listen),
    ];
    let table = table();
    let lowest = lowest();
    let listener = |(setting, address): (&str, Option<SocketAddr>)| {
        let address = address?;
        let held = table.iter().find(|there| meets(there.address, address));
        Some(Listener {
            setting: setting.to_owned(),
            address,
            held: held.map(|there| holder(there.inode)),
            lowest,
            local: is_local(address.ip()),
        })
    };
    wanted.into_iter().filter_map(listener).collect()
}

/// Whether somebody who listens at `there` keeps others from `wanted`.
fn meets(there: SocketAddr, wanted: SocketAddr) -> bool {
    let plain = |ip: IpAddr| ip.to_canonical();
    let (one, other) = (plain(there.ip()), plain(wanted.ip()));
    let every = |ip: IpAddr, of: IpAddr| match ip {
        // Most machines let it stand for both.
        IpAddr::V6(ip) => ip.is_unspecified(),
        IpAddr::V4(ip) => ip.is_unspecified() && of.is_ipv4(),
    };
    wanted.port() != 0
        && there.port() == wanted.port()
        && (one == other || every(one, other) || every(other, one))
}

fn table() -> Vec<Listening> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (v4, v6) = (read("/proc/net/tcp"), read("/proc/net/tcp6"));
    v4.lines().chain(v6.lines()).filter_map(entry).collect()
}

/// One line: `sl local remote st queues timer retransmits uid timeout inode`; `0A` is a socket that listens.
fn entry(line: &str) -> Option<Listening> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    if fields.nth(1)? != "0A" {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    let (ip, port) = local.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok();
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at * 8)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listening {
        address: SocketAddr::new(ip, port),
        inode,
    })
}

/// Whose socket it is. Only root sees those of others.
fn holder(inode: u64) -> Holder {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let has = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd"));
        open.into_iter().flatten().flatten().any(|entry| {
            fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str())
        })
    };
    let pid = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(has);
    let command = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    Holder {
        pid,
        command: command.map(|command| command.trim_end().to_owned()),
    }
}

/// The lowest port that this process may listen on.
fn lowest() -> u16 {
    let allowed = fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let capabilities = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
        capabilities.is_some_and(|capabilities| capabilities & BIND_SERVICE != 0)
    });
    if allowed {
        return 0;
    }
    let lowest = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let lowest = lowest.ok().and_then(|text| text.trim().parse().ok());
    lowest.unwrap_or(1024)
}

/// Whether this machine has an address: a socket of another kind can be bound to it, to no port in particular.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).map_or_else(
        |error| error.kind() != std::io::ErrorKind::AddrNotAvailable,
        |_| true,
    )
}

/// Resolves the names under which people are to reach the proxy. Addresses among them are left out.
pub async fn public_names(names: &BTreeSet<String>, each: Duration) -> Vec<PublicName> {
    let resolve = async |name: &String| {
        let (addresses, failure) = match timeout(each, SystemResolver.resolve(name, 0)).await {
            Ok(Ok(found)) => (found.iter().map(SocketAddr::ip).collect(), None),
            Ok(Err(error)) => (Vec::new(), Some(error.to_string())),
            Err(_) => (
                Vec::new(),
                Some("no name server answered in time".to_owned()),
            ),
        };
        PublicName {
            name: name.clone(),
            addresses,
            failure,
        }
    };
    let names = names.iter().filter(|name| name.parse::<IpAddr>().is_err());
    futures::future::join_all(names.take(32).map(resolve)).await
}

/// Connects to the proxy under each of its public names, and looks whether it is this one: by the authority that it is
/// certified by.
pub async fn reach(
    names: &BTreeSet<String>,
    port: u16,
    host_ca: &[String],
    each: Duration,
) -> Vec<Reach> {
    let mut roots = RootCertStore::empty();
    for pem in host_ca {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).flatten();
        roots.add_parsable_certificates(certificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let Ok(builder) = builder else {
        return Vec::new();
    };
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let one = async |name: &String| {
        let mut reach = Reach {
            at: format!("{name}:{port}"),
            ..Reach::default()
        };
        // A name that does not resolve is a finding of its own.
        let found = timeout(each, SystemResolver.resolve(name, port)).await;
        let Ok(Ok(addresses)) = found else {
            return reach;
        };
        let connected = timeout(each, TcpStream::connect(addresses.as_slice())).await;
        let mut socket = match connected {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => {
                reach.unreachable = Some(error.to_string());
                return reach;
            }
            Err(_) => {
                reach.unreachable = Some(format!("nothing answered within {} s", each.as_secs()));
                return reach;
            }
        };
        let Ok(server) = ServerName::try_from(name.clone()) else {
            return reach;
        };
        let shaken = handshake::client(&mut socket, &config, server);
        match timeout(each, shaken).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => reach.foreign = Some(error.to_string()),
            Err(_) => reach.foreign = Some("no TLS was agreed on in time".to_owned()),
        }
        reach
    };
    futures::future::join_all(names.iter().take(32).map(one)).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_socket_that_listens_is_found_with_its_process() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue; // A machine without IPv6.
            };
            let address = listener.local_addr().unwrap();
            let there = table();
            let there = there.iter().find(|there| meets(there.address, address));
            let holder = holder(there.unwrap().inode);
            assert_eq!(holder.pid, Some(std::process::id()));
            assert!(holder.command.is_some_and(|command| !command.is_empty()));
            drop(listener);
            assert!(!table().iter().any(|there| meets(there.address, address)));
        }
    }

    #[test]
    fn who_listens_everywhere_listens_here() {
        let meets =
            |there: &str, wanted: &str| meets(there.parse().unwrap(), wanted.parse().unwrap());
        for (there, wanted, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("127.0.0.2:80", "127.0.0.1:80", false),
            ("0.0.0.0:80", "[::1]:80", false),
            ("127.0.0.1:81", "127.0.0.1:80", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(meets(there, wanted), expected, "{there} {wanted}");
        }
    }

    #[test]
    fn an_address_of_nobody_is_not_this_machines() {
        assert!(is_local([127, 0, 0, 1].into()));
        assert!(is_local([0, 0, 0, 0].into()));
        // Set aside for documentation.
        assert!(!is_local([192, 0, 2, 1].into()));
    }
}
