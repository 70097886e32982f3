//! Whom to believe to be the proxy: its authorities, known by their fingerprints.
//!
//! The first time, the authorities are fetched over a connection that is not verified and that sends nothing but a
//! question that anybody may ask ([`introduce`]). A person, or the pin that they were given, says which of them is right;
//! from then on every connection is verified fully, by name, against that one alone.

mod introduce;
pub(crate) mod verify;

use std::{fmt, str::FromStr, sync::Arc};

use muster_model::Timestamp;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::introduce::{Introduction, introduce};
use crate::{Credentials, Error, Kind, Result};

/// The time, passed in.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The protocol of the API within TLS.
pub const HTTP: &[u8] = b"http/1.1";

/// The most authorities that a proxy is believed to have.
const MAX_AUTHORITIES: usize = 16;

/// The SHA-256 of an authority's certificate. Written as `sha256:HEX`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Pin([u8; 32]);

impl Pin {
    /// The one of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pin {
    type Err = Error;

    /// Reads `sha256:HEX`, in either case, also without `sha256:` and with colons as `openssl` writes them.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let short: String = text.chars().take(100).collect();
            Error::new(Kind::Usage, format!("`{short}` is no fingerprint"))
                .because("it is not `sha256:` and 64 hexadecimal digits")
                .hint("copy it from `muster auth status`, or from what `muster user add` printed")
        };
        let plain = text.trim().to_ascii_lowercase();
        let plain = plain.strip_prefix("sha256:").unwrap_or(&plain);
        let mut digits = plain.chars().filter(|letter| *letter != ':');
        let mut digest = [0_u8; 32];
        for byte in &mut digest {
            let mut digit = || digits.next().and_then(|digit| digit.to_digit(16));
            let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
            *byte = u8::try_from(high * 16 + low).map_err(|_| wrong())?;
        }
        match digits.next() {
            None => Ok(Self(digest)),
            Some(_) => Err(wrong()),
        }
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.to_string()
    }
}

impl TryFrom<String> for Pin {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// The authorities that a proxy's certificate is verified by: one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    authorities: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Reads certificates in PEM.
    ///
    /// # Errors
    /// When there is none, or something in it is none.
    pub fn from_pem(pem: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::new(Kind::Damaged, "the proxy's authorities cannot be read").because(why)
        };
        let read = CertificateDer::pem_slice_iter(pem.as_bytes()).take(MAX_AUTHORITIES + 1);
        let read: Vec<_> = read
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| wrong("it is not PEM"))?;
        if read.is_empty() {
            return Err(wrong("there is no certificate in PEM"));
        }
        if read.len() > MAX_AUTHORITIES {
            return Err(wrong("there are more of them than any proxy has"));
        }
        let trust = Self { authorities: read };
        trust.roots()?;
        Ok(trust)
    }

    /// As PEM.
    pub fn pem(&self) -> String {
        let one = |certificate: &CertificateDer<'_>| as_pem(certificate);
        self.authorities.iter().map(one).collect()
    }

    /// The fingerprints.
    pub fn pins(&self) -> Vec<Pin> {
        self.authorities.iter().map(Pin::of).collect()
    }

    /// The authority with this fingerprint, and no other.
    pub fn only(&self, pin: Pin) -> Option<Self> {
        let found = self.authorities.iter().find(|one| Pin::of(one) == pin)?;
        Some(Self {
            authorities: vec![found.clone()],
        })
    }

    /// What a connection is made with: the proxy verified fully, chain and name; `own` is shown where there is one; `alpn`
    /// says what is spoken within ([`HTTP`] for the API).
    ///
    /// # Errors
    /// When certificate and key of `own` do not fit each other.
    pub fn tls(
        &self,
        own: Option<&Credentials>,
        alpn: &[u8],
        clock: &Clock,
    ) -> Result<Arc<ClientConfig>> {
        let builder = verify::builder(clock)?.with_root_certificates(self.roots()?);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let Credentials { chain, key } = own.clone();
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    Error::new(Kind::Damaged, "the certificate cannot be used")
                        .because(error.to_string())
                })?
            }
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        Ok(Arc::new(config))
    }

    pub(crate) fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for authority in &self.authorities {
            roots.add(authority.clone()).map_err(|error| {
                Error::new(Kind::Damaged, "the proxy's authorities cannot be read")
                    .because(error.to_string())
            })?;
        }
        Ok(roots)
    }
}

fn as_pem(certificate: &CertificateDer<'_>) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: any place is between two letters.
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
