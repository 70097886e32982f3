//! What the tests of the whole start beside muster: servers that are not ours.

pub mod moto;
