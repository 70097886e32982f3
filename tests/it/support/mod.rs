//! What the tests of the whole start beside muster: servers that are not ours.

pub mod cloud;
pub mod component;
pub mod draw;
pub mod fleet;
pub mod moto;
pub mod postgres;
pub mod reaper;
pub mod terminal;
