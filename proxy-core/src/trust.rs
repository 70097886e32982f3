//! Whom the door believes: the authorities of people's certificates, and the door's own certificate and key.
//!
//! A client's certificate is let through TLS unread (only the handshake's signature is checked, by rustls), and is
//! judged here afterwards. So a person whose certificate is missing, expired or foreign reads that in words of the
//! protocol, in place of a TLS alert that names a number. [`Trust::identify`] is the only place where an
//! [`Identified`] is made.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use muster_access::{IDENTITY_OID, Identity, MAX_IDENTITY};
use muster_model::Timestamp;
use ring::digest::{SHA256, digest};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::CertifiedKey,
};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::{
    der_parser::oid::Oid,
    prelude::{FromDer, X509Certificate},
};

use crate::tls::handshake::OneKey;

/// Application protocols that the door speaks.
const ALPN: [&[u8]; 3] = [b"postgresql", b"muster-postgres", b"http/1.1"];
/// Identities that are remembered.
const REMEMBERED: usize = 4096;

/// Whom the door believes, and as what it shows itself. Immutable; a rotation puts a new one in its place.
pub struct Trust {
    cluster: String,
    anchors: Vec<TrustAnchor<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
    server: Arc<ServerConfig>,
    seen: Mutex<HashMap<[u8; 32], Identified>>,
}

/// Why a trust cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// An authority's certificate cannot be read.
    #[error("cannot use an authority's certificate: {0}")]
    Authority(webpki::Error),
    /// The door's certificate or key cannot be used.
    #[error("cannot use the door's certificate or key: {0}")]
    Server(#[from] rustls::Error),
}

/// Who holds a certificate that was checked.
#[derive(Clone, Debug)]
pub struct Identified {
    identity: Arc<Identity>,
    not_after: Timestamp,
    signer: Signer,
}

/// Which key signed a certificate, so that its authority is known again: a digest of the public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signer([u8; 32]);

/// Why a certificate does not say who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIdentified {
    /// None was shown.
    #[error("no client certificate was shown")]
    Missing,
    /// It is over.
    #[error("the client certificate expired at {at}")]
    Expired {
        /// Since when.
        at: Timestamp,
    },
    /// It has not begun.
    #[error("the client certificate is not valid before {at}")]
    NotYet {
        /// From when.
        at: Timestamp,
    },
    /// Another authority made it.
    #[error("the client certificate was not made by this cluster's authority for users")]
    Foreign,
    /// It is good, but not for entering here.
    #[error("the client certificate is not one for people: {0}")]
    WrongUse(&'static str),
    /// It belongs to another cluster.
    #[error("the client certificate belongs to the cluster `{0}`")]
    OtherCluster(String),
    /// It cannot be read.
    #[error("the client certificate cannot be read: {0}")]
    Malformed(String),
}

// === impl Trust ===

