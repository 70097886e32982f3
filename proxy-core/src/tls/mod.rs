//! TLS on both legs: the handshake by rustls, the records by [`record`], the bytes in buffers that are there only while
//! needed.
//!
//! Session tickets are not given out and not used. A resumed session would skip the client's certificate, which is
//! what a person's right to enter rests on and what ends when it expires; and a ticket for each connection is two
//! records more to make, to send and to hold.

pub mod handshake;
pub mod leg;
pub mod pool;
mod queue;
pub mod record;

pub use self::{
    handshake::{HandshakeError, Shown, accept, connect},
    leg::Leg,
};

#[cfg(test)]
mod tests;
