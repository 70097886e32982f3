//! The protection of TLS records, after rustls has made the handshake.
//!
//! rustls negotiates, authenticates and derives every key, and hands the keys over through its interface for kernel
//! TLS ([`rustls::kernel`]). What is left is small: open a record where it lies, seal one where it will be sent
//! from. That saves the copy and the allocation for each record that rustls' own record layer makes, and the memory
//! that it keeps for each connection.
//!
//! Formats: RFC 8446 5.2 (TLS 1.3), RFC 5288 and RFC 7905 (TLS 1.2 with AES-GCM and ChaCha20-Poly1305).

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;

/// Bytes of a record's header.
pub const HEADER: usize = 5;
/// The most plain text in one record.
pub const MAX_PLAIN: usize = 16 * 1024;
/// The most that a record's body may be longer than its plain text (RFC 5246 6.2.3; TLS 1.3 allows 256).
const MAX_EXPANSION: usize = 2048;
/// The bytes that a sealed record may be longer than its plain text: header, explicit nonce, type, tag.
pub const OVERHEAD: usize = HEADER + EXPLICIT + 1 + TAG;
/// After so many records with one key TLS 1.3 changes the key: the bound for AES-GCM (RFC 8446 5.5).
pub const RECORDS_PER_KEY: u64 = 1 << 24;
/// TLS 1.2 cannot change its key, and ends after so many records. Its records are seldom full.
const RECORDS_PER_CONNECTION: u64 = 1 << 28;

const EXPLICIT: usize = 8;
const TAG: usize = 16;

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `change_cipher_spec`, 20.
    ChangeCipherSpec,
    /// An alert, 21.
    Alert,
    /// A handshake message, 22.
    Handshake,
    /// Application data, 23.
    Data,
}

/// Why a record is refused. The alert is the one that RFC 8446 6.2 wants to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// A content type or an order that must not be.
    #[error("unexpected tls record")]
    Unexpected,
    /// Longer than a record may be.
    #[error("tls record too long")]
    TooLong,
    /// It was not sealed with the key, or was changed on the way.
    #[error("tls record does not open")]
    NotSealed,
    /// Malformed content.
    #[error("malformed tls record")]
    Malformed,
    /// The key was used as often as it may be.
    #[error("tls key used up")]
    KeyUsedUp,
}

/// One direction's key with the number of the next record.
pub struct Key {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// TLS 1.3: the type is hidden behind the plain text.
    V13,
    /// TLS 1.2 with a nonce of which eight bytes are sent.
    V12Explicit,
    /// TLS 1.2 with ChaCha20-Poly1305: the nonce is computed.
    V12Implicit,
}

// === impl Key ===

