//! [`Secret`]: a token or password that cannot be printed by accident.
//!
//! It has neither `Debug` nor `Display`, so that a struct which holds one cannot derive them either. Its memory is
//! wiped when the last one who holds it lets go. What is copied out of it is not: a request, or a buffer of TLS.

use std::sync::Arc;

use zeroize::Zeroizing;

/// A bearer token, a client secret, a password or an assertion.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Copies the text.
    pub fn new(text: &str) -> Self {
        Self::from(text.to_owned())
    }

    /// The text itself, to be put into the one message that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    /// Takes the text over, without a copy that would stay behind.
    fn from(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }
}
