//! The public key of somebody who wants a certificate. Private keys never travel.

use rcgen::{PublicKeyData, SignatureAlgorithm};
use ring::agreement::{
    Algorithm, ECDH_P256, ECDH_P384, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral,
};
use rustls_pki_types::{CertificateSigningRequestDer, SubjectPublicKeyInfoDer, pem::PemObject};
use x509_parser::{
    certification_request::X509CertificationRequest, prelude::FromDer, public_key::RSAPublicKey,
};

use super::CaError;

/// The most bytes of a key or request in PEM.
pub const MAX_KEY: usize = 16 << 10;

/// The fewest bits of an RSA key, and the most: as rustls takes them.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// What the public exponent of an RSA key is at least (FIPS 186-5, A.1.1): with 1 anybody could sign.
const RSA_EXPONENT: u64 = 65_537;

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
            () if self.algorithm == &rcgen::PKCS_ECDSA_P256_SHA256 => {
                return on_curve(&ECDH_P256, &self.bytes);
            }
            () if self.algorithm == &rcgen::PKCS_ECDSA_P384_SHA384 => {
                return on_curve(&ECDH_P384, &self.bytes);
            }
            () if self.algorithm == &rcgen::PKCS_ED25519 => size == 32,
            () => return rsa(&self.bytes),
        };
        match right {
            true => Ok(()),
            false => Err(wrong("it has the wrong size")),
        }
    }
}

/// Whether the key of an elliptic curve is a point of it, and not compressed, as TLS wants it. Agreeing on a secret with it,
/// which is thrown away, checks the public key in full (SP 800-56A, 5.6.2.3.3).
fn on_curve(curve: &'static Algorithm, point: &[u8]) -> Result<(), CaError> {
    let chance = ring::rand::SystemRandom::new();
    let own = EphemeralPrivateKey::generate(curve, &chance)
        .map_err(|_| wrong("the system gives no random bytes to check it with"))?;
    agree_ephemeral(own, &UnparsedPublicKey::new(curve, point), |_| ())
        .map_err(|_| wrong("it is no point of its curve"))
}

/// Whether an RSA key is one that can be used at all: modulus and exponent stand in it one behind the other (RFC 8017, A.1.1).
fn rsa(bytes: &[u8]) -> Result<(), CaError> {
    let (_, key) = RSAPublicKey::from_der(bytes).map_err(wrong)?;
    let strip = |number: &[u8]| -> Vec<u8> {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number.get(zeros..).unwrap_or_default().to_vec()
    };
    let modulus = strip(key.modulus);
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = (modulus.len() * 8).saturating_sub(unused as usize);
    if !RSA_BITS.contains(&bits) {
        let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
        return Err(CaError::Key(format!(
            "an RSA key has {least} to {most} bits, and this one {bits}"
        )));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    let exponent = key.try_exponent().unwrap_or_default();
    if !is_odd(&modulus) || !is_odd(key.exponent) || exponent < RSA_EXPONENT {
        return Err(wrong(
            "an RSA key has an odd modulus, and an odd exponent from 65537",
        ));
    }
    Ok(())
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
