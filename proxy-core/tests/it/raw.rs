//! TLS clients that say what they are told to, byte by byte.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::bed::{Bed, Certificate};

/// How a client begins its TLS.
#[derive(Clone, Copy, Default)]
pub struct Hello<'a> {
    pub certificate: Option<&'a Certificate>,
    pub alpn: &'a [&'a [u8]],
    /// `localhost` where none is given.
    pub server_name: &'a str,
    /// Which of the door's ports.
    pub port: usize,
    pub only_tls12: bool,
}

impl Bed {
    /// TLS with the door from the first byte on.
    pub async fn tls(&self, hello: Hello<'_>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.doors.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[_] = if hello.only_tls12 {
            &[&rustls::version::TLS12]
        } else {
            rustls::ALL_VERSIONS
        };
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match hello.certificate {
            Some(shown) => {
                let key = PrivateKeyDer::try_from(shown.key.clone()).unwrap();
                builder
                    .with_client_auth_cert(vec![shown.der.clone()], key)
                    .unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = hello.alpn.iter().map(|name| name.to_vec()).collect();
        let name = match hello.server_name {
            "" => "localhost",
            name => name,
        };
        let socket = TcpStream::connect(self.door.addresses()[hello.port]).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    }

    /// What the door answers to these bytes until it closes.
    pub async fn answer(&self, hello: Hello<'_>, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.tls(hello).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(60), read)
            .await
            .unwrap();
        answer
    }
}

/// A start-up packet of protocol 3.0.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 0x0003_0000_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        for text in [name, value] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &body].concat()
}

/// A message with its type.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// Reads whole messages up to one of this type, and answers that one.
pub async fn up_to(stream: &mut (impl AsyncRead + Unpin), wanted: u8) -> Vec<u8> {
    loop {
        let kind = stream.read_u8().await.unwrap();
        let length = stream.read_u32().await.unwrap();
        let mut body = vec![0; length as usize - 4];
        stream.read_exact(&mut body).await.unwrap();
        if kind == wanted {
            return message(kind, &body);
        }
    }
}

/// The fields of an error, by their letter.
pub fn error(answer: &[u8]) -> std::collections::BTreeMap<char, String> {
    assert_eq!(answer.first(), Some(&b'E'), "{}", answer.escape_ascii());
    answer[5..]
        .split(|byte| *byte == 0)
        .filter(|field| !field.is_empty())
        .map(|field| {
            let text = String::from_utf8_lossy(&field[1..]).into_owned();
            (char::from(field[0]), text)
        })
        .collect()
}
