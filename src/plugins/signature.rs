//! Whose a file is: Ed25519 signatures over the file's own bytes, in a file beside it.
//!
//! Keys are PEM files as `openssl genpkey -algorithm ed25519` makes them (PKCS#8), and their public halves as
//! `openssl pkey -pubout` does (SPKI). A signature is 64 bytes, in base64 on one line. So openssl can make and check
//! all of it:
//!
//! ```text
//! openssl pkeyutl -sign -rawin -inkey KEY.pem -in FILE | base64 -w0 > FILE.sig
//! openssl pkeyutl -verify -rawin -pubin -inkey PUB.pem -sigfile <(base64 -d FILE.sig) -in FILE
//! ```
//!
//! A signature says who vouches for a file, not which of several versions is meant: an older one that was signed once
//! stays signed. Whoever must have a certain one names its digest.

mod pem;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::file::{self, ReadError};

/// The largest file of a key that is read, in bytes.
const MAX_KEY: u64 = 16 << 10;
/// The largest file of a signature that is read, in bytes.
const MAX_SIGNATURE: u64 = 4 << 10;
/// A signature, in bytes.
const SIGNATURE: usize = 64;
/// A public key, in bytes.
const PUBLIC: usize = 32;
/// What stands before those bytes in a SubjectPublicKeyInfo (RFC 8410): two sequences, the object identifier
/// 1.3.101.112, and the head of a bit string.
const SPKI: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A key that signatures are checked with.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    bytes: [u8; PUBLIC],
    origin: Option<PathBuf>,
}

/// A key that signs.
pub struct PrivateKey(Ed25519KeyPair);

/// Why something is not a key that can be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file cannot be read.
    #[error("the key {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// Others may read the file of a private key, or write that of a public one.
    #[error(
        "the key {path} is not safe: its mode is {mode:04o}, so {danger}; `chmod {remedy} {path}` mends it"
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// What others may do.
        danger: &'static str,
        /// What to change.
        remedy: &'static str,
    },
    /// It is not what it should be.
    #[error("the key {name} cannot be used: {detail}")]
    Malformed {
        /// The file, or where else it came from.
        name: String,
        /// What it is in place of a key.
        detail: String,
    },
}

/// Why a signature does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// There is no file with it.
    #[error("there is no signature: {path} does not exist")]
    Absent {
        /// Where it would be.
        path: PathBuf,
    },
    /// The file with it cannot be read.
    #[error("the signature {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// It is no signature at all.
    #[error("the signature is none: {SIGNATURE} bytes in base64 are needed, and there {0}")]
    Malformed(String),
    /// There is nothing to check it with.
    #[error("there is no key to check the signature with")]
    NoKeys,
    /// It was made by somebody else, or for other bytes.
    #[error(
        "the signature is not by {}: the file was changed after it was signed, or somebody else signed it",
        if *.keys == 1 { "the key".to_owned() } else { format!("any of the {} keys", .keys) }
    )]
    Unknown {
        /// How many keys were tried.
        keys: usize,
    },
}

/// Checks the signature of a file, and says whose it is. The signature is 64 bytes, or their base64.
///
/// # Errors
/// When it is none, or none of these keys made it for these bytes.
pub fn verify<'k>(
    file: &[u8],
    signature: &[u8],
    keys: &'k [PublicKey],
) -> Result<&'k PublicKey, SignatureError> {
    let signature = decode(signature)?;
    if keys.is_empty() {
        return Err(SignatureError::NoKeys);
    }
    keys.iter()
        .find(|key| {
            UnparsedPublicKey::new(&ED25519, &key.bytes)
                .verify(file, &signature)
                .is_ok()
        })
        .ok_or(SignatureError::Unknown { keys: keys.len() })
}

