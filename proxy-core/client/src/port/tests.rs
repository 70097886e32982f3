#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::{
    Mutex,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use muster_model::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer as Signer, KeyPair};
use tokio::{io::AsyncReadExt, net::TcpListener, sync::oneshot};
use tokio_rustls::{TlsAcceptor, server};

use super::*;
use crate::{Credentials, Trust, trust::verify};

/// An authority, and whom it has signed: enough for both ends of a connection.
struct Town {
    ca: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Town {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = ca.self_signed(&key).unwrap().pem();
        Self { ca, key, pem }
    }

    fn sign(&self, name: &str) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let signer = Signer::from_params(&self.ca, &self.key);
        let certificate = params.signed_by(&key, &signer).unwrap();
        let pem = crate::Secret::new(key.serialize_pem());
        Credentials::from_pem(&certificate.pem(), &pem).unwrap()
    }

    fn trust(&self) -> Trust {
        Trust::from_pem(&self.pem).unwrap()
    }

    /// The proxy's side of TLS: it wants a certificate and the protocol.
    fn acceptor(&self) -> TlsAcceptor {
        let roots = Arc::new(self.trust().roots().unwrap());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(roots, verify::provider());
        let Credentials { chain, key } = self.sign("localhost");
        let mut config = rustls::ServerConfig::builder_with_provider(verify::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![POSTGRES.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// An issuer whose logins and certificates are as the test says.
struct Told {
    town: Arc<Town>,
    login: Arc<Mutex<(String, i64)>>,
    /// Until when the next certificate is; none: the proxy does not answer.
    next: Arc<Mutex<Option<i64>>>,
    issued: Arc<AtomicUsize>,
    now: Arc<AtomicI64>,
}

#[async_trait]
impl Issuer for Told {
    fn login(&self) -> Result<(String, Timestamp)> {
        let (name, ends) = self.login.lock().unwrap().clone();
        if ends <= self.now.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Expired, "the login is over").hint("log in"));
        }
        Ok((name, Timestamp::from_unix(ends)))
    }

    async fn issue(&self) -> Result<Issued> {
        let next = *self.next.lock().unwrap();
        let expires = next.ok_or_else(|| Error::new(Kind::Unreachable, "nobody answers"))?;
        self.issued.fetch_add(1, Ordering::SeqCst);
        Ok(Issued {
            credentials: self.town.sign("ana"),
            trust: self.town.trust(),
            expires: Timestamp::from_unix(expires),
        })
    }
}

/// The handles of an issuer, and a keeper that asks it.
struct Desk {
    town: Arc<Town>,
    login: Arc<Mutex<(String, i64)>>,
    next: Arc<Mutex<Option<i64>>>,
    issued: Arc<AtomicUsize>,
    now: Arc<AtomicI64>,
}

const START: i64 = 1_800_000_000;
const HOUR: i64 = 3600;

