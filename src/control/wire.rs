//! What goes over the socket, as JSON. Values of the store go as they are stored, in base64: both sides are of
//! one release, and the reader checks their envelopes as if they came from the disk.

mod problem;

use std::{borrow::Cow, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use muster_model::{HeldPlan, Scan, Scope, Timestamp};
use muster_proxy::SessionView;
use muster_store::{Changes, Damaged, Key, Order, Revision, Versioned, Why};
use serde::{Deserialize, Serialize};

pub(super) use self::problem::Problem;
use crate::{
    pipeline::run::Writes,
    service::handle::{ReadingBasis, ScopeScan},
};

/// The most entries of one page of the store.
pub(super) const MAX_PAGE: usize = 1024;

/// The bytes of keys and values after which a page ends.
pub(super) const PAGE_BYTES: usize = 4 << 20;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// muster's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// Since when it runs.
    pub started: Timestamp,
}

/// The configuration that the service goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Its file.
    pub path: Option<PathBuf>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: String,
    /// When it came into force.
    pub loaded: Timestamp,
    /// The file's text.
    pub text: String,
}

/// What a pass over the whole store found, as [`muster_store::Health`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Records that can be read.
    pub records: u64,
    /// Records that cannot be read.
    pub damaged: Vec<Damaged>,
}

// Requests.

/// Which scopes; none for all.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scopes {
    #[serde(default)]
    pub scopes: Vec<Scope>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reload {
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Apply<'a> {
    pub expected: u64,
    pub writes: Cow<'a, Writes>,
}

/// Nothing is asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskPage {
    #[serde(default)]
    pub prefix: String,
    #[serde(default)]
    pub after: Option<String>,
    #[serde(default)]
    pub order: AskOrder,
    #[serde(default)]
    pub limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AskOrder {
    #[default]
    Ascending,
    Descending,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskKey {
    pub key: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskChanges {
    pub since: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskWait {
    pub after: u64,
    pub milliseconds: u64,
}

// Answers.

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct At {
    pub revision: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Scanned {
    pub scopes: Vec<ScopeScan>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plans {
    pub plans: Vec<HeldPlan>,
}

/// The proxy's sessions.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sessions {
    pub sessions: Vec<SessionView>,
}

/// Which session is to be ended, and what its client is told; without a message, that an operator did it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndSession {
    pub id: String,
    #[serde(default)]
    pub message: String,
}

/// One line of the answer to `read`. Without the line `End` the answer was cut, and means nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ReadLine {
    Basis(ReadingBasis),
    Scan(Box<Scan>),
    End { scans: usize },
    Failed(Box<Problem>),
}

/// A value of the store; `found` is none when there is none.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Value {
    pub found: Option<Stored>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub revision: u64,
    pub value: String,
}

/// Part of a scan, of one state of the store. It ends with a text key when there is more.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Page {
    pub revision: u64,
    pub more: bool,
    pub entries: Vec<Entry>,
}

/// `revision` and `value`, or else `damaged`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<WhyForm>,
}

/// `keys` is none when the log does not reach back that far.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Changed {
    pub upto: u64,
    pub keys: Option<Vec<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Checked {
    pub records: u64,
    pub damaged: Vec<DamagedForm>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DamagedForm {
    pub key: String,
    pub why: WhyForm,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct WhyForm(#[serde(with = "WhyDef")] pub Why);

/// [`Why`], as it is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Why", rename_all = "kebab-case")]
enum WhyDef {
    Torn { len: usize, need: usize },
    NotARecord,
    Format(u8),
    Checksum,
    Migration { from: u16, to: u16, message: String },
    Content(String),
    KeyBytes,
    Part(u32),
}

// === impl Entry ===

impl Entry {
    pub fn of(entry: Result<muster_store::Entry<'_>, Damaged>) -> Self {
        match entry {
            Ok(entry) => Self {
                key: entry.key.to_owned(),
                revision: Some(entry.revision.0),
                value: Some(STANDARD.encode(entry.value)),
                damaged: None,
            },
            Err(Damaged { key, why }) => Self {
                key,
                revision: None,
                value: None,
                damaged: Some(WhyForm(why)),
            },
        }
    }

    /// Whether another page can begin behind it: its key is what it is called.
    pub const fn has_text_key(&self) -> bool {
        !matches!(self.damaged, Some(WhyForm(Why::KeyBytes)))
    }

    /// Revision and value, or what is wrong with it; none when the answer makes no sense.
    pub fn read(&self) -> Option<Result<(Revision, Vec<u8>), Damaged>> {
        match (&self.damaged, self.revision, &self.value) {
            (None, Some(revision), Some(value)) => {
                Some(Ok((Revision(revision), STANDARD.decode(value).ok()?)))
            }
            (Some(WhyForm(why)), None, None) => Some(Err(Damaged {
                key: self.key.clone(),
                why: why.clone(),
            })),
            _ => None,
        }
    }
}

impl Value {
    pub fn of(found: Option<Versioned<Vec<u8>>>) -> Self {
        let found = found.map(|found| Stored {
            revision: found.revision.0,
            value: STANDARD.encode(found.value),
        });
        Self { found }
    }

    /// None when the answer makes no sense.
    pub fn read(self) -> Option<Option<Versioned<Vec<u8>>>> {
        match self.found {
            None => Some(None),
            Some(stored) => Some(Some(Versioned {
                value: STANDARD.decode(stored.value).ok()?,
                revision: Revision(stored.revision),
            })),
        }
    }
}

impl Changed {
    pub fn of(changes: Changes) -> Self {
        match changes {
            Changes::Known { keys, upto } => Self {
                upto: upto.0,
                keys: Some(keys.into_iter().map(|key| key.to_string()).collect()),
            },
            Changes::TooOld { upto } => Self {
                upto: upto.0,
                keys: None,
            },
        }
    }

    /// None when the answer makes no sense.
    pub fn read(self) -> Option<Changes> {
        let upto = Revision(self.upto);
        let Some(keys) = self.keys else {
            return Some(Changes::TooOld { upto });
        };
        let keys = keys.into_iter().map(Key::new).collect::<Result<_, _>>();
        Some(Changes::Known {
            keys: keys.ok()?,
            upto,
        })
    }
}

impl From<Damaged> for DamagedForm {
    fn from(Damaged { key, why }: Damaged) -> Self {
        let why = WhyForm(why);
        Self { key, why }
    }
}

impl From<DamagedForm> for Damaged {
    fn from(DamagedForm { key, why }: DamagedForm) -> Self {
        Self { key, why: why.0 }
    }
}

impl From<AskOrder> for Order {
    fn from(order: AskOrder) -> Self {
        match order {
            AskOrder::Ascending => Self::Ascending,
            AskOrder::Descending => Self::Descending,
        }
    }
}

impl From<Order> for AskOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Ascending => Self::Ascending,
            Order::Descending => Self::Descending,
        }
    }
}