/// Where the signature of a file is: beside it, with `.sig` behind its whole name.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// The content of a file with a signature.
///
/// # Errors
/// [`SignatureError::Absent`] where there is none; when it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, SignatureError> {
    match file::read(path, MAX_SIGNATURE) {
        Ok((bytes, _)) => Ok(bytes),
        Err(ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(SignatureError::Absent {
                path: path.to_owned(),
            })
        }
        Err(source) => Err(SignatureError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn decode(signature: &[u8]) -> Result<[u8; SIGNATURE], SignatureError> {
    // What openssl writes. Base64 of that many bytes is longer.
    if let Ok(bytes) = signature.try_into() {
        return Ok(bytes);
    }
    let malformed = |detail: String| SignatureError::Malformed(detail);
    let text = std::str::from_utf8(signature)
        .map_err(|_| malformed("are other bytes".to_owned()))?
        .trim();
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| malformed("is no base64".to_owned()))?;
    let size = bytes.len();
    bytes
        .try_into()
        .map_err(|_| malformed(format!("are {size}")))
}

// === impl PublicKey ===

impl PublicKey {
    /// Reads a text: PEM, or base64 of the key's 32 bytes alone.
    ///
    /// # Errors
    /// When it is no public Ed25519 key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Self::of(text, "of the configuration".to_owned(), None)
    }

    /// Reads a file, PEM or base64. Nobody but its owner may be able to write it.
    ///
    /// # Errors
    /// When it cannot be read, others may write it, or it is no public Ed25519 key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let (bytes, mode) = read_key(path)?;
        if mode & 0o022 != 0 {
            return Err(KeyError::Mode {
                path: path.to_owned(),
                mode,
                danger: "others can put a key of their own there",
                remedy: "go-w",
            });
        }
        let name = path.display().to_string();
        Self::of(&text(bytes, &name)?, name, Some(path))
    }

    fn of(text: &str, name: String, origin: Option<&Path>) -> Result<Self, KeyError> {
        let malformed = |detail: &str| KeyError::Malformed {
            name: name.clone(),
            detail: detail.to_owned(),
        };
        let bytes = if pem::is_pem(text) {
            let der = pem::read(text, "PUBLIC KEY").map_err(|detail| malformed(&detail))?;
            let bytes = der.strip_prefix(SPKI).ok_or_else(|| {
                malformed("it is a public key of another kind, and Ed25519 is needed")
            })?;
            bytes.to_vec()
        } else {
            STANDARD
                .decode(text.trim())
                .map_err(|_| malformed("it is neither PEM nor base64"))?
        };
        let size = bytes.len();
        let bytes = bytes.try_into().map_err(|_| {
            malformed(&format!(
                "it has {size} bytes, and a public Ed25519 key has {PUBLIC}"
            ))
        })?;
        Ok(Self {
            bytes,
            origin: origin.map(Path::to_owned),
        })
    }

    /// The file that it was read from.
    pub fn origin(&self) -> Option<&Path> {
        self.origin.as_deref()
    }

    /// As a PEM file.
    pub fn to_pem(&self) -> String {
        pem::write("PUBLIC KEY", &[SPKI, &self.bytes].concat())
    }
}

/// The base64 of its 32 bytes, as a configuration may have it.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

// === impl PrivateKey ===

impl PrivateKey {
    /// Reads a PEM text.
    ///
    /// # Errors
    /// When it is no private Ed25519 key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Self::of(text, "given".to_owned())
    }

    /// Reads a PEM file. Nobody but its owner may be able to read or write it.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or it is no private Ed25519 key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let (bytes, mode) = read_key(path)?;
        if mode & 0o077 != 0 {
            return Err(KeyError::Mode {
                path: path.to_owned(),
                mode,
                danger: "others may have read it",
                remedy: "600",
            });
        }
        let name = path.display().to_string();
        Self::of(&text(bytes, &name)?, name)
    }

    fn of(text: &str, name: String) -> Result<Self, KeyError> {
        let malformed = |detail: String| KeyError::Malformed {
            name: name.clone(),
            detail,
        };
        let der = pem::read(text, "PRIVATE KEY").map_err(malformed)?;
        // openssl writes the first version of PKCS#8, which has no public key to compare with.
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map(Self)
            .map_err(|_| {
                malformed("it is a private key of another kind, and Ed25519 is needed".to_owned())
            })
    }

    /// The signature of a file, as it is written beside it: one line.
    pub fn sign(&self, file: &[u8]) -> String {
        STANDARD.encode(self.0.sign(file)) + "\n"
    }

    /// The key that its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; PUBLIC];
        for (to, from) in bytes.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey {
            bytes,
            origin: None,
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public())
    }
}

fn read_key(path: &Path) -> Result<(Vec<u8>, u32), KeyError> {
    file::read(path, MAX_KEY)
        .map(|(bytes, found)| (bytes, found.mode() & 0o7777))
        .map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String, KeyError> {
    String::from_utf8(bytes).map_err(|_| KeyError::Malformed {
        name: name.to_owned(),
        detail: "it is no text; PEM is needed (`openssl pkey -inform DER` turns DER into it)"
            .to_owned(),
    })
}
