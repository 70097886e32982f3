//! JSON into a byte buffer: what an event is written with, without a tree and without an allocation of its own.
//!
//! Bytes that are not UTF-8 become U+FFFD, so that what is written is always JSON.

use std::net::SocketAddr;

use crate::time::Micros;

/// Writes the members of an object, each with a comma before it.
pub(crate) struct Members<'b> {
    pub(crate) out: &'b mut Vec<u8>,
}

impl Members<'_> {
    pub(crate) fn key(&mut self, key: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        string(self.out, value.as_bytes());
    }

    pub(crate) fn bytes(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        string(self.out, value);
    }

    /// Nothing at all when there is nothing to say.
    pub(crate) fn some_text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(crate) fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        number(self.out, value);
    }

    pub(crate) fn some_number(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.number(key, value);
        }
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn time(&mut self, key: &str, value: Micros) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(&value.text());
        self.out.push(b'"');
    }

    pub(crate) fn address(&mut self, key: &str, value: Option<SocketAddr>) {
        if let Some(value) = value {
            self.text(key, &value.to_string());
        }
    }

    pub(crate) fn list<'t>(&mut self, key: &str, values: impl IntoIterator<Item = &'t str>) {
        self.key(key);
        self.out.push(b'[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            string(self.out, value.as_bytes());
        }
        self.out.push(b']');
    }

    pub(crate) fn base64(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        base64(self.out, value);
        self.out.push(b'"');
    }

    pub(crate) fn hex(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        hex(self.out, value);
        self.out.push(b'"');
    }
}

/// What needs an escape in a string: quote, backslash and the control characters.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    {
        table[b'"' as usize] = true;
        table[b'\\' as usize] = true;
    }
    table
};

/// A string with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    inner(out, value);
    out.push(b'"');
}

/// A string without its quotes.
pub(crate) fn inner(out: &mut Vec<u8>, value: &[u8]) {
    if let Ok(text) = std::str::from_utf8(value) {
        return escaped(out, text.as_bytes());
    }
    for chunk in value.utf8_chunks() {
        escaped(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn escaped(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(at) = text
        .iter()
        .position(|byte| SPECIAL.get(usize::from(*byte)).copied().unwrap_or(false))
    {
        let (plain, rest) = text.split_at(at);
        out.extend_from_slice(plain);
        let Some((special, rest)) = rest.split_first() else {
            return;
        };
        text = rest;
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                out.extend_from_slice(b"\\u00");
                hex(out, &[*other]);
            }
        }
    }
    out.extend_from_slice(text);
}

/// A number in decimal.
pub(crate) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut len = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        len += 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - len..).unwrap_or(&[]));
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        let pair = [byte >> 4, byte & 15].map(|half| HEX.get(usize::from(half)).copied());
        out.extend(pair.into_iter().flatten());
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes in base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(out: &mut Vec<u8>, value: &[u8]) {
    for three in value.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let six = (bits >> (18 - 6 * index)) & 63;
            let letter = BASE64.get(six as usize).copied().unwrap_or(b'=');
            out.push(if index <= three.len() { letter } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    fn written(value: &[u8]) -> String {
        let mut out = Vec::new();
        string(&mut out, value);
        String::from_utf8(out).expect("UTF-8")
    }

    proptest! {
        /// serde_json reads back what was written; what is no UTF-8 is what the standard library makes of it.
        #[test]
        fn strings_come_back(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let back: String = serde_json::from_str(&written(&value)).unwrap();
            prop_assert_eq!(back, String::from_utf8_lossy(&value));
        }

        #[test]
        fn texts_come_back(value in "\\PC*|[\\x00-\\x7f]*") {
            let back: String = serde_json::from_str(&written(value.as_bytes())).unwrap();
            prop_assert_eq!(back, value);
        }

        #[test]
        fn numbers_come_back(value in any::<u64>()) {
            let mut out = Vec::new();
            number(&mut out, value);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(
            written(b"a\nb\r\"\\\x00\x1b"),
            r#""a\nb\r\"\\\u0000\u001b""#
        );
    }

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            base64(&mut out, plain.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
