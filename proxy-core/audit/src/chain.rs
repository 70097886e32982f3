//! The chain: each line is bound to the one before it, so that nothing can be changed, taken out or put in between
//! without changing all that follows.
//!
//! A line is a JSON object whose last two members are `seq`, its number in the log, and `chain`, in hexadecimal:
//! SHA-256 over the 32 bytes of the line before's chain, and then over this line up to, and without, `,"chain":"`.
//! The first line of a log has 32 zero bytes before it.

use ring::digest;

use crate::json;

/// 32 bytes that stand for all lines up to one.
pub(crate) type Link = [u8; 32];

/// What stands between the part of a line that is hashed and its hash.
pub(crate) const SEAM: &[u8] = b",\"chain\":\"";
/// The end of a line from the seam on: seam, 64 digits, `"}`.
pub(crate) const END: usize = SEAM.len() + 64 + 2;

/// Where a log is: the number and the link of its last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) seq: u64,
    pub(crate) link: Link,
}

impl Chain {
    /// Appends one line, made of an object without its end.
    pub(crate) fn append(&mut self, object: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        self.seq += 1;
        out.extend_from_slice(object);
        out.extend_from_slice(b",\"seq\":");
        json::number(out, self.seq);
        self.link = next(&self.link, out.get(start..).unwrap_or(&[]));
        out.extend_from_slice(SEAM);
        json::hex(out, &self.link);
        out.extend_from_slice(b"\"}\n");
    }
}

/// The link of a line of which `body` is what is hashed.
pub(crate) fn next(before: &Link, body: &[u8]) -> Link {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(before);
    context.update(body);
    context.finish().as_ref().try_into().unwrap_or_default()
}

/// A line, without its newline, in its parts: what is hashed, its number, and the link that it says it has.
pub(crate) fn parts(line: &[u8]) -> Option<(&[u8], Chain)> {
    let (body, end) = line.split_at_checked(line.len().checked_sub(END)?)?;
    let digits = end.strip_prefix(SEAM)?.strip_suffix(b"\"}")?;
    let link = unhex(digits)?;
    let count = body.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let (before, number) = body.split_at_checked(body.len() - count.count())?;
    before.strip_suffix(b",\"seq\":")?;
    let seq = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((body, Chain { seq, link }))
}

/// 32 bytes from 64 digits in lower case.
pub(crate) fn unhex(digits: &[u8]) -> Option<Link> {
    let mut link = Link::default();
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in link.iter_mut().zip(digits.chunks(2)) {
        for digit in pair {
            let half = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = *byte << 4 | half;
        }
    }
    Some(link)
}

/// A link as text.
pub(crate) fn hex(link: &Link) -> String {
    let mut out = Vec::with_capacity(64);
    json::hex(&mut out, link);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The links were computed by another program:
    /// `python3 -c 'from hashlib import sha256 as s; a=s(bytes(32)+b"{\"a\":1,\"seq\":1").digest(); print(a.hex());
    /// print(s(a+b"{\"b\":\"x\",\"seq\":2").hexdigest())'`
    #[test]
    fn the_chain_is_that_of_the_page() {
        let mut chain = Chain::default();
        let mut out = Vec::new();
        chain.append(b"{\"a\":1", &mut out);
        chain.append(b"{\"b\":\"x\"", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"a":1,"seq":1,"chain":"32dc14855f61dd0481ced1e54d78ed822d884f1c7b28ffa47d9053f83b8db93f"}"#,
                "\n",
                r#"{"b":"x","seq":2,"chain":"f548dffc1cc1bbdffe50564c2150f9f535718cb4fd954d5e3a7acc18ecbf4360"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_line_comes_apart_as_it_was_put_together() {
        let mut chain = Chain {
            seq: 41,
            link: [7; 32],
        };
        let mut out = Vec::new();
        let before = chain.link;
        chain.append(b"{\"db_query\":\",\\\"seq\\\":9\"", &mut out);
        let line = out.strip_suffix(b"\n").unwrap();
        let (body, said) = parts(line).unwrap();
        assert_eq!(said, chain);
        assert_eq!(next(&before, body), chain.link);
        for end in 0..line.len() {
            assert_eq!(parts(line.get(..end).unwrap()), None);
        }
    }
}