impl Key {
    /// The key for one direction, as rustls extracted it. `None` for a cipher that is not known here.
    pub fn new(v13: bool, sequence: u64, secrets: &ConnectionTrafficSecrets) -> Option<Self> {
        let (algorithm, key, iv, chacha) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&aead::AES_128_GCM, key, iv, false),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&aead::AES_256_GCM, key, iv, false),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (&aead::CHACHA20_POLY1305, key, iv, true)
            }
            _ => return None,
        };
        Some(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).ok()?),
            iv: iv.as_ref().try_into().ok()?,
            sequence,
            form: match (v13, chacha) {
                (true, _) => Form::V13,
                (false, false) => Form::V12Explicit,
                (false, true) => Form::V12Implicit,
            },
        })
    }

    /// Whether it is TLS 1.3.
    pub fn is_v13(&self) -> bool {
        self.form == Form::V13
    }

    /// Whether the key should be changed before more is sealed.
    pub const fn is_worn(&self) -> bool {
        self.sequence >= RECORDS_PER_KEY
    }

    /// The whole length of the record at the front, `None` while its header is not there.
    pub fn record_length(bytes: &[u8]) -> Result<Option<usize>, BadRecord> {
        let [_, _, _, high, low, ..] = *bytes else {
            return Ok(None);
        };
        let body = usize::from(u16::from_be_bytes([high, low]));
        if body > MAX_PLAIN + MAX_EXPANSION {
            return Err(BadRecord::TooLong);
        }
        Ok(Some(HEADER + body))
    }

    /// The most plain text that a record of this whole length can carry.
    pub fn most_plain(&self, length: usize) -> usize {
        let added = match self.form {
            // The type stands behind the plain text.
            Form::V13 => HEADER + 1 + TAG,
            Form::V12Explicit => HEADER + EXPLICIT + TAG,
            Form::V12Implicit => HEADER + TAG,
        };
        length.saturating_sub(added)
    }

    /// Opens one whole record where it lies. Answers what it carries and where in `record` the plain text is.
    pub fn open(
        &mut self,
        record: &mut [u8],
    ) -> Result<(Content, std::ops::Range<usize>), BadRecord> {
        if self.sequence == u64::MAX {
            return Err(BadRecord::KeyUsedUp);
        }
        let Some((header, body)) = record.split_at_mut_checked(HEADER) else {
            return Err(BadRecord::Malformed);
        };
        let [kind, major, minor, ..] = *header else {
            return Err(BadRecord::Malformed);
        };
        let (from, plain) = match self.form {
            Form::V13 => {
                // Everything is dressed as application data once keys are in use.
                if kind != 23 {
                    return Err(BadRecord::Unexpected);
                }
                let nonce = self.nonce();
                let aad = Aad::from(&*header);
                let plain = self
                    .key
                    .open_in_place(nonce, aad, body)
                    .map_err(|_| BadRecord::NotSealed)?;
                (HEADER, plain)
            }
            Form::V12Explicit | Form::V12Implicit => {
                let explicit = if self.form == Form::V12Explicit {
                    EXPLICIT
                } else {
                    0
                };
                let Some((sent, sealed)) = body.split_at_mut_checked(explicit) else {
                    return Err(BadRecord::Malformed);
                };
                let length = sealed.len().checked_sub(TAG).ok_or(BadRecord::Malformed)?;
                let nonce = if explicit == 0 {
                    self.nonce()
                } else {
                    let mut nonce = self.iv;
                    for (to, from) in nonce.iter_mut().skip(4).zip(sent.iter()) {
                        *to = *from;
                    }
                    Nonce::assume_unique_for_key(nonce)
                };
                let aad = Aad::from(v12_aad(self.sequence, [kind, major, minor], length));
                let plain = self
                    .key
                    .open_in_place(nonce, aad, sealed)
                    .map_err(|_| BadRecord::NotSealed)?;
                (HEADER + explicit, plain)
            }
        };
        self.sequence += 1;
        let (kind, length) = if self.form == Form::V13 {
            // The type is the last byte that is not padding.
            let Some(end) = plain.iter().rposition(|byte| *byte != 0) else {
                return Err(BadRecord::Unexpected);
            };
            (plain.get(end).copied().unwrap_or_default(), end)
        } else {
            (kind, plain.len())
        };
        if length > MAX_PLAIN {
            return Err(BadRecord::TooLong);
        }
        let content = match kind {
            20 => Content::ChangeCipherSpec,
            21 => Content::Alert,
            22 => Content::Handshake,
            23 => Content::Data,
            _ => return Err(BadRecord::Unexpected),
        };
        Ok((content, from..from + length))
    }

    /// Seals at most [`MAX_PLAIN`] bytes into `out`, and says how long the record is. `out` must have room for the
    /// bytes and [`OVERHEAD`].
    pub fn seal(
        &mut self,
        content: Content,
        plain: &[u8],
        out: &mut [u8],
    ) -> Result<usize, BadRecord> {
        if self.sequence >= RECORDS_PER_CONNECTION {
            return Err(BadRecord::KeyUsedUp);
        }
        let kind = match content {
            Content::ChangeCipherSpec => 20,
            Content::Alert => 21,
            Content::Handshake => 22,
            Content::Data => 23,
        };
        let (explicit, hidden) = match self.form {
            Form::V13 => (0, 1),
            Form::V12Explicit => (EXPLICIT, 0),
            Form::V12Implicit => (0, 0),
        };
        let nonce = self.nonce_bytes();
        let body = explicit + plain.len() + hidden + TAG;
        let (Ok(length), true) = (u16::try_from(body), plain.len() <= MAX_PLAIN) else {
            return Err(BadRecord::TooLong);
        };
        let [high, low] = length.to_be_bytes();
        let header = [if hidden == 1 { 23 } else { kind }, 3, 3, high, low];
        let Some((head, rest)) = out.split_at_mut_checked(HEADER) else {
            return Err(BadRecord::TooLong);
        };
        head.copy_from_slice(&header);
        let Some((sent, rest)) = rest.split_at_mut_checked(explicit) else {
            return Err(BadRecord::TooLong);
        };
        for (to, from) in sent.iter_mut().zip(nonce.iter().skip(4)) {
            *to = *from;
        }
        let Some((text, rest)) = rest.split_at_mut_checked(plain.len() + hidden) else {
            return Err(BadRecord::TooLong);
        };
        let Some(tag_room) = rest.get_mut(..TAG) else {
            return Err(BadRecord::TooLong);
        };
        if let Some(to) = text.get_mut(..plain.len()) {
            to.copy_from_slice(plain);
        }
        if hidden == 1
            && let Some(last) = text.last_mut()
        {
            *last = kind;
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = if self.form == Form::V13 {
            self.key
                .seal_in_place_separate_tag(nonce, Aad::from(header), text)
        } else {
            let aad = Aad::from(v12_aad(self.sequence, [kind, 3, 3], plain.len()));
            self.key.seal_in_place_separate_tag(nonce, aad, text)
        }
        .map_err(|_| BadRecord::TooLong)?;
        tag_room.copy_from_slice(tag.as_ref());
        self.sequence += 1;
        Ok(HEADER + body)
    }

    fn nonce_bytes(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        for (byte, count) in nonce.iter_mut().skip(4).zip(self.sequence.to_be_bytes()) {
            *byte ^= count;
        }
        nonce
    }

    fn nonce(&self) -> Nonce {
        Nonce::assume_unique_for_key(self.nonce_bytes())
    }
}

fn v12_aad(sequence: u64, [kind, major, minor]: [u8; 3], length: usize) -> [u8; 13] {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = sequence.to_be_bytes();
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    [
        s0, s1, s2, s3, s4, s5, s6, s7, kind, major, minor, high, low,
    ]
}
