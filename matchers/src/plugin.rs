//! [`Matcher`]: a step of the chain that somebody else wrote.
//!
//! The chain knows nothing of how it is run. It asks once a batch, follows what may be followed, and decides nothing
//! about a database over which the matcher fails.

use std::{collections::BTreeMap, fmt, sync::Arc};

use muster_model::{Database, Labels, Record, Timestamp};

/// A database to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// As its scanner saw it.
    pub database: &'a Database,
    /// When it was seen first, where that is known.
    pub first_seen: Option<Timestamp>,
}

/// A database that a matcher is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// As its scanner saw it.
    pub database: &'a Database,
    /// Its labels so far.
    pub labels: &'a Labels,
    /// When it was seen first, where that is known.
    pub first_seen: Option<Timestamp>,
}

/// What a matcher says of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be enrolled.
    Enroll(Proposal),
    /// It is not, and why.
    Skip(String),
    /// No opinion; labels that are added to those so far.
    Pass(Vec<(String, String)>),
}

/// How a matcher wants a database to be enrolled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Its name; none when the rule, or else muster, is to name it.
    pub name: Option<String>,
    /// Labels that are added to those so far, or replace them.
    pub labels: Vec<(String, String)>,
    /// Hints for the proxy.
    pub hints: Vec<(String, String)>,
    /// Why, in one line.
    pub reason: String,
}

/// A matcher came to no verdict on a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// A stable word: `timeout`, `memory`, `bad-verdict`, ...
    pub code: &'static str,
    /// The particulars, in one line.
    pub detail: Arc<str>,
}

/// A matcher of one's own.
///
/// What it says of a database has to follow from that database, its labels and its first sighting alone: it may be
/// asked again, about fewer or more, in any order.
pub trait Matcher: fmt::Debug + Send + Sync {
    /// What it calls itself. The labels that it sets are known to come from it by this name.
    fn name(&self) -> &str;

    /// Its own version.
    fn version(&self) -> &str;

    /// One verdict or failure for each, in the same order.
    fn judge(&self, candidates: &[Candidate<'_>]) -> Vec<Result<Verdict, Failed>>;
}

/// The matchers behind the rules that have a `plugin`, in the order in which they are asked, by the rule's name.
pub type Matchers = BTreeMap<String, Vec<Arc<dyn Matcher>>>;

/// The code of a verdict that must not be followed.
pub(crate) const BAD_VERDICT: &str = "bad-verdict";
/// The code of a matcher that gave fewer or more verdicts than there were databases.
pub(crate) const WRONG_COUNT: &str = "wrong-count";

impl Failed {
    /// A failure with this code.
    pub fn new(code: &'static str, detail: impl Into<Arc<str>>) -> Self {
        let detail = detail.into();
        Self { code, detail }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl<'a> From<&'a Database> for Subject<'a> {
    fn from(database: &'a Database) -> Self {
        Self {
            database,
            first_seen: None,
        }
    }
}

impl<'a> From<&'a Record> for Subject<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            database: &record.database,
            first_seen: Some(record.first_seen),
        }
    }
}
