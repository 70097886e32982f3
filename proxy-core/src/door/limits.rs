//! How many connections the door bears: sessions, and before they are one, in total and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::address::network;

/// What is counted. Shared by the acceptor and all sessions; locked once when a connection comes, and for a session three
/// times later: when it takes its place, when it is in, and when it has ended.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    sessions: usize,
    handshakes: usize,
    by_address: HashMap<IpAddr, usize>,
    cancels: HashMap<IpAddr, u32>,
    cancels_in: i64,
}

/// What bounds connections that are on their way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) handshakes: usize,
    pub(crate) handshakes_per_address: usize,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Handshakes,
    Address,
}

/// The right to be connected; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    limits: Arc<Limits>,
    /// The address, while the connection is on its way.
    address: Option<IpAddr>,
    /// It counts among the sessions.
    session: bool,
}

impl Limits {
    pub(crate) fn enter(self: &Arc<Self>, from: IpAddr, most: Most) -> Result<Ticket, Full> {
        let address = network(from);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.handshakes >= most.handshakes {
            return Err(Full::Handshakes);
        }
        let mine = counts.by_address.entry(address).or_default();
        if *mine >= most.handshakes_per_address {
            return Err(Full::Address);
        }
        *mine += 1;
        counts.handshakes += 1;
        Ok(Ticket {
            limits: Arc::clone(self),
            address: Some(address),
            session: false,
        })
    }

    /// Whether this address may ask for one more query to be cancelled in this second.
    pub(crate) fn may_cancel(&self, from: IpAddr, second: i64, most: u32) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.cancels_in != second {
            counts.cancels_in = second;
            counts.cancels.clear();
        }
        let mine = counts.cancels.entry(network(from)).or_default();
        *mine += 1;
        *mine <= most
    }
}

impl Ticket {
    /// Counts the connection among the sessions from now on, of which there may be so many. False when there are.
    pub(crate) fn reserve(&mut self, most: usize) -> bool {
        let mut counts = self
            .limits
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !self.session && counts.sessions < most {
            counts.sessions += 1;
            self.session = true;
        }
        self.session
    }

    /// It is no longer on its way.
    pub(crate) fn arrived(&mut self) {
        if let Some(address) = self.address.take() {
            let mut counts = self
                .limits
                .counts
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            counts.leave(address);
        }
    }
}

impl Counts {
    fn leave(&mut self, address: IpAddr) {
        self.handshakes = self.handshakes.saturating_sub(1);
        if let Some(mine) = self.by_address.get_mut(&address) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self
            .limits
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.session {
            counts.sessions = counts.sessions.saturating_sub(1);
        }
        if let Some(address) = self.address.take() {
            counts.leave(address);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::Ipv6Addr;

    use super::*;

    const MOST: Most = Most {
        handshakes: 3,
        handshakes_per_address: 2,
    };

    #[test]
    fn each_limit_holds_and_what_is_given_back_counts_again() {
        let limits = Arc::new(Limits::default());
        let (one, two) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut first = limits.enter(one, MOST).unwrap();
        let second = limits.enter(one, MOST).unwrap();
        assert_eq!(limits.enter(one, MOST).unwrap_err(), Full::Address);
        let third = limits.enter(two, MOST).unwrap();
        assert_eq!(limits.enter(two, MOST).unwrap_err(), Full::Handshakes);
        assert!(first.reserve(1) && first.reserve(1));
        first.arrived();
        let mut fourth = limits.enter(one, MOST).unwrap();
        assert!(!fourth.reserve(1));
        drop(first);
        assert!(fourth.reserve(1));
        drop((second, third, fourth));
        let counts = limits.counts.lock().unwrap();
        assert_eq!((counts.sessions, counts.handshakes), (0, 0));
        assert!(counts.by_address.is_empty());
    }

    #[test]
    fn a_network_of_version_6_is_one_address() {
        let limits = Arc::new(Limits::default());
        let host = |last: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | last));
        let held = (
            limits.enter(host(1), MOST).unwrap(),
            limits.enter(host(2), MOST).unwrap(),
        );
        assert_eq!(limits.enter(host(3), MOST).unwrap_err(), Full::Address);
        drop(held);
    }

    #[test]
    fn requests_to_cancel_are_counted_by_the_second() {
        let limits = Limits::default();
        let from = IpAddr::from([192, 0, 2, 1]);
        assert!(limits.may_cancel(from, 7, 2) && limits.may_cancel(from, 7, 2));
        assert!(!limits.may_cancel(from, 7, 2));
        assert!(limits.may_cancel(from, 8, 2));
    }
}