impl Desk {
    /// A login for eight hours; certificates are for one.
    fn new() -> Self {
        Self {
            town: Arc::new(Town::new()),
            login: Arc::new(Mutex::new(("first".to_owned(), START + 8 * HOUR))),
            next: Arc::new(Mutex::new(Some(START + HOUR))),
            issued: Arc::default(),
            now: Arc::new(AtomicI64::new(START)),
        }
    }

    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Arc::new(move || Timestamp::from_unix(now.load(Ordering::SeqCst)))
    }

    fn keeper(&self) -> Keeper {
        let told = Told {
            town: Arc::clone(&self.town),
            login: Arc::clone(&self.login),
            next: Arc::clone(&self.next),
            issued: Arc::clone(&self.issued),
            now: Arc::clone(&self.now),
        };
        Keeper::new(Box::new(told), self.clock())
    }

    fn issued(&self) -> usize {
        self.issued.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_before_its_end_and_with_a_new_login() {
    let desk = Desk::new();
    let keeper = desk.keeper();
    for _ in 0..3 {
        keeper.tls().await.unwrap();
    }
    assert_eq!(desk.issued(), 1);
    // A quarter of an hour before its end there is another one.
    desk.now
        .store(START + HOUR - MARGIN_SECONDS, Ordering::SeqCst);
    *desk.next.lock().unwrap() = Some(START + 2 * HOUR);
    keeper.tls().await.unwrap();
    keeper.tls().await.unwrap();
    assert_eq!(desk.issued(), 2);
    // The proxy does not answer when it would be renewed: the old one serves until its end, and no longer.
    desk.now.store(START + 2 * HOUR - 60, Ordering::SeqCst);
    *desk.next.lock().unwrap() = None;
    keeper.tls().await.unwrap();
    // It answers again at once, and is not asked again at once.
    *desk.next.lock().unwrap() = Some(START + 3 * HOUR);
    keeper.tls().await.unwrap();
    assert_eq!(desk.issued(), 2);
    *desk.next.lock().unwrap() = None;
    desk.now.store(START + 2 * HOUR, Ordering::SeqCst);
    let error = keeper.tls().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Unreachable);
    // It answers again.
    *desk.next.lock().unwrap() = Some(START + 3 * HOUR);
    keeper.tls().await.unwrap();
    assert_eq!(desk.issued(), 3);
    // Another login: its roles are others, so another certificate.
    *desk.login.lock().unwrap() = ("second".to_owned(), START + 3 * HOUR);
    keeper.tls().await.unwrap();
    assert_eq!(desk.issued(), 4);
    // One that ends with the login is not renewed again and again.
    desk.now.store(START + 3 * HOUR - 5, Ordering::SeqCst);
    keeper.tls().await.unwrap();
    assert_eq!(desk.issued(), 4);
    desk.now.store(START + 3 * HOUR, Ordering::SeqCst);
    assert_eq!(keeper.tls().await.unwrap_err().kind(), &Kind::Expired);
}

const MARGIN_SECONDS: i64 = crate::database::MARGIN;

/// What a client reads that is told why there is no way on.
async fn complaint(client: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all[0], b'E');
    String::from_utf8_lossy(&all).into_owned()
}

fn startup() -> Vec<u8> {
    postgres::startup("app", "shop")
}

#[tokio::test]
async fn whoever_asks_for_encryption_is_told_that_there_is_none_here() {
    let ssl = [0, 0, 0, 8, 4, 210, 22, 47];
    let gss = [0, 0, 0, 8, 4, 210, 22, 48];
    for (asked, answers) in [(vec![], ""), (vec![ssl], "N"), (vec![gss, ssl], "NN")] {
        let (mut client, mut here) = tokio::io::duplex(1 << 16);
        let mut bytes = asked.concat();
        bytes.extend(startup());
        client.write_all(&bytes).await.unwrap();
        let begun = postgres::begin(&mut here).await.unwrap();
        assert_eq!(begun.bytes, startup());
        assert!(begun.is_startup());
        drop(here);
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, answers);
    }
    let cancel = [0, 0, 0, 16, 4, 210, 22, 46, 1, 2, 3, 4, 5, 6, 7, 8];
    let (mut client, mut here) = tokio::io::duplex(64);
    client.write_all(&cancel).await.unwrap();
    let begun = postgres::begin(&mut here).await.unwrap();
    assert!(begun.bytes == cancel && !begun.is_startup());
    // TLS at once, HTTP, a packet without end, the same question for ever.
    let hello = [0x16, 3, 1, 0, 200, 1, 0, 0];
    for bytes in [
        &hello[..],
        b"GET / HTTP/1.1\r\n",
        &[0xff; 8],
        &[0, 0, 0, 4, 0, 0, 0, 0],
        &ssl.repeat(5),
    ] {
        let (mut client, mut here) = tokio::io::duplex(64);
        client.write_all(bytes).await.unwrap();
        assert!(postgres::begin(&mut here).await.is_err(), "{bytes:?}");
    }
}

