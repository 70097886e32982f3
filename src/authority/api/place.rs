//! Where a list goes on that broke off between two databases that somebody sees: at one that they may not know of. So the
//! place is sealed, for this user alone. The key is drawn at each start, and a list that was begun before it is begun anew.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::super::chance::{Chance, NoChance};

/// What a sealed place begins with.
const MARK: char = '~';

/// Names are filled up to a multiple of so many bytes, so that their length says little.
const BLOCK: usize = 128;

/// Seals places.
pub(in crate::authority) struct Places {
    key: LessSafeKey,
    chance: Chance,
}

impl Places {
    /// With a key of its own.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(in crate::authority) fn new(chance: &Chance) -> Result<Self, NoChance> {
        let mut key = [0; 32];
        chance(&mut key)?;
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| NoChance)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            chance: chance.clone(),
        })
    }

    /// Whether this looks like a sealed place, and not like a name.
    pub(super) fn is_one(text: &str) -> bool {
        text.starts_with(MARK)
    }

    /// The place after a name.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(super) fn seal(&self, user: &str, name: &str) -> Result<String, NoChance> {
        let mut nonce = [0; NONCE_LEN];
        (self.chance)(&mut nonce)?;
        let mut text = name.as_bytes().to_vec();
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(unique, Aad::from(user), &mut text)
            .map_err(|_| NoChance)?;
        let sealed = [&nonce[..], &text].concat();
        Ok(format!("{MARK}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// The name that the place is after; none for what was not sealed here, or for somebody else.
    pub(super) fn open(&self, user: &str, place: &str) -> Option<String> {
        let sealed = URL_SAFE_NO_PAD.decode(place.strip_prefix(MARK)?).ok()?;
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let (nonce, mut text) = (Nonce::assume_unique_for_key(*nonce), text.to_vec());
        let opened = self.key.open_in_place(nonce, Aad::from(user), &mut text);
        let name = String::from_utf8(opened.ok()?.to_vec()).ok()?;
        Some(name.trim_end_matches('\0').to_owned())
    }
}
