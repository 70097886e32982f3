//! The handshake, by rustls. What comes out is a [`Leg`] that carries bytes, and what the peer showed.

use std::{cell::Cell, io, sync::Arc};

use rustls::{
    ClientConfig, ServerConfig,
    client::UnbufferedClientConnection,
    pki_types::{CertificateDer, ServerName},
    server::{ClientHello, ResolvesServerCert, UnbufferedServerConnection},
    sign::CertifiedKey,
    unbuffered::{ConnectionState, EncodeError, UnbufferedStatus},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::leg::{Kernel, Leg};

/// The most that a peer may have sent of a handshake without it making sense yet.
const MAX_UNREAD: usize = 48 * 1024;

/// What a peer showed in the handshake.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The application protocol that was agreed on.
    pub alpn: Option<Vec<u8>>,
    /// The server name that the client asked for.
    pub server_name: Option<String>,
    /// The peer's certificates, its own first.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke.
    #[error("tls handshake: connection")]
    Io(#[source] io::Error),
    /// The peer closed the connection in the middle.
    #[error("tls handshake: the peer closed the connection")]
    Closed,
    /// TLS itself failed; the peer was told by an alert.
    #[error("tls handshake: {0}")]
    Tls(#[source] rustls::Error),
    /// More bytes than any handshake needs.
    #[error("tls handshake: too many bytes")]
    TooLong,
}

thread_local! {
    /// The server name of the hello that rustls is reading on this thread; see [`OneKey`].
    static SERVER_NAME: Cell<Option<String>> = const { Cell::new(None) };
}

/// One certificate for every server name. It notes the name, which rustls' unbuffered connection does not hand out.
#[derive(Debug)]
pub struct OneKey(pub Arc<CertifiedKey>);

impl ResolvesServerCert for OneKey {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Read again before anything else can run on this thread.
        SERVER_NAME.set(hello.server_name().map(str::to_owned));
        Some(Arc::clone(&self.0))
    }
}

enum Next {
    Again,
    Read,
    Done,
    /// The peer has said that it sends nothing more.
    Ended,
    Closed,
}

trait Machine {
    fn is_handshaking(&self) -> bool;

    fn step(
        &mut self,
        incoming: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut Vec<u8>,
    ) -> (usize, Result<Next, rustls::Error>);
}

macro_rules! machine {
    ($connection:ty) => {
        impl Machine for $connection {
            fn is_handshaking(&self) -> bool {
                (**self).is_handshaking()
            }

            fn step(
                &mut self,
                incoming: &mut [u8],
                out: &mut Vec<u8>,
                plain: &mut Vec<u8>,
            ) -> (usize, Result<Next, rustls::Error>) {
                let UnbufferedStatus {
                    mut discard, state, ..
                } = self.process_tls_records(incoming);
                let next = match state {
                    Err(error) => Err(error),
                    Ok(ConnectionState::EncodeTlsData(mut data)) => {
                        let start = out.len();
                        let mut size = 1024;
                        loop {
                            out.resize(start + size, 0);
                            match data.encode(out.get_mut(start..).unwrap_or_default()) {
                                Ok(written) => {
                                    out.truncate(start + written);
                                    break Ok(Next::Again);
                                }
                                Err(EncodeError::InsufficientSize(need))
                                    if need.required_size > size =>
                                {
                                    size = need.required_size;
                                }
                                Err(_) => {
                                    out.truncate(start);
                                    break Err(rustls::Error::EncryptError);
                                }
                            }
                        }
                    }
                    Ok(ConnectionState::TransmitTlsData(data)) => {
                        data.done();
                        Ok(Next::Again)
                    }
                    Ok(ConnectionState::BlockedHandshake) => Ok(Next::Read),
                    Ok(ConnectionState::WriteTraffic(_)) => Ok(Next::Done),
                    Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                        match traffic.next_record() {
                            Some(Ok(record)) => {
                                discard += record.discard;
                                plain.extend_from_slice(record.payload);
                            }
                            Some(Err(error)) => break Err(error),
                            None => break Ok(Next::Again),
                        }
                    },
                    Ok(ConnectionState::PeerClosed) => Ok(Next::Ended),
                    Ok(_) => Ok(Next::Closed),
                };
                (discard, next)
            }
        }
    };
}

machine!(UnbufferedServerConnection);
machine!(UnbufferedClientConnection);

