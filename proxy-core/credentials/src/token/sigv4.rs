//! AWS Signature Version 4 in a query: a GET whose signed URL, without its scheme, is the token.
//!
//! Written out here, in a page, because the SDK's generator for RDS does not encode the user's name, and falls back to a
//! region of its own. The tests hold it against the SDK's signer, botocore and the published answers.
//!
//! Source of fact: AWS, "Create a signed AWS API request" and "Query string parameters".

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use muster_cloud::Secret;
use ring::{digest, hmac};
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// What is signed.
pub(super) struct Presign<'a> {
    /// As in the credential's scope: `rds-db`.
    pub service: &'a str,
    /// `eu-west-1`.
    pub region: &'a str,
    /// The value of the header `host`, with the port where the service wants one.
    pub host: &'a str,
    /// The service's own parameters, not encoded.
    pub query: &'a [(&'a str, &'a str)],
    /// For how many seconds the signature is good.
    pub expires: u64,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl Presign<'_> {
    /// `HOST/?QUERY`, signed. The parameters are in the order in which they are signed, the signature last.
    ///
    /// A time before 1970 or after 9999 is taken for 1970: AWS refuses both.
    pub fn sign(&self, keys: &Credentials, at: SystemTime) -> Secret {
        let (date, stamp) = stamps(at);
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let credential = format!("{}/{scope}", keys.access_key_id());
        let expires = self.expires.to_string();
        let mut pairs = vec![
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", credential.as_str()),
            ("X-Amz-Date", stamp.as_str()),
            ("X-Amz-Expires", expires.as_str()),
            ("X-Amz-SignedHeaders", "host"),
        ];
        if let Some(session) = keys.session_token() {
            pairs.push(("X-Amz-Security-Token", session));
        }
        pairs.extend_from_slice(self.query);
        let mut pairs: Vec<String> = pairs
            .into_iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        // By name, as AWS asks for: no name here begins another one, so that what follows it does not matter.
        pairs.sort_unstable();
        let query = Zeroizing::new(pairs.join("&"));

        let nothing = digest::digest(&digest::SHA256, b"");
        let request = Zeroizing::new(format!(
            "GET\n/\n{}\nhost:{}\n\nhost\n{}",
            query.as_str(),
            self.host,
            hex(nothing.as_ref())
        ));
        let request = digest::digest(&digest::SHA256, request.as_bytes());
        let text = format!("{ALGORITHM}\n{stamp}\n{scope}\n{}", hex(request.as_ref()));

        let first = Zeroizing::new(format!("AWS4{}", keys.secret_access_key()));
        let mut tag = mac(first.as_bytes(), &date);
        for part in [self.region, self.service, "aws4_request", text.as_str()] {
            tag = mac(tag.as_ref(), part);
        }
        // Made as long as it will be, so that no shorter copy of it stays behind.
        let mut token = String::with_capacity(self.host.len() + query.len() + 96);
        let _ = write!(
            token,
            "{}/?{}&X-Amz-Signature={}",
            self.host,
            query.as_str(),
            hex(tag.as_ref())
        );
        Secret::from(token)
    }
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// `20240826` and `20240826T220000Z`.
fn stamps(at: SystemTime) -> (String, String) {
    let seconds = at
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|span| i64::try_from(span.as_secs()).ok())
        .unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let date = format!("{:04}{:02}{:02}", at.year(), u8::from(at.month()), at.day());
    let time = format!("{:02}{:02}{:02}", at.hour(), at.minute(), at.second());
    let stamp = format!("{date}T{time}Z");
    (date, stamp)
}

/// RFC 3986: everything but letters, digits and `-_.~` becomes `%` and two upper-case digits.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}
