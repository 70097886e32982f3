//! What the user wrote: the file's keys, with their meaning.
//!
//! The comments and attributes of the fields are the reference: the JSON schema and `docs/configuration.md` are
//! made from them. Every field is optional here, so that serde never stops at the first that is missing; `check`
//! says which are needed. Words, durations and the like stay text, for `check` to judge.

mod databases;
mod plugins;
mod proxy;
mod service;

use std::{borrow::Cow, fmt};

use muster_matchers::RuleFile;
use muster_model::Selector;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

pub use self::{
    databases::{
        Database, DatabaseAws, DatabaseAzure, DatabaseDocdb, DatabaseElasticache, DatabaseRds,
        DatabaseTls,
    },
    plugins::Plugins,
    proxy::{Audit, Proxy, ProxySecret},
    service::{History, Notify, Schedule, Service, SourceSchedule, Webhook},
};

/// The version of the format that this binary reads.
pub const VERSION: u64 = 1;

/// What muster scans, which databases it enrolls, and how careful it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "muster configuration", extend("required" = ["version", "store", "policy"]))]
pub struct File {
    /// The version of this format. Required.
    #[schemars(extend("const" = VERSION), example = 1)]
    pub version: Option<u64>,
    /// The directory where muster keeps its inventory, targets and history. A relative one is relative to the
    /// directory of this file. Required; there is no default. `--store` and `MUSTER_STORE` override it.
    #[schemars(example = &"/var/lib/muster")]
    pub store: Option<String>,
    /// The discovery group. A plan changes only targets of its own group, so that several configurations can
    /// share a store. 1 to 64 of `a-z A-Z 0-9 . _ -`.
    #[schemars(extend("default" = super::GROUP, "pattern" = "^[A-Za-z0-9._-]{1,64}$"), example = &"production")]
    pub group: Option<String>,
    /// What a plan may do: `sync` adds, updates and removes; `upsert-only` adds and updates; `create-only` only
    /// adds. Required; there is no default, because `sync` removes.
    #[schemars(extend("enum" = ["sync", "upsert-only", "create-only"]), example = &"upsert-only")]
    pub policy: Option<String>,
    /// Where databases are looked for. Required, unless there is a `proxy`.
    pub sources: Option<Sources>,
    /// Databases that are named one by one, beside those that are found.
    pub databases: Option<Many<Database>>,
    /// Rules that decide, in order, which of the selected databases are enrolled, and as what. Without this key,
    /// all that the sources select are.
    pub rules: Option<Vec<RuleFile>>,
    /// How the matchers of rules with a `plugin` are run, and whose they may be.
    pub plugins: Option<Plugins>,
    /// The safeties of removing.
    pub removal: Option<Removal>,
    /// How hard the clouds may be asked.
    pub requests: Option<Requests>,
    /// Where Azure is, when it is not the public cloud.
    pub azure_endpoints: Option<Endpoints>,
    /// When `muster run` reads the clouds again. A source can have its own.
    pub schedule: Option<Schedule>,
    /// How `muster run` runs.
    pub service: Option<Service>,
    /// Who is told of changes, and how.
    pub notify: Option<Many<Notify>>,
    /// How much of the history is kept: of both limits, whichever is reached first.
    pub history: Option<History>,
    /// Where people enter. Without it, nothing is served.
    pub proxy: Option<Proxy>,
    /// What is written down of what people do there.
    pub audit: Option<Audit>,
}

/// Where databases are looked for. At least one source is needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// Sources in Amazon Web Services.
    pub aws: Option<Many<Aws>>,
    /// Sources in Microsoft Azure.
    pub azure: Option<Many<Azure>>,
}

/// Databases of some AWS accounts and regions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["types", "regions"]))]
pub struct Aws {
    /// What to look for. `rds` is RDS instances and Aurora clusters. Required.
    #[schemars(schema_with = "aws_types", extend("examples" = [["rds", "docdb"]]))]
    pub types: Option<Many<String>>,
    /// The regions to look in, or `"*"` for every region that the account has enabled. Required.
    #[schemars(extend("examples" = [["us-east-1", "eu-west-1"]]))]
    pub regions: Option<Many<String>>,
    /// The accounts to look in: `ambient` is the account of the credentials that muster finds in its
    /// environment; other accounts are entered by a role that these credentials may assume.
    #[schemars(extend("default" = ["ambient"]))]
    pub accounts: Option<Many<Account>>,
    /// Only databases whose tags match.
    #[schemars(extend("default" = { "*": "*" }))]
    pub tags: Option<Selector>,
    /// When the scopes of this source are read again, when not as the file's `schedule` says. What is not given
    /// here is taken from there.
    pub schedule: Option<SourceSchedule>,
}

