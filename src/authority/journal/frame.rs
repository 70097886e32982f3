//! How a batch of operations looks in the file: a frame, and behind it the mark that it was acknowledged.
//!
//! ```text
//! file   := "muster-authority" version:u32 reserved:u32 frame*
//! frame  := MAGIC length:u32 check:4 digest:16 payload[length] mark
//! mark   := MARK start:u64 check:4
//! ```
//!
//! Numbers are little-endian. `check` is the beginning of the SHA-256 of what stands before it in its frame or mark;
//! `digest` is the beginning of the SHA-256 of the digest before, the length and the payload, so that a frame cannot
//! move, vanish or come twice. The mark is written after the frame is on the disk, and is itself not waited for: a frame
//! with a mark was acknowledged, and when it cannot be read the file is damaged. A frame without one at the end of
//! the file was being written when the machine stopped.

use sha2::{Digest, Sha256};

/// What a file begins with.
pub(super) const FILE: [u8; 24] = *b"muster-authority\x01\0\0\0\0\0\0\0";

/// No byte of it occurs in UTF-8, and so in no payload.
const MAGIC: [u8; 4] = [0xff, 0xfa, 0xc0, 0xf5];
const MARK: [u8; 4] = [0xff, 0xfb, 0xc1, 0xf6];

/// Bytes before the payload.
const HEAD: usize = 4 + 4 + 4 + 16;

/// Bytes of a mark.
pub(super) const MARK_LEN: usize = 4 + 8 + 4;

/// The most bytes of a payload. A record has at most a mebibyte, and a batch a few records.
pub(super) const MAX_PAYLOAD: usize = 16 << 20;

/// The digest that the next frame goes on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain(pub [u8; 16]);

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// A whole frame.
    Frame {
        payload: &'a [u8],
        chain: Chain,
        /// Where its mark belongs.
        mark: usize,
        /// Whether the mark is there: if not, this is the last frame.
        marked: bool,
    },
    /// The end of the file.
    End,
    /// What was being written when the machine stopped.
    Torn,
    /// What was acknowledged and cannot be read.
    Damaged(&'static str),
}

/// A frame, without its mark; none when the payload is too long.
pub(super) fn encode(chain: Chain, payload: &[u8]) -> Option<(Vec<u8>, Chain)> {
    if payload.len() > MAX_PAYLOAD {
        return None;
    }
    let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
    let next = digest(chain, length, payload);
    let mut frame = Vec::with_capacity(HEAD + payload.len() + MARK_LEN);
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&length);
    frame.extend_from_slice(&check(&frame));
    frame.extend_from_slice(&next.0);
    frame.extend_from_slice(payload);
    Some((frame, next))
}

/// The mark of the frame that starts at a place.
pub(super) fn mark(start: usize) -> [u8; MARK_LEN] {
    let mut mark = [0; MARK_LEN];
    let (head, tail) = mark.split_at_mut(MARK_LEN - 4);
    let (magic, place) = head.split_at_mut(4);
    magic.copy_from_slice(&MARK);
    place.copy_from_slice(&(start as u64).to_le_bytes());
    tail.copy_from_slice(&check(head));
    mark
}

/// Reads what starts at a place.
pub(super) fn read(file: &[u8], start: usize, chain: Chain) -> Read<'_> {
    let rest = file.get(start..).unwrap_or_default();
    if rest.is_empty() {
        return Read::End;
    }
    let Some((payload, next)) = frame(rest, chain) else {
        // Nothing that was acknowledged may follow.
        return match () {
            () if has_mark(rest) => Read::Damaged("a record that was acknowledged cannot be read"),
            () if rest.len() > HEAD + MAX_PAYLOAD => Read::Damaged("what follows is no record"),
            () => Read::Torn,
        };
    };
    let end = start + HEAD + payload.len();
    let behind = file.get(end..).unwrap_or_default();
    let expected = mark(start);
    let marked = behind.starts_with(&expected);
    // A mark is not waited for: what of it was not written shows as zeros or not at all. With more that was acknowledged
    // behind it, it has to be whole.
    let torn = || {
        behind
            .iter()
            .zip(expected)
            .all(|(is, was)| *is == was || *is == 0)
    };
    if !marked && (has_mark(behind) || !torn()) {
        return Read::Damaged("the mark behind a record cannot be read");
    }
    Read::Frame {
        payload,
        chain: next,
        mark: end,
        marked,
    }
}

/// The payload of the frame that these bytes begin with, when it is whole and goes on from the one before.
fn frame(bytes: &[u8], chain: Chain) -> Option<(&[u8], Chain)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (front, digest_read) = head.split_at_checked(12)?;
    let (checked, check_read) = front.split_at_checked(8)?;
    let (magic, length) = checked.split_at_checked(4)?;
    if magic != MAGIC || check(checked) != check_read {
        return None;
    }
    let length: [u8; 4] = length.try_into().ok()?;
    let size = usize::try_from(u32::from_le_bytes(length)).ok()?;
    if size > MAX_PAYLOAD {
        return None;
    }
    let payload = rest.get(..size)?;
    let next = digest(chain, length, payload);
    (next.0 == digest_read).then_some((payload, next))
}

/// Whether any mark is in these bytes.
fn has_mark(bytes: &[u8]) -> bool {
    bytes.windows(MARK_LEN).any(|window| {
        let (head, tail) = window.split_at(MARK_LEN - 4);
        head.starts_with(&MARK) && check(head) == tail
    })
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest(bytes);
    let mut check = [0; 4];
    check
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    check
}

fn digest(Chain(before): Chain, length: [u8; 4], payload: &[u8]) -> Chain {
    let digest = Sha256::new()
        .chain_update(before)
        .chain_update(length)
        .chain_update(payload)
        .finalize();
    let mut chain = [0; 16];
    chain
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    Chain(chain)
}
