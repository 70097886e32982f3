//! Secrets that are shown once: invitations and join tokens. 256 random bits; only their hash is kept.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::authority::{
    chance::{Chance, NoChance, as_hex},
    command::Sensitive,
};

/// Bytes of a secret.
const BYTES: usize = 32;

/// The most bytes of a secret that somebody shows.
const LONGEST: usize = 256;

/// A new secret and its hash.
///
/// # Errors
/// When there is no randomness.
pub fn create(chance: &Chance) -> Result<(Sensitive, String), NoChance> {
    let mut bytes = [0; BYTES];
    chance(&mut bytes)?;
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let hash = as_hex(&Sha256::digest(&secret));
    Ok((Sensitive(secret), hash))
}

/// The hash of a secret that somebody shows. Looking for the hash tells nothing of the secret: whoever could find out how
/// much of a hash is right would have to find a secret that has it.
pub fn hash(shown: &str) -> Option<String> {
    (shown.len() <= LONGEST).then(|| as_hex(&Sha256::digest(shown)))
}
