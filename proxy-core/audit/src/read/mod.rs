//! Reading the log back.

pub(crate) mod lines;
