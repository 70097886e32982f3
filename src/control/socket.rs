//! The socket as a file: made for its owner alone, put in place at once, and found however long its path is.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net,
        },
    },
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

/// The socket's name in the store's directory.
pub const NAME: &str = "muster.sock";

/// The longest path that the kernel takes for a socket, without the byte at its end.
const MAX_PATH: usize = 107;

/// A directory, and a short way to what is in it.
pub(super) struct Place {
    dir: PathBuf,
    /// Where the directory's own path is too long for a socket: its descriptor.
    short: Option<OwnedFd>,
}

/// A socket that is ours.
pub(super) struct Bound {
    pub listener: net::UnixListener,
    id: FileId,
}

/// A file, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

// === impl Place ===

impl Place {
    /// # Errors
    /// When the directory is not there or may not be opened.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let longest = dir.join(temporary());
        let short = if longest.as_os_str().as_bytes().len() > MAX_PATH {
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
            Some(rustix::fs::open(dir, flags, Mode::empty())?)
        } else {
            None
        };
        Ok(Self {
            dir: dir.to_owned(),
            short,
        })
    }

    /// The socket's path, for people.
    pub fn shown(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    fn path(&self, name: &str) -> PathBuf {
        match &self.short {
            Some(dir) => PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd())),
            None => self.dir.join(name),
        }
    }

    /// Connects, or says why not. Does not wait for an answer.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn connect(&self) -> io::Result<tokio::net::UnixStream> {
        tokio::net::UnixStream::connect(self.path(NAME)).await
    }

    /// Makes the socket under another name, closes it to others, and moves it to its place: at no moment is there
    /// one that others can use. What a killed process left is replaced; a socket that somebody serves is not.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] when somebody serves the socket. Those of the operating system.
    pub fn bind(&self) -> io::Result<Bound> {
        let (place, temporary) = (self.path(NAME), self.path(&temporary()));
        match net::UnixStream::connect(&place) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            // Nobody listens, or there is nothing.
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
        if fs::symlink_metadata(&place).is_ok_and(|found| !found.file_type().is_socket()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        remove(&temporary)?;
        let listener = net::UnixListener::bind(&temporary)?;
        let placed = fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600))
            .and_then(|()| FileId::of(&temporary))
            .and_then(|id| fs::rename(&temporary, &place).map(|()| id))
            .and_then(|id| listener.set_nonblocking(true).map(|()| id));
        match placed {
            Ok(id) => Ok(Bound { listener, id }),
            Err(error) => {
                // It leads nowhere; that it stays changes nothing.
                let _ = remove(&temporary);
                Err(error)
            }
        }
    }

    /// Whether the socket in the directory is this one, another one, or none.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn holds(&self, bound: &Bound) -> io::Result<Held> {
        match FileId::of(&self.path(NAME)) {
            Ok(id) if id == bound.id => Ok(Held::Ours),
            Ok(_) => Ok(Held::Others),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Held::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Takes the socket away, unless it is no longer ours.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn remove(&self, bound: &Bound) -> io::Result<()> {
        match self.holds(bound)? {
            Held::Ours => remove(&self.path(NAME)),
            Held::Others | Held::Nothing => Ok(()),
        }
    }
}

/// What is where our socket was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Our socket.
    Ours,
    /// Something else.
    Others,
    /// Nothing.
    Nothing,
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

/// Whether connecting failed because nobody serves the socket: there is none, or who served it is gone.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// Under which name a socket is made.
fn temporary() -> String {
    format!(".{NAME}.{}", std::process::id())
}

/// Takes a socket away; nothing else of that name.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
