//! A first configuration, with a comment on every setting.
//!
//! What was not asked for stands there as a comment, so that the file can be grown without the reference.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    ATTEMPTS, AUDIT_KEEP, BACKOFF_MAX, BRAKE_AT_LEAST, BRAKE_SHARE, BRAKE_WINDOW, CLUSTER,
    CONCURRENCY, ConfigError, DRAIN, EVERY, GRACE_SCANS, GRACE_TIME, GROUP, HISTORY_AGE,
    HISTORY_ENTRIES, JITTER, LISTEN, MAX_PAGES, NOTIFY_TIMEOUT, PER_SECOND, RESOLVE,
    SCOPES_AT_ONCE, SHUTDOWN, TIMEOUT, file::VERSION, parse, yaml,
};

mod served;

/// What a first configuration is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum What {
    /// Finding databases. The proxy is in it when it is asked for.
    #[default]
    Discovery,
    /// One database, by its address, and the proxy.
    Database,
    /// Both.
    All,
}

/// A database by its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewDatabase {
    /// The name that people connect to.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// The wire protocol.
    pub protocol: String,
    /// `HOST:PORT`
    pub uri: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// The region, when it is one of RDS.
    pub aws_region: Option<String>,
}

/// What the configuration is to say. Nothing at all makes one that reads RDS in every region of the ambient
/// account, and never removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateOptions {
    /// What it is for.
    pub what: What,
    /// The database that it names.
    pub database: Option<NewDatabase>,
    /// `proxy.listen`
    pub proxy_listen: Option<String>,
    /// `proxy.public`
    pub public: Vec<String>,
    /// `sources.aws[].types`.
    pub aws_types: Vec<String>,
    /// `sources.aws[].regions`; empty for all.
    pub aws_regions: Vec<String>,
    /// Tags that databases must have; the values of a key that comes several times are alternatives.
    pub aws_tags: Vec<(String, String)>,
    /// Roles to assume, each with its external id; empty for the ambient account only.
    pub assume_roles: Vec<(String, Option<String>)>,
    /// `sources.azure[].types`.
    pub azure_types: Vec<String>,
    /// Subscription ids; empty for all.
    pub azure_subscriptions: Vec<String>,
    /// Resource groups; empty for all.
    pub azure_resource_groups: Vec<String>,
    /// Regions; empty for all.
    pub azure_regions: Vec<String>,
    /// Tags that databases must have.
    pub azure_tags: Vec<(String, String)>,
    /// The store's directory; `/var/lib/muster` when there is none.
    pub store: Option<String>,
    /// The policy; `upsert-only` when there is none.
    pub policy: Option<String>,
    /// The discovery group.
    pub group: Option<String>,
}

/// Writes the configuration.
///
/// # Errors
/// When the options do not make a valid one: the problems are those of the text that they would make.
pub fn create(options: &CreateOptions) -> Result<String, ConfigError> {
    let text = text(options);
    parse(&text, None).map(|_| text)
}

fn text(options: &CreateOptions) -> String {
    let store = options.store.as_deref().unwrap_or("/var/lib/muster");
    let policy = options.policy.as_deref().unwrap_or("upsert-only");
    let mut out = format!(
        "# yaml-language-server: $schema=./muster.schema.json
# `muster config schema > muster.schema.json` writes that schema, for editors.
# Check this file with `muster config check`, then see what it would do with `muster plan`.
# Nothing secret belongs in it, and no variables are expanded.

# The version of this format.
version: {VERSION}

# The directory for inventory, targets and history. Relative to this file.
store: {}

# What a plan may do:
#   sync         adds, updates and removes
#   upsert-only  adds and updates
#   create-only  adds
policy: {}

",
        yaml::scalar(store),
        yaml::scalar(policy)
    );
    out += "# The discovery group: a plan changes only targets of its own group.\n";
    optional(
        &mut out,
        0,
        "group",
        options.group.as_deref().map(yaml::scalar),
        GROUP,
    );
    out += "\n# Where databases are looked for.\n";
    let mut sources = String::from("sources:\n");
    let azure = !options.azure_types.is_empty()
        || !options.azure_subscriptions.is_empty()
        || !options.azure_resource_groups.is_empty()
        || !options.azure_regions.is_empty()
        || !options.azure_tags.is_empty();
    let aws = !azure
        || !options.aws_types.is_empty()
        || !options.aws_regions.is_empty()
        || !options.aws_tags.is_empty()
        || !options.assume_roles.is_empty();
    let unless = options.is_scanned();
    commented(&mut sources, !aws && unless, &aws_source(options));
    commented(&mut sources, !azure && unless, &azure_source(options));
    out += &served::commented(!unless, &sources);
    out += &served::databases(options);
    out += &rest();
    out += &served::proxy(options);
    out += &audit();
    out
}

