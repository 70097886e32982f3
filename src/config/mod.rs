//! The configuration: one YAML file, parsed strictly, with every problem reported in one run.
//!
//! `file` is what the user wrote, `check` makes a [`Config`] of it or says all that is wrong. After that nothing
//! in a [`Config`] means "maybe wrong". The way there: `document` reads YAML into a tree that knows its lines,
//! `decode` makes `file`'s types of it past every error, `check` judges what they say.
//!
//! There is nothing secret in the file, and nothing in it is expanded: no variables, no `~`, no includes.

pub mod check;
pub mod create;
mod decode;
pub mod diff;
mod document;
pub mod file;
mod problem;
pub mod schema;
pub mod show;
pub(crate) mod strict;
#[cfg(test)]
mod tests;
pub(crate) mod words;
mod yaml;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    time::Duration,
};

use muster_access::DbRecord;
use muster_matchers::RuleFile;
use muster_model::{AccountId, Selector, Service};
use muster_plan::Settings;
use muster_schedule::Pace;
use muster_store::Keep;
use url::Url;

use crate::service::notice::NoticeEvent;

pub use self::{
    check::{Loaded, With, load, load_file, load_with, parse, parse_with, static_filters},
    create::{CreateOptions, create},
    diff::diff,
    problem::{ConfigError, Located, Problem},
    show::Overrides,
    words::{aws_services, azure_services},
};

/// The discovery group of a configuration that names none.
pub const GROUP: &str = "default";
/// Complete scans that have to miss a database.
pub const GRACE_SCANS: u32 = 2;
/// Time since the first of them.
pub const GRACE_TIME: &str = "30m";
/// The largest part of the targets that one plan removes.
pub const BRAKE_SHARE: &str = "20%";
/// What one plan may always remove.
pub const BRAKE_AT_LEAST: usize = 1;
/// For how long removals count.
pub const BRAKE_WINDOW: &str = "1h";
/// Requests a second.
pub const PER_SECOND: u32 = 10;
/// Requests at once.
pub const CONCURRENCY: u32 = 4;
/// Times that a request is tried.
pub const ATTEMPTS: u32 = 6;
/// Time for one attempt.
pub const TIMEOUT: &str = "30s";
/// Pages of one listing.
pub const MAX_PAGES: usize = 10_000;
/// Scopes read at once.
pub const SCOPES_AT_ONCE: usize = 16;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from; none for the embedded example.
    pub path: Option<PathBuf>,
    /// The directory of the store.
    pub store: PathBuf,
    /// What a plan may do.
    pub settings: Settings,
    /// AWS sources, in the order of the file.
    pub aws: Vec<AwsSource>,
    /// Azure sources, in the order of the file.
    pub azure: Vec<AzureSource>,
    /// Databases that are named one by one, in the order of the file. No two have one name.
    pub databases: Vec<DbRecord>,
    /// Matcher rules; `None` when the file has no `rules`, which enrolls all that the sources select.
    pub rules: Option<Vec<RuleFile>>,
    /// How matchers of one's own are run.
    pub plugins: PluginSettings,
    /// How hard the clouds may be asked.
    pub requests: Requests,
    /// Where Azure is, when it is not the public cloud.
    pub azure_endpoints: AzureEndpoints,
    /// How the service scans again and again, where a source says nothing else.
    pub schedule: Pace,
    /// How the service runs.
    pub service: ServiceSettings,
    /// Who is told of changes, in the order of the file.
    pub notify: Vec<Sink>,
    /// How much of the history is kept.
    pub history: Keep,
    /// Where people enter; none when nothing is served.
    pub proxy: Option<ProxySettings>,
    /// What is written down of what people do there.
    pub audit: AuditSettings,
}

/// How matchers of one's own are run, and whose they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginSettings {
    /// Public keys, as the file has them: base64, or files.
    pub keys: Vec<String>,
    /// How long one batch may compute.
    pub time: Duration,
    /// Memory of one instance, in MiB.
    pub memory_mib: u64,
    /// The most databases of one batch.
    pub batch: usize,
}

