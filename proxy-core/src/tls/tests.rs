//! Bytes through a leg and through rustls' own connections, as an independent peer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::Arc;

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};
use rustls::{
    CipherSuite, ClientConfig, ConnectionTrafficSecrets, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
    crypto::{
        CryptoProvider,
        cipher::{AeadKey, Iv},
        ring,
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    handshake::OneKey,
    queue::{Inbox, Opened},
    record::{Content, Key},
};

struct Pki {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn pki() -> Pki {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Pki {
        chain: vec![made.cert.der().clone()],
        key: PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
    }
}

fn provider(suite: CipherSuite) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider.cipher_suites.retain(|one| one.suite() == suite);
    Arc::new(provider)
}

fn configs(
    suite: CipherSuite,
    version: &'static SupportedProtocolVersion,
) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let pki = pki();
    let provider = provider(suite);
    let certified = CertifiedKey::from_der(pki.chain.clone(), pki.key, &provider).unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(OneKey(Arc::new(certified))));
    server.enable_secret_extraction = true;
    server.send_tls13_tickets = 2;
    let mut roots = RootCertStore::empty();
    roots.add(pki.chain[0].clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    (Arc::new(server), Arc::new(client))
}

/// A hello of rustls' own.
fn hello() -> Vec<u8> {
    let (_, client) = configs(
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        &rustls::version::TLS13,
    );
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = rustls::ClientConnection::new(client, name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn bytes_that_are_no_handshake_are_refused_with_an_alert() {
    let (server, _) = configs(
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        &rustls::version::TLS13,
    );
    let mut chance = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let record = |body: &[u8]| {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[0x16, 3, 1][..], &length, body].concat()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (mut alerts, hello) = (0, hello());
    for round in 0..600_usize {
        let mut bytes = match round % 3 {
            // Nothing that makes sense; a message that makes none in a record that does; a hello of which a part is wrong.
            0 => record(&std::array::from_fn::<u8, 300, _>(|_| chance.random())),
            1 => record(&[&[1, 0, 0, 60][..], &[round as u8; 60]].concat()),
            _ => hello.clone(),
        };
        if round % 3 == 2 {
            let at = 5 + chance.random::<u32>() as usize % (bytes.len() - 5);
            bytes[at] ^= 1 << (chance.random::<u8>() % 8);
        }
        // More of the same behind it, so that something is left over.
        bytes.extend_from_within(..bytes.len() / (1 + round % 4));
        runtime.block_on(async {
            let (mut client, socket) = pair().await;
            let accepted = super::handshake::accept(socket, Arc::clone(&server), &bytes);
            let talk = async {
                // Ends the connection where the door waits for more.
                client.shutdown().await.unwrap();
                let mut answer = Vec::new();
                let _ = client.read_to_end(&mut answer).await;
                answer
            };
            let (accepted, answer) = tokio::join!(accepted, talk);
            assert!(accepted.is_err());
            alerts += usize::from(answer.first() == Some(&0x15));
        });
    }
    assert!(alerts > 150, "{alerts}");
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

/// Sends `chunks` from one end to the other and back, each side in its own pieces, and closes.
async fn echo(
    one: impl AsyncRead + AsyncWrite + Unpin,
    other: impl AsyncRead + AsyncWrite + Unpin,
    chunks: &[usize],
) {
    let total: usize = chunks.iter().sum();
    let sent: Vec<u8> = (0..total).map(|at| (at * 31 % 251) as u8).collect();
    let (mut one_read, mut one_write) = tokio::io::split(one);
    let (mut other_read, mut other_write) = tokio::io::split(other);
    let write = async {
        let mut rest = &sent[..];
        for chunk in chunks {
            let (now, later) = rest.split_at(*chunk);
            one_write.write_all(now).await.unwrap();
            one_write.flush().await.unwrap();
            rest = later;
        }
        one_write.shutdown().await.unwrap();
    };
    let back = async {
        let mut buffer = vec![0; 7000];
        loop {
            let count = other_read.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            other_write.write_all(&buffer[..count]).await.unwrap();
            other_write.flush().await.unwrap();
        }
        other_write.shutdown().await.unwrap();
    };
    let read = async {
        let mut got = Vec::new();
        one_read.read_to_end(&mut got).await.unwrap();
        got
    };
    let ((), (), got) = tokio::join!(write, back, read);
    assert!(
        got == sent,
        "{} bytes came back of {}",
        got.len(),
        sent.len()
    );
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

const CASES: [(CipherSuite, &SupportedProtocolVersion); 6] = [
    (
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        &rustls::version::TLS13,
    ),
    (
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        &rustls::version::TLS13,
    ),
    (
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        &rustls::version::TLS13,
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        &rustls::version::TLS12,
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        &rustls::version::TLS12,
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        &rustls::version::TLS12,
    ),
];

#[test]
fn every_cipher_carries_bytes_to_and_from_rustls() {
    for (suite, version) in CASES {
        let (server, client) = configs(suite, version);
        let chunks = [1, 0, 5, 16_384, 16_385, 100_000, 3];
        run(async {
            let (near, far) = pair().await;
            let accept = super::accept(far, Arc::clone(&server), &[]);
            let connect = tokio_rustls::TlsConnector::from(Arc::clone(&client))
                .connect(ServerName::try_from("localhost").unwrap(), near);
            let (leg, peer) = tokio::join!(accept, connect);
            let (leg, shown) = leg.unwrap();
            assert_eq!(shown.server_name.as_deref(), Some("localhost"), "{suite:?}");
            echo(peer.unwrap(), leg, &chunks).await;

            let (near, far) = pair().await;
            let accept = tokio_rustls::TlsAcceptor::from(Arc::clone(&server)).accept(far);
            let connect = super::connect(
                near,
                Arc::clone(&client),
                ServerName::try_from("localhost").unwrap(),
            );
            let (mut leg, peer) = tokio::join!(
                async {
                    let mut leg = connect.await.unwrap().0;
                    // The last bytes of the handshake wait for the first ones of the caller.
                    leg.flush().await.unwrap();
                    leg
                },
                accept
            );
            leg.flush().await.unwrap();
            echo(leg, peer.unwrap(), &chunks).await;
        });
    }
}

/// PostgreSQL writes records of 8 KiB. None of those that fit into a buffer stays behind, to be sent in a call of its own.
#[test]
fn eight_records_of_8_kib_are_handed_on_in_one_piece() {
    let (key, iv) = (|| AeadKey::from([7; 32]), || Iv::new([9; 12]));
    let aes = ConnectionTrafficSecrets::Aes256Gcm {
        key: key(),
        iv: iv(),
    };
    let chacha = ConnectionTrafficSecrets::Chacha20Poly1305 {
        key: key(),
        iv: iv(),
    };
    for (v13, secrets) in [(true, &aes), (false, &aes), (false, &chacha)] {
        let mut sealing = Key::new(v13, 0, secrets).unwrap();
        let mut opening = Key::new(v13, 0, secrets).unwrap();
        let mut inbox = Inbox::default();
        let (room, mut end) = (inbox.room(), 0);
        for (part, size) in [8192; 8].into_iter().chain([500]).enumerate() {
            let plain = vec![part as u8; size];
            let sealed = sealing.seal(Content::Data, &plain, &mut room[end..]);
            end += sealed.unwrap();
        }
        inbox.filled(end);
        let mut open = |inbox: &mut Inbox| {
            while inbox.has_place_for_next(&opening)
                && let Some(opened) = inbox.open(&mut opening).unwrap()
            {
                assert!(matches!(opened, Opened::Data));
            }
            let firsts: Vec<u8> = inbox.plain().chunks(8192).map(|part| part[0]).collect();
            (inbox.plain().len(), firsts)
        };
        let eight = (0..8).collect();
        assert_eq!(open(&mut inbox), (8 * 8192, eight), "{v13}");
        inbox.consume(8 * 8192);
        assert_eq!(open(&mut inbox), (500, vec![8]), "{v13}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However the bytes are cut: what was written is what is read.
    #[test]
    fn any_chunks_come_through(chunks in prop::collection::vec(0usize..40_000, 0..12), case in 0usize..6, server in any::<bool>()) {
        let (suite, version) = CASES[case];
        let (server_config, client_config) = configs(suite, version);
        run(async {
            let (near, far) = pair().await;
            let name = ServerName::try_from("localhost").unwrap();
            let (leg, peer) = tokio::join!(
                super::accept(far, server_config, &[]),
                async {
                    let mut leg = super::connect(near, client_config, name).await?.0;
                    leg.flush().await.unwrap();
                    Ok::<_, super::HandshakeError>(leg)
                }
            );
            let (accepted, connected) = (leg.unwrap().0, peer.unwrap());
            if server {
                echo(accepted, connected, &chunks).await;
            } else {
                echo(connected, accepted, &chunks).await;
            }
        });
    }
}

#[test]
fn a_change_of_keys_by_the_peer_is_followed_and_answered() {
    let (suite, version) = CASES[0];
    let (server, client) = configs(suite, version);
    run(async {
        let (near, far) = pair().await;
        let connect = tokio_rustls::TlsConnector::from(client)
            .connect(ServerName::try_from("localhost").unwrap(), near);
        let (leg, peer) = tokio::join!(super::accept(far, server, &[]), connect);
        let (mut leg, mut peer) = (leg.unwrap().0, peer.unwrap());
        for round in 0..3u8 {
            peer.get_mut().1.refresh_traffic_keys().unwrap();
            peer.write_all(&[round; 100]).await.unwrap();
            peer.flush().await.unwrap();
            let mut got = [0; 100];
            leg.read_exact(&mut got).await.unwrap();
            assert_eq!(got, [round; 100]);
            leg.write_all(&[round + 1; 100]).await.unwrap();
            leg.flush().await.unwrap();
            peer.read_exact(&mut got).await.unwrap();
            assert_eq!(got, [round + 1; 100]);
        }
    });
}

#[test]
fn a_changed_byte_ends_the_connection_with_an_alert() {
    let (suite, version) = CASES[0];
    let (server, client) = configs(suite, version);
    run(async {
        let (near, far) = pair().await;
        let connect = tokio_rustls::TlsConnector::from(client)
            .connect(ServerName::try_from("localhost").unwrap(), near);
        let (leg, peer) = tokio::join!(super::accept(far, server, &[]), connect);
        let (mut leg, mut peer) = (leg.unwrap().0, peer.unwrap());
        peer.get_mut()
            .0
            .write_all(&[23, 3, 3, 0, 32])
            .await
            .unwrap();
        peer.get_mut().0.write_all(&[7; 32]).await.unwrap();
        let error = leg.read(&mut [0; 10]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        leg.flush().await.unwrap();
        let error = peer.read(&mut [0; 10]).await.unwrap_err();
        assert!(error.to_string().contains("BadRecordMac"), "{error}");
    });
}

#[test]
fn an_end_that_was_cut_off_is_not_a_clean_one() {
    let (suite, version) = CASES[0];
    let (server, client) = configs(suite, version);
    run(async {
        for clean in [true, false] {
            let (near, far) = pair().await;
            let connect = tokio_rustls::TlsConnector::from(Arc::clone(&client))
                .connect(ServerName::try_from("localhost").unwrap(), near);
            let (leg, peer) = tokio::join!(super::accept(far, Arc::clone(&server), &[]), connect);
            let (mut leg, mut peer) = (leg.unwrap().0, peer.unwrap());
            if clean {
                peer.shutdown().await.unwrap();
            } else {
                peer.get_mut().0.shutdown().await.unwrap();
            }
            assert_eq!(leg.read(&mut [0; 10]).await.unwrap(), 0);
            assert_eq!(leg.ended_cleanly(), clean);
        }
    });
}

/// A client that ends its part of the handshake, says something and ends, all in one piece.
async fn one_breath(mut socket: TcpStream, client: Arc<ClientConfig>, words: &[u8]) -> TcpStream {
    use std::io::Write;
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = rustls::ClientConnection::new(client, name).unwrap();
    let mut bytes = Vec::new();
    while connection.is_handshaking() {
        while connection.wants_write() {
            connection.write_tls(&mut bytes).unwrap();
        }
        // Of TLS 1.2 the last word is the server's.
        socket.write_all(&bytes).await.unwrap();
        bytes.resize(8192, 0);
        let count = socket.read(&mut bytes).await.unwrap();
        assert!(count > 0);
        connection.read_tls(&mut &bytes[..count]).unwrap();
        connection.process_new_packets().unwrap();
        bytes.clear();
    }
    connection.writer().write_all(words).unwrap();
    connection.send_close_notify();
    while connection.wants_write() {
        connection.write_tls(&mut bytes).unwrap();
    }
    socket.write_all(&bytes).await.unwrap();
    socket
}

#[test]
fn what_is_said_in_one_breath_with_the_end_is_heard() {
    for (suite, version) in CASES {
        let (server, client) = configs(suite, version);
        run(async {
            let (near, far) = pair().await;
            let client = one_breath(near, client, b"cancel it");
            let (leg, _client) = tokio::join!(super::accept(far, server, &[]), client);
            let mut leg = leg.unwrap().0;
            let mut heard = Vec::new();
            leg.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"cancel it", "{suite:?}");
            assert!(leg.ended_cleanly(), "{suite:?}");
            // It may still listen.
            leg.write_all(b"done").await.unwrap();
            leg.shutdown().await.unwrap();
        });
    }
}
