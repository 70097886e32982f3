//! [`Secret`]: a token or password that cannot be printed by accident.
//!
//! It has neither `Debug` nor `Display`, so that a struct which holds one cannot derive them either. It does
//! not wipe its memory.

use std::sync::Arc;

/// A bearer token, a client secret or an assertion.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps the text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself, to be put into the one request that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
