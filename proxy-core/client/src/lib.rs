//! The person's side of the door: who is logged in where, whom to trust, and the questions that the proxy answers.
//!
//! | part | what |
//! |---|---|
//! | [`Profiles`], [`Profile`] | the files of logins, one directory a cluster, readable by their person alone |
//! | [`Pin`], [`Trust`], [`introduce`] | how the proxy proves to be the one that is meant |
//! | [`Api`] | the API on the proxy's port: logging in, databases, certificates, sessions |
//! | [`LocalKey`], [`Credentials`] | private keys, and certificates with them |
//! | [`DbLogin`] | the certificate for one database, in files |
//! | [`native`] | how native clients are told where a database is |
//! | [`port`] | a local port for programs without certificates |
//! | [`Link`] | an invitation |
//!
//! It knows no store and no configuration of the service, asks nobody for a password, and prints nothing: commands do
//! that. The time is passed in.

mod address;
mod api;
mod database;
mod error;
mod key;
mod link;
pub mod native;
pub mod port;
mod profile;
mod secret;
mod trust;

pub use self::{
    address::{Address, PORT},
    api::{
        Accept, Api, DbView, Filter, Fingerprints, Invitation, Limits, Login, Ping, Route,
        SessionView, Signed, Whoami,
    },
    database::{DbAbout, DbLogin},
    error::{Error, Kind, Refusal, Result},
    key::{Credentials, LocalKey},
    link::Link,
    profile::{About, Profile, Profiles, file_name},
    secret::Secret,
    trust::{Clock, HTTP, Introduction, Pin, Trust, introduce},
};
