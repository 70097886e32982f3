//! The keys of databases that are named one by one.
//!
//! They are those of a `kind: db` record, in one map: what such a record has under `metadata` and `spec`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Text;

/// A database by its name and address, beside those that are found. The same keys as in a `kind: db` record.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["name", "protocol", "uri"]))]
pub struct Database {
    /// The name that people connect to; no other of these has it. At most 256 characters, no `/`. Required.
    #[schemars(example = &"orders")]
    pub name: Option<String>,
    /// What it is, for people who look for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders of the web shop")]
    pub description: Option<String>,
    /// Its wire protocol. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["postgres", "mysql", "mongodb", "redis"]))]
    pub protocol: Option<String>,
    /// Where it listens: host and port. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders.internal:5432")]
    pub uri: Option<String>,
    /// Its labels, which roles match.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BTreeMap<String, String>>", extend("examples" = [{ "env": "prod" }]))]
    pub labels: Option<BTreeMap<String, Text>>,
    /// How muster logs in, when not as this kind of database usually has it: `iam` for RDS, `entra` for Azure, a
    /// password where `proxy.secrets` has one, else a client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["iam", "entra", "password", "certificate", "none"]))]
    pub auth: Option<String>,
    /// How its certificate is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<DatabaseTls>,
    /// What AWS knows of it. With it, the host has to be one of Amazon's, for tokens go nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<DatabaseAws>,
    /// What Azure knows of it. With it, the host has to be one of Azure's, for tokens go nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<DatabaseAzure>,
}

/// How the database's certificate is checked.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseTls {
    /// `verify-full`: its chain and its name. `verify-ca`: its chain. `insecure`: not at all; then no token and no
    /// password in clear text is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["verify-full", "verify-ca", "insecure"], "default" = "verify-full"))]
    pub mode: Option<String>,
    /// The name in the certificate, when it is not the host of `uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders.example.com")]
    pub server_name: Option<String>,
    /// Certificates (PEM, as text) that this database alone is trusted by, in place of the usual ones. For files, and
    /// for all databases, there is `proxy.trust`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert: Option<String>,
}

/// What AWS knows of a database.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseAws {
    /// The region, for whose endpoints tokens are made. Without it, the one in the name of an RDS host.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"eu-west-1")]
    pub region: Option<String>,
    /// The account's number. A role of `sources.aws[].accounts` that is in it is assumed for its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"111111111111")]
    pub account_id: Option<Text>,
    /// A role to assume before a token is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"arn:aws:iam::111111111111:role/muster-connect")]
    pub assume_role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub external_id: Option<Text>,
    /// RDS and Aurora.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rds: Option<DatabaseRds>,
    /// DocumentDB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docdb: Option<DatabaseDocdb>,
    /// ElastiCache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elasticache: Option<DatabaseElasticache>,
}

/// RDS and Aurora.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseRds {
    /// The instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// The Aurora cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The id that IAM policies name, so that a refusal can show the policy that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"db-ABCDEFGHIJKLMNOPQRSTUVWXYZ")]
    pub resource_id: Option<String>,
    /// Whether IAM authentication is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iam_auth: Option<bool>,
    /// The VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<String>,
}

/// DocumentDB.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseDocdb {
    /// The cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
}

/// ElastiCache.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseElasticache {
    /// The replication group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_group_id: Option<String>,
}

/// What Azure knows of a database.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseAzure {
    /// The server's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The ARM id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// Whether it is a flexible server. Without it, what the id says; a host of Azure's without an id is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_flexi_server: Option<bool>,
}
