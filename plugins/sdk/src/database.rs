//! [`Database`]: a view into the batch, where every text is once and records hold its place.

use std::fmt;

use crate::Version;

/// So many of the batch's pairs, from a place on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// A database as it crosses: places of texts, in the order of the contract.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    pub(crate) id: u32,
    pub(crate) name: u32,
    pub(crate) provider: u32,
    pub(crate) kind: u32,
    pub(crate) protocol: u32,
    pub(crate) engine: u32,
    pub(crate) engine_version: u32,
    pub(crate) state: u32,
    pub(crate) account: u32,
    pub(crate) region: u32,
    pub(crate) role: u32,
    pub(crate) host: u32,
    pub(crate) port: u32,
    pub(crate) tags: Span,
    pub(crate) derived: Span,
    pub(crate) labels: Span,
    pub(crate) facts: Span,
}

/// What all databases of a batch look things up in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) texts: &'a [&'a str],
    pub(crate) pairs: &'a [[u32; 2]],
}

/// One database as a scanner saw it: one endpoint of an instance, a cluster, a server or a cache.
///
/// Texts that are not known are empty. Everything lives as long as the batch, so a verdict may borrow from it.
#[derive(Clone, Copy)]
pub struct Database<'a> {
    batch: Batch<'a>,
    row: &'a Row,
}

/// Keys and values: tags, labels or facts. No key comes twice; their order means nothing.
#[derive(Clone, Copy)]
pub struct Pairs<'a> {
    texts: &'a [&'a str],
    pairs: &'a [[u32; 2]],
}

// === impl Batch ===

impl<'a> Batch<'a> {
    fn text(&self, place: u32) -> &'a str {
        self.texts.get(place as usize).copied().unwrap_or_default()
    }

    fn pairs(&self, span: Span) -> Pairs<'a> {
        let start = span.start as usize;
        Pairs {
            texts: self.texts,
            pairs: self
                .pairs
                .get(start..start.saturating_add(span.len as usize))
                .unwrap_or_default(),
        }
    }
}

// === impl Database ===

impl<'a> Database<'a> {
    pub(crate) fn new(batch: Batch<'a>, row: &'a Row) -> Self {
        Self { batch, row }
    }

    /// The cloud's own id (ARN, ARM id), `#`, and the endpoint's role. Unique, and never changes.
    pub fn id(&self) -> &'a str {
        self.batch.text(self.row.id)
    }

    /// What a person called it: the cloud's identifier. A cluster's writer and reader share it.
    pub fn name(&self) -> &'a str {
        self.batch.text(self.row.name)
    }

    /// `aws` or `azure`.
    pub fn provider(&self) -> &'a str {
        self.batch.text(self.row.provider)
    }

    /// The product: `rds`, `aurora`, `docdb`, `elasticache`, `azure-postgresql-flexible`, ...
    pub fn kind(&self) -> &'a str {
        self.batch.text(self.row.kind)
    }

    /// What its clients speak: `postgres`, `mysql`, `mongodb`, `redis`.
    pub fn protocol(&self) -> &'a str {
        self.batch.text(self.row.protocol)
    }

    /// The cloud's name of the engine: `postgres`, `aurora-mysql`, `valkey`, ...
    pub fn engine(&self) -> &'a str {
        self.batch.text(self.row.engine)
    }

    /// The engine's version as the cloud spells it: `15.4`, `8.0.mysql_aurora.3.04.0`.
    pub fn engine_version(&self) -> &'a str {
        self.batch.text(self.row.engine_version)
    }

    /// The engine's version, to be compared; none where it is not known or no version.
    pub fn version(&self) -> Option<Version> {
        Version::parse(self.engine_version())
    }

    /// The state as the cloud spells it. What it means is the fact `availability`.
    pub fn state(&self) -> &'a str {
        self.batch.text(self.row.state)
    }

    /// Account number or subscription id.
    pub fn account(&self) -> &'a str {
        self.batch.text(self.row.account)
    }

    /// The cloud's name of the region.
    pub fn region(&self) -> &'a str {
        self.batch.text(self.row.region)
    }

    /// The endpoint's: `instance`, `primary`, `reader`, `custom:NAME`, `cluster`, `configuration`, ...
    pub fn role(&self) -> &'a str {
        self.batch.text(self.row.role)
    }

    /// The endpoint's; empty while the database is stopped or being made.
    pub fn host(&self) -> &'a str {
        self.batch.text(self.row.host)
    }

    /// The endpoint's; none where there is none.
    pub fn port(&self) -> Option<u16> {
        u16::try_from(self.row.port).ok().filter(|port| *port != 0)
    }

    /// What the owner of the cloud account wrote: not to be trusted.
    pub fn tags(&self) -> Pairs<'a> {
        self.batch.pairs(self.row.tags)
    }

    /// The labels that muster derived itself. No tag can pass for one.
    pub fn derived(&self) -> Pairs<'a> {
        self.batch.pairs(self.row.derived)
    }

    /// The labels so far: derived ones, tags that forge none, and what the steps before this one made of them.
    pub fn labels(&self) -> Pairs<'a> {
        self.batch.pairs(self.row.labels)
    }

    /// Everything else that is known. One that is absent is not known.
    pub fn facts(&self) -> Pairs<'a> {
        self.batch.pairs(self.row.facts)
    }

    /// A tag's value.
    pub fn tag(&self, key: &str) -> Option<&'a str> {
        self.tags().get(key)
    }

    /// The value of a label so far.
    pub fn label(&self, key: &str) -> Option<&'a str> {
        self.labels().get(key)
    }

    /// A fact's value; none when it is not known.
    pub fn fact(&self, key: &str) -> Option<&'a str> {
        self.facts().get(key)
    }

    /// Whether a fact is `true` (`public`, `iam-auth`, `entra-auth`); none when it is not known.
    pub fn is(&self, fact: &str) -> Option<bool> {
        self.fact(fact).and_then(|value| value.parse().ok())
    }
}

impl fmt::Debug for Database<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("engine", &self.engine())
            .field("engine_version", &self.engine_version())
            .field("labels", &self.labels())
            .field("facts", &self.facts())
            .finish_non_exhaustive()
    }
}

// === impl Pairs ===

impl<'a> Pairs<'a> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        // Values are not looked at before their key fits.
        let fits = |[name, _]: &&[u32; 2]| self.text(*name) == key;
        self.pairs
            .iter()
            .find(fits)
            .map(|[_, value]| self.text(*value))
    }

    /// The first of some keys that is there with a value, whatever the case of its letters: key as it is written, and
    /// value. Where two keys differ in case only, the first in the order of their letters counts.
    pub fn first(&self, keys: &[impl AsRef<str>]) -> Option<(&'a str, &'a str)> {
        keys.iter().find_map(|key| {
            self.iter()
                .filter(|(name, value)| {
                    name.eq_ignore_ascii_case(key.as_ref()) && !value.trim().is_empty()
                })
                .min()
        })
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let pairs = *self;
        self.pairs
            .iter()
            .map(move |[key, value]| (pairs.text(*key), pairs.text(*value)))
    }

    fn text(&self, place: u32) -> &'a str {
        self.texts.get(place as usize).copied().unwrap_or_default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
