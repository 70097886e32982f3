//! How the store lies in one sled tree. Every key begins with a letter:
//!
//! | key | value |
//! |---|---|
//! | `h` | the head: format, revision, number and digest of the entries, checksum |
//! | `d` KEY | an entry: the revision, 0 and the value; or the revision, 1 and the number of its parts |
//! | `p` LEN KEY NO | one part of a value that is longer than [`PART`] |
//! | `l` REVISION NO | keys that a revision changed |
//!
//! Numbers are big endian. Nothing large is stored in one piece: sled keeps pages of up to a few dozen
//! entries, writes a page anew with each few changes of it, and moves pages over 128 KiB into files of their
//! own.

use std::ops::Bound;

use crate::{
    error::{Damaged, Why},
    key::Key,
    store::{MAX_VALUE, Order, Revision},
};

/// The version of this layout.
pub const FORMAT: u32 = 1;

/// The longest stretch of bytes under one sled key.
pub(super) const PART: usize = 4096;

pub(super) const HEAD: &[u8] = b"h";
pub(super) const LOG: &[u8] = b"l";
pub(super) const DATA: &[u8] = b"d";
pub(super) const PARTS: &[u8] = b"p";

const INLINE: u8 = 0;
const SPLIT: u8 = 1;

/// From where to where a scan goes.
pub(super) type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What the store knows of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) revision: Revision,
    pub(super) entries: u64,
    /// The sum of [`term`] over all entries.
    pub(super) digest: u64,
}

/// A head that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHead {
    Torn,
    Checksum,
    Newer(u32),
}

/// An entry as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raw<'a> {
    pub(super) revision: Revision,
    pub(super) body: Body<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    Whole(&'a [u8]),
    Parts(u32),
}

// === impl Head ===

impl Head {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend_from_slice(&FORMAT.to_be_bytes());
        bytes.extend_from_slice(&self.revision.0.to_be_bytes());
        bytes.extend_from_slice(&self.entries.to_be_bytes());
        bytes.extend_from_slice(&self.digest.to_be_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadHead> {
        let (format, rest) = bytes.split_first_chunk().ok_or(BadHead::Torn)?;
        let format = u32::from_be_bytes(*format);
        if format > FORMAT {
            return Err(BadHead::Newer(format));
        }
        let (revision, rest) = rest.split_first_chunk().ok_or(BadHead::Torn)?;
        let (entries, rest) = rest.split_first_chunk().ok_or(BadHead::Torn)?;
        let (digest, rest) = rest.split_first_chunk().ok_or(BadHead::Torn)?;
        let crc: [u8; 4] = rest.try_into().map_err(|_| BadHead::Torn)?;
        let body = bytes.get(..bytes.len() - crc.len()).ok_or(BadHead::Torn)?;
        if crc32fast::hash(body) != u32::from_be_bytes(crc) {
            return Err(BadHead::Checksum);
        }
        Ok(Self {
            revision: Revision(u64::from_be_bytes(*revision)),
            entries: u64::from_be_bytes(*entries),
            digest: u64::from_be_bytes(*digest),
        })
    }

    /// Counts an entry in.
    pub(super) fn add(&mut self, key: &[u8], revision: Revision) {
        self.entries = self.entries.wrapping_add(1);
        self.digest = self.digest.wrapping_add(term(key, revision));
    }

    /// Counts an entry out.
    pub(super) fn remove(&mut self, key: &[u8], revision: Revision) {
        self.entries = self.entries.wrapping_sub(1);
        self.digest = self.digest.wrapping_sub(term(key, revision));
    }
}

/// What one entry adds to the digest. It finds loss, not forgery.
fn term(key: &[u8], revision: Revision) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&revision.0.to_be_bytes());
    u64::from(hasher.finalize())
}

// === impl Raw ===

impl<'a> Raw<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Why> {
        let torn = || Why::Torn {
            len: bytes.len(),
            need: 9,
        };
        let (revision, rest) = bytes.split_first_chunk().ok_or_else(torn)?;
        let (kind, rest) = rest.split_first().ok_or_else(torn)?;
        let body = match *kind {
            INLINE => Body::Whole(rest),
            SPLIT => {
                let parts = u32::from_be_bytes(rest.try_into().map_err(|_| torn())?);
                // Whoever believed more would be busy for long with parts that are not there.
                if usize::try_from(parts).is_ok_and(|parts| parts > MAX_VALUE.div_ceil(PART)) {
                    return Err(Why::NotARecord);
                }
                Body::Parts(parts)
            }
            other => return Err(Why::Format(other)),
        };
        Ok(Self {
            revision: Revision(u64::from_be_bytes(*revision)),
            body,
        })
    }

    /// The length of its value; of one in parts, the most that they can hold.
    pub(super) const fn len(&self) -> usize {
        match self.body {
            Body::Whole(value) => value.len(),
            // There are no more than a `usize` can count, see `decode`.
            Body::Parts(parts) => (parts as usize).saturating_mul(PART),
        }
    }

    /// How many parts it has beside itself.
    pub(super) const fn parts(&self) -> u32 {
        match self.body {
            Body::Whole(_) => 0,
            Body::Parts(parts) => parts,
        }
    }
}

