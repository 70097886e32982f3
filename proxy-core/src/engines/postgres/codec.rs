//! Bytes of the PostgreSQL protocol, version 3: reading fields with bounds, and putting messages together.
//!
//! A message is a tag of one byte, a length of four (which counts itself and not the tag), and a body. Only the first
//! packet of a connection has no tag. Facts: PostgreSQL's documentation, chapter "Frontend/Backend Protocol".

/// The request codes that stand where a start-up packet has its protocol version.
pub mod code {
    /// `SSLRequest`: may this connection be encrypted by TLS?
    pub const SSL: u32 = 80_877_103;
    /// `GSSENCRequest`: may this connection be encrypted by Kerberos?
    pub const GSS: u32 = 80_877_104;
    /// `CancelRequest`: end what another session is doing.
    pub const CANCEL: u32 = 80_877_102;
}

/// Bytes of a tag and a length.
pub const HEADER: usize = 5;

/// The longest message the protocol can carry, as PostgreSQL bounds it (1 GiB - 1), without its tag.
pub const MAX_MESSAGE: u32 = 0x3fff_ffff;

/// A protocol version that this side speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 3.0, of every server since 7.4: cancel keys have four bytes.
    V30,
    /// 3.2, of PostgreSQL 18: cancel keys have up to 256 bytes.
    V32,
}

impl Version {
    /// The number on the wire: major in the upper half, minor in the lower.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::V30 => 0x0003_0000,
            Self::V32 => 0x0003_0002,
        }
    }
}

/// A cursor over a message's body. Every step answers `None` at the end, and never reads past it.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Two bytes, in network order.
    pub fn u16(&mut self) -> Option<u16> {
        let (taken, rest) = self.rest.split_first_chunk::<2>()?;
        self.rest = rest;
        Some(u16::from_be_bytes(*taken))
    }

    /// Four bytes, in network order.
    pub fn u32(&mut self) -> Option<u32> {
        let (taken, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*taken))
    }

    /// Four bytes, in network order, with a sign.
    pub fn i32(&mut self) -> Option<i32> {
        self.u32().map(u32::cast_signed)
    }

    /// The bytes before the next zero, which is passed over.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.rest)?;
        let (taken, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..)?;
        Some(taken)
    }
}

/// The tag and the body's length of a message whose header is at the beginning of `bytes`.
/// `None` while it is not whole; a length that counts less than itself is [`BadLength`].
pub fn header(bytes: &[u8]) -> Result<Option<(u8, u32)>, BadLength> {
    let Some(([tag, length @ ..], _)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length);
    match length.checked_sub(4) {
        Some(body) if length <= MAX_MESSAGE => Ok(Some((*tag, body))),
        _ => Err(BadLength { tag: *tag, length }),
    }
}

/// A length that no message can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {} has the impossible length {length}", tag.escape_ascii())]
pub struct BadLength {
    /// The message's tag.
    pub tag: u8,
    /// The length as it stood on the wire.
    pub length: u32,
}

/// Puts one message behind `out`: its tag, its length, and the body that `body` writes.
pub fn put(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    put_packet(out, body);
}

/// Puts one packet without a tag behind `out`: its length and the body that `body` writes.
pub fn put_packet(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Puts `text` and its closing zero behind `out`. A zero inside would end it early, so that it is left out.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_never_passes_the_end() {
        let mut reader = Reader::new(b"ab\0\x00\x01\x02");
        assert_eq!(reader.text(), Some(&b"ab"[..]));
        assert_eq!(reader.u16(), Some(1));
        assert_eq!(reader.u32(), None);
        assert_eq!(reader.u8(), Some(2));
        assert_eq!(
            (reader.u8(), reader.text(), reader.take(1)),
            (None, None, None)
        );
        assert_eq!(reader.take(0), Some(&b""[..]));
    }

    #[test]
    fn a_length_counts_itself_and_has_a_limit() {
        assert_eq!(header(b"Q\0\0\0"), Ok(None));
        assert_eq!(header(b"Q\0\0\0\x05x"), Ok(Some((b'Q', 1))));
        assert_eq!(header(b"Q\0\0\0\x03").map_err(|e| e.length), Err(3));
        assert_eq!(
            header(b"Q\x40\0\0\0").map_err(|e| e.length),
            Err(0x4000_0000)
        );
        assert_eq!(
            header(b"Q\xff\xff\xff\xff").map_err(|e| e.to_string()),
            Err("message Q has the impossible length 4294967295".into())
        );
    }

    #[test]
    fn what_is_put_together_can_be_read() {
        let mut out = b"before".to_vec();
        put(&mut out, b'p', |out| put_text(out, "se\0cret"));
        assert_eq!(out, b"beforep\0\0\0\x0bsecret\0");
    }
}
