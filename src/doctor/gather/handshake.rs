//! A TLS handshake as a client, to its end and no further.

use std::{io, sync::Arc};

use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The most that is read at once.
const PIECE: usize = 16 * 1024;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It was not agreed on.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The other side ended it.
    #[error("the connection was closed")]
    Closed,
}

/// Agrees on TLS. The caller bounds the time.
///
/// # Errors
/// Why it was not agreed on.
pub async fn client(
    socket: &mut TcpStream,
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<ClientConnection, Broken> {
    let mut tls = ClientConnection::new(Arc::clone(config), name)?;
    let mut piece = vec![0; PIECE];
    loop {
        write(&mut tls, socket).await?;
        if !tls.is_handshaking() {
            return Ok(tls);
        }
        let n = socket.read(&mut piece).await?;
        let mut read = piece.get(..n).unwrap_or_default();
        if read.is_empty() {
            return Err(Broken::Closed);
        }
        while !read.is_empty() {
            tls.read_tls(&mut read)?;
            if let Err(error) = tls.process_new_packets() {
                // The other side is told why; whether it hears that is its own affair.
                let _ = write(&mut tls, socket).await;
                return Err(error.into());
            }
        }
    }
}

async fn write(tls: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    let mut out = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut out)?;
    }
    socket.write_all(&out).await
}
