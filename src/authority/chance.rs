//! Randomness: where secrets, salts, serial numbers and names come from.

use std::{fmt::Write, sync::Arc};

use ring::rand::{SecureRandom, SystemRandom};

/// The operating system has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoChance;

/// Fills bytes at random. Passed in, so that tests can say what is drawn.
pub type Chance = Arc<dyn Fn(&mut [u8]) -> Result<(), NoChance> + Send + Sync>;

/// The operating system's.
pub fn system() -> Chance {
    let random = SystemRandom::new();
    Arc::new(move |bytes| random.fill(bytes).map_err(|_| NoChance))
}

/// So many random bytes, in hexadecimal. For names, not for secrets.
///
/// # Errors
/// When there is no randomness.
pub fn hex(bytes: usize) -> Result<String, NoChance> {
    let mut drawn = vec![0; bytes];
    system()(&mut drawn)?;
    Ok(as_hex(&drawn))
}

/// Bytes in hexadecimal.
pub fn as_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
