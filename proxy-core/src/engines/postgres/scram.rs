//! The client's side of SCRAM-SHA-256 (RFC 5802 and 7677), with channel binding `tls-server-end-point` (RFC 5929), as
//! PostgreSQL speaks it; and its older method with MD5.
//!
//! Pure: the nonce is passed in. The states consume each other: [`First`] was sent, [`Final`] was sent, done. The server must
//! prove in the end that it knows the password too; what it asks for is bounded, as a hostile server could have a proxy
//! compute for minutes (`postgres-protocol` had to fix that in 0.6.12).
//!
//! Known answers: RFC 7677 section 3, and PostgreSQL itself.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use md5::{Digest as _, Md5};
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The name of the method without channel binding.
pub const SCRAM: &str = "SCRAM-SHA-256";
/// The name of the method with channel binding.
pub const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Random bytes that one log-in needs.
pub const RANDOM: usize = 18;
/// The most rounds that a server may ask for: above what is recommended anywhere today, and still a fraction of a second.
pub const MAX_ROUNDS: u32 = 1_000_000;
/// The longest message of a server that is read.
pub const MAX_MESSAGE: usize = 4096;

/// Whether and how the log-in is bound to the TLS session around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Not possible here: no TLS, or a certificate without a hash that is defined for it.
    Unsupported,
    /// Possible here, but the server does not offer it. A server that does will notice that somebody left it out.
    NotOffered,
    /// Bound to this hash of the server's certificate.
    EndPoint(Vec<u8>),
}

/// Why a log-in by SCRAM failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message that is not one of SCRAM's.
    #[error("the server's SCRAM message is broken")]
    Broken,
    /// The server's nonce does not begin with ours, or is nothing more than ours.
    #[error("the server's SCRAM nonce does not continue ours")]
    Nonce,
    /// The server asks for no rounds, or for too many.
    #[error("the server asks for {0} rounds of SCRAM; 1 to {MAX_ROUNDS} are done")]
    Rounds(u64),
    /// The server could not prove that it knows the password.
    #[error("the server did not prove that it knows the password")]
    Unproven,
    /// The server said why, in SCRAM's words.
    #[error("the server refused SCRAM: {0}")]
    Refused(String),
}

/// The first message was sent.
pub struct First {
    password: Zeroizing<String>,
    /// What the last message repeats, in base64: the header of the first, and the channel's data.
    channel: String,
    first_bare: String,
    nonce: String,
}

/// The last message was sent; what the server must answer is known.
pub struct Final {
    server_signature: hmac::Tag,
}

impl First {
    /// Begins, and gives the first message. `random` is secret until it is sent, and never used again.
    #[must_use]
    pub fn new(password: &str, random: &[u8; RANDOM], binding: &Binding) -> (Self, String) {
        Self::with_nonce(password, BASE64.encode(random), "", binding)
    }

    /// PostgreSQL takes the user from the start-up packet, and its clients leave the name empty here.
    fn with_nonce(password: &str, nonce: String, user: &str, binding: &Binding) -> (Self, String) {
        let (header, data): (_, &[u8]) = match binding {
            Binding::Unsupported => ("n,,", b""),
            Binding::NotOffered => ("y,,", b""),
            Binding::EndPoint(hash) => ("p=tls-server-end-point,,", hash),
        };
        let first_bare = format!("n={user},r={nonce}");
        let message = format!("{header}{first_bare}");
        let channel = BASE64.encode([header.as_bytes(), data].concat());
        (
            Self {
                password: prepared(password),
                channel,
                first_bare,
                nonce,
            },
            message,
        )
    }

    /// Takes the server's first message, and gives the last one to send.
    ///
    /// # Errors
    /// Why the server is not answered.
    pub fn answer(self, message: &[u8]) -> Result<(Final, String), ScramError> {
        let message = bounded(message)?;
        let (nonce, salt, rounds) = server_first(message)?;
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(ScramError::Nonce);
        }
        let salt = BASE64.decode(salt).map_err(|_| ScramError::Broken)?;
        let rounds: u64 = rounds.parse().map_err(|_| ScramError::Broken)?;
        let rounds = u32::try_from(rounds)
            .ok()
            .filter(|rounds| *rounds <= MAX_ROUNDS)
            .and_then(std::num::NonZeroU32::new)
            .ok_or(ScramError::Rounds(rounds))?;

