//! The keys of the proxy and of the audit log: where people enter, what may be behind, what is written down.

use std::collections::BTreeMap;

use muster_model::Selector;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Duration, Many, Text};

/// The proxy: one TLS port through which people reach the enrolled databases. Without this key there is none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["listen"]))]
pub struct Proxy {
    /// The address and port for every protocol. Required.
    #[schemars(with = "String", example = &"0.0.0.0:7430")]
    pub listen: Option<Text>,
    /// An address and port for PostgreSQL alone, for networks that allow no other.
    #[schemars(with = "String", example = &"0.0.0.0:5432")]
    pub postgres: Option<Text>,
    /// The names and addresses under which people reach it: they stand in its certificate, and each name is also
    /// served as `TARGET.NAME`. Without it, the machine's name and `localhost`.
    #[schemars(extend("examples" = [["db.example.com"]]))]
    pub public: Option<Many<String>>,
    /// The cluster's name, in certificates and in the audit log. It stays what it was at the first start.
    /// 1 to 64 of `a-z A-Z 0-9 . _ -`.
    #[schemars(extend("default" = super::super::CLUSTER, "pattern" = "^[A-Za-z0-9._-]{1,64}$"), example = &"production")]
    pub cluster_name: Option<String>,
    /// This machine's name in locks: `muster lock add --node NAME` keeps everybody out who comes through it. Without it, the
    /// name that the machine calls itself, in lower case. As `cluster_name`.
    #[schemars(extend("pattern" = "^[A-Za-z0-9._-]{1,64}$"), example = &"gate-1")]
    pub node_name: Option<String>,
    /// Threads that serve sessions, from 1 to 256. Without it, one for each processor.
    #[schemars(range(min = 1, max = 256))]
    pub workers: Option<u64>,
    /// Connections of people who are in that may be open at once: sessions, and connections to the API with a certificate.
    /// Whoever wants a session then reads that there are no more; the API goes on answering, and a query can still be
    /// cancelled.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = super::super::MAX_CONNECTIONS))]
    pub max_connections: Option<u64>,
    /// Connections that one address may be opening at once: those that have not said yet who they are.
    #[schemars(range(min = 1, max = 100_000), extend("default" = super::super::HANDSHAKES))]
    pub handshakes_per_address: Option<u64>,
    /// How long a client may take until it has said who it is, from `1s` to `5m`.
    #[schemars(extend("default" = super::super::HANDSHAKE_TIMEOUT), example = &"30s")]
    pub handshake_timeout: Option<Duration>,
    /// How long a database may take to answer until a session stands, from `1s` to `5m`.
    #[schemars(extend("default" = super::super::CONNECT_TIMEOUT), example = &"30s")]
    pub connect_timeout: Option<Duration>,
    /// How long sessions may go on when the service ends, from `0s` to `1h`. Those without a query under way end at
    /// once.
    #[schemars(extend("default" = super::super::DRAIN), example = &"5m")]
    pub drain: Option<Duration>,
    /// PEM files with certificate authorities that databases are trusted by, beside those of RDS and the public ones.
    /// Relative to the directory of this file.
    #[schemars(extend("examples" = [["corporate-ca.pem"]]))]
    pub trust: Option<Many<String>>,
    /// Addresses for hosts that this machine's resolver does not know, or knows otherwise. What is verified in a
    /// certificate stays the host's name.
    #[schemars(extend("examples" = [{ "db.internal.example.com": "10.0.0.7" }]))]
    pub hosts: Option<BTreeMap<String, String>>,
    /// Passwords of databases that know no IAM or Entra. The first that fits counts.
    pub secrets: Option<Many<ProxySecret>>,
}

/// The password of some users of some databases.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["databases", "password_file"]))]
pub struct ProxySecret {
    /// The labels of the databases. Required.
    #[schemars(extend("examples" = [{ "env": "prod" }]))]
    pub databases: Option<Selector>,
    /// The database users, as tag filters write values (`app-*`, `^app[0-9]+$`), or `"*"` for all.
    #[schemars(extend("default" = ["*"]), extend("examples" = [["reporting"]]))]
    pub db_users: Option<Many<String>>,
    /// A file with the password in its first line. It is read at each login, and nobody but its owner may read it.
    /// The whole path. Required.
    #[schemars(example = &"/etc/muster/reporting.password")]
    pub password_file: Option<String>,
}

/// The audit log of the proxy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The directory of the log. Without it, `audit` in the store's directory. Relative to the directory of this
    /// file.
    #[schemars(example = &"/var/log/muster")]
    pub dir: Option<String>,
    /// Where events go: `file`, or `stdout` for whoever collects them there.
    #[schemars(extend("enum" = ["file", "stdout"], "default" = "file"))]
    pub sink: Option<String>,
    /// A new file is begun when one has so many MiB.
    #[schemars(range(min = 1, max = 65_536), extend("default" = super::super::AUDIT_ROTATE_MIB))]
    pub rotate_mib: Option<u64>,
    /// A new file is begun when one is so old, from `1m` to `30d`.
    #[schemars(extend("default" = super::super::AUDIT_ROTATE_EVERY), example = &"1h")]
    pub rotate_every: Option<Duration>,
    /// How long files are kept, from `1d` to `36500d`.
    #[schemars(extend("default" = super::super::AUDIT_KEEP), example = &"90d")]
    pub keep: Option<Duration>,
    /// Longer statements are cut to so many KiB; the event then says the whole length and its SHA-256.
    #[schemars(range(min = 1, max = 1024), extend("default" = super::super::AUDIT_STATEMENT_KIB))]
    pub statement_kib: Option<u64>,
    /// Whether literals in statements are replaced by `?`, and parameters left out. A fingerprint tells equal
    /// statements.
    #[schemars(extend("default" = false))]
    pub mask_literals: Option<bool>,
}
