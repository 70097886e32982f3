//! Chains that were checked a while ago, so that the next connection to the same database need not check them again.
//!
//! Checking a chain of RSA-4096 costs more than the rest of a handshake. What is remembered is that these very bytes, for
//! this name, led to a trust root: nothing of it changes within the hour, but for the certificates' own ends, which are
//! looked at. The handshake's signature, which proves who holds the key, is checked every time.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use ring::digest;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The most chains that are remembered: 48 bytes each.
pub(super) const MOST: usize = 4096;

/// For how long, in seconds.
pub(super) const LIFE: u64 = 3600;

/// SHA-256 over the chain and the name.
pub(super) type Key = [u8; 32];

/// Chains, by when they were checked and until when that counts.
#[derive(Default)]
pub(super) struct Remembered(Mutex<HashMap<Key, (u64, u64)>>);

/// What is looked up. Every part is preceded by its length, so that no part can pass for another one's end.
pub(super) fn key(
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    name: &ServerName<'_>,
) -> Key {
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(name.to_str().as_bytes());
    part(leaf);
    for certificate in others {
        part(certificate);
    }
    let mut key = [0; 32];
    key.copy_from_slice(hash.finish().as_ref());
    key
}

// === impl Remembered ===

impl Remembered {
    /// Whether the chain was checked, and that still counts.
    pub fn holds(&self, key: &Key, now: UnixTime) -> bool {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(key)
            .is_some_and(|(from, until)| (*from..*until).contains(&now.as_secs()))
    }

    /// Remembers a chain that was just found good. One with a certificate whose end cannot be read is not remembered.
    pub fn keep(
        &self,
        key: Key,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) {
        let now = now.as_secs();
        let mut until = now.saturating_add(LIFE);
        for certificate in std::iter::once(leaf).chain(others) {
            let Some(end) = end(certificate) else { return };
            until = until.min(end);
        }
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MOST {
            map.retain(|_, (from, until)| (*from..*until).contains(&now));
            if map.len() >= MOST {
                map.clear();
            }
        }
        map.insert(key, (now, until));
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The last second at which a certificate is good, in seconds since 1970.
fn end(certificate: &[u8]) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::{testkit::NOW, trust::testkit::Authority};

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_chain_counts_for_an_hour_and_under_its_name() {
        let ours = Authority::new("ours");
        let leaf = ours.server("a.example").chain.remove(0);
        let chain = [ours.der.clone()];
        let name = |text: &'static str| ServerName::try_from(text).unwrap();
        let remembered = Remembered::default();
        let this = key(&leaf, &chain, &name("a.example"));
        assert!(!remembered.holds(&this, at(NOW)));
        remembered.keep(this, &leaf, &chain, at(NOW));
        for (after, want) in [(0, true), (3599, true), (3600, false)] {
            assert_eq!(remembered.holds(&this, at(NOW + after)), want, "{after}");
        }
        // A clock that was set back proves nothing.
        assert!(!remembered.holds(&this, at(NOW - 1)));
        for other in [
            key(&leaf, &chain, &name("b.example")),
            key(&leaf, &[], &name("a.example")),
            key(&chain[0], std::slice::from_ref(&leaf), &name("a.example")),
        ] {
            assert!(!remembered.holds(&other, at(NOW)));
        }
        // What cannot be read is not remembered.
        let odd = CertificateDer::from(vec![1, 2, 3]);
        let this = key(&odd, &chain, &name("a.example"));
        remembered.keep(this, &odd, &chain, at(NOW));
        assert!(!remembered.holds(&this, at(NOW)));
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        let ours = Authority::new("ours");
        let remembered = Remembered::default();
        for number in 0..MOST as u64 + 10 {
            let mut this = [0; 32];
            this[..8].copy_from_slice(&number.to_be_bytes());
            remembered.keep(this, &ours.der, &[], at(NOW));
            assert!(remembered.holds(&this, at(NOW)));
            assert!(remembered.len() <= MOST);
        }
    }
}
