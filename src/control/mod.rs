//! The control socket: how commands reach the service that holds the store.
//!
//! The service serves HTTP/1.1 over the Unix socket `muster.sock` in the store's directory. The socket is the
//! whole access control: it belongs to the service's user, and only that user and root are answered. What comes
//! through it is bounded in size, number and time. `docs/control.md` describes every route.
//!
//! | part | what it does |
//! |---|---|
//! | [`bind`], [`Control`] | the socket, and the service's side of it |
//! | [`Client`] | the commands' side: asks for one thing at a time, and never waits for a service that hangs |
//! | [`RemoteStore`] | the service's store, for reading, as a [`muster_store::Store`]: the commands' code is the same |
//! | [`ClientError`] | why there was no answer |
//!
//! Commands and service are of one release: the major and minor version of both have to be the same. Nothing
//! here decides anything: commands go to the [`crate::service::handle::Handle`].

mod call;
mod client;
mod error;
mod peer;
mod remote;
mod routes;
mod server;
mod socket;
mod stall;
mod store;
#[cfg(test)]
mod tests;
mod wire;

pub use self::{
    client::{Client, Limits, Reading},
    error::ClientError,
    remote::RemoteStore,
    server::{Control, ControlError, bind, serve},
    socket::NAME,
    wire::{Health, Loaded, Service},
};

pub(crate) use self::peer::own_name;

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The header in which both sides say which muster they are.
pub(crate) const VERSION_HEADER: &str = "muster-version";

/// Whether a program of that version understands what this one says: major and minor version are the same.
pub(crate) fn understands(other: &str) -> bool {
    let release = |version: &str| {
        let mut parts = version.split('.');
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    release(other).is_some() && release(other) == release(VERSION)
}