        let mut salted = Zeroizing::new([0_u8; digest::SHA256_OUTPUT_LEN]);
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            self.password.as_bytes(),
            salted.as_mut(),
        );
        let salted = hmac::Key::new(hmac::HMAC_SHA256, salted.as_ref());
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let server_key = hmac::sign(&salted, b"Server Key");

        let unproven = format!("c={},r={nonce}", self.channel);
        let signed = format!("{},{message},{unproven}", self.first_bare);
        let sign =
            |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
        let client_signature = sign(stored_key.as_ref());
        let proof: Zeroizing<Vec<u8>> = client_key
            .as_ref()
            .iter()
            .zip(client_signature.as_ref())
            .map(|(key, signature)| key ^ signature)
            .collect::<Vec<_>>()
            .into();
        let last = format!("{unproven},p={}", BASE64.encode(&*proof));
        Ok((
            Final {
                server_signature: sign(server_key.as_ref()),
            },
            last,
        ))
    }
}

impl Final {
    /// Takes the server's last message. Only after this may its `AuthenticationOk` be believed.
    ///
    /// # Errors
    /// Why the server is not who it says.
    pub fn verify(self, message: &[u8]) -> Result<(), ScramError> {
        let message = bounded(message)?;
        let first = message.split(',').next().unwrap_or_default();
        if let Some(why) = first.strip_prefix("e=") {
            return Err(ScramError::Refused(super::error::clean(why, 200)));
        }
        let signature = first.strip_prefix("v=").ok_or(ScramError::Broken)?;
        let signature = BASE64.decode(signature).map_err(|_| ScramError::Broken)?;
        if bool::from(self.server_signature.as_ref().ct_eq(&signature)) {
            Ok(())
        } else {
            Err(ScramError::Unproven)
        }
    }
}

/// `r=…,s=…,i=…`, and extensions behind them, which nobody has to know. A mandatory one (`m=`) before them is refused.
fn server_first(message: &str) -> Result<(&str, &str, &str), ScramError> {
    let mut parts = message.split(',');
    let mut part = |name| {
        parts
            .next()
            .and_then(|part| part.strip_prefix(name))
            .ok_or(ScramError::Broken)
    };
    let found = (part("r=")?, part("s=")?, part("i=")?);
    let plain = |byte: u8| byte.is_ascii_graphic();
    if found.0.bytes().all(plain) {
        Ok(found)
    } else {
        Err(ScramError::Broken)
    }
}

fn bounded(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE {
        return Err(ScramError::Broken);
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Broken)
}

/// The password by SASLprep; as it is where that forbids it, as PostgreSQL does.
fn prepared(password: &str) -> Zeroizing<String> {
    Zeroizing::new(match stringprep::saslprep(password) {
        Ok(prepared) => prepared.into_owned(),
        Err(_) => password.to_owned(),
    })
}

/// The answer to a server that asks for MD5: `md5` and the hash of the hash of password and user, with `salt`.
#[must_use]
pub fn md5_answer(user: &str, password: &str, salt: [u8; 4]) -> Zeroizing<String> {
    let hex = |parts: &[&[u8]]| -> Zeroizing<String> {
        let mut hash = Md5::new();
        for part in parts {
            hash.update(part);
        }
        Zeroizing::new(
            hash.finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    };
    let inner = hex(&[password.as_bytes(), user.as_bytes()]);
    Zeroizing::new(format!("md5{}", hex(&[inner.as_bytes(), &salt]).as_str()))
}

/// The hash of a certificate (DER) that `tls-server-end-point` binds to: by the hash of the certificate's own signature, and
/// SHA-256 where that is MD5 or SHA-1. `None` where none is defined (Ed25519, RSA-PSS): then there is no binding.
#[must_use]
pub fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    use x509_parser::{oid_registry as oid, prelude::FromDer as _};

    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    let signature = &parsed.signature_algorithm.algorithm;
    let sha256 = [
        oid::OID_PKCS1_MD5WITHRSAENC,
        oid::OID_PKCS1_SHA1WITHRSA,
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_SIG_ECDSA_WITH_SHA256,
    ];
    let algorithm = if sha256.contains(signature) {
        &digest::SHA256
    } else if [oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384].contains(signature) {
        &digest::SHA384
    } else if [oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512].contains(signature) {
        &digest::SHA512
    } else {
        return None;
    };
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;
