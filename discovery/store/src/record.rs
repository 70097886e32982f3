//! The envelope of a typed record: what makes a torn, corrupt or newer record recognisable.
//!
//! | bytes | what |
//! |---|---|
//! | 2 | `MR` |
//! | 1 | the envelope's format, 1 |
//! | 2 | the schema of the record's collection, big endian |
//! | 4 | CRC-32 over everything but itself, big endian |
//! | rest | the record as JSON |

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::{Damaged, StoreError, Why},
    key::Key,
};

const MAGIC: [u8; 2] = *b"MR";
const ENVELOPE: u8 = 1;
const HEADER: usize = 9;

/// Turns the JSON of a record with an older schema into that of the present one.
pub type Migrate = fn(from: u16, record: Value) -> Result<Value, String>;

/// The schema of a collection: its number, and how older records become present ones.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The number that is written with each record.
    pub version: u16,
    /// What is done to older records when they are read.
    pub migrate: Migrate,
}

impl Schema {
    /// A schema that nothing leads to: older records count as damaged.
    pub const fn new(version: u16) -> Self {
        Self {
            version,
            migrate: |_, _| Err("no migration is known".to_owned()),
        }
    }

    /// The record in its envelope.
    pub(crate) fn encode<T: Serialize>(self, key: &Key, record: &T) -> Result<Vec<u8>, StoreError> {
        let payload = serde_json::to_vec(record).map_err(|source| StoreError::Encode {
            key: key.clone(),
            source: source.into(),
        })?;
        let [high, low] = self.version.to_be_bytes();
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[ENVELOPE, high, low]);
        bytes.extend_from_slice(&checksum(&bytes, &payload).to_be_bytes());
        bytes.extend_from_slice(&payload);
        Ok(bytes)
    }

    /// The record out of its envelope.
    pub(crate) fn decode<T: DeserializeOwned>(
        self,
        key: &str,
        bytes: &[u8],
    ) -> Result<T, StoreError> {
        let damaged = |why| {
            StoreError::from(Damaged {
                key: key.to_owned(),
                why,
            })
        };
        let content = |error: serde_json::Error| damaged(Why::Content(error.to_string()));
        let (version, payload) = open(bytes).map_err(damaged)?;
        if version > self.version {
            return Err(StoreError::Newer {
                key: key.to_owned(),
                has: version,
                knows: self.version,
            });
        }
        if version == self.version {
            return serde_json::from_slice(payload).map_err(content);
        }
        let old = serde_json::from_slice(payload).map_err(content)?;
        let new = (self.migrate)(version, old).map_err(|message| {
            damaged(Why::Migration {
                from: version,
                to: self.version,
                message,
            })
        })?;
        serde_json::from_value(new).map_err(content)
    }
}

/// Schema and payload of an envelope.
fn open(bytes: &[u8]) -> Result<(u16, &[u8]), Why> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(Why::Torn {
            len: bytes.len(),
            need: HEADER,
        });
    };
    let [m0, m1, format, s0, s1, crc @ ..] = *header;
    if [m0, m1] != MAGIC {
        return Err(Why::NotARecord);
    }
    if format != ENVELOPE {
        return Err(Why::Format(format));
    }
    if checksum(&[m0, m1, format, s0, s1], payload) != u32::from_be_bytes(crc) {
        return Err(Why::Checksum);
    }
    Ok((u16::from_be_bytes([s0, s1]), payload))
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}
