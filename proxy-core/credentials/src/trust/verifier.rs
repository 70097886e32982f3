//! The check of a server's certificate, in three modes.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::remembered::{Remembered, key};
use crate::settings::TlsMode;

/// How many refused certificates are kept for an explanation, and how long each may be.
const MAX_REFUSED: usize = 32;
const MAX_LEAF: usize = 16 << 10;

/// Checks certificates in one mode, by one set of roots.
pub(super) struct Verifier {
    mode: TlsMode,
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    remembered: Remembered,
    /// The last ones that were refused, by name.
    refused: Mutex<VecDeque<(String, Vec<u8>)>>,
}

// === impl Verifier ===

impl Verifier {
    pub fn new(mode: TlsMode, roots: RootCertStore, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self {
            mode,
            roots,
            algorithms,
            remembered: Remembered::default(),
            refused: Mutex::default(),
        }
    }

    /// The last certificate under this name that was refused (DER).
    pub fn refused(&self, name: &ServerName<'_>) -> Option<Vec<u8>> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name.to_str();
        let (_, leaf) = refused.iter().rev().find(|(other, _)| *other == name)?;
        Some(leaf.clone())
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        let signed = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            others,
            now,
            self.algorithms.all,
        );
        match signed {
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if self.is_root(leaf) => {
                is_good_now(leaf, now)?;
            }
            signed => signed?,
        }
        if self.mode == TlsMode::VerifyFull {
            verify_server_name(&parsed, name)?;
        }
        Ok(())
    }

    /// Whether the server shows one of the roots itself: a certificate that it signed itself, and that somebody trusts by
    /// name. As `openssl req -x509` makes them they say to be an authority's, which nobody else may show as their own.
    fn is_root(&self, leaf: &CertificateDer<'_>) -> bool {
        let mut own = RootCertStore::empty();
        let added = own.add(leaf.clone().into_owned());
        added.is_ok() && own.roots.iter().any(|root| self.roots.roots.contains(root))
    }

    fn note(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>) {
        if leaf.len() > MAX_LEAF {
            return;
        }
        let name = name.to_str().into_owned();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|(other, _)| *other != name);
        if refused.len() == MAX_REFUSED {
            refused.pop_front();
        }
        refused.push_back((name, leaf.to_vec()));
    }
}

/// The library looks at this before it looks whose the certificate is; that is not relied on.
fn is_good_now(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let (_, read) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = read.validity();
    if now < validity.not_before.timestamp() {
        Err(CertificateError::NotValidYet)
    } else if now > validity.not_after.timestamp() {
        Err(CertificateError::Expired)
    } else {
        Ok(())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("mode", &self.mode)
            .field("roots", &self.roots.len())
            .finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.mode == TlsMode::Insecure {
            return Ok(ServerCertVerified::assertion());
        }
        let key = key(leaf, others, name);
        if self.remembered.holds(&key, now) {
            return Ok(ServerCertVerified::assertion());
        }
        match self.check(leaf, others, name, now) {
            Ok(()) => {
                self.remembered.keep(key, leaf, others, now);
                Ok(ServerCertVerified::assertion())
            }
            Err(error) => {
                self.note(leaf, name);
                Err(error)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
