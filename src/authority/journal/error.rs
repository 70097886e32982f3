//! Why the journal cannot be opened or written.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::files::LOCK;

/// Why the journal cannot be opened or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process works with it.
    #[error("{dir} is in use by another process", dir = dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The operating system says no.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What it says.
        #[source]
        source: Arc<io::Error>,
    },
    /// What was acknowledged cannot be read: nothing is guessed, and nothing is dropped.
    #[error("{path} is damaged at byte {at} of {length}: {why}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where: the first byte that makes no sense, or of the record that does not.
        at: u64,
        /// How long the file is.
        length: u64,
        /// What is wrong there.
        why: String,
    },
    /// A batch has more bytes than may be written at once.
    #[error("a change of {bytes} bytes is too large")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
}

impl JournalError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            what,
            path,
            source: Arc::new(source),
        }
    }

    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged { path, .. } => Some(format!(
                "put back a copy of {}; the file was changed by something other than muster, or the disk fails",
                path.display()
            )),
            Self::InUse { dir } => Some(format!(
                "wait until it ends, or stop it: `fuser {}` says which it is",
                dir.join(LOCK).display()
            )),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run this as the user whom the store belongs to, or as root".to_owned())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room on the disk: what was there before is still in force".to_owned())
            }
            _ => None,
        }
    }
}