/// Takes the server's part. `first` is what was read of the handshake already.
///
/// # Errors
///
/// When the connection or the handshake fails; an alert was sent then. A certificate that the verifier of the
/// configuration lets pass is not judged here.
pub async fn accept(
    mut socket: TcpStream,
    config: Arc<ServerConfig>,
    first: &[u8],
) -> Result<(Leg, Shown), HandshakeError> {
    let mut machine = UnbufferedServerConnection::new(config).map_err(HandshakeError::Tls)?;
    let mut done = drive(&mut socket, &mut machine, first).await?;
    let shown = Shown {
        alpn: machine.alpn_protocol().map(<[u8]>::to_vec),
        server_name: done.server_name.take(),
        certificates: certificates(machine.peer_certificates()),
    };
    // The client waits for it, so it must not stay behind.
    if !done.out.is_empty() {
        socket
            .write_all(&done.out)
            .await
            .map_err(HandshakeError::Io)?;
        done.out.clear();
    }
    let (secrets, kernel) = machine
        .dangerous_into_kernel_connection()
        .map_err(HandshakeError::Tls)?;
    let leg = Leg::new(socket, &secrets, Kernel::Server(Box::new(kernel)), &done)
        .ok_or(HandshakeError::TooLong)?;
    Ok((leg, shown))
}

/// Takes the client's part. The last bytes of the handshake are sent together with the first ones of the caller.
///
/// # Errors
///
/// When the connection or the handshake fails.
pub async fn connect(
    mut socket: TcpStream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<(Leg, Shown), HandshakeError> {
    let mut machine = UnbufferedClientConnection::new(config, name).map_err(HandshakeError::Tls)?;
    let done = drive(&mut socket, &mut machine, &[]).await?;
    let shown = Shown {
        alpn: machine.alpn_protocol().map(<[u8]>::to_vec),
        server_name: None,
        certificates: certificates(machine.peer_certificates()),
    };
    let (secrets, kernel) = machine
        .dangerous_into_kernel_connection()
        .map_err(HandshakeError::Tls)?;
    let leg = Leg::new(socket, &secrets, Kernel::Client(Box::new(kernel)), &done)
        .ok_or(HandshakeError::TooLong)?;
    Ok((leg, shown))
}

/// What is left over when the handshake is done.
#[derive(Default)]
pub struct Leftover {
    /// Records of the handshake that are not sent yet.
    pub out: Vec<u8>,
    /// Application data that came with it.
    pub plain: Vec<u8>,
    /// Bytes that were not opened.
    pub unread: Vec<u8>,
    /// The peer has said already that nothing more will come.
    pub ended: bool,
    server_name: Option<String>,
}

async fn drive(
    socket: &mut TcpStream,
    machine: &mut impl Machine,
    first: &[u8],
) -> Result<Leftover, HandshakeError> {
    let mut rest = Leftover {
        unread: first.to_vec(),
        ..Leftover::default()
    };
    loop {
        let (discard, next) = machine.step(&mut rest.unread, &mut rest.out, &mut rest.plain);
        if let Some(name) = SERVER_NAME.take() {
            rest.server_name = Some(name);
        }
        rest.unread.drain(..discard.min(rest.unread.len()));
        match next {
            Ok(Next::Again) => {}
            Ok(Next::Done) => return Ok(rest),
            // Who asks to cancel may say all it has to say in one breath: the end of the handshake, the request, good-bye.
            Ok(Next::Ended) if !machine.is_handshaking() => rest.ended = true,
            Ok(Next::Ended | Next::Closed) => return Err(HandshakeError::Closed),
            Ok(Next::Read) => {
                if !rest.out.is_empty() {
                    socket
                        .write_all(&rest.out)
                        .await
                        .map_err(HandshakeError::Io)?;
                    rest.out.clear();
                }
                if rest.unread.len() + rest.plain.len() > MAX_UNREAD {
                    return Err(HandshakeError::TooLong);
                }
                rest.unread.reserve(4096);
                match socket.read_buf(&mut rest.unread).await {
                    Ok(0) => return Err(HandshakeError::Closed),
                    Ok(_) => {}
                    Err(error) => return Err(HandshakeError::Io(error)),
                }
            }
            Err(error) => {
                // rustls has an alert ready, which the next step hands out. It counts from the beginning of what it was
                // shown before, so it has to be shown the same again; and a step more would make it judge that anew.
                let _ = machine.step(&mut rest.unread, &mut rest.out, &mut rest.plain);
                let _ = socket.write_all(&rest.out).await;
                let _ = socket.shutdown().await;
                return Err(HandshakeError::Tls(error));
            }
        }
    }
}

fn certificates(chain: Option<&[CertificateDer<'_>]>) -> Vec<CertificateDer<'static>> {
    chain
        .unwrap_or_default()
        .iter()
        .map(|certificate| certificate.clone().into_owned())
        .collect()
}