/// Databases of some Azure subscriptions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["types"]))]
pub struct Azure {
    /// What to look for. `postgres` and `mysql` are single and flexible servers; `postgres-flexible` and the
    /// like are only those. Required.
    #[schemars(schema_with = "azure_types", extend("examples" = [["postgres", "mysql"]]))]
    pub types: Option<Many<String>>,
    /// The ids of the subscriptions to look in, or `"*"` for every one that the credentials can see.
    #[schemars(extend("default" = ["*"]), extend("examples" = [["11111111-2222-3333-4444-555555555555"]]))]
    pub subscriptions: Option<Many<String>>,
    /// The resource groups to look in, or `"*"` for all.
    #[schemars(extend("default" = ["*"]), extend("examples" = [["databases-prod"]]))]
    pub resource_groups: Option<Many<String>>,
    /// Only databases in these regions, or `"*"` for all. `West Europe` and `westeurope` are the same.
    #[schemars(extend("default" = ["*"]), extend("examples" = [["westeurope"]]))]
    pub regions: Option<Many<String>>,
    /// Only databases whose tags match.
    #[schemars(extend("default" = { "*": "*" }))]
    pub tags: Option<Selector>,
    /// When the scopes of this source are read again, when not as the file's `schedule` says. What is not given
    /// here is taken from there.
    pub schedule: Option<SourceSchedule>,
}

/// An account of AWS: the word `ambient`, or a role.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Account {
    /// The account of the credentials that muster finds in its environment.
    Word(#[schemars(extend("const" = "ambient"))] String),
    /// Another account, by a role in it.
    Role(Role),
}

/// Another account, by a role in it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["assume_role"]))]
pub struct Role {
    /// The ARN of the role. Required.
    #[schemars(example = &"arn:aws:iam::222222222222:role/muster-discovery")]
    pub assume_role: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[schemars(example = &"some-id")]
    pub external_id: Option<String>,
}

/// The safeties of removing. They matter only under `policy: sync`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// How long a database has to be gone before its target is removed. Both must hold.
    pub grace: Option<Grace>,
    /// How much one plan may remove; what would remove more is held, and says so.
    pub brake: Option<Brake>,
    /// What becomes of targets whose account, region or type no source covers any more: `hold` or `remove`.
    /// Even then nothing goes before the grace time has passed since its scope was last read, and what a `*`
    /// stands for never counts as uncovered, because a list that has become shorter proves nothing.
    #[schemars(extend("default" = "hold", "enum" = ["hold", "remove"]))]
    pub unconfigured: Option<String>,
}

/// How long a database has to be gone before its target is removed. Both must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grace {
    /// Complete scans in a row that did not find it; 1 or more. Those of `muster scan` count as well.
    #[schemars(range(min = 1), extend("default" = super::GRACE_SCANS))]
    pub scans: Option<u64>,
    /// Time since the first of these scans, with a unit: `s`, `m`, `h` or `d`.
    #[schemars(extend("default" = super::GRACE_TIME), example = &"1h30m")]
    pub time: Option<Duration>,
}

/// How much one plan may remove.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Brake {
    /// The largest part of this group's targets, in percent.
    #[schemars(extend("default" = super::BRAKE_SHARE), example = &"5%")]
    pub share: Option<Percent>,
    /// So many may always be removed, however few targets there are.
    #[schemars(extend("default" = super::BRAKE_AT_LEAST))]
    pub at_least: Option<u64>,
    /// For how long what was removed counts as part of the next plan, so that many small plans are no way around
    /// the brake; up to `30d`. With `0` every plan stands alone.
    #[schemars(extend("default" = super::BRAKE_WINDOW), example = &"6h")]
    pub window: Option<Duration>,
}

