//! [`Target`]: an enrolled database, as the proxy serves it.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Endpoint, Kind, Labels, Protocol, ResourceId, Scope, State};

/// An enrolled database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Target {
    /// Identity.
    pub id: ResourceId,
    /// The unique name that people connect to.
    pub name: String,
    /// The short form, usable while no other target shares it.
    pub short_name: String,
    /// The product.
    pub kind: Kind,
    /// The wire protocol.
    pub protocol: Protocol,
    /// Where it listens; none while the provider reports none (a stopped server).
    pub endpoint: Option<Endpoint>,
    /// The name to verify in the server's certificate, when it is not the endpoint's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
    /// The provider's engine name.
    pub engine: String,
    /// The engine's version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine_version: String,
    /// The provider's state.
    pub state: State,
    /// Labels with their provenance.
    pub labels: Labels,
    /// Connection hints.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hints: BTreeMap<String, String>,
    /// The facts that connecting needs; names as in [`crate::fact`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The scope that alone may prove it gone.
    pub scope: Arc<Scope>,
    /// Whose record it is.
    pub owner: Owner,
    /// Why it is enrolled.
    pub reason: String,
}

/// Names of connection hints. A hint is absent when the target is treated as its kind usually is.
///
/// Hints come from records that people wrote, from rules and from plugins. Those that could lead to less care
/// than usual are followed only in records that people wrote ([`Owner::is_discovery`] is false).
pub mod hint {
    /// How muster logs in: `iam`, `entra`, `password`, `certificate` or `none`.
    pub const AUTH: &str = "auth";
    /// How the server's certificate is checked: `verify-full`, `verify-ca` or `insecure`.
    /// Less than `verify-full` only in records that people wrote.
    pub const TLS_MODE: &str = "tls-mode";
    /// Certificates (PEM) that are trusted in place of the usual ones. Only in records that people wrote.
    pub const TLS_CA: &str = "tls-ca-cert";
    /// The AWS role to assume before a token is made. Only in records that people wrote.
    pub const ASSUME_ROLE: &str = "assume-role-arn";
    /// The external id that goes with it. Only in records that people wrote.
    pub const EXTERNAL_ID: &str = "external-id";
    /// The name of the Azure server, where it is not the first label of the host name.
    pub const AZURE_SERVER: &str = "azure-server";
    /// The id of the replication group, or the name of the serverless cache, that a token for a cache names.
    pub const CACHE: &str = "cache-id";
}

/// Whose record a target is. A plan changes only records of its own owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Owner {
    /// What made it: `discovery`, or `config` for a static database.
    pub by: String,
    /// The discovery group of the configuration that made it.
    pub group: String,
}

impl Owner {
    /// What [`Owner::by`] says of targets that muster found itself.
    pub const DISCOVERY: &str = "discovery";

    /// Whether muster found the target itself, so that its endpoint is the one that the provider reported.
    pub fn is_discovery(&self) -> bool {
        self.by == Self::DISCOVERY
    }
}
