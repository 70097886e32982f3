//! Who is at the other end of a connection within this machine. A local port stands for one person's rights: other users of
//! the machine are turned away, but for root, who could take them anyway.
//!
//! A Unix socket says it (`SO_PEERCRED`). For TCP, Linux lists in `/proc/self/net/tcp` and `tcp6` whose each connection is;
//! other systems have no such list. A program may come to an address of IPv4 by a socket of IPv6, as all in Java does: its end
//! then stands in `tcp6`, with the address in that form.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// Whether the other end of a TCP connection is known on this system.
pub const TCP_CHECKED: bool = cfg!(target_os = "linux");

/// The number of a connection that both ends still have. Of one whose process has closed it the list says root.
const ESTABLISHED: &str = "01";

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// It is somebody else, or nobody knows who.
    Other(String),
    /// Who has closed already, so that nobody can say any more who it was.
    Gone,
}

/// Whether a process of this user may use what is one's own.
pub(super) fn allowed(uid: u32) -> Result<(), Stranger> {
    judge(uid, own())
}

fn judge(uid: u32, own: u32) -> Result<(), Stranger> {
    match uid == own || uid == 0 {
        true => Ok(()),
        false => Err(Stranger::Other(format!(
            "it is of the user with the number {uid}"
        ))),
    }
}

/// One's own user.
pub(super) fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether a TCP connection from `from` to `to`, both of this machine, is one's own.
pub(super) fn of_tcp(from: SocketAddr, to: SocketAddr) -> Result<(), Stranger> {
    if !from.ip().is_loopback() {
        let why = format!("it comes from {from}, which is not this machine");
        return Err(Stranger::Other(why));
    }
    if !TCP_CHECKED {
        return Ok(());
    }
    let mut unread = None;
    let mut found = None;
    for (name, from, to) in places(from, to) {
        match File::open(name) {
            Ok(list) => found = found.or_else(|| find(BufReader::new(list), from, to)),
            Err(error) => unread = Some(format!("cannot read {name}: {error}")),
        }
    }
    match found {
        Some(Found::Of(uid)) => allowed(uid),
        Some(Found::Closed) => Err(Stranger::Gone),
        None => {
            Err(Stranger::Other(unread.unwrap_or_else(|| {
                "whose it is cannot be found out".to_owned()
            })))
        }
    }
}

/// Where the end `from` may stand, and how.
fn places(from: SocketAddr, to: SocketAddr) -> Vec<(&'static str, SocketAddr, SocketAddr)> {
    const V6: &str = "/proc/self/net/tcp6";
    let (IpAddr::V4(near), IpAddr::V4(far)) = (from.ip(), to.ip()) else {
        return vec![(V6, from, to)];
    };
    let mapped = |ip: Ipv4Addr, port| SocketAddr::from((ip.to_ipv6_mapped(), port));
    vec![
        ("/proc/self/net/tcp", from, to),
        (V6, mapped(near, from.port()), mapped(far, to.port())),
    ]
}

/// What the list says of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// It is of this user.
    Of(u32),
    /// It was closed.
    Closed,
}

/// Looks for the end `from`.
fn find(list: impl BufRead, from: SocketAddr, to: SocketAddr) -> Option<Found> {
    let (from, to) = (written(from), written(to));
    for line in list.lines().map_while(Result::ok) {
        let mut fields = line.split_ascii_whitespace();
        // sl, local address, remote address, state, queues, timer, retransmits, uid
        let (local, remote, state) = (fields.nth(1)?, fields.next()?, fields.next()?);
        if local == from && remote == to {
            return match state {
                ESTABLISHED => fields.nth(3)?.parse().ok().map(Found::Of),
                _ => Some(Found::Closed),
            };
        }
    }
    None
}

/// An address as the list has it: words of four bytes in the order of the machine, then the port.
fn written(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = bytes.chunks_exact(4).map(|word| {
        let word = <[u8; 4]>::try_from(word).unwrap_or_default();
        format!("{:08X}", u32::from_ne_bytes(word))
    });
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_system_says_whose_a_connection_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let client = TcpStream::connect(to).unwrap();
        let from = client.local_addr().unwrap();
        let list = || BufReader::new(File::open("/proc/self/net/tcp").unwrap());
        assert_eq!(find(list(), from, to), Some(Found::Of(own())));
        // The other way round it is the other end; and of what is not there nothing is known.
        assert_eq!(
            find(list(), SocketAddr::from(([127, 0, 0, 1], 1)), to),
            None
        );
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(of_tcp(from, to), Ok(()));
        // Whoever has closed is nobody any more: root is what the list says then.
        drop(client);
        assert_eq!(of_tcp(from, to), Err(Stranger::Gone));
        drop(accepted);
    }

    #[test]
    fn a_socket_of_ipv6_is_known_at_an_address_of_ipv4() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        // As Java connects.
        let mapped = ("::ffff:127.0.0.1".parse::<IpAddr>().unwrap(), to.port());
        let client = TcpStream::connect(mapped).unwrap();
        let (accepted, from) = listener.accept().unwrap();
        assert!(client.local_addr().unwrap().is_ipv6() && from.is_ipv4());
        assert_eq!(of_tcp(from, to), Ok(()));
        drop(client);
        assert_eq!(of_tcp(from, to), Err(Stranger::Gone));
        drop(accepted);
    }

    #[test]
    fn only_oneself_and_root_are_let_in() {
        let list = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 1 1\n\
             1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 65534        0 2 1\n";
        let (client, port) = (
            "127.0.0.1:50000".parse().unwrap(),
            "127.0.0.1:8080".parse().unwrap(),
        );
        if cfg!(target_endian = "little") {
            assert_eq!(find(list.as_bytes(), client, port), Some(Found::Of(65534)));
        }
        assert_eq!(judge(1000, 1000), Ok(()));
        assert_eq!(judge(0, 1000), Ok(()));
        assert!(judge(65534, 1000).is_err());
        assert!(judge(1000, 0).is_err());
        assert!(of_tcp("10.0.0.1:1".parse().unwrap(), port).is_err());
        assert_eq!(
            written("[::1]:5432".parse().unwrap()),
            if cfg!(target_endian = "little") {
                "00000000000000000000000001000000:1538"
            } else {
                "00000000000000000000000000000001:1538"
            }
        );
    }
}
