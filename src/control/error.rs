//! [`ClientError`]: why there was no answer.

use std::{error::Error, io, path::PathBuf, sync::Arc};

use muster_store::StoreError;

use super::VERSION;
use crate::service::handle::Refused;

/// Why the service did not answer, or what it answered instead.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody serves the socket, or there is none.
    #[error("no service answers at {socket}", socket = socket.display())]
    Absent {
        /// The socket.
        socket: PathBuf,
        /// What the operating system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// The socket is there and cannot be used.
    #[error("cannot connect to the service at {socket}", socket = socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the operating system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// The service took the question and said nothing.
    #[error("the service did not answer within {seconds} s")]
    Silent {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The connection broke before the answer was there, or in the middle of it.
    #[error("the connection to the service broke")]
    Broken(#[source] Arc<dyn Error + Send + Sync>),
    /// The answer ended before it was whole: nothing of it counts.
    #[error("the service's answer was cut off")]
    Cut,
    /// The service is of another release.
    #[error("the service is muster {theirs}, and this is muster {VERSION}")]
    Version {
        /// The service's version.
        theirs: String,
    },
    /// The answer makes no sense.
    #[error("the service's answer makes no sense: {why}")]
    Malformed {
        /// What is wrong with it.
        why: String,
    },
    /// The service said why not.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The service could not read its store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ClientError {
    /// Whether there is no service: none was started, or it has ended.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// Whether nobody answered, or not to the end: trying again later may help, and what was asked is not at fault.
    pub const fn is_unreachable(&self) -> bool {
        match self {
            Self::Absent { .. }
            | Self::Connect { .. }
            | Self::Silent { .. }
            | Self::Broken(_)
            | Self::Cut => true,
            Self::Version { .. } | Self::Malformed { .. } | Self::Refused(_) | Self::Store(_) => {
                false
            }
        }
    }

    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Absent { .. } => "start the service with `muster run`",
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run this as the service's user, or as root"
            }
            Self::Connect { .. } => {
                "`store` in the configuration, or --store, has to name the directory of the service's store"
            }
            Self::Silent { .. } => {
                "it may be overloaded or stuck: see its log, and try again; end it with SIGTERM"
            }
            Self::Broken(_) | Self::Cut => {
                "it may have ended: see its log, and try again with a service or without one"
            }
            Self::Version { .. } => {
                "restart the service after an upgrade, or use the program that it was started from"
            }
            Self::Refused(refused) => return refused.hint.clone(),
            Self::Malformed { .. } | Self::Store(_) => return None,
        };
        Some(text.to_owned())
    }

    pub(super) fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed { why: why.into() }
    }
}

impl From<ClientError> for StoreError {
    fn from(error: ClientError) -> Self {
        let backend = |why: String, source: Option<Arc<io::Error>>| Self::Backend {
            what: "read",
            why,
            source,
        };
        match error {
            ClientError::Store(error) => error,
            // Whoever shows it wants to know what sort of error it was.
            error if error.is_unreachable() => {
                let source = Arc::new(io::Error::new(io::ErrorKind::NotConnected, error));
                backend("the service holds it".to_owned(), Some(source))
            }
            ClientError::Refused(Refused {
                what, why, hint, ..
            }) => {
                let why = std::iter::once(what).chain(why).chain(hint);
                backend(why.collect::<Vec<_>>().join("; "), None)
            }
            error => backend(error.to_string(), None),
        }
    }
}
