//! The first meeting: a connection that is not verified, over which nothing secret goes.

use std::sync::{Arc, Mutex, PoisonError};

use muster_model::Timestamp;
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Clock, HTTP, Pin, Trust, verify};
use crate::{Address, Error, Kind, Limits, Ping, Result, api};

/// What a proxy says of itself, unproven.
#[derive(Debug)]
pub struct Introduction {
    /// What it says to anybody.
    pub ping: Ping,
    address: Address,
    told: Trust,
    leaf: CertificateDer<'static>,
    now: Timestamp,
}

/// Asks a proxy who it is, without believing it. Shows nothing, sends nothing but `GET /v1/ping`.
///
/// # Errors
/// When nobody answers, or somebody who is no proxy of muster's.
pub async fn introduce(address: &Address, clock: &Clock, limits: Limits) -> Result<Introduction> {
    let seen = Arc::new(Stranger::default());
    let builder = verify::builder(clock)?.dangerous();
    let mut config = builder
        .with_custom_certificate_verifier(Arc::clone(&seen) as _)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP.to_vec()];
    let api = api::Api::new(address.clone(), Arc::new(config), Arc::clone(clock), limits);
    let ping = api.ping().await?;
    let pem = ping.host_ca.as_deref().ok_or_else(|| {
        Error::new(Kind::Foreign, format!("the proxy {address} does not say who its authorities are"))
            .because(format!("it is muster {}, which is too old for that", ping.version))
            .hint("give the authority in a file: `muster auth export --ca host` writes it, `--ca-file FILE` reads it")
    })?;
    let told = Trust::from_pem(pem).map_err(|_| {
        verify::foreign(address).because("what it says its authorities are makes no sense")
    })?;
    let leaf = seen
        .leaf()
        .ok_or_else(|| verify::foreign(address).because("it shows no certificate"))?;
    Ok(Introduction {
        ping,
        address: address.clone(),
        told,
        leaf,
        now: clock(),
    })
}

impl Introduction {
    /// The authority with this fingerprint, if the proxy has it.
    ///
    /// # Errors
    /// When it has none such: it is not the proxy that the pin was made for.
    pub fn pinned(&self, pin: Pin) -> Result<Trust> {
        self.told.only(pin).ok_or_else(|| {
            let theirs: Vec<String> = self.told.pins().iter().take(4).map(Pin::to_string).collect();
            Error::new(
                Kind::Untrusted,
                format!("{} is not the proxy that the fingerprint stands for", self.address),
            )
            .because(format!("it is to have {pin}, and shows {}", theirs.join(", ")))
            .hint(
                "check host and port, and ask whoever gave you the fingerprint for the present one (`muster auth status`, \
                 line `host`); nothing secret was sent",
            )
        })
    }

    /// The authority that signed the certificate which the proxy showed, for a person to compare its fingerprint.
    ///
    /// # Errors
    /// When none of those that it names did, and when a clock or the name is wrong.
    pub fn signer(&self) -> Result<(Pin, Trust)> {
        let name = self.address.server_name()?;
        let mut refused = None;
        for pin in self.told.pins() {
            let Some(trust) = self.told.only(pin) else {
                continue;
            };
            let roots = Arc::new(trust.roots()?);
            let verifier =
                WebPkiServerVerifier::builder_with_provider(roots, verify::provider()).build();
            let verifier = verifier
                .map_err(|error| verify::foreign(&self.address).because(error.to_string()))?;
            match verifier.verify_server_cert(&self.leaf, &[], &name, &[], verify::unix(self.now)) {
                Ok(_) => return Ok((pin, trust)),
                Err(rustls::Error::InvalidCertificate(why)) => {
                    refused = Some(verify::distrusted(&why, &self.address, self.now));
                }
                Err(error) => {
                    refused = Some(verify::foreign(&self.address).because(error.to_string()))
                }
            }
        }
        Err(refused.unwrap_or_else(|| verify::foreign(&self.address)))
    }
}

/// Lets anybody pass, and keeps what they showed. That they have its key is checked all the same.
#[derive(Debug)]
struct Stranger {
    algorithms: rustls::crypto::WebPkiSupportedAlgorithms,
    leaf: Mutex<Option<CertificateDer<'static>>>,
}

impl Default for Stranger {
    fn default() -> Self {
        Self {
            algorithms: verify::provider().signature_verification_algorithms,
            leaf: Mutex::default(),
        }
    }
}

impl Stranger {
    fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.leaf
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ServerCertVerifier for Stranger {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut leaf = self.leaf.lock().unwrap_or_else(PoisonError::into_inner);
        *leaf = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
