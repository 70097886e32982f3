//! [`Evidence`]: everything that a check may look at, as plain data. A part that is none was not looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use muster_model::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// The time by which it is judged.
    pub now: Timestamp,
    /// The configuration.
    pub configuration: Option<Configuration>,
    /// The store.
    pub store: Option<Store>,
    /// The audit log.
    pub audit: Option<Audit>,
    /// Certificates.
    pub certificates: Option<Certificates>,
    /// The clock.
    pub clock: Option<Clock>,
    /// Addresses to listen on.
    pub ports: Option<Ports>,
    /// Credentials, by account.
    pub credentials: Option<Vec<Account>>,
    /// What scans were denied.
    pub permissions: Option<Permissions>,
    /// Databases that there is no way to log in to.
    pub logins: Option<Logins>,
    /// Databases' addresses.
    pub endpoints: Option<Endpoints>,
    /// The login of a person.
    pub login: Option<Login>,
}

/// The configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    /// Its file.
    pub path: PathBuf,
    /// Why it cannot be used, a line each.
    pub problems: Vec<String>,
    /// What is odd about it, a line each.
    pub warnings: Vec<String>,
    /// Whether the service that runs goes by other bytes of it; none when no service runs.
    pub differs: Option<bool>,
    /// What of it the service takes over at its next start alone.
    #[serde(default)]
    pub needs_restart: Vec<String>,
}

/// Something in the file system that is to be its owner's alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// Where.
    pub path: PathBuf,
    /// Whose it is; none when it is not there.
    pub uid: Option<u32>,
    /// Its permissions.
    pub mode: u32,
    /// Whether it is a directory.
    pub dir: bool,
}

/// The disk that something is on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// A path on it.
    pub path: PathBuf,
    /// Bytes that this user can still write.
    pub free: u64,
    /// Bytes that it has.
    pub total: u64,
    /// Files that can still be made; none when the file system does not count them.
    pub files: Option<u64>,
    /// Whether it is mounted to be read only.
    pub read_only: bool,
}

/// The store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Its directory.
    pub path: PathBuf,
    /// The user by whom it is looked at.
    pub user: u32,
    /// The directory, and what in it is to be its owner's alone.
    pub places: Vec<Place>,
    /// Its disk.
    pub disk: Option<Disk>,
    /// Whether there is a store in the directory.
    pub there: bool,
    /// Records that can be read; none when nobody counted.
    pub records: Option<u64>,
    /// Records that cannot be read: the first of them.
    pub damaged: Vec<String>,
    /// How many there are.
    pub damaged_count: u64,
    /// Why it cannot be used.
    pub failure: Option<Trouble>,
}

/// Why something cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trouble {
    /// Why.
    pub why: String,
    /// What to do, where whoever found it knows.
    pub hint: String,
}

/// The audit log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Its directory; none when it goes to standard output.
    pub place: Option<Place>,
    /// The user by whom it is looked at.
    pub user: u32,
    /// Its disk.
    pub disk: Option<Disk>,
    /// Why the service cannot write it, and since when.
    pub failing: Option<(String, Timestamp)>,
    /// What of it the service found not to be as it was left.
    pub damaged: Option<String>,
}

/// Certificates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Certificates {
    /// Those of muster's authorities.
    pub authorities: Vec<Authority>,
    /// When the one ends that the proxy shows; none when no proxy runs.
    pub shown_until: Option<Timestamp>,
    /// Files of `proxy.trust`.
    pub trusted: Vec<TrustFile>,
    /// Names of `proxy.public`, as they resolve here.
    pub names: Vec<PublicName>,
    /// Why the authorities cannot be looked at.
    pub failure: Option<Trouble>,
}

/// A certificate of one of muster's authorities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authority {
    /// `user`, `host` or `db`.
    pub ca: String,
    /// Whether it signs now.
    pub signs: bool,
    /// When it ends.
    pub expires: Timestamp,
    /// Until when another one is trusted beside it.
    pub overlap_ends: Option<Timestamp>,
}

/// A file of certificates that are trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustFile {
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be used.
    pub failure: Option<String>,
    /// Its certificates: whose, and until when.
    pub certificates: Vec<(String, Timestamp)>,
}

/// A name under which people are to reach the proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublicName {
    /// The name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Why it has none.
    pub failure: Option<String>,
}

/// The clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// The dates of others.
    pub compared: Vec<Compared>,
    /// By how many seconds the service saw the clock jump.
    pub jumped: Option<i64>,
    /// Whether the machine says that its clock is kept by a time server; none when it does not say.
    pub synchronized: Option<bool>,
}

/// This machine's clock, and another one at the same moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compared {
    /// Whose date it is: `AWS`, `Azure`, `the proxy`.
    pub with: String,
    /// The date that was sent.
    pub theirs: Timestamp,
    /// The time here when it came.
    pub ours: Timestamp,
}