impl Trust {
    /// Believes certificates for users made by `authorities` in `cluster`, and shows `chain` with its key.
    ///
    /// # Errors
    ///
    /// When a certificate cannot be read, or the key does not belong to it.
    pub fn new(
        cluster: impl Into<String>,
        authorities: &[CertificateDer<'_>],
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TrustError> {
        let mut provider = rustls::crypto::ring::default_provider();
        // AES with 128 bits is as safe for this and a third cheaper; the server's order counts.
        provider
            .cipher_suites
            .sort_by_key(|suite| !format!("{:?}", suite.suite()).contains("AES_128"));
        let provider = Arc::new(provider);
        let certified = CertifiedKey::from_der(chain, key, &provider)?;
        let algorithms = provider.signature_verification_algorithms;
        let mut anchors = Vec::new();
        for authority in authorities {
            let anchor = webpki::anchor_from_trusted_cert(authority)
                .map_err(TrustError::Authority)?
                .to_owned();
            anchors.push(anchor);
        }
        let mut server =
            ServerConfig::builder_with_provider(Arc::<CryptoProvider>::clone(&provider))
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
                .with_client_cert_verifier(Arc::new(LetThrough { algorithms }))
                .with_cert_resolver(Arc::new(OneKey(Arc::new(certified))));
        server.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        server.ignore_client_order = true;
        // See the module `tls`: neither tickets nor resumption.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        server.enable_secret_extraction = true;
        Ok(Self {
            cluster: cluster.into(),
            anchors,
            algorithms,
            server: Arc::new(server),
            seen: Mutex::new(HashMap::new()),
        })
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    pub(crate) const fn server(&self) -> &Arc<ServerConfig> {
        &self.server
    }

    /// Whether the authority that an identity came from is still believed.
    pub(crate) fn still_believes(&self, who: &Identified) -> bool {
        self.anchors
            .iter()
            .any(|anchor| Signer::by(anchor) == who.signer)
    }

    /// Says who holds the certificate that a client has shown first. What it shows besides is not looked at: the authority
    /// signs people's certificates itself, and nobody between has a say.
    ///
    /// A certificate that was checked is remembered by its digest until it expires, in at most 4096 places; a new trust
    /// remembers nothing.
    ///
    /// # Errors
    ///
    /// Why it does not say it.
    pub fn identify(
        &self,
        shown: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<Identified, NotIdentified> {
        let leaf = shown.first().ok_or(NotIdentified::Missing)?;
        let key = digest_bytes(digest(&SHA256, leaf).as_ref());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get(&key)
            && now < known.not_after
            && known.identity.issued <= now.plus(60)
        {
            return Ok(known.clone());
        }
        drop(seen);
        let who = self.check(leaf, now)?;
        seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.retain(|_, known| now < known.not_after);
            if seen.len() >= REMEMBERED {
                seen.clear();
            }
        }
        seen.insert(key, who.clone());
        Ok(who)
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        now: Timestamp,
    ) -> Result<Identified, NotIdentified> {
        let time =
            UnixTime::since_unix_epoch(Duration::from_secs(now.unix().max(0).unsigned_abs()));
        let end = EndEntityCert::try_from(leaf).map_err(|error| wrong(&error))?;
        let path = end
            .verify_for_usage(
                self.algorithms.all,
                &self.anchors,
                &[],
                time,
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map_err(|error| wrong(&error))?;
        let signer = Signer::by(path.anchor());
        let (_, parsed) = X509Certificate::from_der(leaf)
            .map_err(|_| NotIdentified::Malformed("not an X.509 certificate".into()))?;
        let identity = extension(&parsed)?;
        if identity.cluster != self.cluster {
            return Err(NotIdentified::OtherCluster(identity.cluster));
        }
        let not_after = Timestamp::from_unix(parsed.validity().not_after.timestamp());
        Ok(Identified {
            identity: Arc::new(identity),
            not_after,
            signer,
        })
    }
}

/// Reads a certificate as one that a client shows is read, but for whose it is. Whether an identity stands in it. For
/// [`crate::fuzz`].
pub(crate) fn read(der: &[u8]) -> bool {
    let leaf = CertificateDer::from(der);
    let end = EndEntityCert::try_from(&leaf).map_err(|error| wrong(&error));
    let parsed = X509Certificate::from_der(der);
    end.is_ok() & parsed.is_ok_and(|(_, parsed)| extension(&parsed).is_ok())
}

/// The identity in the certificate: exactly one, and bounded.
fn extension(certificate: &X509Certificate<'_>) -> Result<Identity, NotIdentified> {
    // Compared as it is encoded: the last arc has 64 bits, which the reader does not hand out as a number.
    let wanted = Oid::from(IDENTITY_OID)
        .map_err(|_| NotIdentified::Malformed("no object identifier".into()))?;
    let mut found = certificate
        .extensions()
        .iter()
        .filter(|extension| extension.oid == wanted)
        .map(|extension| extension.value);
    let (Some(value), None) = (found.next(), found.next()) else {
        return Err(NotIdentified::WrongUse("it carries no identity of muster"));
    };
    if value.len() > MAX_IDENTITY {
        return Err(NotIdentified::Malformed("its identity is too long".into()));
    }
    Identity::decode(value).map_err(|error| NotIdentified::Malformed(error.to_string()))
}

fn wrong(error: &webpki::Error) -> NotIdentified {
    let time =
        |at: &UnixTime| Timestamp::from_unix(i64::try_from(at.as_secs()).unwrap_or(i64::MAX));
    match error {
        webpki::Error::CertExpired { not_after, .. } => NotIdentified::Expired {
            at: time(not_after),
        },
        webpki::Error::CertNotValidYet { not_before, .. } => NotIdentified::NotYet {
            at: time(not_before),
        },
        webpki::Error::UnknownIssuer
        | webpki::Error::InvalidSignatureForPublicKey
        | webpki::Error::SignatureAlgorithmMismatch => NotIdentified::Foreign,
        webpki::Error::RequiredEkuNotFoundContext(_) | webpki::Error::EmptyEkuExtension => {
            NotIdentified::WrongUse("it is not for authenticating a client")
        }
        webpki::Error::CaUsedAsEndEntity => NotIdentified::WrongUse("it is an authority's own"),
        other => NotIdentified::Malformed(format!("{other:?}")),
    }
}

fn digest_bytes(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

// === impl Identified ===

impl Identified {
    /// Who.
    pub const fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// When the certificate ends.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whose signature it bears.
    pub const fn signer(&self) -> Signer {
        self.signer
    }
}

// === impl Signer ===

impl Signer {
    /// The key of an authority, by its certificate.
    ///
    /// # Errors
    ///
    /// When that cannot be read.
    pub fn of(authority: &CertificateDer<'_>) -> Result<Self, TrustError> {
        let anchor = webpki::anchor_from_trusted_cert(authority).map_err(TrustError::Authority)?;
        Ok(Self::by(&anchor))
    }

    fn by(anchor: &TrustAnchor<'_>) -> Self {
        Self(digest_bytes(
            digest(&SHA256, &anchor.subject_public_key_info).as_ref(),
        ))
    }
}

// === impl NotIdentified ===

impl NotIdentified {
    /// What to do about it, for the person.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Missing => {
                "Log in with `muster login`, and give the client its certificate and key (psql: sslcert and sslkey)."
            }
            Self::Expired { .. } => "Log in again with `muster login`.",
            Self::NotYet { .. } => "Set this machine's clock, or the door's.",
            Self::Foreign | Self::OtherCluster(_) => {
                "Use the certificate that `muster login` at this cluster has written."
            }
            Self::WrongUse(_) | Self::Malformed(_) => {
                "Use the certificate that `muster login` or `muster db login` has written."
            }
        }
    }
}

/// Lets any client certificate through, or none; the signature of the handshake is checked.
#[derive(Debug)]
struct LetThrough {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for LetThrough {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: a client that is told of them keeps a certificate of another authority to itself, and its person would read
    /// that there was none.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Judged by `Trust::identify`, where the client can be told what is wrong.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
