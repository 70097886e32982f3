//! The proxy core: one TLS door, sessions in stages, an engine for each wire protocol, and the relay to the database.

pub mod catalog;
pub mod engine;
pub mod engines;
pub mod settings;
pub mod tls;

pub use self::{
    catalog::{Catalog, NoTarget},
    settings::Settings,
};
