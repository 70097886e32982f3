//! Private keys. They are made here, kept in files that only their person reads, and never leave.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{Error, Kind, Result, Secret};

/// A key that was just made: ECDSA on P-256.
pub struct LocalKey(KeyPair);

impl LocalKey {
    /// Makes one, of the system's randomness.
    ///
    /// # Errors
    /// When the system has none.
    pub fn make() -> Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
        key.map(Self).map_err(|error| cannot_make(&error))
    }

    /// Reads one that was kept.
    ///
    /// # Errors
    /// When it is none. Says nothing of what stands in it.
    pub fn from_pem(pem: &Secret) -> Result<Self> {
        let key = KeyPair::from_pem(pem.reveal());
        key.map(Self)
            .map_err(|_| damaged("there is no private key in PEM"))
    }

    /// The private key as PKCS#8 in PEM, for a file that nobody else reads.
    pub fn pem(&self) -> Secret {
        Secret::new(self.0.serialize_pem())
    }

    /// A signing request in PEM: what the proxy is shown. Names nobody: who it is for is decided there.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn request(&self) -> Result<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&self.0);
        let pem = request.and_then(|request| request.pem());
        pem.map_err(|error| cannot_make(&error))
    }
}

/// A certificate with its key: what a person shows to the proxy.
pub struct Credentials {
    /// The certificate, and what leads to its authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl Credentials {
    /// Reads both from PEM.
    ///
    /// # Errors
    /// When one of them is none. Says nothing of what stands in it.
    pub fn from_pem(certificate: &str, key: &Secret) -> Result<Self> {
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
        let chain: std::result::Result<Vec<_>, _> = chain.collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| damaged("there is no certificate in PEM"))?;
        let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes());
        let key = key.map_err(|_| damaged("there is no private key in PEM"))?;
        Ok(Self { chain, key })
    }
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

fn damaged(why: &str) -> Error {
    Error::new(Kind::Damaged, "the certificate cannot be used").because(why)
}

fn cannot_make(error: &rcgen::Error) -> Error {
    Error::new(Kind::Files, "cannot make a key")
        .because(error.to_string())
        .hint("the system has to have randomness: is /dev/urandom there?")
}
