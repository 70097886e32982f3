//! Where a local port listens: an address of this machine alone, or a socket in a directory of one's own.

use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, UnixListener};

use super::{
    Stream,
    peer::{self, Stranger},
};
use crate::{Error, Kind, Result};

/// Where a local port listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A port of `127.0.0.1`; 0 for any that is free.
    Tcp(u16),
    /// A socket `.s.PGSQL.PORT` in a directory that nobody else may enter: libpq takes the directory for a host.
    Unix(PathBuf, u16),
}

/// What listens. A socket is taken away with it.
pub struct Listener {
    inner: Inner,
    /// The host and port for a client.
    host: String,
    port: u16,
}

enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// A connection, with whether it is one's own.
pub(super) struct Accepted {
    pub stream: Box<dyn Stream>,
    pub mine: std::result::Result<(), Stranger>,
}

impl Place {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the port or socket is taken, and when others may enter the directory.
    pub async fn listen(&self) -> Result<Listener> {
        match self {
            Self::Tcp(port) => {
                let address = SocketAddr::from(([127, 0, 0, 1], *port));
                let cannot = |error: io::Error| {
                    Error::files(format!("cannot listen on {address}"), &error)
                        .hint("choose another port with `--port N`, or none: then any that is free is taken")
                };
                let listener = TcpListener::bind(address).await.map_err(cannot)?;
                let port = listener.local_addr().map_err(cannot)?.port();
                Ok(Listener {
                    inner: Inner::Tcp(listener),
                    host: "127.0.0.1".to_owned(),
                    port,
                })
            }
            Self::Unix(dir, port) => {
                let dir = std::path::absolute(dir).map_err(|error| {
                    Error::files(
                        format!("cannot use the directory {}", dir.display()),
                        &error,
                    )
                })?;
                private(&dir)?;
                let path = dir.join(format!(".s.PGSQL.{port}"));
                let cannot = |error: io::Error| {
                    Error::files(format!("cannot listen on {}", path.display()), &error)
                        .hint("choose another directory with `--socket DIR`")
                };
                unused(&path)?;
                let listener = UnixListener::bind(&path).map_err(cannot)?;
                fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(cannot)?;
                Ok(Listener {
                    inner: Inner::Unix(listener, path),
                    host: dir.to_string_lossy().into_owned(),
                    port: *port,
                })
            }
        }
    }
}

impl Listener {
    /// The host for a client: an address, or a directory.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port for a client.
    pub const fn port(&self) -> u16 {
        self.port
    }

    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match &self.inner {
            Inner::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                let mine = peer::of_tcp(from, stream.local_addr()?);
                let _ = stream.set_nodelay(true);
                Ok(Accepted {
                    stream: Box::new(stream),
                    mine,
                })
            }
            Inner::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let mine = stream
                    .peer_cred()
                    .map_err(|error| {
                        Stranger::Other(format!("who it is cannot be found out: {error}"))
                    })
                    .and_then(|peer| peer::allowed(peer.uid()));
                Ok(Accepted {
                    stream: Box::new(stream),
                    mine,
                })
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Inner::Unix(_, path) = &self.inner {
            // The directory is one's own: nobody has put another one there.
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes the directory where there is none, and refuses one that others may enter.
fn private(dir: &Path) -> Result<()> {
    let cannot = |error: io::Error| {
        Error::files(
            format!("cannot use the directory {}", dir.display()),
            &error,
        )
        .hint("name one in a directory that is there, and yours to write in")
    };
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(cannot(error)),
    }
    let meta = fs::symlink_metadata(dir).map_err(cannot)?;
    let wrong = |why: &str| {
        Err(Error::new(
            Kind::Usage,
            format!("cannot use the directory {}", dir.display()),
        )
        .because(why)
        .hint("name one that is not there yet: it is made for you alone"))
    };
    if !meta.is_dir() {
        return wrong("it is no directory");
    }
    if meta.uid() != peer::own() {
        return wrong("it belongs to another user");
    }
    if meta.mode() & 0o077 != 0 {
        return wrong("other users of this machine may enter it (`chmod 700` keeps them out)");
    }
    Ok(())
}

/// Takes away a socket that nobody listens on any more.
fn unused(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(
            Error::new(Kind::Files, format!("cannot listen on {}", path.display()))
                .because("somebody listens there already")
                .hint("choose another directory with `--socket DIR`, or another `--port N`"),
        );
    }
    fs::remove_file(path)
        .map_err(|error| Error::files(format!("cannot remove {}", path.display()), &error))
}