/// How the service runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Where health, metrics and the read-only API are served; none for nowhere.
    pub listen: Option<SocketAddr>,
    /// How long a clean end may take.
    pub shutdown: Duration,
    /// How often the lists of accounts, regions and subscriptions behind a `*` are read again.
    pub resolve: Duration,
}

/// Where people enter, and what may be behind.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxySettings {
    /// For every protocol. Only a file with problems has none.
    pub listen: Option<SocketAddr>,
    /// For PostgreSQL alone.
    pub postgres: Option<SocketAddr>,
    /// Names and addresses under which people reach it, in lower case; empty for those of the machine.
    pub public: BTreeSet<String>,
    /// The cluster's name at its first start.
    pub cluster_name: String,
    /// What locks call this machine; none for its own name.
    pub node_name: Option<String>,
    /// Threads that serve sessions; none for one for each processor.
    pub workers: Option<NonZeroUsize>,
    /// Connections open at once.
    pub max_connections: usize,
    /// Connections that one address may be opening at once.
    pub handshakes_per_address: usize,
    /// How long a client may take until it has said who it is.
    pub handshake_timeout: Duration,
    /// How long a database may take until a session stands.
    pub connect_timeout: Duration,
    /// How long sessions may go on when the service ends.
    pub drain: Duration,
    /// PEM files of further authorities that databases are trusted by.
    pub trust: Vec<PathBuf>,
    /// Addresses of hosts; their case means nothing.
    pub hosts: BTreeMap<String, IpAddr>,
    /// Passwords; the first that fits counts.
    pub secrets: Vec<Secret>,
}

/// The password of some users of some databases.
#[derive(Clone, Debug, PartialEq)]
pub struct Secret {
    /// The databases.
    pub databases: Selector,
    /// The database users; none for all.
    pub db_users: Option<BTreeSet<String>>,
    /// A file with the password.
    pub password_file: PathBuf,
}

/// What is written down, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The directory; none for `audit` in the store's.
    pub dir: Option<PathBuf>,
    /// Where events go.
    pub sink: AuditSink,
    /// A new file is begun at so many MiB.
    pub rotate_mib: u64,
    /// A new file is begun after so long.
    pub rotate_every: Duration,
    /// How long files are kept.
    pub keep: Duration,
    /// Longer statements are cut to so many KiB.
    pub statement_kib: u64,
    /// Whether literals are left out of statements.
    pub mask_literals: bool,
}

impl Default for AuditSettings {
    /// As they are where the file says nothing.
    fn default() -> Self {
        let span = |text| Duration::from_secs(words::seconds(text).unwrap_or_default());
        Self {
            dir: None,
            sink: AuditSink::File,
            rotate_mib: AUDIT_ROTATE_MIB,
            rotate_every: span(AUDIT_ROTATE_EVERY),
            keep: span(AUDIT_KEEP),
            statement_kib: AUDIT_STATEMENT_KIB,
            mask_literals: false,
        }
    }
}

/// Where audit events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditSink {
    /// Files in a directory.
    File,
    /// Standard output.
    Stdout,
}

/// Somebody who is told of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Its name: unique, and stable, for what it has had is remembered under it.
    pub name: String,
    /// What it is told of. Never empty.
    pub events: BTreeSet<NoticeEvent>,
    /// How.
    pub how: SinkKind,
    /// The longest that one delivery may take.
    pub timeout: Duration,
}

/// How somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// An HTTP POST of JSON.
    Webhook {
        /// `https:`, or `http:` to this machine.
        url: Url,
        /// A file whose content is the value of the header `Authorization`. It is read at each delivery.
        authorization_file: Option<PathBuf>,
        /// A file whose content is the key of the signature in the header `Muster-Signature`.
        secret_file: Option<PathBuf>,
    },
    /// A command that gets the notice as JSON on its standard input, without a shell.
    Command {
        /// The program and its arguments. Never empty.
        argv: Vec<String>,
    },
}

