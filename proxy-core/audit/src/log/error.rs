//! Why a log cannot be opened.

use std::{io, path::PathBuf};

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Another process writes it.
    #[error("the audit log in `{}` is being written by another process{}", dir.display(), pid.map(|pid| format!(" ({pid})")).unwrap_or_default())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The process, where it is known.
        pid: Option<u32>,
    },
    /// The system said no.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no thread to be had.
    #[error("cannot start the thread that writes the audit log")]
    Thread(#[source] io::Error),
    /// There is no chance to be had.
    #[error("the system gives no random bytes")]
    Random,
}

impl AuditError {
    pub(crate) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