/// How hard the clouds may be asked: limits for each account, region and service.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// Requests a second.
    #[schemars(range(min = 1, max = 1000), extend("default" = super::PER_SECOND))]
    pub per_second: Option<u64>,
    /// Requests at once.
    #[schemars(range(min = 1, max = 64), extend("default" = super::CONCURRENCY))]
    pub concurrency: Option<u64>,
    /// Times that one request is tried before it counts as failed.
    #[schemars(range(min = 1, max = 20), extend("default" = super::ATTEMPTS))]
    pub attempts: Option<u64>,
    /// Time that one attempt may take, from `1s` to `10m`.
    #[schemars(extend("default" = super::TIMEOUT), example = &"1m")]
    pub timeout: Option<Duration>,
    /// Pages that one listing may have. What has more is not read to its end, which is reported.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = super::MAX_PAGES))]
    pub max_pages: Option<u64>,
    /// Scopes (account, region and service) that are read at once.
    #[schemars(range(min = 1, max = 256), extend("default" = super::SCOPES_AT_ONCE))]
    pub scopes_at_once: Option<u64>,
}

/// Where Azure is, when it is not the public cloud.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// The authority that gives tokens. The default is the public cloud's.
    #[schemars(example = &"https://login.microsoftonline.us")]
    pub authority: Option<String>,
    /// The management endpoint. The default is the public cloud's.
    #[schemars(example = &"https://management.usgovcloudapi.net")]
    pub management: Option<String>,
}

/// One value, or a list of them.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged, inline)]
pub enum Many<T> {
    /// A single value, which stands for a list of one.
    One(T),
    /// A list.
    List(#[schemars(length(min = 1))] Vec<T>),
}

/// A time with its units: `30m`, `1h30m`, `0`.
#[derive(Clone, Debug)]
pub struct Duration(pub String);

/// A text that a careless writer may give as a number.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Text(pub String);

/// A part of a hundred: `20%`.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(inline, extend("title" = "percent"))]
pub struct Percent(#[schemars(regex(pattern = r"^[0-9]{1,3}%$"))] pub String);

// === schemas of words ===

fn aws_types(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    words(super::words::AWS_TYPES.iter().map(|(word, _)| *word))
}

fn azure_types(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    words(super::words::AZURE_TYPES.iter().map(|(word, _)| *word))
}

fn words(words: impl Iterator<Item = &'static str>) -> schemars::Schema {
    let word = schemars::json_schema!({ "type": "string", "enum": words.collect::<Vec<_>>() });
    schemars::json_schema!({ "anyOf": [word, { "type": "array", "items": word, "minItems": 1 }] })
}

// === impl Many ===

impl<T> Many<T> {
    /// The values.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(value) => vec![value],
            Self::List(values) => values,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor(std::marker::PhantomData))
    }
}

struct ManyVisitor<T>(std::marker::PhantomData<T>);

/// Hands a scalar on to another type.
macro_rules! one {
    ($($visit:ident: $type:ty),+) => {
        $(fn $visit<E: Error>(self, value: $type) -> Result<Self::Value, E> {
            T::deserialize(value.into_deserializer()).map(Many::One)
        })+
    };
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list")
    }

    one!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Many::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Many::One)
    }
}

// === impl Account ===

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AccountVisitor)
    }
}

struct AccountVisitor;

impl<'de> Visitor<'de> for AccountVisitor {
    type Value = Account;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`ambient`, or a map with `assume_role`")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Account, E> {
        Ok(Account::Word(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Account, E> {
        Ok(Account::Word(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Account, A::Error> {
        Role::deserialize(MapAccessDeserializer::new(map)).map(Account::Role)
    }
}

// === impl Duration, Text, Percent ===

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pattern = "^(0|([0-9]+[smhd])+)$";
        schemars::json_schema!({
            "title": "time",
            "anyOf": [{ "type": "string", "pattern": pattern }, { "const": 0 }]
        })
    }
}

/// A scalar of any type as text, so that `10` can be told to lack its unit.
macro_rules! text {
    ($type:ident, $visitor:ident, $what:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor).map($type)
            }
        }

        struct $visitor;

        impl Visitor<'_> for $visitor {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($what)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
                Ok(value.to_string())
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
                Ok(value.to_string())
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
                Ok(value.to_string())
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
                Ok(value.to_owned())
            }
        }
    };
}
text!(
    Duration,
    DurationVisitor,
    "a time with its unit, such as `30m`"
);
text!(Text, TextVisitor, "a string");
text!(
    Percent,
    PercentVisitor,
    "a part of a hundred, such as `20%`"
);