/// How long a plugin may compute over one batch.
pub const PLUGIN_TIME: &str = "2s";
/// Memory of one instance of a plugin, in MiB.
pub const PLUGIN_MEMORY: u64 = 64;
/// Databases of one batch.
pub const PLUGIN_BATCH: u64 = 1000;
/// How often scopes are scanned.
pub const EVERY: &str = "5m";
/// The most that a scan is put off.
pub const JITTER: &str = "30s";
/// The longest pause after failures.
pub const BACKOFF_MAX: &str = "1h";
/// Where the API listens.
pub const LISTEN: &str = "127.0.0.1:7420";
/// How long a clean end may take.
pub const SHUTDOWN: &str = "30s";
/// How often lists behind a `*` are read again.
pub const RESOLVE: &str = "15m";
/// How long the history is kept.
pub const HISTORY_AGE: &str = "400d";
/// How many entries of the history are kept.
pub const HISTORY_ENTRIES: u64 = 1_000_000;
/// The cluster's name where none is given.
pub const CLUSTER: &str = "muster";
/// Connections open at once.
pub const MAX_CONNECTIONS: u64 = 10_000;
/// Connections that one address may be opening at once.
pub const HANDSHAKES: u64 = 64;
/// How long a client may take until it has said who it is.
pub const HANDSHAKE_TIMEOUT: &str = "15s";
/// How long a database may take until a session stands.
pub const CONNECT_TIMEOUT: &str = "15s";
/// How long sessions may go on when the service ends.
pub const DRAIN: &str = "30s";
/// When a file of the audit log is full, in MiB.
pub const AUDIT_ROTATE_MIB: u64 = 256;
/// When a file of the audit log is old.
pub const AUDIT_ROTATE_EVERY: &str = "1d";
/// How long files of the audit log are kept.
pub const AUDIT_KEEP: &str = "400d";
/// Where statements are cut, in KiB.
pub const AUDIT_STATEMENT_KIB: u64 = 64;
/// How long one delivery may take.
pub const NOTIFY_TIMEOUT: &str = "10s";

/// One entry of `sources.aws`.
#[derive(Clone, Debug, PartialEq)]
pub struct AwsSource {
    /// Its path in the file: `sources.aws[0]`.
    pub name: String,
    /// What to read.
    pub services: BTreeSet<Service>,
    /// Where; `None` for every region that the account has enabled.
    pub regions: Option<BTreeSet<String>>,
    /// As whom. Never empty.
    pub accounts: Vec<AwsAccountRef>,
    /// Which of what is found.
    pub tags: Selector,
    /// How its scopes are scanned, when not as all others.
    pub schedule: Option<Pace>,
}

/// An AWS account, by how to get into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AwsAccountRef {
    /// The account of the ambient credentials.
    Ambient,
    /// The account of a role that the ambient credentials may assume.
    Role {
        /// The role's ARN.
        arn: String,
        /// The external id that its trust policy asks for.
        external_id: Option<String>,
    },
}

/// One entry of `sources.azure`.
#[derive(Clone, Debug, PartialEq)]
pub struct AzureSource {
    /// Its path in the file: `sources.azure[0]`.
    pub name: String,
    /// What to read.
    pub services: BTreeSet<Service>,
    /// Subscription ids; `None` for every one that the credentials see.
    pub subscriptions: Option<BTreeSet<String>>,
    /// Resource groups; `None` for all.
    pub resource_groups: Option<BTreeSet<String>>,
    /// Regions, normalised (`westeurope`); `None` for all.
    pub regions: Option<BTreeSet<String>>,
    /// Which of what is found.
    pub tags: Selector,
    /// How its scopes are scanned, when not as all others.
    pub schedule: Option<Pace>,
}

/// How hard the clouds may be asked: per account, region and service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Requests {
    /// Requests a second.
    pub per_second: u32,
    /// Requests at once.
    pub concurrency: u32,
    /// Times that one request is tried.
    pub attempts: u32,
    /// Seconds that one attempt may take.
    pub timeout_seconds: u64,
    /// Pages of one listing.
    pub max_pages: usize,
    /// Scopes read at once.
    pub scopes_at_once: usize,
}

/// Where Azure is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AzureEndpoints {
    /// The authority that gives tokens.
    pub authority: Option<String>,
    /// The management endpoint.
    pub management: Option<String>,
}

impl AwsAccountRef {
    /// The account's number, as far as the configuration says it: that of ambient credentials is known only
    /// when they are used.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Ambient => None,
            Self::Role { arn, .. } => arn.split(':').nth(4).map(AccountId::new),
        }
    }
}
