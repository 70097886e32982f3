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

/// Whose record a target is. A plan changes only records of its own owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Owner {
    /// What made it: `discovery`, or `config` for a static database.
    pub by: String,
    /// The discovery group of the configuration that made it.
    pub group: String,
}
