//! The signature of a webhook's body, so that a receiver can tell that it came from here and is not an old one.

use std::fmt::Write;

use muster_model::Timestamp;
use ring::hmac;

/// The value of the header: `t=UNIX,v1=HEX`, where HEX is HMAC-SHA256 by the secret of the text `UNIX.BODY`.
/// The time is part of what is signed, so that a receiver can refuse what was recorded long ago.
pub(super) fn sign(secret: &[u8], at: Timestamp, body: &str) -> String {
    let at = at.unix();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let mut header = format!("t={at},v1=");
    for byte in tag.as_ref() {
        // Writing to a text cannot fail.
        let _ = write!(header, "{byte:02x}");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf '%s' '1700000000.{"event":"enrolled"}' | openssl dgst -sha256 -hmac 'a secret of ours'`.
    #[test]
    fn is_what_openssl_says() {
        assert_eq!(
            sign(
                b"a secret of ours",
                Timestamp::from_unix(1_700_000_000),
                r#"{"event":"enrolled"}"#
            ),
            "t=1700000000,v1=c6697e02bbf0b3ec27b803e965b181edaf9dd6ec0c1944ccc35f9bf112a884ca"
        );
    }
}