/// How many bytes an entry and its parts take, keys included, where the length of its value or that of
/// [`Raw::len`] is `len`: both give the same.
pub(super) fn weight(key: &str, len: usize) -> u64 {
    let name = key.len();
    let bytes = if len > PART {
        let parts = len.div_ceil(PART);
        name + 14 + parts * (PART + name + 7)
    } else {
        name + 10 + len
    };
    bytes as u64
}

/// The bytes of an entry and of its parts.
pub(super) fn entry(revision: Revision, value: &[u8]) -> (Vec<u8>, Vec<&[u8]>) {
    let parts: Vec<_> = if value.len() > PART {
        value.chunks(PART).collect()
    } else {
        Vec::new()
    };
    let mut bytes = revision.0.to_be_bytes().to_vec();
    if parts.is_empty() {
        bytes.push(INLINE);
        bytes.extend_from_slice(value);
    } else {
        bytes.push(SPLIT);
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_be_bytes());
    }
    (bytes, parts)
}

// === keys ===

pub(super) fn data(key: &str) -> Vec<u8> {
    [DATA, key.as_bytes()].concat()
}

/// Where the entries lie whose keys start with `prefix` and come behind `after`; none when none can.
pub(super) fn range(prefix: &str, after: Option<&Key>, order: Order) -> Option<Range> {
    let start = data(prefix);
    // The first byte is a letter, so that there is always one that can be counted up.
    let mut end = start.clone();
    while end.pop_if(|last| *last == u8::MAX).is_some() {}
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    let after = after.map(|after| data(after.as_str()));
    Some(match (order, after) {
        (Order::Ascending, Some(after)) if after >= end => return None,
        (Order::Ascending, Some(after)) if after >= start => {
            (Bound::Excluded(after), Bound::Excluded(end))
        }
        (Order::Descending, Some(after)) if after <= start => return None,
        (Order::Descending, Some(after)) if after < end => {
            (Bound::Included(start), Bound::Excluded(after))
        }
        _ => (Bound::Included(start), Bound::Excluded(end)),
    })
}

/// The text of a data key.
pub(super) fn text(raw: &[u8]) -> Result<&str, Damaged> {
    let key = raw.get(DATA.len()..).unwrap_or_default();
    std::str::from_utf8(key).map_err(|_| Damaged {
        key: String::from_utf8_lossy(key).into_owned(),
        why: Why::KeyBytes,
    })
}

pub(super) fn part(key: &str, number: u32) -> Vec<u8> {
    let mut bytes = parts_of(key);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes
}

/// Whether a part has the length that one of its number has; the last may have any.
pub(super) fn fits(part: &[u8], number: u32, count: u32) -> bool {
    number.saturating_add(1) == count || part.len() == PART
}

/// What the keys of all parts of one key begin with.
pub(super) fn parts_of(key: &str) -> Vec<u8> {
    let len = u16::try_from(key.len()).unwrap_or(u16::MAX);
    [PARTS, &len.to_be_bytes(), key.as_bytes()].concat()
}

pub(super) fn log(revision: Revision, page: u32) -> Vec<u8> {
    [LOG, &revision.0.to_be_bytes(), &page.to_be_bytes()].concat()
}

/// The revision in the key of a page of the log.
pub(super) fn log_revision(raw: &[u8]) -> Option<Revision> {
    let (revision, page) = raw.get(LOG.len()..)?.split_first_chunk()?;
    (page.len() == 4).then(|| Revision(u64::from_be_bytes(*revision)))
}

// === pages of the log ===

/// Keys packed into pages of about [`PART`] bytes.
pub(super) fn pack(keys: &[Key]) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let mut page = Vec::new();
    for key in keys {
        let key = key.as_str().as_bytes();
        if !page.is_empty() && page.len() + key.len() + 2 > PART {
            pages.push(std::mem::take(&mut page));
        }
        let len = u16::try_from(key.len()).unwrap_or(u16::MAX);
        page.extend_from_slice(&len.to_be_bytes());
        page.extend_from_slice(key);
    }
    if !page.is_empty() {
        pages.push(page);
    }
    pages
}

/// The keys of a page; none when it is no page.
pub(super) fn unpack(mut page: &[u8]) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    while let Some((len, rest)) = page.split_first_chunk() {
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        keys.push(Key::new(std::str::from_utf8(key).ok()?).ok()?);
        page = rest;
    }
    page.is_empty().then_some(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_head_with_any_byte_changed_is_not_read_as_another_head() {
        let head = Head {
            revision: Revision(7),
            entries: 3,
            digest: u64::MAX - 5,
        };
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes), Ok(head));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert!(Head::decode(&bad).is_err(), "byte {at}");
            assert!(Head::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_log_page_returns_its_keys_and_a_cut_one_nothing() {
        let keys: Vec<_> = (0..500)
            .map(|n| Key::new(format!("k/{n}-{}", "ü".repeat(n % 90))).unwrap())
            .collect();
        let pages = pack(&keys);
        assert!(pages.len() > 1);
        assert!(pages.iter().all(|page| page.len() <= PART));
        let back: Vec<_> = pages
            .iter()
            .flat_map(|page| unpack(page).unwrap())
            .collect();
        assert_eq!(back, keys);
        assert_eq!(unpack(&pages[0][..pages[0].len() - 1]), None);
    }
}
