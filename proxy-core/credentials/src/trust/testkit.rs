//! Authorities, certificates and handshakes for tests: real rustls on both sides, in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::{
    ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection,
    crypto::ring::{default_provider, sign::any_supported_type},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use crate::{UpstreamTls, testkit::NOW};

/// A certificate authority.
pub struct Authority {
    pub pem: String,
    pub der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub struct Leaf {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// What a handshake came to.
pub struct Met {
    /// Why the client ended it.
    pub client: Result<(), Error>,
    /// What the client showed.
    pub shown: Vec<CertificateDer<'static>>,
}

fn seconds(at: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(at).unwrap()).unwrap()
}

/// What a certificate has unless a test says otherwise: for servers, from an hour ago until in a day.
pub fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = seconds(NOW - 3600);
    params.not_after = seconds(NOW + 86_400);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

// === impl Authority ===

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = params(&[]);
        params.extended_key_usages.clear();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = seconds(NOW + 10 * 86_400);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn sign(&self, params: &CertificateParams) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// A certificate for a server of this name.
    pub fn server(&self, name: &str) -> Leaf {
        self.sign(&params(&[name]))
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        roots
    }
}

#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A handshake with a server that shows `leaf`, and asks for certificates of `wants`.
pub fn meet(tls: &UpstreamTls, leaf: &Leaf, wants: Option<&Authority>) -> Met {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    // The client's certificates in these tests are of the tests' time, and the server looks at today's.
    let builder = match wants {
        Some(authority) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()), provider)
                .allow_unauthenticated()
                .build()
                .unwrap(),
        ),
        None => builder.with_no_client_auth(),
    };
    // Not checked against each other: some tests show a certificate whose key they do not have.
    let key = CertifiedKey::new(leaf.chain.clone(), any_supported_type(&leaf.key).unwrap());
    let mut config = builder.with_cert_resolver(Arc::new(Shows(Arc::new(key))));
    config.time_provider = Arc::new(Fixed);
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    let mut client = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone()).unwrap();
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() {
        let before = (client.wants_write(), server.wants_write());
        assert!(before.0 || before.1, "the handshake hangs");
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
        }
        wire.clear();
        if server.process_new_packets().is_err() {
            break;
        }
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
        }
        wire.clear();
        if let Err(error) = client.process_new_packets() {
            return Met {
                client: Err(error),
                shown: Vec::new(),
            };
        }
    }
    let shown = server.peer_certificates().unwrap_or_default().to_vec();
    Met {
        client: Ok(()),
        shown,
    }
}

#[derive(Debug)]
struct Fixed;

impl rustls::time_provider::TimeProvider for Fixed {
    fn current_time(&self) -> Option<rustls_pki_types::UnixTime> {
        Some(rustls_pki_types::UnixTime::since_unix_epoch(
            std::time::Duration::from_secs(NOW),
        ))
    }
}