impl CreateOptions {
    /// Whether databases are looked for.
    fn is_scanned(&self) -> bool {
        self.what != What::Database
    }

    /// Whether people are let in.
    fn is_served(&self) -> bool {
        self.what != What::Discovery || self.proxy_listen.is_some() || !self.public.is_empty()
    }
}

fn aws_source(options: &CreateOptions) -> String {
    let mut out = String::from("  aws:\n");
    let types = or(&options.aws_types, "rds");
    out += "    # rds (with Aurora), docdb, elasticache, elasticache-serverless\n";
    line(&mut out, "    - types: ", &types);
    out += "      # Names, or \"*\" for every region that the account has enabled.\n";
    line(&mut out, "      regions: ", &or(&options.aws_regions, "*"));
    out += "      # `ambient` is the account of the credentials in muster's environment.\n";
    if options.assume_roles.is_empty() {
        out += "      # accounts:\n      #   - ambient\n";
        out += "      #   - assume_role: arn:aws:iam::222222222222:role/muster-discovery\n";
        out += "      #     external_id: some-id\n";
    } else {
        out += "      accounts:\n        - ambient\n";
        for (arn, external_id) in &options.assume_roles {
            line(&mut out, "        - assume_role: ", &yaml::scalar(arn));
            if let Some(id) = external_id {
                line(&mut out, "          external_id: ", &yaml::scalar(id));
            }
        }
    }
    tags(&mut out, &options.aws_tags);
    out
}

fn azure_source(options: &CreateOptions) -> String {
    let mut out = String::from("  azure:\n");
    out += "    # postgres, mysql; or only postgres-flexible, postgres-single, mysql-flexible, mysql-single\n";
    let types = if options.azure_types.is_empty() {
        yaml::list(["postgres", "mysql"])
    } else {
        yaml::list(&options.azure_types)
    };
    line(&mut out, "    - types: ", &types);
    out += "      # Ids, or \"*\" for every subscription that the credentials can see.\n";
    let all = yaml::list(["*"]);
    optional(
        &mut out,
        6,
        "subscriptions",
        given(&options.azure_subscriptions),
        &all,
    );
    optional(
        &mut out,
        6,
        "resource_groups",
        given(&options.azure_resource_groups),
        &all,
    );
    out += "      # `West Europe` and `westeurope` are the same.\n";
    optional(&mut out, 6, "regions", given(&options.azure_regions), &all);
    tags(&mut out, &options.azure_tags);
    out
}

fn tags(out: &mut String, tags: &[(String, String)]) {
    *out += "      # Only databases whose tags match: of the keys all, of a key's values any.\n";
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, value) in tags {
        keys.entry(key).or_default().push(value);
    }
    if keys.is_empty() {
        *out += "      # tags: { env: [prod, staging] }\n";
        return;
    }
    *out += "      tags:\n";
    for (key, values) in keys {
        line(
            out,
            &format!("        {}: ", yaml::scalar(key)),
            &yaml::list(values),
        );
    }
}

