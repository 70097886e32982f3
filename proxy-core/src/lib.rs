//! The proxy core: one TLS door, sessions in stages, an engine for each wire protocol, and the relay to the database.
//!
//! | word | meaning |
//! |---|---|
//! | [`Door`] | one TLS port for every protocol, its threads, and the sessions that are open |
//! | [`Catalog`] | the published, immutable set of targets with its indexes |
//! | [`Trust`] | whose certificates are believed, and the door's own |
//! | [`engine`] | what a wire protocol is asked: a relay that sees all bytes and writes the record |
//!
//! A session goes through stages that consume each other: accepted, identified, routed, permitted, linked, and then the
//! relay. A stage holds only what is known by then, and a connection to a database is made with a permit in hand.

mod address;
pub mod catalog;
pub mod door;
pub mod engine;
pub mod engines;
#[doc(hidden)]
pub mod fuzz;
mod session;
pub mod settings;
pub mod tls;
pub mod trust;
pub mod upstream;

pub use self::{
    catalog::{Catalog, NoTarget},
    door::{
        Caller, Changed, Clock, Door, EndReason, HttpService, Numbers, Parts, Random, SessionView,
    },
    settings::Settings,
    trust::{Identified, NotIdentified, Signer, Trust, TrustError},
    upstream::{Resolver, SystemResolver},
};
