//! [`Key`]: where a value is. A collection's name, a slash, and an id that may be any text.

use std::fmt;

/// The longest id in bytes. An ARN is at most 2048 characters, an ARM id shorter.
pub const MAX_ID: usize = 2048;

/// The longest key in bytes: an id, the collection's name before it and what an index adds.
pub const MAX_KEY: usize = MAX_ID + 128;

/// A key: text of 1 to [`MAX_KEY`] bytes, ordered byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// A text that cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is empty.
    #[error("the id is empty")]
    Empty,
    /// It is too long.
    #[error("the id or key has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// How long it may be.
        max: usize,
    },
}

// === impl Key ===

impl Key {
    /// The text as a key.
    ///
    /// # Errors
    /// When it is empty or longer than [`MAX_KEY`].
    pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        match text.len() {
            0 => Err(KeyError::Empty),
            len if len > MAX_KEY => Err(KeyError::TooLong { len, max: MAX_KEY }),
            _ => Ok(Self(text)),
        }
    }

    /// `COLLECTION/ID`. Only the first slash separates: the id may hold more of them.
    ///
    /// # Errors
    /// When the id is empty or longer than [`MAX_ID`].
    pub fn of(collection: &str, id: &str) -> Result<Self, KeyError> {
        match id.len() {
            0 => Err(KeyError::Empty),
            len if len > MAX_ID => Err(KeyError::TooLong { len, max: MAX_ID }),
            _ => Self::new(format!("{collection}/{id}")),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}