/// Addresses to listen on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ports {
    /// The service that runs.
    pub service: Option<u32>,
    /// Each address.
    pub listen: Vec<Listener>,
    /// The proxy's public names, as somebody on this machine reaches them.
    pub reach: Vec<Reach>,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Which setting names it: `proxy.listen`.
    pub setting: String,
    /// The address.
    pub address: SocketAddr,
    /// Who listens there.
    #[serde(default)]
    pub held: Option<Holder>,
    /// The lowest port that this user may listen on.
    #[serde(default)]
    pub lowest: u16,
    /// Whether this machine has the address.
    #[serde(default = "yes")]
    pub local: bool,
}

const fn yes() -> bool {
    true
}

/// A process that listens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Holder {
    /// The process; none when it may not be looked at.
    pub pid: Option<u32>,
    /// What it is called.
    pub command: Option<String>,
}

/// A public name of the proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reach {
    /// The name and port.
    pub at: String,
    /// Why no connection came about.
    pub unreachable: Option<String>,
    /// Why whoever answers is not this proxy.
    pub foreign: Option<String>,
}

/// Credentials for an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    /// `AWS` or `Azure`.
    pub cloud: String,
    /// The role, or `the ambient credentials`.
    pub name: String,
    /// Whose they are, where that is known.
    pub caller: Option<String>,
    /// Why there are none.
    pub failure: Option<Refusal>,
}

/// Why there are no credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Refusal {
    /// The reason, as scans call it: `no-credentials`, `denied`, `unreachable`.
    pub reason: String,
    /// The message: of the cloud, or every source that was tried.
    pub message: String,
    /// The external id that was sent with the role.
    pub external_id: Option<String>,
}

/// What scans were denied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// By account.
    pub denied: Vec<Denied>,
    /// The permissions that `muster install iam` prints for the configuration; none when that is not known.
    pub printed: Option<BTreeSet<String>>,
}

/// What scans of one account were denied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Denied {
    /// `aws` or `azure`.
    pub provider: String,
    /// The account or subscription.
    pub account: String,
    /// The permissions, each with the number of scopes that it was denied in.
    pub permissions: BTreeMap<String, u64>,
    /// One of the scopes.
    pub scope: String,
    /// What the cloud said there.
    pub message: String,
}

/// How muster logs in to databases.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logins {
    /// How many databases were looked at.
    pub of: u64,
    /// Those that there is no way to log in to, by why and where.
    pub without: Vec<Without>,
    /// Files of `proxy.secrets` that cannot be used, and why.
    pub secrets: Vec<(PathBuf, String)>,
}

/// Databases of one scope that there is no way to log in to, for one reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Without {
    /// Why: `iam-off`, `entra-off`, `no-method`.
    pub code: String,
    /// Account and region.
    pub place: String,
    /// How many.
    pub count: u64,
    /// The first of them, by name.
    pub names: Vec<String>,
    /// Why, for people.
    pub message: String,
    /// What to do for the first of them.
    pub hint: String,
}

/// Addresses of databases.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Endpoints {
    /// How many databases there are.
    pub of: u64,
    /// How many were looked at.
    pub looked: u64,
    /// How many were to be looked at when the time was over.
    pub unfinished: u64,
    /// Those with which something is wrong, or soon will be.
    pub at: Vec<Endpoint>,
}

/// An address of a database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Endpoint {
    /// The database.
    pub target: String,
    /// Host and port.
    pub at: String,
    /// How far it went, when it did not go well: `resolve`, `connect`, `no-tls`, `tls`, `closed`.
    pub stopped: Option<String>,
    /// What went wrong.
    pub message: String,
    /// More of it: what the certificate says of itself.
    pub detail: String,
    /// What to do.
    pub hint: String,
    /// When its certificate ends, when it was trusted.
    pub expires: Option<Timestamp>,
}

/// A person's login.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// What the cluster is called here.
    pub name: String,
    /// Where its proxy is.
    pub proxy: String,
    /// The command that logs in again.
    pub command: String,
    /// From when it is.
    pub issued: Timestamp,
    /// Until when it is.
    pub expires: Timestamp,
    /// Its directory and files.
    pub files: Vec<Place>,
    /// The user by whom it is looked at.
    pub user: u32,
    /// Why a file of it cannot be used.
    pub damaged: Option<String>,
    /// Why the proxy was not reached.
    pub not_reached: Option<NotReached>,
    /// Why the proxy does not take it.
    pub refused: Option<String>,
    /// Where psql is.
    pub psql: Option<PathBuf>,
    /// How psql is installed.
    pub install: String,
}

/// Why a proxy was not reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotReached {
    /// `unreachable`, `foreign` or `untrusted`.
    pub kind: String,
    /// Why.
    pub why: String,
}
