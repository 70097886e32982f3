//! Single servers of both products: their records, which no crate has a type for.

use serde::Deserialize;
use serde_json::Value;

use super::server::{Server, is_enabled};

/// A record as the API of 2017-12-01 gives it.
#[derive(Deserialize)]
struct Single {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    location: String,
    #[serde(default)]
    tags: Option<Value>,
    #[serde(default)]
    properties: SingleProperties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SingleProperties {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    user_visible_state: Option<String>,
    #[serde(default)]
    fully_qualified_domain_name: Option<String>,
    #[serde(default)]
    ssl_enforcement: Option<String>,
    #[serde(default)]
    public_network_access: Option<String>,
}

/// Reads a single server's record.
pub(super) fn single(record: &str) -> serde_json::Result<Server> {
    let Single {
        id,
        name,
        location,
        tags,
        properties,
    } = serde_json::from_str(record)?;
    Ok(Server {
        id,
        name,
        location,
        tags,
        state: properties.user_visible_state,
        version: properties.version,
        host: properties.fully_qualified_domain_name,
        public: properties
            .public_network_access
            .as_deref()
            .and_then(is_enabled),
        // Not enforced still means that it can be used.
        tls: properties
            .ssl_enforcement
            .as_deref()
            .and_then(is_enabled)
            .map(|on| if on { "required" } else { "optional" }),
        ..Server::default()
    })
}
