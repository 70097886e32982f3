//! A proxy, as far as its API goes: answers by path, over TLS of an authority of its own.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use muster_client::{Address, Clock};
use muster_model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// The time in all of these tests.
pub const NOW: i64 = 1_800_000_000;

pub fn clock() -> Clock {
    Arc::new(|| Timestamp::from_unix(NOW))
}

/// An authority.
pub struct Ca(pub CertifiedIssuer<'static, KeyPair>);

/// What a server shows.
pub struct Shown {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

fn date(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

impl Ca {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.not_before = date(0);
        params.not_after = date(NOW + 1_000_000_000);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, valid from and until so many seconds from now.
    pub fn shows(&self, name: &str, from: i64, until: i64) -> Shown {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date(NOW + from);
        params.not_after = date(NOW + until);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Shown {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// A person's, as PEM: certificate and key. The server that looks at it goes by the machine's clock.
    pub fn gives(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date(0);
        params.not_after = date(NOW + 1_000_000_000);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// What is answered: status and body, by the first line of the question without `HTTP/1.1`.
pub type Answers = HashMap<&'static str, (u16, String)>;

/// A proxy that runs as long as the runtime.
pub struct Proxy {
    pub at: SocketAddr,
    /// All that was asked, whole.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one that shows this, and demands a certificate of this authority where there is one.
    pub async fn start(shown: Shown, people: Option<&Ca>, answers: Answers) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match people {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(ca.0.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(shown.chain, shown.key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let answers = Arc::new(answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let question = question(&mut stream).await;
                    let first = question.lines().next().unwrap_or_default();
                    let first = first.trim_end_matches(" HTTP/1.1");
                    let nothing = (404, "nothing".to_owned());
                    let (status, body) = answers.get(first).unwrap_or(&nothing).clone();
                    log.lock().unwrap().push(question);
                    let head = format!(
                        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(body.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { at, asked }
    }

    /// Its address, by the name `localhost`.
    pub fn address(&self) -> Address {
        format!("localhost:{}", self.at.port()).parse().unwrap()
    }
}

/// A question with its body.
async fn question(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => bytes.extend(&part[..read]),
        }
    }
}

/// What `GET /v1/ping` answers.
pub fn ping(host_ca: &str) -> String {
    format!(
        r#"{{"cluster":"test","version":"9.9.9","time":"2027-01-15T08:00:00Z","fingerprints":{{"user":[],"host":[]}},"host_ca":{}}}"#,
        serde_json::to_string(host_ca).unwrap()
    )
}
