//! The log: who writes into it, and how it is kept.

mod health;
mod settings;

pub use self::{
    health::{Health, NotWritten},
    settings::{Keep, Rotate, Settings, Sink},
};
