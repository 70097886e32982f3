//! The public key of somebody who wants a certificate. Private keys never travel.

use rcgen::{PublicKeyData, SignatureAlgorithm};
use rustls_pki_types::{CertificateSigningRequestDer, SubjectPublicKeyInfoDer, pem::PemObject};
use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};

use super::CaError;

/// The most bytes of a key or request in PEM.
pub const MAX_KEY: usize = 16 << 10;

/// The fewest bits of an RSA key.
const RSA_BITS: usize = 2048;

/// A public key that a certificate can be made for: ECDSA on P-256 or P-384, Ed25519, or RSA from 2048 bits.
#[derive(Debug)]
pub struct ClientKey {
    algorithm: &'static SignatureAlgorithm,
    /// As it stands in the certificate.
    bytes: Vec<u8>,
}

impl ClientKey {
    /// Reads a public key (`PUBLIC KEY`), or a signing request (`CERTIFICATE REQUEST`), whose signature is checked. What
    /// else stands in a request is not looked at: the authority says what stands in a certificate.
    ///
    /// # Errors
    /// When it is none, and when its sort or size is not taken.
    pub fn from_pem(pem: &str) -> Result<Self, CaError> {
        if pem.len() > MAX_KEY {
            return Err(CaError::Key(format!("it has more than {MAX_KEY} bytes")));
        }
        let bytes = pem.as_bytes();
        let key = match CertificateSigningRequestDer::from_pem_slice(bytes) {
            Ok(request) => of_request(&request)?,
            Err(_) => SubjectPublicKeyInfoDer::from_pem_slice(bytes)
                .map_err(|_| wrong("it is neither `PUBLIC KEY` nor `CERTIFICATE REQUEST` in PEM"))?
                .to_vec(),
        };
        let key = rcgen::SubjectPublicKeyInfo::from_der(&key).map_err(wrong)?;
        let key = Self {
            algorithm: key.algorithm(),
            bytes: key.der_bytes().to_vec(),
        };
        key.check()?;
        Ok(key)
    }

    fn check(&self) -> Result<(), CaError> {
        let known = [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_RSA_SHA256,
        ];
        if !known.contains(&self.algorithm) {
            return Err(CaError::Key(
                "it has to be ECDSA on P-256 or P-384, Ed25519, or RSA".to_owned(),
            ));
        }
        let size = self.bytes.len();
        let right = match () {
            () if self.algorithm == &rcgen::PKCS_ECDSA_P256_SHA256 => size == 65,
            () if self.algorithm == &rcgen::PKCS_ECDSA_P384_SHA384 => size == 97,
            () if self.algorithm == &rcgen::PKCS_ED25519 => size == 32,
            // Modulus and exponent in ASN.1.
            () => (RSA_BITS / 8..=2048).contains(&size),
        };
        match right {
            true => Ok(()),
            false => Err(CaError::Key(format!(
                "it has the wrong size; RSA keys have at least {RSA_BITS} bits"
            ))),
        }
    }
}

/// The public key of a request that was signed with the private one. Which sort it is says the key, not the signature.
fn of_request(request: &[u8]) -> Result<Vec<u8>, CaError> {
    let (rest, request) = X509CertificationRequest::from_der(request).map_err(wrong)?;
    if !rest.is_empty() {
        return Err(wrong("something follows the request"));
    }
    request
        .verify_signature()
        .map_err(|_| wrong("the request was not signed with its key"))?;
    Ok(request.certification_request_info.subject_pki.raw.to_vec())
}

fn wrong(why: impl ToString) -> CaError {
    CaError::Key(why.to_string())
}

impl PublicKeyData for ClientKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}
