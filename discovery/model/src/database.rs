//! [`Database`]: what a scanner saw, before anybody judged it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Kind, Labels, Protocol, ResourceId, Scope, Shadowed, Unsupported, id::words};

/// One reachable endpoint of one resource in a cloud.
///
/// A cluster with a writer, a reader and a custom endpoint is three databases that share their provider id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Database {
    /// Identity: the provider's id plus the endpoint role.
    pub id: ResourceId,
    /// The scope whose scan found it, and alone may prove it gone.
    pub scope: Arc<Scope>,
    /// The product.
    pub kind: Kind,
    /// The wire protocol; none when muster does not speak the engine's.
    pub protocol: Option<Protocol>,
    /// The provider's identifier of the resource, without any suffix: what a person called it.
    pub identifier: String,
    /// Which of the resource's endpoints it is.
    pub role: EndpointRole,
    /// The region it is in, normalised (`westeurope`, not `West Europe`).
    pub region: String,
    /// Where to connect; none while the provider reports none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// The name to verify in the server's certificate when it is not the endpoint's host
    /// (custom endpoints of Aurora show the cluster's certificate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
    /// The provider's engine name: `postgres`, `aurora-mysql`, `valkey`. Azure: the ARM resource type.
    pub engine: String,
    /// The engine's version as reported; empty when it could not be read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine_version: String,
    /// The provider's state.
    pub state: State,
    /// Tags, as the account's owner set them. Not to be trusted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Labels that muster derived itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub derived: BTreeMap<String, String>,
    /// Named facts: see [`fact`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Why it can never be enrolled as it is: its engine, its version, its TLS setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsupported: Option<Unsupported>,
    /// What belongs to it and could not be read this time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unread: BTreeSet<Unread>,
    /// What a person should know about the record: an unknown state, a dropped tag.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where a database listens.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Endpoint {
    /// Host name.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Which endpoint of its resource a database is. The words are the values of the label `endpoint-type`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointRole {
    /// A single RDS instance.
    Instance,
    /// The writer of an Aurora cluster, or the primary of a replication group.
    Primary,
    /// The load-balanced readers.
    Reader,
    /// A custom endpoint of an Aurora cluster; its name.
    Custom(String),
    /// The cluster endpoint of DocumentDB.
    Cluster,
    /// The configuration endpoint of a cluster-mode replication group.
    Configuration,
    /// The one endpoint of a serverless cache.
    Serverless,
    /// An Azure server.
    Server,
}

/// What could not be read of a database although the database itself was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unread {
    /// Its tags: it must not be judged by labels it may not have.
    Tags,
    /// Its network.
    Vpc,
    /// Its engine version.
    Version,
}
words!(Unread, "fact": Tags = "tags", Vpc = "vpc", Version = "version");

/// The provider's state, and what it means for a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct State {
    /// As the provider spells it.
    pub name: String,
    /// What it means.
    pub availability: Availability,
}

/// What a state means for somebody who wants to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Availability {
    /// Connections are accepted, or may be in a moment.
    Available,
    /// Somebody stopped it, and it can be started again (also: starting, stopping).
    Stopped,
    /// It cannot be used: it is being made or deleted, or it is broken.
    Unavailable,
    /// A state that muster does not know. It counts as available, with a note.
    Unknown,
}
words!(Availability, "availability":
    Available = "available",
    Stopped = "stopped",
    Unavailable = "unavailable",
    Unknown = "unknown",
);

/// Names of facts. A fact is absent when it is not known.
pub mod fact {
    /// `true` or `false`: whether IAM authentication to the database is on.
    pub const IAM_AUTH: &str = "iam-auth";
    /// `true` or `false`: whether Entra authentication to the database is on.
    pub const ENTRA_AUTH: &str = "entra-auth";
    /// The id that IAM policies for `rds-db:connect` name: `db-…` or `cluster-…`.
    pub const RESOURCE_ID: &str = "resource-id";
    /// The VPC's id.
    pub const VPC: &str = "vpc-id";
    /// `true` or `false`: whether the endpoint has a public address.
    pub const PUBLIC: &str = "public";
    /// `required` or `optional` or `off`: encryption in transit.
    pub const TLS: &str = "tls";
    /// The certificate authority that signed the server's certificate: `rds-ca-rsa2048-g1`.
    pub const CA: &str = "ca";
    /// When the provider made the resource, RFC 3339.
    pub const CREATED: &str = "created";
    /// Ids of the user groups that may log in to a cache, joined by commas.
    pub const USER_GROUPS: &str = "user-groups";
    /// A short sentence naming the kind and region, for lists that people read.
    pub const DESCRIPTION: &str = "description";
    /// The resource group (Azure).
    pub const RESOURCE_GROUP: &str = "resource-group";
    /// How the resource was built: `serverless`, `provisioned`, `cluster`.
    pub const MODE: &str = "mode";
}

// === impl Database ===

impl Database {
    /// The name of this endpoint before any suffix: the identifier, and `-reader` or `-custom-NAME` where the
    /// role asks for it.
    pub fn base_name(&self) -> String {
        self.role.name(&self.identifier)
    }

    /// The labels before any matcher, and the tags that may not become labels.
    pub fn labels(&self) -> (Labels, Vec<Shadowed>) {
        Labels::import(&self.derived, &self.tags)
    }

    /// A fact's value.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }
}

// === impl Endpoint ===

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

// === impl EndpointRole ===

impl EndpointRole {
    /// The value of the label `endpoint-type`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Primary => "primary",
            Self::Reader => "reader",
            Self::Custom(_) => "custom",
            Self::Cluster => "cluster",
            Self::Configuration => "configuration",
            Self::Serverless => "serverless",
            Self::Server => "server",
        }
    }

    /// `base` with the suffix of this role: `-reader`, `-custom-NAME`, or none.
    pub fn name(&self, base: &str) -> String {
        match self {
            Self::Reader => format!("{base}-reader"),
            Self::Custom(name) => format!("{base}-custom-{name}"),
            _ => base.to_owned(),
        }
    }
}

impl fmt::Display for EndpointRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(name) => write!(f, "custom:{name}"),
            other => f.write_str(other.as_str()),
        }
    }
}

impl std::str::FromStr for EndpointRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "instance" => Self::Instance,
            "primary" => Self::Primary,
            "reader" => Self::Reader,
            "cluster" => Self::Cluster,
            "configuration" => Self::Configuration,
            "serverless" => Self::Serverless,
            "server" => Self::Server,
            other => match other.strip_prefix("custom:") {
                Some(name) => Self::Custom(name.to_owned()),
                None => return Err(format!("unknown endpoint role `{other}`")),
            },
        })
    }
}

impl Serialize for EndpointRole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for EndpointRole {
    fn schema_name() -> Cow<'static, str> {
        "EndpointRole".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "What an endpoint is for: a word, and for a custom one `custom:NAME`.",
            "type": "string",
        })
    }
}

impl<'de> Deserialize<'de> for EndpointRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
