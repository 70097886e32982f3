//! Who is at the other end of the socket. The kernel says so, not they.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::process::geteuid;
use tokio::net::UnixStream;

/// The most bytes that are read of the list of users.
const MAX_PASSWD: u64 = 1 << 20;

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// The user's number.
    pub uid: u32,
}

impl Peer {
    /// Who is at the other end, when they may ask anything: the user of this process, or root.
    ///
    /// # Errors
    /// The number of a user who may not; none when the kernel does not say.
    pub fn admit(stream: &UnixStream) -> Result<Self, Option<u32>> {
        let uid = stream.peer_cred().map_err(|_| None)?.uid();
        if may_ask(uid, geteuid().as_raw()) {
            Ok(Self { uid })
        } else {
            Err(Some(uid))
        }
    }

    /// For the history: `alice (uid 1000)`, or `uid 1000` when this machine's list does not know the user.
    pub fn name(&self) -> String {
        match read_passwd().and_then(|passwd| name_of(&passwd, self.uid)) {
            Some(name) => format!("{name} (uid {})", self.uid),
            None => format!("uid {}", self.uid),
        }
    }
}

/// Who runs this process, for the history: as the service would call them.
pub(crate) fn own_name() -> String {
    let uid = geteuid().as_raw();
    Peer { uid }.name()
}

/// Whether who serves the socket may speak for the store in its directory: the directory's owner, the user of this
/// process, or root. In a directory that others can write to, anybody could have put a socket. And whether they
/// would answer: who may not ask is told so, rather than that the connection broke.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] when not.
pub(super) fn trust(stream: &UnixStream, dir: &Path) -> io::Result<()> {
    let (server, owner) = (stream.peer_cred()?.uid(), fs::metadata(dir)?.uid());
    let own = geteuid().as_raw();
    let why = if !may_serve(server, owner, own) {
        format!(
            "it is served by uid {server}, and the directory belongs to uid {owner}: its answers are not to be trusted"
        )
    } else if !may_ask(own, server) {
        let also = match server {
            0 => String::new(),
            other => format!("uid {other} and "),
        };
        format!("it answers only {also}root, and this is uid {own}")
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

pub(super) const fn may_serve(server: u32, owner: u32, own: u32) -> bool {
    server == owner || server == own || server == 0
}

pub(super) const fn may_ask(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

fn read_passwd() -> Option<String> {
    let mut text = String::new();
    let file = File::open("/etc/passwd").ok()?;
    file.take(MAX_PASSWD).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The first name of a user, when it is one that a line of the history can hold.
pub(super) fn name_of(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number == uid).then_some(name)
    })?;
    let plain = |c: char| c.is_alphanumeric() || "._-$@\\".contains(c);
    let fits = !name.is_empty() && name.len() <= 64 && name.chars().all(plain);
    fits.then(|| name.to_owned())
}