/// A proxy that sends back what it gets, once.
async fn echo(acceptor: TlsAcceptor, listener: TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream: server::TlsStream<_> = acceptor.accept(stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(POSTGRES));
    assert!(stream.get_ref().1.peer_certificates().is_some());
    let mut bytes = vec![0; startup().len()];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// A local port in front of whatever is at that port of this machine.
async fn port(desk: &Desk, proxy: u16, settings: Settings) -> (Arc<Port>, Listener) {
    let port = Port {
        proxy: format!("localhost:{proxy}").parse().unwrap(),
        keeper: desk.keeper(),
        clock: desk.clock(),
        settings,
        notice: Box::new(|_| {}),
    };
    (Arc::new(port), Place::Tcp(0).listen().await.unwrap())
}

#[tokio::test]
async fn bytes_are_carried_both_ways_also_when_the_proxy_was_away_for_a_moment() {
    let desk = Desk::new();
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = first.local_addr().unwrap();
    let (port, listener) = port(&desk, address.port(), Settings::default()).await;
    let at = (listener.host().to_owned(), listener.port());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        port.serve(&listener, stopped).await
    });
    let acceptor = desk.town.acceptor();
    let talk = async || {
        let mut client = TcpStream::connect((at.0.as_str(), at.1)).await.unwrap();
        client.write_all(&startup()).await.unwrap();
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        bytes
    };
    let (said, ()) = tokio::join!(talk(), echo(acceptor.clone(), first));
    assert_eq!(said, startup());
    // The proxy is not there when the client comes, and comes back while it waits.
    let again = async {
        let mut client = TcpStream::connect((at.0.as_str(), at.1)).await.unwrap();
        client.write_all(&startup()).await.unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let read = async {
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).await.unwrap();
            drop(client);
            bytes
        };
        tokio::join!(read, echo(acceptor.clone(), listener)).0
    };
    assert_eq!(again.await, startup());
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect((at.0.as_str(), at.1)).await.is_err());
}

#[tokio::test]
async fn whoever_cancels_and_is_gone_at_once_is_heard() {
    let desk = Desk::new();
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = proxy.local_addr().unwrap().port();
    let (port, listener) = port(&desk, at, Settings::default()).await;
    // All of them have closed before anybody looks at them. A session for nobody is not opened.
    let cancel = [0, 0, 0, 16, 4, 210, 22, 46, 1, 2, 3, 4, 5, 6, 7, 8];
    for bytes in [&startup()[..], &cancel] {
        let mut client = TcpStream::connect((listener.host(), listener.port())).await;
        client.as_mut().unwrap().write_all(bytes).await.unwrap();
        drop(client);
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        port.serve(&listener, stopped).await
    });
    let come = timeout(Duration::from_secs(60), proxy.accept()).await;
    let (stream, _) = come.expect("it is carried").unwrap();
    let mut stream = desk.town.acceptor().accept(stream).await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, cancel);
    drop(stream);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_cannot_go_on_reads_why() {
    let desk = Desk::new();
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let settings = Settings {
        patience: Duration::ZERO,
        ..Settings::default()
    };
    let (port, _listener) = port(&desk, nobody, settings).await;
    let ask = async || {
        let (mut client, here) = tokio::io::duplex(1 << 16);
        client.write_all(&startup()).await.unwrap();
        port.one(Box::new(here), true).await;
        complaint(&mut client).await
    };
    let said = ask().await;
    assert!(
        said.contains("FATAL") && said.contains("cannot reach the proxy"),
        "{said}"
    );
    desk.now.store(START + 9 * HOUR, Ordering::SeqCst);
    let said = ask().await;
    assert!(
        said.contains("28000") && said.contains("the login is over") && said.contains("log in")
    );
}

#[tokio::test]
async fn a_socket_is_in_a_directory_of_one_s_own_and_goes_with_the_port() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own");
    let place = Place::Unix(own.clone(), 5432);
    let listener = place.listen().await.unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&own), 0o700);
    let socket = own.join(".s.PGSQL.5432");
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(
        (listener.host(), listener.port()),
        (own.to_str().unwrap(), 5432)
    );
    let again = place.listen().await.err().expect("taken");
    assert!(again.why()[0].contains("somebody listens"), "{again:?}");
    drop(listener);
    assert!(!socket.exists());
    // What a killed one left behind is taken away.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    drop(place.listen().await.unwrap());
    // Others may look into this one.
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Place::Unix(open, 5432)
        .listen()
        .await
        .err()
        .expect("refused");
    assert!(error.why()[0].contains("other users"), "{error:?}");
}
