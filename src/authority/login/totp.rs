//! The second factor: time-based one-time passwords (RFC 6238), as authenticator apps make them: SHA-1, six digits, thirty
//! seconds.

use std::fmt;

use muster_model::Timestamp;
use ring::hmac;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::authority::chance::{Chance, NoChance};

/// Seconds for which a code is shown.
const STEP: u64 = 30;

/// How many codes before and after the present one are taken, for clocks that differ.
const SKEW: u64 = 1;

/// The bytes of a secret: as many as SHA-1 makes (RFC 4226, section 4).
const SECRET: usize = 20;

/// The letters of base32 (RFC 4648).
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What the app and the authority share.
#[derive(Clone)]
pub struct Totp(Vec<u8>);

impl Totp {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn create(chance: &Chance) -> Result<Self, NoChance> {
        let mut secret = vec![0; SECRET];
        chance(&mut secret)?;
        Ok(Self(secret))
    }

    /// As [`Self::as_base32`] wrote it; none when it is not that.
    pub fn from_base32(text: &str) -> Option<Self> {
        let (mut bytes, mut bits, mut buffer) = (Vec::new(), 0_u32, 0_u32);
        for letter in text.bytes() {
            let value = LETTERS.iter().position(|known| *known == letter)?;
            buffer = buffer << 5 | u32::try_from(value).ok()?;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from(buffer >> bits & 0xff).ok()?);
            }
        }
        Some(Self(bytes))
    }

    /// As people type it into an app.
    pub fn as_base32(&self) -> String {
        let mut text = String::new();
        for five in self.0.chunks(5) {
            let mut group = [0_u8; 8];
            group
                .iter_mut()
                .skip(3)
                .zip(five)
                .for_each(|(to, from)| *to = *from);
            let group = u64::from_be_bytes(group);
            let letters = (five.len() * 8).div_ceil(5);
            for place in 0..letters {
                let letter = group >> (35 - 5 * place) & 31;
                let letter = LETTERS.get(usize::try_from(letter).unwrap_or_default());
                text.push(char::from(letter.copied().unwrap_or(b'A')));
            }
        }
        text
    }

    /// The link that apps read from a picture.
    pub fn link(&self, cluster: &str, user: &str) -> String {
        let encode = |text: &str| {
            url::form_urlencoded::byte_serialize(text.as_bytes())
                .collect::<String>()
                .replace('+', "%20")
        };
        let (cluster, user) = (encode(cluster), encode(user));
        format!(
            "otpauth://totp/{cluster}:{user}?secret={}&issuer={cluster}",
            self.as_base32()
        )
    }

    /// The step of time that a code is of, when it is right and of a later step than the last one that was used. All
    /// codes that could be right are looked at, whatever the answer.
    pub fn check(&self, code: &str, now: Timestamp, used: u64) -> Option<u64> {
        let digits = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
        let code = code.parse::<u32>().unwrap_or_default();
        let present = u64::try_from(now.unix()).unwrap_or_default() / STEP;
        let mut found = 0_u64;
        for step in present.saturating_sub(SKEW)..=present + SKEW {
            let right = self.code(step).ct_eq(&code) & Choice::from(u8::from(step > used));
            found = u64::conditional_select(&found, &step, right);
        }
        (digits && found > 0).then_some(found)
    }

    /// The code that an app shows at this time.
    #[cfg(test)]
    pub fn at(&self, now: Timestamp) -> String {
        let step = u64::try_from(now.unix()).unwrap_or_default() / STEP;
        format!("{:06}", self.code(step))
    }

    /// The code of a step of time (RFC 4226, section 5.3).
    fn code(&self, step: u64) -> u32 {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 15);
        let part = tag.get(offset..offset + 4).unwrap_or_default();
        let part = part
            .iter()
            .fold(0_u32, |code, byte| code << 8 | u32::from(*byte));
        (part & 0x7fff_ffff) % 1_000_000
    }
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Totp(..)")
    }
}