fn rest() -> String {
    format!(
        "
# Rules decide, in order, what of that is enrolled, and as what. Without rules: everything.
# rules:
#   - name: no scratch databases
#     match: {{ purpose: [scratch, \"tmp-*\"] }}
#     skip: scratch databases are not enrolled
#   - name: the rest
#     enroll: true

# The safeties of removing; they matter under `policy: sync`.
# removal:
#   # How long a database has to be gone from complete scans. Both must hold.
#   grace: {{ scans: {GRACE_SCANS}, time: {GRACE_TIME} }}
#   # How much one plan may remove: a share of the group's targets, and so many in any case.
#   # What was removed within the window counts as part of it.
#   brake: {{ share: {BRAKE_SHARE}, at_least: {BRAKE_AT_LEAST}, window: {BRAKE_WINDOW} }}
#   # Targets that no source covers any more: hold or remove.
#   unconfigured: hold

# How hard the clouds may be asked: for each account, region and service.
# requests:
#   per_second: {PER_SECOND}
#   concurrency: {CONCURRENCY}
#   attempts: {ATTEMPTS}
#   timeout: {TIMEOUT}
#   max_pages: {MAX_PAGES}
#   # Accounts, regions and services that are read at once.
#   scopes_at_once: {SCOPES_AT_ONCE}

# Where Azure is, when it is not the public cloud.
# azure_endpoints:
#   authority: https://login.microsoftonline.us
#   management: https://management.usgovcloudapi.net

# When `muster run` reads the clouds again. A source can have a `schedule` of its own.
# schedule:
#   # Or by the clock on the wall, in place of `every`, such as `cron: \"0 6-20 * * MON-FRI\"`.
#   every: {EVERY}
#   # The most that a scan is put off, so that not all are made at the same moment.
#   jitter: {JITTER}
#   # The longest pause after scans that failed; it grows with every failure in a row.
#   backoff_max: {BACKOFF_MAX}

# How `muster run` runs.
# service:
#   # Health, metrics and a read-only API, for this machine only; or `off`.
#   listen: {LISTEN}
#   # How long a clean end may take.
#   shutdown: {SHUTDOWN}
#   # How often the lists that a \"*\" stands for are read again.
#   resolve: {RESOLVE}

# Who is told of changes: of enrolled, updated, removed, held, scope-failed, or \"*\" for all.
# notify:
#   - name: chat
#     events: [enrolled, removed, held]
#     webhook:
#       url: https://hooks.example.com/databases
#       # Files whose content is sent as `Authorization`, and the key of a signature.
#       authorization_file: /etc/muster/hook.authorization
#       secret_file: /etc/muster/hook.secret
#   - name: program
#     events: [scope-failed]
#     # Started without a shell; the change is on its standard input, as JSON.
#     command: [/usr/local/bin/announce, \"--urgent\"]
#     timeout: {NOTIFY_TIMEOUT}

# How much of the history is kept: whichever is reached first.
# history:
#   keep: {HISTORY_AGE}
#   entries: {HISTORY_ENTRIES}
"
    )
}

fn audit() -> String {
    format!(
        "
# What is written down of what people do there. Without `dir`, in the store's directory.
# audit:
#   dir: /var/log/muster
#   keep: {AUDIT_KEEP}
#   # Whether literals are left out of statements.
#   mask_literals: false
"
    )
}

/// A list, or the one that stands for an empty one.
fn or(values: &[String], default: &str) -> String {
    given(values).unwrap_or_else(|| yaml::list([default]))
}

fn given(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| yaml::list(values))
}

fn line(out: &mut String, key: &str, value: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{key}{value}");
}

/// A setting, or its default as a comment.
fn optional(out: &mut String, indent: usize, key: &str, value: Option<String>, default: &str) {
    let indent = " ".repeat(indent);
    let _ = match value {
        Some(value) => writeln!(out, "{indent}{key}: {value}"),
        None => writeln!(out, "{indent}# {key}: {default}"),
    };
}

/// A block, as comments when it is not wanted. Its own comments stay comments within them.
fn commented(out: &mut String, comment: bool, block: &str) {
    for text in block.lines() {
        let _ = if comment {
            writeln!(out, "  # {}", text.strip_prefix("  ").unwrap_or(text))
        } else {
            writeln!(out, "{text}")
        };
    }
}
